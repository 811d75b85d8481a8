//! Four relay processes on one outbox, killed at random moments.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use outcry_broker::{Broker, Group, RabbitMq};
use outcry_events::SealedEvent;
use outcry_service::testing::eventually;
use outcry_store::{ReadAll, Store, StoredEvent};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::outbox::{KEYS, Made, Writer, dally, symbol};
use crate::place::Place;
use crate::replica::Replica;

const RELAYS: usize = 4;
const WRITERS: u64 = 8;
const KILLS: u32 = 8;

/// Between two kills: sometimes less than a lease lasts, so that several slots wait for theirs to
/// run out, and long enough for new relays to get to work.
const QUIET: std::ops::Range<Duration> = Duration::from_millis(300)..Duration::from_millis(3_000);

/// How long a killed relay is away.
const AWAY: std::ops::Range<Duration> = Duration::ZERO..Duration::from_millis(500);

/// Partitions of the group that listens.
const PARTITIONS: u32 = 4;

/// Events that arrive within the patience of a story, however busy the machine is.
const STEP: usize = 500;

/// Names the variable that makes the choices of an earlier run again.
const SEED: &str = "RELAYS_SEED";

/// What has arrived, first occurrences only.
#[derive(Default)]
struct Arrivals {
    seen: HashSet<Uuid>,
    by_key: HashMap<String, Vec<SealedEvent>>,
    repeats: usize,
}

// === impl Arrivals ===

impl Arrivals {
    fn add(&mut self, event: SealedEvent) {
        if self.seen.insert(event.id()) {
            let key = event.partition_key().to_owned();
            self.by_key.entry(key).or_default().push(event);
        } else {
            self.repeats += 1;
        }
    }
}

/// Writes down what arrives in every partition.
async fn record(broker: &RabbitMq, arrivals: &Arc<Mutex<Arrivals>>) -> JoinSet<()> {
    let group = Group {
        name: "listener",
        topics: vec!["trade.*".to_owned()],
        partitions: PARTITIONS,
        prefetch: 64,
    };
    broker.declare(&group).await.unwrap();
    let mut tasks = JoinSet::new();
    for partition in 0..PARTITIONS {
        let mut partition = broker.subscribe(&group, partition).await.unwrap();
        let arrivals = Arc::clone(arrivals);
        tasks.spawn(async move {
            while let Some(delivery) = partition.recv().await {
                let event = SealedEvent::open(delivery.message.body.clone()).unwrap();
                arrivals.lock().unwrap().add(event);
                delivery.ack().await.unwrap();
            }
        });
    }
    tasks
}

/// Kills relays and starts others in their place.
async fn kill(relays: &mut [Replica], place: &Place, random: &mut StdRng) {
    for _ in 0..KILLS {
        tokio::time::sleep(random.random_range(QUIET)).await;
        let relay = &mut relays[random.random_range(0..RELAYS)];
        relay.kill().await;
        tokio::time::sleep(random.random_range(AWAY)).await;
        *relay = Replica::start("trades", place).await;
    }
}

/// All events of a key in commit order.
async fn committed(store: &dyn Store, key: usize) -> Vec<StoredEvent> {
    let filter = ReadAll {
        partition_key: Some(symbol(key)),
        limit: usize::MAX,
        ..ReadAll::default()
    };
    store.read_all(&filter).await.unwrap()
}

/// Nothing of a key has a higher position than what was asked for after it had been answered.
fn assert_positions_follow_commits(rows: &[StoredEvent], made: &HashMap<Uuid, (Instant, Instant)>) {
    let mut latest_begun = None;
    for row in rows {
        let (begun, answered) = made[&row.event.id()];
        assert!(latest_begun.is_none_or(|latest| latest <= answered));
        latest_begun = latest_begun.max(Some(begun));
    }
}

/// Every stream arrives with its numbers in order and without gaps.
fn assert_streams_in_order(arrived: &[SealedEvent]) {
    let mut last: BTreeMap<String, u64> = BTreeMap::new();
    for event in arrived {
        let last = last.entry(event.stream()).or_default();
        assert_eq!(event.sequence(), *last + 1, "{}", event.stream());
        *last += 1;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn four_relays_that_are_killed_again_and_again_lose_nothing_and_keep_the_order_of_commits() {
    if !outcry_servers::present() {
        return;
    }
    let seed = match std::env::var(SEED) {
        Ok(seed) => seed.parse().unwrap(),
        Err(_) => rand::random::<u32>().into(),
    };
    println!("{SEED}={seed}");
    let place = Place::new("relays").await;
    let store = place.store("trades").await;
    dally(&place, &store).await;
    let broker = place.broker("listener").await;
    let arrivals = Arc::new(Mutex::new(Arrivals::default()));
    let _recording = record(&broker, &arrivals).await;
    let mut relays = Vec::new();
    for _ in 0..RELAYS {
        relays.push(Replica::start("trades", &place).await);
    }

    let stop = CancellationToken::new();
    let mut writing = JoinSet::new();
    for number in 0..WRITERS {
        let writer = Writer::new(number, &place, &store, seed).await;
        writing.spawn(writer.write(stop.clone()));
    }
    let mut random = StdRng::seed_from_u64(seed);
    kill(&mut relays, &place, &mut random).await;
    stop.cancel();
    let commits: Vec<Made> = writing.join_all().await.into_iter().flatten().collect();
    let made: HashMap<_, _> = commits
        .iter()
        .flat_map(|made| {
            let times = (made.begun, made.answered);
            made.events.iter().map(move |id| (*id, times))
        })
        .collect();

    let mut arrived = 0;
    while arrived < made.len() {
        let next = made.len().min(arrived + STEP);
        eventually("more events arrive", async || {
            arrived = arrivals.lock().unwrap().seen.len();
            arrived >= next
        })
        .await;
    }
    eventually("all count as sent", async || {
        store.oldest_unsent().await.unwrap().is_none()
    })
    .await;
    for relay in relays {
        relay.stop().await;
    }

    let ids = |events: &[SealedEvent]| events.iter().map(SealedEvent::id).collect::<Vec<_>>();
    let mut in_store = 0;
    for key in 0..KEYS {
        let rows = committed(store.as_ref(), key).await;
        in_store += rows.len();
        assert_positions_follow_commits(&rows, &made);
        let rows: Vec<_> = rows.into_iter().map(|row| row.event).collect();
        let arrivals = arrivals.lock().unwrap();
        let arrived = &arrivals.by_key[&symbol(key)];
        assert_eq!(ids(arrived), ids(&rows), "{}", symbol(key));
        assert_streams_in_order(arrived);
    }
    assert_eq!(in_store, made.len());
    let arrivals = arrivals.lock().unwrap();
    assert_eq!(arrivals.seen.len(), made.len());
    println!(
        "{} commits, {} events of {KEYS} keys, {KILLS} relays killed, {} repeats, none lost, all in order",
        commits.len(),
        made.len(),
        arrivals.repeats
    );
}
