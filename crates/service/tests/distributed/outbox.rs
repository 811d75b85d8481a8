//! Writers of one outbox whose commits take their time, and wait for each other.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use outcry_contracts::trades::v1::{FailureReason, TradeFailedEvent};
use outcry_events::{Cause, SealedEvent, Stamp, seal};
use outcry_store::postgres::key_lock;
use outcry_store::{Append, Commit, PostgresStore, Store};
use rand::rngs::StdRng;
use rand::seq::index::sample;
use rand::{Rng, SeedableRng};
use tokio_postgres::{Client, NoTls};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::place::Place;

/// Partition keys the writers share.
pub const KEYS: usize = 32;

/// Keys of one commit at most.
const COMMIT_KEYS_MAX: usize = 3;

/// Events of one stream in one commit at most.
const STREAM_EVENTS_MAX: u64 = 2;

/// How often a key of a commit is held by somebody else at first.
const HELD: f64 = 0.3;

/// Longest time a key is held, and longest pause between two commits.
const MOMENT_MAX: Duration = Duration::from_millis(40);

/// Lets some commits dally between the allotment of their positions and their end, with all they
/// have locked. Whoever lists positions without waiting for such a commit misses some.
const DALLY: &str = "
CREATE FUNCTION dally() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN PERFORM pg_sleep(random() * 0.03); RETURN NULL; END';
CREATE CONSTRAINT TRIGGER dally AFTER INSERT ON @.events DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.position % 7 = 0) EXECUTE FUNCTION dally();
";

/// A commit that was answered.
pub struct Made {
    /// When it was asked for.
    pub begun: Instant,
    /// When it was answered.
    pub answered: Instant,
    /// Its events.
    pub events: Vec<Uuid>,
}

/// One who commits to all keys, each with a stream of its own.
pub struct Writer {
    number: u64,
    store: Arc<PostgresStore>,
    /// Holds keys of its commits.
    holder: Client,
    random: StdRng,
    sequences: BTreeMap<usize, u64>,
}

/// A partition key.
pub fn symbol(key: usize) -> String {
    format!("S{key}")
}

/// Lets commits dally from now on.
pub async fn dally(place: &Place, store: &PostgresStore) {
    let client = connect(&place.store).await;
    let statements = DALLY.replace('@', store.schema());
    client.batch_execute(&statements).await.unwrap();
}

// === impl Writer ===

impl Writer {
    /// Writer `number`, which does as `seed` says.
    pub async fn new(number: u64, place: &Place, store: &Arc<PostgresStore>, seed: u64) -> Self {
        Self {
            number,
            store: Arc::clone(store),
            holder: connect(&place.store).await,
            random: StdRng::seed_from_u64(seed ^ (number << 32)),
            sequences: BTreeMap::new(),
        }
    }

    /// Commits until `stop`.
    pub async fn write(mut self, stop: CancellationToken) -> Vec<Made> {
        let mut made = Vec::new();
        while !stop.is_cancelled() {
            let count = self.random.random_range(1..=COMMIT_KEYS_MAX);
            let keys = sample(&mut self.random, KEYS, count).into_vec();
            let commit = self.commit(&keys);
            let events = commit.appends.iter().flat_map(|append| &append.events);
            let events = events.map(SealedEvent::id).collect();
            let held = self.random.random_bool(HELD).then(|| symbol(keys[0]));
            let moment = self.random.random_range(Duration::ZERO..MOMENT_MAX);
            if let Some(key) = &held {
                self.hold(key).await;
            }
            let begun = Instant::now();
            let letting_go = async {
                if held.is_some() {
                    tokio::time::sleep(moment).await;
                    self.holder.batch_execute("COMMIT").await.unwrap();
                }
            };
            let (done, ()) = tokio::join!(self.store.commit(commit), letting_go);
            done.unwrap();
            made.push(Made {
                begun,
                answered: Instant::now(),
                events,
            });
            let pause = self.random.random_range(Duration::ZERO..MOMENT_MAX);
            tokio::time::sleep(pause).await;
        }
        made
    }

    /// Keeps commits of a key waiting until the transaction ends.
    async fn hold(&self, key: &str) {
        let (schema, name) = (self.store.schema(), key_lock(key));
        self.holder.batch_execute("BEGIN").await.unwrap();
        let lock = "SELECT pg_advisory_xact_lock(hashtext($1), hashtext($2))";
        self.holder.execute(lock, &[&schema, &name]).await.unwrap();
    }

    /// The next events of this writer about these keys.
    fn commit(&mut self, keys: &[usize]) -> Commit {
        let mut commit = Commit::default();
        for key in keys {
            let count = self.random.random_range(1..=STREAM_EVENTS_MAX);
            let expected = *self.sequences.entry(*key).or_default();
            let events: Vec<_> = (1..=count)
                .map(|next| failed(self.number, *key, expected + next))
                .collect();
            self.sequences.insert(*key, expected + count);
            commit.appends.push(Append {
                stream: events[0].stream(),
                expected,
                events,
            });
        }
        commit
    }
}

/// Event `sequence` of a writer's stream about a key.
fn failed(writer: u64, key: usize, sequence: u64) -> SealedEvent {
    let id = |kind: u64| Uuid::from_u64_pair(kind, (writer << 32) | key as u64).to_string();
    let event = TradeFailedEvent {
        trade_id: id(1),
        order_id: id(2),
        user_id: id(3),
        symbol: symbol(key),
        reason: FailureReason::UnknownSymbol.into(),
        message: String::new(),
    };
    let now = SystemTime::now();
    let stamp = Stamp {
        event_id: Uuid::now_v7(),
        sequence,
        occurred_at: now,
        recorded_at: now,
        cause: &Cause::root(Uuid::now_v7(), "service:trades"),
    };
    seal(&event, stamp).unwrap()
}

/// A connection beside those of the stores.
async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}
