//! What is left after an end, a good one or a bad one.

use std::collections::HashSet;
use std::sync::Arc;

use super::fixtures::{
    Seen, assert_numbers, consume, consume_until, declare, group, is_silent, message, number,
    publish, recv, recv_and_ack, subscribe, subscribe_one,
};
use crate::broker::Broker;

const KEYS: u64 = 10;

async fn publish_rounds(broker: &dyn Broker, rounds: std::ops::Range<u64>) {
    for round in rounds {
        let messages = (0..KEYS).map(|key| message("order.created", &format!("key-{key}"), round));
        publish(broker, messages.collect()).await;
    }
}

/// Closed in good order: what was acknowledged never comes again, all the rest does, in order.
pub async fn reopening_loses_nothing_and_repeats_nothing(
    make: &impl AsyncFn(&str) -> Arc<dyn Broker>,
) {
    let fast = group("fast", &["#"], 4);
    let slow = group("slow", &["#"], 1);
    let broker = make("reopen").await;
    for group in [&fast, &slow] {
        declare(broker.as_ref(), group).await;
    }
    publish_rounds(broker.as_ref(), 0..20).await;
    assert_eq!(
        consume(subscribe(broker.as_ref(), &fast).await, 200)
            .await
            .len(),
        200
    );
    let mut partition = subscribe_one(broker.as_ref(), &slow).await;
    for _ in 0..50 {
        recv_and_ack(&mut partition).await;
    }
    // In hand when the end comes.
    let in_hand = recv(&mut partition).await;
    assert_eq!(number(&in_hand.message), 5);
    drop(in_hand);
    drop(partition);
    if let Err(error) = broker.close().await {
        panic!("closing failed: {error:?}");
    }
    drop(broker);

    let broker = make("reopen").await;
    for group in [&fast, &slow] {
        declare(broker.as_ref(), group).await;
    }
    publish_rounds(broker.as_ref(), 20..22).await;
    let seen = consume(subscribe(broker.as_ref(), &fast).await, 20).await;
    for key in 0..KEYS {
        assert_numbers(&seen, &format!("key-{key}"), 20..22);
    }
    let mut partition = subscribe_one(broker.as_ref(), &slow).await;
    for place in 50..220 {
        assert_eq!(recv_and_ack(&mut partition).await, place / 10);
    }
    is_silent(&mut partition).await;
}

/// Broken off at any moment: what was not acknowledged comes again, in order. What was
/// acknowledged just before may.
pub async fn breaking_off_loses_nothing(make: &impl AsyncFn(&str) -> Arc<dyn Broker>) {
    const ROUNDS: u64 = 30;
    const LIVES: usize = 4;
    let group = group("unlucky", &["#"], 2);
    let mut settled = HashSet::new();
    for life in 1..=LIVES {
        let broker = make("break-off").await;
        declare(broker.as_ref(), &group).await;
        if life == 1 {
            publish_rounds(broker.as_ref(), 0..ROUNDS).await;
        }
        let subscription = subscribe(broker.as_ref(), &group).await;
        let seen = if life < LIVES {
            consume(subscription, 70).await
        } else {
            let mut left = settled.clone();
            consume_until(subscription, |seen| {
                left.extend(seen.last().map(identity));
                left.len() == usize::try_from(KEYS * ROUNDS).unwrap_or(0)
            })
            .await
        };
        settled.extend(seen.iter().map(identity));
        for key in 0..KEYS {
            let mut numbers = seen
                .iter()
                .filter(|seen| seen.message.partition_key == format!("key-{key}"))
                .map(|seen| number(&seen.message));
            let Some(first) = numbers.next() else {
                continue;
            };
            // Without a gap from wherever it began.
            for (found, expected) in numbers.zip(first + 1..) {
                assert_eq!(found, expected, "of key-{key} in life {life}");
            }
        }
    }
}

fn identity(seen: &Seen) -> (String, u64) {
    (seen.message.partition_key.clone(), number(&seen.message))
}
