//! What only the embedded broker promises: its log, and what a crash leaves of it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use outcry_broker::{Broker, BrokerError, EmbeddedBroker, Group, Message, Partition};
use outcry_sqlite::{Database, Error};
use tempfile::TempDir;

const WAIT: Duration = Duration::from_secs(30);

fn group(name: &'static str, topic: &str, partitions: u32) -> Group {
    Group {
        name,
        topics: vec![topic.to_owned()],
        partitions,
        prefetch: 32,
    }
}

fn message(topic: &str, number: u64) -> Message {
    Message {
        topic: topic.to_owned(),
        partition_key: format!("key-{}", number % 7),
        event_id: format!("{topic}-{number}"),
        correlation_id: "flow".to_owned(),
        source: "/tests".to_owned(),
        headers: Vec::new(),
        body: Bytes::from(number.to_string()),
    }
}

async fn publish(broker: &EmbeddedBroker, topic: &str, numbers: std::ops::RangeInclusive<u64>) {
    let messages = numbers.map(|number| message(topic, number)).collect();
    for result in broker.publish(messages).await {
        result.unwrap();
    }
}

/// Takes and acknowledges numbers, which come in this order.
async fn expect(partition: &mut Partition, numbers: impl IntoIterator<Item = u64>) {
    for number in numbers {
        let delivery = tokio::time::timeout(WAIT, partition.recv())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(delivery.message.body, number.to_string());
        delivery.ack().await.unwrap();
    }
}

async fn only_partition(broker: &EmbeddedBroker, group: &Group) -> Partition {
    assert_eq!(group.partitions, 1);
    broker.subscribe(group, 0).await.unwrap()
}

async fn log_length(database: &Database) -> u64 {
    database
        .read(|connection| -> Result<u64, Error> {
            Ok(connection.query_row("SELECT count(*) FROM broker_log", [], |row| row.get(0))?)
        })
        .await
        .unwrap()
}

async fn log_becomes(database: &Database, length: u64) {
    let waiting = async {
        while log_length(database).await != length {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(WAIT, waiting).await.unwrap();
}

/// The files as a crash would leave them now.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for name in ["outcry.db", "outcry.db-wal"] {
        std::fs::copy(from.join(name), to.join(name)).unwrap();
    }
}

#[tokio::test]
async fn a_new_group_begins_with_what_the_log_still_holds() {
    let folder = TempDir::new().unwrap();
    let database = Database::open(&folder.path().join("outcry.db")).unwrap();
    let broker = EmbeddedBroker::open(&database).await.unwrap();
    let first = group("first", "#", 1);
    broker.declare(&first).await.unwrap();
    publish(&broker, "order.created", 1..=10).await;
    let late = group("late", "order.*", 1);
    broker.declare(&late).await.unwrap();
    publish(&broker, "order.created", 11..=12).await;
    expect(&mut only_partition(&broker, &late).await, 1..=12).await;
}

#[tokio::test]
async fn an_event_that_is_in_the_log_is_not_added_again() {
    let folder = TempDir::new().unwrap();
    let database = Database::open(&folder.path().join("outcry.db")).unwrap();
    let broker = EmbeddedBroker::open(&database).await.unwrap();
    let group = group("group", "#", 1);
    broker.declare(&group).await.unwrap();
    publish(&broker, "order.created", 1..=5).await;
    publish(&broker, "order.created", 3..=8).await;
    assert_eq!(log_length(&database).await, 8);
    expect(&mut only_partition(&broker, &group).await, 1..=8).await;
}

#[tokio::test]
async fn the_log_is_cut_behind_the_slowest_group_and_not_before() {
    let folder = TempDir::new().unwrap();
    let database = Database::open(&folder.path().join("outcry.db")).unwrap();
    let broker = EmbeddedBroker::open(&database).await.unwrap();
    let fast = group("fast", "#", 1);
    let slow = group("slow", "order.*", 1);
    // Gets nothing, and keeps nothing from being cut.
    let idle = group("idle", "payment.*", 3);
    for group in [&fast, &slow, &idle] {
        broker.declare(group).await.unwrap();
    }
    publish(&broker, "order.created", 1..=100).await;
    expect(&mut only_partition(&broker, &fast).await, 1..=100).await;
    let mut partition = only_partition(&broker, &slow).await;
    expect(&mut partition, 1..=30).await;
    let in_hand = partition.recv().await.unwrap();
    expect(&mut partition, 32..=40).await;
    log_becomes(&database, 70).await;
    in_hand.ack().await.unwrap();
    log_becomes(&database, 60).await;
    expect(&mut partition, 41..=100).await;
    log_becomes(&database, 0).await;
    // Positions go on, also after a restart with an empty log.
    publish(&broker, "order.created", 101..=101).await;
    expect(&mut partition, 101..=101).await;
    expect(&mut only_partition(&broker, &fast).await, 101..=101).await;
    log_becomes(&database, 0).await;
    drop(partition);
    broker.close().await.unwrap();
    database.close().await.unwrap();
    let database = Database::open(&folder.path().join("outcry.db")).unwrap();
    let broker = EmbeddedBroker::open(&database).await.unwrap();
    publish(&broker, "order.created", 102..=103).await;
    expect(&mut only_partition(&broker, &slow).await, 102..=103).await;
}

#[tokio::test]
async fn removing_the_slowest_group_lets_the_log_be_cut() {
    let folder = TempDir::new().unwrap();
    let database = Database::open(&folder.path().join("outcry.db")).unwrap();
    let broker = EmbeddedBroker::open(&database).await.unwrap();
    let live = group("live", "#", 1);
    let dead = group("dead", "#", 1);
    broker.declare(&live).await.unwrap();
    broker.declare(&dead).await.unwrap();
    publish(&broker, "order.created", 1..=10).await;
    expect(&mut only_partition(&broker, &live).await, 1..=10).await;
    broker.remove("dead").await.unwrap();
    log_becomes(&database, 0).await;
}

#[tokio::test]
async fn a_crash_loses_nothing_that_was_published_and_not_acknowledged() {
    let folder = TempDir::new().unwrap();
    let alive = folder.path().join("alive");
    let database = Database::open(&alive.join("outcry.db")).unwrap();
    let broker = EmbeddedBroker::open(&database).await.unwrap();
    let group = group("group", "#", 1);
    broker.declare(&group).await.unwrap();
    publish(&broker, "order.created", 1..=50).await;
    let mut partition = only_partition(&broker, &group).await;
    expect(&mut partition, 1..=20).await;
    copy(&alive, &folder.path().join("crashed"));

    let database = Database::open(&folder.path().join("crashed/outcry.db")).unwrap();
    let broker = EmbeddedBroker::open(&database).await.unwrap();
    let mut partition = only_partition(&broker, &group).await;
    // Whatever was saved of the acknowledgements, the rest comes without a gap.
    let first = partition.recv().await.unwrap();
    assert!(first.redelivered);
    let number: u64 = std::str::from_utf8(&first.message.body)
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=21).contains(&number), "{number}");
    first.ack().await.unwrap();
    expect(&mut partition, number + 1..=50).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_far_behind_reads_the_file_while_others_read_memory() {
    let folder = TempDir::new().unwrap();
    let database = Database::open(&folder.path().join("outcry.db")).unwrap();
    let broker = EmbeddedBroker::open(&database).await.unwrap();
    let (far, near) = (group("far", "#", 1), group("near", "#", 1));
    broker.declare(&far).await.unwrap();
    broker.declare(&near).await.unwrap();
    let mut near_partition = only_partition(&broker, &near).await;
    let mut far_partition = only_partition(&broker, &far).await;
    expect(&mut near_partition, []).await;
    // More than the memory holds, in pieces that it does hold.
    for first in (1..=20_000).step_by(2000) {
        publish(&broker, "order.created", first..=first + 1999).await;
        expect(&mut near_partition, first..=first + 1999).await;
    }
    let (caught_up, ()) = tokio::join!(
        async {
            expect(&mut far_partition, 1..=20_100).await;
            far_partition
        },
        publish(&broker, "order.created", 20_001..=20_100),
    );
    drop(caught_up);
    expect(&mut near_partition, 20_001..=20_100).await;
    log_becomes(&database, 0).await;
}

#[tokio::test]
async fn a_group_can_be_spread_over_other_partitions_when_nobody_consumes_it() {
    let folder = TempDir::new().unwrap();
    let database = Database::open(&folder.path().join("outcry.db")).unwrap();
    let broker = EmbeddedBroker::open(&database).await.unwrap();
    let one = group("group", "#", 1);
    let four = group("group", "#", 4);
    broker.declare(&one).await.unwrap();
    publish(&broker, "order.created", 1..=70).await;
    let mut partition = only_partition(&broker, &one).await;
    expect(&mut partition, 1..=35).await;
    let refused = broker.declare(&four).await;
    assert!(
        matches!(refused, Err(BrokerError::InUse { .. })),
        "{refused:?}"
    );
    drop(partition);
    broker.declare(&four).await.unwrap();
    let old = broker.subscribe(&one, 0).await;
    assert!(matches!(old, Err(BrokerError::NotDeclared { .. })));
    let mut numbers = Vec::new();
    for index in 0..four.partitions {
        let mut partition = broker.subscribe(&four, index).await.unwrap();
        let mut last = 0;
        let wanted = broker.groups().await.unwrap()[0].partition_lag[partition.index as usize];
        for _ in 0..wanted {
            let delivery = partition.recv().await.unwrap();
            let number: u64 = std::str::from_utf8(&delivery.message.body)
                .unwrap()
                .parse()
                .unwrap();
            assert!(number > last);
            last = number;
            numbers.push(number);
            delivery.ack().await.unwrap();
        }
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (36..=70).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_broker_that_cannot_write_says_so_and_takes_nothing() {
    let folder = TempDir::new().unwrap();
    let database = Database::open(&folder.path().join("outcry.db")).unwrap();
    let broker = EmbeddedBroker::open(&database).await.unwrap();
    let group = group("group", "#", 1);
    broker.declare(&group).await.unwrap();
    // The disk is full from now on.
    database
        .write(|connection| -> Result<(), Error> {
            Ok(connection.query_row("PRAGMA max_page_count = 1", [], |_| Ok(()))?)
        })
        .await
        .unwrap();
    let large = Message {
        body: Bytes::from(vec![7; 1024 * 1024]),
        ..message("order.created", 1)
    };
    let results = broker
        .publish(vec![large, message("order.created", 2)])
        .await;
    assert!(results.iter().all(Result::is_err), "{results:?}");
    database
        .write(|connection| -> Result<(), Error> {
            Ok(connection.query_row("PRAGMA max_page_count = 100000", [], |_| Ok(()))?)
        })
        .await
        .unwrap();
    publish(&broker, "order.created", 1..=2).await;
    expect(&mut only_partition(&broker, &group).await, 1..=2).await;
}
