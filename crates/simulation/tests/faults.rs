//! What goes wrong on purpose, goes wrong as arranged.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use outcry_broker::{Broker, BrokerError, Group, Message, Partition, PublishError};
use outcry_simulation::{Acknowledged, Faults, MemoryBroker, MemoryExchange, Published};

const SILENCE: Duration = Duration::from_secs(3600);

fn group() -> Group {
    Group {
        name: "readers",
        topics: vec!["#".to_owned()],
        partitions: 1,
        prefetch: 4,
    }
}

fn message(key: &str, number: u8) -> Message {
    Message {
        topic: "order.created".to_owned(),
        partition_key: key.to_owned(),
        event_id: format!("{key}/{number}"),
        correlation_id: "flow".to_owned(),
        source: "/tests".to_owned(),
        headers: Vec::new(),
        body: Bytes::from(vec![number]),
    }
}

/// A connection with the group declared.
async fn open(exchange: &MemoryExchange) -> MemoryBroker {
    let broker = MemoryBroker::open(exchange);
    broker.declare(&group()).await.unwrap();
    broker
}

/// Acknowledges whatever comes until nothing does: event id, and whether it said so itself.
async fn drain(partition: &mut Partition) -> Vec<(String, bool)> {
    let mut seen = Vec::new();
    while let Ok(delivery) = tokio::time::timeout(SILENCE, partition.recv()).await {
        let delivery = delivery.unwrap();
        seen.push((delivery.message.event_id.clone(), delivery.redelivered));
        delivery.ack().await.unwrap();
    }
    seen
}

/// Fails each of these once.
struct Once {
    events: Mutex<BTreeSet<&'static str>>,
    how: Published,
}

impl Faults for Once {
    fn published(&self, message: &Message) -> Published {
        let mut events = self.events.lock().unwrap();
        match events.remove(message.event_id.as_str()) {
            true => self.how,
            false => Published::Confirmed,
        }
    }
}

async fn publish_with(how: Published) -> (Vec<bool>, Vec<(String, bool)>) {
    let exchange = MemoryExchange::new();
    exchange.set_faults(Arc::new(Once {
        events: Mutex::new(BTreeSet::from(["a/2"])),
        how,
    }));
    let broker = open(&exchange).await;
    let batch = [("a", 1), ("a", 2), ("b", 1), ("a", 3)].map(|(key, number)| message(key, number));
    let results = broker.publish(batch.to_vec()).await;
    let [
        Ok(()),
        Err(PublishError::Backend(_)),
        Ok(()),
        Err(PublishError::HeldBack),
    ] = results.as_slice()
    else {
        panic!("{results:?}");
    };
    // As a relay does it.
    let again = batch.into_iter().zip(&results);
    let again = again.filter(|(_, result)| result.is_err());
    let results = broker
        .publish(again.map(|(message, _)| message).collect())
        .await;
    let mut partition = broker.subscribe(&group(), 0).await.unwrap();
    let seen = drain(&mut partition).await;
    (results.iter().map(Result::is_ok).collect(), seen)
}

fn first(events: &[&str]) -> Vec<(String, bool)> {
    events.iter().map(|id| ((*id).to_owned(), false)).collect()
}

#[tokio::test(start_paused = true)]
async fn a_refused_message_is_not_kept_and_nothing_of_its_key_overtakes_it() {
    let (results, seen) = publish_with(Published::Refused).await;
    assert_eq!(results, [true, true]);
    assert_eq!(seen, first(&["a/1", "b/1", "a/2", "a/3"]));
}

#[tokio::test(start_paused = true)]
async fn a_lost_confirm_leads_to_the_same_message_twice() {
    let (results, seen) = publish_with(Published::Unconfirmed).await;
    assert_eq!(results, [true, true]);
    assert_eq!(seen, first(&["a/1", "a/2", "b/1", "a/2", "a/3"]));
}

/// Everything comes once more, this much later.
struct Twice {
    after: u64,
}

impl Faults for Twice {
    fn acknowledged(&self, group: &str, partition: u32, _: &Message) -> Acknowledged {
        assert_eq!((group, partition), ("readers", 0));
        Acknowledged::Again { after: self.after }
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_acknowledged_can_come_once_more_without_reordering_what_is_new() {
    for after in [0, 1, 3, 100] {
        let exchange = MemoryExchange::new();
        let broker = open(&exchange).await;
        exchange.set_faults(Arc::new(Twice { after }));
        let batch = (1..=6).map(|number| message("a", number)).collect();
        assert!(broker.publish(batch).await.iter().all(Result::is_ok));
        let mut partition = broker.subscribe(&group(), 0).await.unwrap();
        let seen = drain(&mut partition).await;
        let expected = ["a/1", "a/2", "a/3", "a/4", "a/5", "a/6"];
        let kind = |again: bool| -> Vec<&str> {
            let seen = seen.iter().filter(|(_, redelivered)| *redelivered == again);
            seen.map(|(id, _)| id.as_str()).collect()
        };
        assert_eq!(kind(false), expected, "after {after}: {seen:?}");
        assert_eq!(kind(true), expected, "after {after}: {seen:?}");
        let place = |again| {
            seen.iter()
                .position(|(_, redelivered)| *redelivered == again)
        };
        let between = place(true).unwrap() - place(false).unwrap() - 1;
        assert_eq!(between as u64, after.min(5), "{seen:?}");
        assert_eq!(exchange.lag(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_cut_connection_gives_everything_in_hand_to_the_next_one() {
    let exchange = MemoryExchange::new();
    let (one, other) = (open(&exchange).await, open(&exchange).await);
    let batch = (1..=4).map(|number| message("a", number)).collect();
    assert!(one.publish(batch).await.iter().all(Result::is_ok));
    let mut lost = one.subscribe(&group(), 0).await.unwrap();
    let mut standby = other.subscribe(&group(), 0).await.unwrap();
    lost.recv().await.unwrap().ack().await.unwrap();
    let in_hand = [lost.recv().await.unwrap(), lost.recv().await.unwrap()];
    one.cut();
    assert!(lost.recv().await.is_none());
    let first = standby.recv().await.unwrap();
    assert_eq!(
        (first.message.event_id.as_str(), first.redelivered),
        ("a/2", true)
    );
    for delivery in in_hand {
        let settled = delivery.ack().await;
        assert!(matches!(settled, Err(BrokerError::Stale)), "{settled:?}");
    }
    assert_eq!(exchange.lag(), 3);
    first.ack().await.unwrap();
    let rest = drain(&mut standby).await;
    assert_eq!(rest, [("a/3".to_owned(), true), ("a/4".to_owned(), false)]);
    // Only the connection was lost: the broker goes on.
    let mut back = one.subscribe(&group(), 0).await.unwrap();
    drop(standby);
    assert!(
        one.publish(vec![message("a", 5)])
            .await
            .iter()
            .all(Result::is_ok)
    );
    assert_eq!(back.recv().await.unwrap().message.event_id, "a/5");
}

#[tokio::test(start_paused = true)]
async fn a_changed_group_keeps_what_it_has_not_acknowledged() {
    let exchange = MemoryExchange::new();
    let broker = open(&exchange).await;
    let batch = (1..=9)
        .map(|number| message(&format!("k{}", number % 3), number))
        .collect();
    assert!(broker.publish(batch).await.iter().all(Result::is_ok));
    let mut partition = broker.subscribe(&group(), 0).await.unwrap();
    for _ in 0..3 {
        partition.recv().await.unwrap().ack().await.unwrap();
    }
    let wider = Group {
        partitions: 5,
        ..group()
    };
    let refused = broker.declare(&wider).await;
    assert!(
        matches!(refused, Err(BrokerError::InUse { .. })),
        "{refused:?}"
    );
    drop(partition);
    broker.declare(&wider).await.unwrap();
    assert_eq!(exchange.lag(), 6);
    for index in 0..wider.partitions {
        let mut partition = broker.subscribe(&wider, index).await.unwrap();
        let seen = drain(&mut partition).await;
        for key in ["k0", "k1", "k2"] {
            let of_key: Vec<_> = seen.iter().filter(|(id, _)| id.starts_with(key)).collect();
            assert!(of_key.is_empty() || of_key.len() == 2, "{seen:?}");
            assert!(of_key.is_sorted(), "{seen:?}");
        }
    }
    assert_eq!(exchange.lag(), 0);
}
