//! Who gets what.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;

use super::fixtures::{
    ack, consume, declare, ends, group, is_silent, message, publish, publish_numbers, recv,
    recv_and_ack, subscribe, subscribe_one,
};
use crate::broker::Broker;
use crate::error::{BrokerError, PublishError};
use crate::limits::BODY_BYTES_MAX;
use crate::message::Message;

/// Fan-out: each group gets each message of its patterns, once, and no others.
pub async fn every_group_gets_the_topics_it_wants(make: &impl AsyncFn(&str) -> Arc<dyn Broker>) {
    let broker = make("fan-out").await;
    let topics = [
        "order.created",
        "order.created.v2",
        "trade.executed",
        "funds.locked",
    ];
    let groups = [
        (group("one", &["order.created"], 1), &[0][..]),
        (group("words", &["order.*", "funds.*"], 2), &[0, 3]),
        (group("several", &["order.*", "order.created"], 1), &[0]),
        (group("deep", &["order.#"], 1), &[0, 1]),
        (group("all", &["#"], 4), &[0, 1, 2, 3]),
    ];
    for (group, _) in &groups {
        declare(broker.as_ref(), group).await;
    }
    let messages = topics.iter().map(|topic| message(topic, "key", 1));
    publish(broker.as_ref(), messages.collect()).await;
    for (group, expected) in &groups {
        let subscription = subscribe(broker.as_ref(), group).await;
        let seen = consume(subscription, expected.len()).await;
        let found: Vec<_> = seen
            .iter()
            .map(|seen| seen.message.topic.as_str())
            .collect();
        let expected: Vec<_> = expected.iter().map(|place| topics[*place]).collect();
        assert_eq!(found, expected, "of group {}", group.name);
        assert!(seen.iter().all(|seen| !seen.redelivered));
    }
}

/// Nothing of a message is lost on the way, whatever it holds.
pub async fn messages_arrive_as_they_were_published(make: &impl AsyncFn(&str) -> Arc<dyn Broker>) {
    let broker = make("content").await;
    let group = group("content", &["#"], 1);
    declare(broker.as_ref(), &group).await;
    let plain = message("order.created", "key", 1);
    let messages = [
        Message {
            headers: vec![
                ("ce-source".to_owned(), "/orders".to_owned()),
                ("ce-subject".to_owned(), "ünïcödé, \"quoted\"".to_owned()),
                ("empty".to_owned(), String::new()),
            ],
            ..plain.clone()
        },
        Message {
            event_id: "binary".to_owned(),
            body: Bytes::from((0..=u8::MAX).collect::<Vec<_>>()),
            ..plain.clone()
        },
        Message {
            event_id: "empty".to_owned(),
            headers: Vec::new(),
            body: Bytes::new(),
            ..plain.clone()
        },
        Message {
            event_id: "large".to_owned(),
            body: Bytes::from(vec![0xa5; 1024 * 1024]),
            ..plain
        },
    ];
    publish(broker.as_ref(), messages.to_vec()).await;
    let mut partition = subscribe_one(broker.as_ref(), &group).await;
    for expected in messages {
        let delivery = recv(&mut partition).await;
        let mut found = delivery.message.as_ref().clone();
        // A broker may keep headers in another order.
        let mut headers = expected.headers.clone();
        headers.sort();
        found.headers.sort();
        assert_eq!(
            found,
            Message {
                headers,
                ..expected
            }
        );
        ack(delivery).await;
    }
}

/// A message counts as published only if somebody gets it; others of the same batch do not suffer.
pub async fn a_message_nobody_wants_is_unroutable(make: &impl AsyncFn(&str) -> Arc<dyn Broker>) {
    let broker = make("unroutable").await;
    let orders = group("orders", &["order.*"], 1);
    declare(broker.as_ref(), &orders).await;
    let batch = || {
        vec![
            message("order.created", "key", 1),
            message("trade.executed", "key", 2),
            message("order.filled", "another key", 3),
        ]
    };
    let results = broker.publish(batch()).await;
    assert!(
        matches!(
            results.as_slice(),
            [Ok(()), Err(PublishError::Unroutable { topic }), Ok(())] if topic == "trade.executed"
        ),
        "{results:?}"
    );
    let mut partition = subscribe_one(broker.as_ref(), &orders).await;
    assert_eq!(recv_and_ack(&mut partition).await, 1);
    assert_eq!(recv_and_ack(&mut partition).await, 3);
    is_silent(&mut partition).await;
    // As soon as somebody wants it, it is taken.
    let trades = group("trades", &["trade.#"], 1);
    declare(broker.as_ref(), &trades).await;
    publish(broker.as_ref(), vec![message("trade.executed", "key", 2)]).await;
    let mut partition = subscribe_one(broker.as_ref(), &trades).await;
    assert_eq!(recv_and_ack(&mut partition).await, 2);
}

/// Later messages of a key wait for the one that failed; other keys go.
pub async fn nothing_overtakes_a_message_of_its_key_that_failed(
    make: &impl AsyncFn(&str) -> Arc<dyn Broker>,
) {
    let broker = make("held-back").await;
    let orders = group("orders", &["order.*"], 1);
    declare(broker.as_ref(), &orders).await;
    let batch = vec![
        message("order.created", "key", 1),
        message("trade.executed", "key", 2),
        message("order.filled", "key", 3),
        message("order.created", "another key", 4),
    ];
    let results = broker.publish(batch).await;
    assert!(
        matches!(
            results.as_slice(),
            [
                Ok(()),
                Err(PublishError::Unroutable { .. }),
                Err(PublishError::HeldBack),
                Ok(())
            ]
        ),
        "{results:?}"
    );
    let mut partition = subscribe_one(broker.as_ref(), &orders).await;
    assert_eq!(recv_and_ack(&mut partition).await, 1);
    assert_eq!(recv_and_ack(&mut partition).await, 4);
    is_silent(&mut partition).await;
}

/// What no broker carries is refused, and the rest of the batch goes.
pub async fn what_is_too_large_is_refused_alone(make: &impl AsyncFn(&str) -> Arc<dyn Broker>) {
    let broker = make("too-large").await;
    let group = group("large", &["#"], 1);
    declare(broker.as_ref(), &group).await;
    let large = Message {
        body: Bytes::from(vec![0; BODY_BYTES_MAX + 1]),
        ..message("order.created", "key", 1)
    };
    let long = message("order.created", &"k".repeat(300), 2);
    let fine = message("order.created", "another key", 3);
    let results = broker.publish(vec![large, long, fine]).await;
    assert!(
        matches!(
            results.as_slice(),
            [
                Err(PublishError::TooLarge { .. }),
                Err(PublishError::TooLarge { .. }),
                Ok(())
            ]
        ),
        "{results:?}"
    );
    let mut partition = subscribe_one(broker.as_ref(), &group).await;
    assert_eq!(recv_and_ack(&mut partition).await, 3);
}

/// Declaring is idempotent; a group that cannot be, or is not known so, is refused.
pub async fn groups_are_declared_before_they_are_consumed(
    make: &impl AsyncFn(&str) -> Arc<dyn Broker>,
) {
    let broker = make("declare").await;
    let known = group("known", &["#"], 2);
    let unknown = broker.subscribe(&known, 0).await;
    assert!(
        matches!(unknown, Err(BrokerError::NotDeclared { .. })),
        "{unknown:?}"
    );
    for _ in 0..2 {
        declare(broker.as_ref(), &known).await;
    }
    publish_numbers(broker.as_ref(), "key", 1..=3).await;
    declare(broker.as_ref(), &known).await;
    let subscription = subscribe(broker.as_ref(), &known).await;
    declare(broker.as_ref(), &known).await;
    assert_eq!(consume(subscription, 3).await.len(), 3);
    let beyond = broker.subscribe(&known, known.partitions).await;
    assert!(
        matches!(beyond, Err(BrokerError::NotDeclared { .. })),
        "{beyond:?}"
    );
    let invalid = broker.declare(&group("no topics", &[], 1)).await;
    assert!(
        matches!(invalid, Err(BrokerError::InvalidGroup { .. })),
        "{invalid:?}"
    );
    let names: BTreeSet<_> = statuses(broker.as_ref()).await.into_iter().collect();
    assert_eq!(names, BTreeSet::from([("known".to_owned(), 2, 0)]));
}

/// A group that is gone keeps nothing and makes nothing routable.
pub async fn a_removed_group_wants_nothing(make: &impl AsyncFn(&str) -> Arc<dyn Broker>) {
    let broker = make("remove").await;
    let group = group("gone", &["order.*"], 1);
    remove(broker.as_ref(), group.name).await;
    declare(broker.as_ref(), &group).await;
    publish_numbers(broker.as_ref(), "key", 1..=2).await;
    remove(broker.as_ref(), group.name).await;
    assert!(statuses(broker.as_ref()).await.is_empty());
    let results = broker
        .publish(vec![message("order.created", "key", 3)])
        .await;
    assert!(
        matches!(results.as_slice(), [Err(PublishError::Unroutable { .. })]),
        "{results:?}"
    );
    let subscription = broker.subscribe(&group, 0).await;
    assert!(
        matches!(subscription, Err(BrokerError::NotDeclared { .. })),
        "{subscription:?}"
    );
}

/// The lag of a group is what it has not acknowledged.
pub async fn unsettled_messages_are_counted(make: &impl AsyncFn(&str) -> Arc<dyn Broker>) {
    let broker = make("lag").await;
    let orders = group("orders", &["order.*"], 1);
    let all = group("all", &["#"], 3);
    for group in [&orders, &all] {
        declare(broker.as_ref(), group).await;
    }
    publish_numbers(broker.as_ref(), "key", 1..=10).await;
    publish(broker.as_ref(), vec![message("trade.executed", "key", 11)]).await;
    lag_becomes(broker.as_ref(), [("all", 3, 11), ("orders", 1, 10)]).await;
    let mut partition = subscribe_one(broker.as_ref(), &orders).await;
    for _ in 0..4 {
        recv_and_ack(&mut partition).await;
    }
    let in_hand = recv(&mut partition).await;
    lag_becomes(broker.as_ref(), [("all", 3, 11), ("orders", 1, 6)]).await;
    ack(in_hand).await;
    consume(subscribe(broker.as_ref(), &all).await, 11).await;
    lag_becomes(broker.as_ref(), [("all", 3, 0), ("orders", 1, 5)]).await;
}

/// After closing, everything is refused in plain words.
pub async fn a_closed_broker_refuses_and_ends_subscriptions(
    make: &impl AsyncFn(&str) -> Arc<dyn Broker>,
) {
    let broker = make("closed").await;
    let group = group("closed", &["#"], 1);
    declare(broker.as_ref(), &group).await;
    let mut waiting = subscribe_one(broker.as_ref(), &group).await;
    let waiter = tokio::spawn(async move { ends(&mut waiting).await });
    let mut standby = subscribe_one(broker.as_ref(), &group).await;
    for _ in 0..2 {
        if let Err(error) = broker.close().await {
            panic!("closing failed: {error:?}");
        }
    }
    if let Err(error) = waiter.await {
        panic!("the waiting subscription: {error}");
    }
    ends(&mut standby).await;
    let results = broker
        .publish(vec![message("order.created", "key", 1)])
        .await;
    assert!(
        matches!(results.as_slice(), [Err(PublishError::Closed)]),
        "{results:?}"
    );
    let subscription = broker.subscribe(&group, 0).await;
    assert!(
        matches!(subscription, Err(BrokerError::Closed)),
        "{subscription:?}"
    );
}

async fn remove(broker: &dyn Broker, group: &str) {
    if let Err(error) = broker.remove(group).await {
        panic!("removing {group} failed: {error:?}");
    }
}

/// Name, partitions and lag of every group, by name.
async fn statuses(broker: &dyn Broker) -> Vec<(String, u32, u64)> {
    let groups = match broker.groups().await {
        Ok(groups) => groups,
        Err(error) => panic!("listing groups failed: {error:?}"),
    };
    let mut statuses: Vec<_> = groups
        .into_iter()
        .map(|status| {
            assert_eq!(status.partition_lag.len(), status.partitions as usize);
            assert_eq!(status.partition_lag.iter().sum::<u64>(), status.lag);
            (status.name, status.partitions, status.lag)
        })
        .collect();
    statuses.sort();
    statuses
}

/// A broker may count with some delay.
async fn lag_becomes<const N: usize>(broker: &dyn Broker, expected: [(&str, u32, u64); N]) {
    let expected = expected.map(|(name, partitions, lag)| (name.to_owned(), partitions, lag));
    let mut found = Vec::new();
    for _ in 0..600 {
        found = statuses(broker).await;
        if found == expected {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the groups are {found:?}, not {expected:?}");
}
