//! How much at a time.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::fixtures::{
    ack, assert_numbers, consume, declare, group, is_silent, message, number, publish,
    publish_numbers, recv, recv_and_ack, subscribe, subscribe_one,
};
use crate::broker::Broker;
use crate::group::Group;

/// A consumer that settles nothing gets the prefetch and no more.
pub async fn no_more_than_the_prefetch_is_in_hand(make: &impl AsyncFn(&str) -> Arc<dyn Broker>) {
    let broker = make("prefetch").await;
    let group = Group {
        prefetch: 3,
        ..group("bounded", &["#"], 1)
    };
    declare(broker.as_ref(), &group).await;
    publish_numbers(broker.as_ref(), "key", 1..=10).await;
    let mut partition = subscribe_one(broker.as_ref(), &group).await;
    let mut in_hand = Vec::new();
    for expected in 1..=3 {
        let delivery = recv(&mut partition).await;
        assert_eq!(number(&delivery.message), expected);
        in_hand.push(delivery);
    }
    is_silent(&mut partition).await;
    // Settling one, whichever, makes room for one.
    ack(in_hand.remove(1)).await;
    let delivery = recv(&mut partition).await;
    assert_eq!(number(&delivery.message), 4);
    is_silent(&mut partition).await;
    for delivery in in_hand.into_iter().chain([delivery]) {
        ack(delivery).await;
    }
    for expected in 5..=10 {
        assert_eq!(recv_and_ack(&mut partition).await, expected);
    }
}

/// A call that is not waited for to the end, as in a `select`, takes no message with it.
pub async fn a_call_that_is_broken_off_loses_nothing(make: &impl AsyncFn(&str) -> Arc<dyn Broker>) {
    let broker = make("broken-off").await;
    let group = group("impatient", &["#"], 1);
    declare(broker.as_ref(), &group).await;
    let mut partition = subscribe_one(broker.as_ref(), &group).await;
    let publisher = {
        let broker = Arc::clone(&broker);
        tokio::spawn(async move {
            for number in 1..=100 {
                publish_numbers(broker.as_ref(), "key", number..=number).await;
            }
        })
    };
    let mut expected = 1;
    while expected <= 100 {
        // Polled once and given up, until something happens to be there.
        for _ in 0..5 {
            let polled = tokio::time::timeout(Duration::ZERO, partition.recv()).await;
            if let Ok(Some(delivery)) = polled {
                assert_eq!(number(&delivery.message), expected);
                ack(delivery).await;
                expected += 1;
            }
        }
        if expected <= 100 {
            assert_eq!(recv_and_ack(&mut partition).await, expected);
            expected += 1;
        }
    }
    if let Err(error) = publisher.await {
        panic!("the publisher: {error}");
    }
    is_silent(&mut partition).await;
}

/// One partition stands still; the others of its group go on, for as long as there is something.
pub async fn a_slow_partition_does_not_stop_the_others(
    make: &impl AsyncFn(&str) -> Arc<dyn Broker>,
) {
    const KEYS: u64 = 32;
    const ROUNDS: u64 = 150;
    let broker = make("slow").await;
    let group = Group {
        prefetch: 4,
        ..group("uneven", &["#"], 4)
    };
    declare(broker.as_ref(), &group).await;
    let publish_round = async |round: u64| {
        let messages = (0..KEYS).map(|key| message("order.created", &format!("key-{key}"), round));
        publish(broker.as_ref(), messages.collect()).await;
    };
    // Where each key lives.
    publish_round(0).await;
    let first = subscribe(broker.as_ref(), &group).await;
    let seen = consume(first, usize::try_from(KEYS).unwrap_or(0)).await;
    let homes: HashMap<_, _> = seen
        .iter()
        .map(|seen| (seen.message.partition_key.clone(), seen.partition))
        .collect();
    let Some(&slow) = homes.get("key-0") else {
        panic!("key-0 did not come");
    };
    let (its_keys, other_keys): (Vec<_>, Vec<_>) = homes
        .iter()
        .map(|(key, home)| (key.as_str(), *home))
        .partition(|(_, home)| *home == slow);
    assert!(!other_keys.is_empty(), "all keys live in one partition");

    for round in 1..=ROUNDS {
        publish_round(round).await;
    }
    let subscription = subscribe(broker.as_ref(), &group).await;
    let (mut its, others): (Vec<_>, Vec<_>) = subscription
        .into_iter()
        .partition(|partition| partition.index == slow);
    let Some(its) = its.first_mut() else {
        panic!("the partition is missing");
    };
    let mut in_hand = Vec::new();
    for _ in 0..group.prefetch {
        in_hand.push(recv(its).await);
    }
    let wanted = other_keys.len() * usize::try_from(ROUNDS).unwrap_or(0);
    let seen = consume(others, wanted).await;
    assert_eq!(seen.len(), wanted);
    for (key, _) in other_keys {
        assert_numbers(&seen, key, 1..=ROUNDS);
    }
    // And it has missed nothing.
    let mut rounds: HashMap<String, u64> = HashMap::new();
    let mut see = |key: &str, number: u64| {
        let round = rounds.entry(key.to_owned()).or_default();
        assert_eq!(number, *round + 1, "of {key}");
        *round = number;
    };
    for delivery in in_hand {
        see(&delivery.message.partition_key, number(&delivery.message));
        ack(delivery).await;
    }
    let left = its_keys.len() * usize::try_from(ROUNDS).unwrap_or(0) - group.prefetch;
    for _ in 0..left {
        let delivery = recv(its).await;
        see(&delivery.message.partition_key, number(&delivery.message));
        ack(delivery).await;
    }
}

/// Ten thousand messages, three groups, all at the same time: each message once to each group.
pub async fn many_messages_reach_every_group_exactly_once(
    make: &impl AsyncFn(&str) -> Arc<dyn Broker>,
) {
    const KEYS: u64 = 100;
    const ROUNDS: u64 = 100;
    let all = usize::try_from(KEYS * ROUNDS).unwrap_or(0);
    let broker = make("many").await;
    let groups = [
        group("first", &["#"], 1),
        group("second", &["order.*"], 4),
        group("third", &["*.created"], 8),
    ];
    for group in &groups {
        declare(broker.as_ref(), group).await;
    }
    let publisher = {
        let broker = Arc::clone(&broker);
        tokio::spawn(async move {
            for round in 0..ROUNDS {
                let messages =
                    (0..KEYS).map(|key| message("order.created", &format!("key-{key}"), round));
                publish(broker.as_ref(), messages.collect()).await;
            }
        })
    };
    let mut consumers = Vec::new();
    for group in &groups {
        let subscription = subscribe(broker.as_ref(), group).await;
        consumers.push(tokio::spawn(consume(subscription, all)));
    }
    if let Err(error) = publisher.await {
        panic!("the publisher: {error}");
    }
    for (consumer, group) in consumers.into_iter().zip(&groups) {
        let seen = match consumer.await {
            Ok(seen) => seen,
            Err(error) => panic!("the consumer of {}: {error}", group.name),
        };
        assert_eq!(seen.len(), all, "of group {}", group.name);
        for key in 0..KEYS {
            assert_numbers(&seen, &format!("key-{key}"), 0..ROUNDS);
        }
        for partition in &mut subscribe(broker.as_ref(), group).await {
            is_silent(partition).await;
        }
    }
}
