//! Groups, messages and consumers for the stories.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use outcry_broker::{Broker, BrokerError, Group, Message, Partition, RabbitMq, RabbitOptions};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Longest wait for something that must happen.
pub const WAIT: Duration = Duration::from_secs(60);

/// A pause of whoever tries again.
pub const PAUSE: Duration = Duration::from_millis(50);

pub fn group(name: &'static str, topic: &str, partitions: u32, prefetch: usize) -> Group {
    Group {
        name,
        topics: vec![topic.to_owned()],
        partitions,
        prefetch,
    }
}

pub fn message(topic: &str, key: &str, number: u64) -> Message {
    Message {
        topic: topic.to_owned(),
        partition_key: key.to_owned(),
        event_id: format!("{topic}/{key}/{number}"),
        correlation_id: "flow".to_owned(),
        source: "/tests".to_owned(),
        headers: vec![("ce-partitionkey".to_owned(), key.to_owned())],
        body: Bytes::from(number.to_string()),
    }
}

pub fn number(message: &Message) -> u64 {
    std::str::from_utf8(&message.body).unwrap().parse().unwrap()
}

pub async fn connect(url: &str) -> RabbitMq {
    RabbitMq::connect(RabbitOptions::new(url, "tests"))
        .await
        .unwrap()
}

/// Publishes what must be taken at once.
pub async fn publish(broker: &RabbitMq, messages: Vec<Message>) {
    for result in broker.publish(messages).await {
        result.unwrap();
    }
}

/// Publishes the numbers of a key as a relay does: what failed comes first the next time.
pub async fn insist(broker: &RabbitMq, key: &str, numbers: std::ops::RangeInclusive<u64>) {
    let mut left: Vec<_> = numbers
        .map(|number| message("order.created", key, number))
        .collect();
    while !left.is_empty() {
        let batch: Vec<_> = left.iter().take(5).cloned().collect();
        let results = broker.publish(batch).await;
        let taken = results.iter().take_while(|result| result.is_ok()).count();
        left.drain(..taken);
        if taken == 0 {
            tokio::time::sleep(PAUSE).await;
        }
    }
}

pub async fn recv(partition: &mut Partition) -> outcry_broker::Delivery {
    tokio::time::timeout(WAIT, partition.recv())
        .await
        .unwrap()
        .unwrap()
}

/// What consumers saw: partition, key and number.
pub type Seen = (u32, String, u64);

/// Consumes all partitions as services do: whatever ends is begun again.
pub fn consume(broker: &RabbitMq, group: &Group) -> (JoinSet<()>, mpsc::UnboundedReceiver<Seen>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let mut consumers = JoinSet::new();
    for index in 0..group.partitions {
        let (broker, group, sender) = (broker.clone(), group.clone(), sender.clone());
        consumers.spawn(async move {
            loop {
                let mut partition = match broker.subscribe(&group, index).await {
                    Ok(partition) => partition,
                    Err(BrokerError::Closed) => return,
                    Err(_) => {
                        tokio::time::sleep(PAUSE).await;
                        continue;
                    }
                };
                while let Some(delivery) = partition.recv().await {
                    let message = Arc::clone(&delivery.message);
                    let key = message.partition_key.clone();
                    // What is stale comes again.
                    let _ = delivery.ack().await;
                    if sender.send((index, key, number(&message))).is_err() {
                        return;
                    }
                }
            }
        });
    }
    (consumers, receiver)
}

/// Takes what consumers saw until every key has had all its numbers; repetitions may come, but no
/// number may come before the one before it, and a key stays in its partition. Returns the homes.
pub async fn all_in_order(
    receiver: &mut mpsc::UnboundedReceiver<Seen>,
    keys: &[String],
    first: u64,
    last: u64,
) -> HashMap<String, u32> {
    let mut homes: HashMap<String, u32> = HashMap::new();
    let mut reached: HashMap<String, u64> =
        keys.iter().map(|key| (key.clone(), first - 1)).collect();
    while reached.values().any(|number| *number < last) {
        let next = tokio::time::timeout(WAIT, receiver.recv()).await;
        let (partition, key, number) = next
            .unwrap_or_else(|_| panic!("stuck at {reached:?}"))
            .unwrap();
        let home = *homes.entry(key.clone()).or_insert(partition);
        assert_eq!(home, partition, "of {key}");
        let known = reached.get_mut(&key).unwrap();
        assert!(number <= *known + 1, "{key}: {number} after {known}");
        *known = number.max(*known);
    }
    homes
}

pub fn keys(count: u64) -> Vec<String> {
    (0..count).map(|key| format!("key-{key}")).collect()
}
