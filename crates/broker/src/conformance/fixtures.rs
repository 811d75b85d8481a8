//! Messages, groups and consumers for the tests.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::broker::Broker;
use crate::group::Group;
use crate::message::Message;
use crate::subscription::{Delivery, Partition};

/// Longest wait for something that must happen. Only a broken broker makes a test wait so long.
const WAIT: Duration = Duration::from_secs(60);

/// How long nothing must happen. A broken broker may still pass; a right one never fails.
const SILENCE: Duration = Duration::from_millis(200);

/// What a consumer saw.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) partition: u32,
    pub(super) message: Arc<Message>,
    pub(super) redelivered: bool,
}

/// Message `number` of a key, unique among all messages of a test.
pub(super) fn message(topic: &str, key: &str, number: u64) -> Message {
    Message {
        topic: topic.to_owned(),
        partition_key: key.to_owned(),
        event_id: format!("{topic}/{key}/{number}"),
        correlation_id: "flow".to_owned(),
        source: "/tests".to_owned(),
        headers: vec![("ce-type".to_owned(), topic.to_owned())],
        body: Bytes::from(number.to_string()),
    }
}

/// The number of a message.
pub(super) fn number(message: &Message) -> u64 {
    let number = std::str::from_utf8(&message.body)
        .ok()
        .and_then(|text| text.parse().ok());
    match number {
        Some(number) => number,
        None => panic!("a body that was never published: {:?}", message.body),
    }
}

pub(super) fn group(name: &'static str, topics: &[&str], partitions: u32) -> Group {
    Group {
        name,
        topics: topics.iter().map(|&topic| topic.to_owned()).collect(),
        partitions,
        prefetch: 16,
    }
}

pub(super) async fn declare(broker: &dyn Broker, group: &Group) {
    if let Err(error) = broker.declare(group).await {
        panic!("declaring {} failed: {error:?}", group.name);
    }
}

/// Subscribes to every partition of a group, in their order.
pub(super) async fn subscribe(broker: &dyn Broker, group: &Group) -> Vec<Partition> {
    let mut partitions = Vec::new();
    for index in 0..group.partitions {
        partitions.push(subscribe_to(broker, group, index).await);
    }
    partitions
}

/// Subscribes to one partition of a group.
pub(super) async fn subscribe_to(broker: &dyn Broker, group: &Group, index: u32) -> Partition {
    match broker.subscribe(group, index).await {
        Ok(partition) => {
            assert_eq!(partition.index, index);
            partition
        }
        Err(error) => panic!("subscribing {} failed: {error:?}", group.name),
    }
}

/// Subscribes to a group with a single partition.
pub(super) async fn subscribe_one(broker: &dyn Broker, group: &Group) -> Partition {
    assert_eq!(group.partitions, 1, "of {}", group.name);
    subscribe_to(broker, group, 0).await
}

/// Publishes messages that all must be taken.
pub(super) async fn publish(broker: &dyn Broker, messages: Vec<Message>) {
    let count = messages.len();
    let results = broker.publish(messages).await;
    assert_eq!(results.len(), count);
    for result in results {
        if let Err(error) = result {
            panic!("publishing failed: {error:?}");
        }
    }
}

/// Publishes numbers of one key.
pub(super) async fn publish_numbers(
    broker: &dyn Broker,
    key: &str,
    numbers: impl Iterator<Item = u64>,
) {
    let messages = numbers.map(|number| message("order.created", key, number));
    publish(broker, messages.collect()).await;
}

/// The next delivery, which must come.
pub(super) async fn recv(partition: &mut Partition) -> Delivery {
    match tokio::time::timeout(WAIT, partition.recv()).await {
        Ok(Some(delivery)) => delivery,
        Ok(None) => panic!("the subscription ended"),
        Err(_) => panic!("no message came"),
    }
}

/// The next delivery's number; acknowledges it.
pub(super) async fn recv_and_ack(partition: &mut Partition) -> u64 {
    let delivery = recv(partition).await;
    let number = number(&delivery.message);
    ack(delivery).await;
    number
}

pub(super) async fn ack(delivery: Delivery) {
    if let Err(error) = delivery.ack().await {
        panic!("acknowledging failed: {error:?}");
    }
}

/// Nothing is delivered for a while.
pub(super) async fn is_silent(partition: &mut Partition) {
    if let Ok(delivery) = tokio::time::timeout(SILENCE, partition.recv()).await {
        panic!("nothing was to be delivered, but {delivery:?} was");
    }
}

/// The subscription ends by itself.
pub(super) async fn ends(partition: &mut Partition) {
    match tokio::time::timeout(WAIT, partition.recv()).await {
        Ok(None) => {}
        Ok(Some(delivery)) => panic!("the subscription goes on with {delivery:?}"),
        Err(_) => panic!("the subscription does not end"),
    }
}

/// Consumes these partitions at once and acknowledges everything, until `count` messages have come.
/// Returns all that came by then, each partition's in its order.
pub(super) async fn consume(partitions: Vec<Partition>, count: usize) -> Vec<Seen> {
    consume_until(partitions, |seen| seen.len() >= count).await
}

/// As [`consume`], until what came is enough.
pub(super) async fn consume_until(
    partitions: Vec<Partition>,
    mut enough: impl FnMut(&[Seen]) -> bool,
) -> Vec<Seen> {
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let stop = watch::Sender::new(false);
    let mut consumers = JoinSet::new();
    for mut partition in partitions {
        let sender = sender.clone();
        let mut stopped = stop.subscribe();
        consumers.spawn(async move {
            // Never in the middle of acknowledging: that might have reached the broker or not.
            while let Some(delivery) = tokio::select! {
                _ = stopped.wait_for(|stopped| *stopped) => None,
                delivery = partition.recv() => delivery,
            } {
                let seen = Seen {
                    partition: partition.index,
                    message: Arc::clone(&delivery.message),
                    redelivered: delivery.redelivered,
                };
                ack(delivery).await;
                // Nobody listens any more when enough has come.
                let _ = sender.send(seen);
            }
        });
    }
    drop(sender);
    let mut seen = Vec::new();
    while !enough(&seen) {
        match tokio::time::timeout(WAIT, receiver.recv()).await {
            Ok(Some(next)) => seen.push(next),
            Ok(None) => panic!("the subscription ended after {} messages", seen.len()),
            Err(_) => panic!("no message came after {}", seen.len()),
        }
    }
    stop.send_replace(true);
    consumers.join_all().await;
    while let Ok(next) = receiver.try_recv() {
        seen.push(next);
    }
    seen
}

/// The numbers of every key as they came must be these.
pub(super) fn assert_numbers(seen: &[Seen], key: &str, expected: impl Iterator<Item = u64>) {
    let numbers: Vec<_> = seen
        .iter()
        .filter(|seen| seen.message.partition_key == key)
        .map(|seen| number(&seen.message))
        .collect();
    assert_eq!(numbers, expected.collect::<Vec<_>>(), "of key {key}");
}
