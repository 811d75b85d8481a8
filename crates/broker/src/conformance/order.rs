//! In which order.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::task::JoinSet;

use super::fixtures::{
    ack, assert_numbers, consume, declare, group, is_silent, message, number, publish,
    publish_numbers, recv, recv_and_ack, subscribe, subscribe_one, subscribe_to,
};
use crate::broker::Broker;

/// However many partitions: a key stays in one of them, and in order.
pub async fn keys_keep_their_order_in_every_partitioning(
    make: &impl AsyncFn(&str) -> Arc<dyn Broker>,
) {
    const KEYS: u64 = 48;
    const EACH: u64 = 40;
    let broker = make("partitions").await;
    let groups = [
        group("one", &["#"], 1),
        group("three", &["#"], 3),
        group("eight", &["#"], 8),
    ];
    for group in &groups {
        declare(broker.as_ref(), group).await;
    }
    for round in 0..EACH {
        let messages = (0..KEYS).map(|key| message("order.created", &format!("key-{key}"), round));
        publish(broker.as_ref(), messages.collect()).await;
    }
    for group in &groups {
        let subscription = subscribe(broker.as_ref(), group).await;
        let seen = consume(subscription, usize::try_from(KEYS * EACH).unwrap_or(0)).await;
        let mut homes = HashMap::new();
        for seen in &seen {
            let home = homes
                .entry(seen.message.partition_key.clone())
                .or_insert(seen.partition);
            assert_eq!(*home, seen.partition, "of {}", seen.message.partition_key);
        }
        for key in 0..KEYS {
            assert_numbers(&seen, &format!("key-{key}"), 0..EACH);
        }
    }
}

/// Publishers that share nothing but the broker.
pub async fn concurrent_publishers_keep_the_order_of_their_keys(
    make: &impl AsyncFn(&str) -> Arc<dyn Broker>,
) {
    const PUBLISHERS: u64 = 12;
    const EACH: u64 = 100;
    let broker = make("publishers").await;
    let group = group("all", &["#"], 4);
    declare(broker.as_ref(), &group).await;
    let subscription = subscribe(broker.as_ref(), &group).await;
    let mut publishers = JoinSet::new();
    for publisher in 0..PUBLISHERS {
        let broker = Arc::clone(&broker);
        publishers.spawn(async move {
            let key = format!("publisher-{publisher}");
            for first in (0..EACH).step_by(5) {
                publish_numbers(broker.as_ref(), &key, first..first + 5).await;
            }
        });
    }
    let all = usize::try_from(PUBLISHERS * EACH).unwrap_or(0);
    let (seen, _) = tokio::join!(consume(subscription, all), publishers.join_all());
    assert_eq!(seen.len(), all);
    for publisher in 0..PUBLISHERS {
        assert_numbers(&seen, &format!("publisher-{publisher}"), 0..EACH);
    }
}

/// Giving back keeps the order, as often as it happens.
pub async fn a_message_given_back_comes_before_those_behind_it(
    make: &impl AsyncFn(&str) -> Arc<dyn Broker>,
) {
    let broker = make("release").await;
    let group = group("patient", &["#"], 1);
    declare(broker.as_ref(), &group).await;
    publish_numbers(broker.as_ref(), "key", 1..=5).await;
    let mut partition = subscribe_one(broker.as_ref(), &group).await;
    for round in 0..3 {
        let delivery = recv(&mut partition).await;
        assert_eq!(number(&delivery.message), 1);
        assert_eq!(delivery.redelivered, round > 0);
        delivery.release().await;
    }
    // All that are in hand, in any order.
    let mut in_hand = Vec::new();
    for expected in 1..=3 {
        let delivery = recv(&mut partition).await;
        assert_eq!(number(&delivery.message), expected);
        in_hand.push(delivery);
    }
    in_hand.swap(0, 1);
    for delivery in in_hand {
        delivery.release().await;
    }
    for expected in 1..=5 {
        assert_eq!(recv_and_ack(&mut partition).await, expected);
    }
    is_silent(&mut partition).await;
}

/// What was not settled comes again when the subscription is gone, in order and nothing else.
pub async fn unsettled_messages_come_again_in_order(make: &impl AsyncFn(&str) -> Arc<dyn Broker>) {
    let broker = make("unsettled").await;
    let group = group("forgetful", &["#"], 1);
    declare(broker.as_ref(), &group).await;
    publish_numbers(broker.as_ref(), "key", 1..=20).await;
    let mut partition = subscribe_one(broker.as_ref(), &group).await;
    for expected in 1..=5 {
        assert_eq!(recv_and_ack(&mut partition).await, expected);
    }
    let mut in_hand = Vec::new();
    for expected in 6..=12 {
        let delivery = recv(&mut partition).await;
        assert_eq!(number(&delivery.message), expected);
        in_hand.push(delivery);
    }
    drop(in_hand);
    drop(partition);
    let mut partition = subscribe_one(broker.as_ref(), &group).await;
    for expected in 6..=20 {
        let delivery = recv(&mut partition).await;
        assert_eq!(number(&delivery.message), expected);
        assert!(delivery.redelivered || expected > 12);
        ack(delivery).await;
    }
    is_silent(&mut partition).await;
}

/// A second subscription waits silently and goes on where the first one stopped.
pub async fn another_subscription_takes_over(make: &impl AsyncFn(&str) -> Arc<dyn Broker>) {
    let broker = make("take-over").await;
    let group = group("pair", &["#"], 1);
    declare(broker.as_ref(), &group).await;
    publish_numbers(broker.as_ref(), "key", 1..=6).await;
    let mut first = subscribe_one(broker.as_ref(), &group).await;
    assert_eq!(recv_and_ack(&mut first).await, 1);
    let in_hand = recv(&mut first).await;
    assert_eq!(number(&in_hand.message), 2);
    let mut second = subscribe_one(broker.as_ref(), &group).await;
    is_silent(&mut second).await;
    assert_eq!(recv_and_ack(&mut first).await, 3);
    drop(in_hand);
    drop(first);
    for expected in [2, 4, 5, 6] {
        assert_eq!(recv_and_ack(&mut second).await, expected);
    }
    publish_numbers(broker.as_ref(), "key", 7..=7).await;
    assert_eq!(recv_and_ack(&mut second).await, 7);
}

/// Each partition is held by itself: who takes one over does not get the others.
pub async fn partitions_are_taken_over_one_by_one(make: &impl AsyncFn(&str) -> Arc<dyn Broker>) {
    const KEYS: u64 = 32;
    let broker = make("one-by-one").await;
    let group = group("halves", &["#"], 2);
    declare(broker.as_ref(), &group).await;
    let publish_round = async |round: u64| {
        let messages = (0..KEYS).map(|key| message("order.created", &format!("key-{key}"), round));
        publish(broker.as_ref(), messages.collect()).await;
    };
    publish_round(1).await;
    let mut kept = subscribe_to(broker.as_ref(), &group, 0).await;
    let mut given_up = subscribe_to(broker.as_ref(), &group, 1).await;
    // Both are held from now on.
    for partition in [&mut kept, &mut given_up] {
        assert_eq!(recv_and_ack(partition).await, 1);
    }
    let mut standby = subscribe_to(broker.as_ref(), &group, 0).await;
    let mut taken = subscribe_to(broker.as_ref(), &group, 1).await;
    for partition in [&mut standby, &mut taken] {
        is_silent(partition).await;
    }
    drop(given_up);
    let left = usize::try_from(KEYS).unwrap_or(0) - 2;
    let seen = consume(vec![kept, taken], left).await;
    assert_eq!(seen.len(), left);
    publish_round(2).await;
    let other = subscribe_to(broker.as_ref(), &group, 1).await;
    let all = usize::try_from(KEYS).unwrap_or(0);
    let seen = consume(vec![standby, other], all).await;
    assert_eq!(seen.len(), all);
    for key in 0..KEYS {
        assert_numbers(&seen, &format!("key-{key}"), 2..=2);
    }
}
