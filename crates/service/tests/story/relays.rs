//! Several relays on one store: order holds, whatever happens to them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use outcry_broker::{Broker, BrokerError, Group, GroupStatus, Message, Partition, PublishError};
use outcry_mesh::Directory;
use outcry_service::testing::{Platform, Replica, eventually};
use outcry_service::{Context, Service};
use outcry_store::ReadAll;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::obstacles::Flaky;
use crate::toys::{deposit, id};

const RELAYS: usize = 4;
const USERS: u128 = 12;
const DEPOSITS: usize = 150;

/// Between two deposits of a user at most: together the load outlasts a lease.
const PAUSE_MAX_MS: u64 = 120;

/// Between two aborts of a relay at most.
const ABORT_MAX_MS: u64 = 1500;

/// Writes down what is published, takes its time, refuses some, and forgets to confirm some.
struct Recorder {
    inner: Arc<dyn Broker>,
    rng: Mutex<StdRng>,
    log: Arc<Mutex<Vec<(String, String)>>>,
}

impl Recorder {
    fn roll(&self, to: u64) -> u64 {
        self.rng.lock().unwrap().random_range(0..to)
    }
}

#[async_trait]
impl Broker for Recorder {
    async fn publish(&self, messages: Vec<Message>) -> Vec<Result<(), PublishError>> {
        let mut results: Vec<Result<(), PublishError>> = Vec::new();
        let mut refused: Vec<String> = Vec::new();
        for message in messages {
            if self.roll(4) == 0 {
                tokio::time::sleep(Duration::from_millis(self.roll(8))).await;
            }
            let key = message.partition_key;
            if refused.contains(&key) {
                results.push(Err(PublishError::HeldBack));
                continue;
            }
            let is_taken = self.roll(20) > 0;
            let is_confirmed = self.roll(20) > 0;
            if is_taken {
                let line = (key.clone(), message.event_id);
                self.log.lock().unwrap().push(line);
            }
            if is_taken && is_confirmed {
                results.push(Ok(()));
            } else {
                refused.push(key);
                results.push(Err(PublishError::Backend(Arc::new(std::io::Error::other(
                    "no confirm",
                )))));
            }
        }
        results
    }
    async fn declare(&self, group: &Group) -> Result<(), BrokerError> {
        self.inner.declare(group).await
    }
    async fn subscribe(&self, group: &Group, partition: u32) -> Result<Partition, BrokerError> {
        self.inner.subscribe(group, partition).await
    }
    async fn remove(&self, group: &str) -> Result<(), BrokerError> {
        self.inner.remove(group).await
    }
    async fn groups(&self) -> Result<Vec<GroupStatus>, BrokerError> {
        self.inner.groups().await
    }
    async fn close(&self) -> Result<(), BrokerError> {
        self.inner.close().await
    }
}

fn funds(_: &Context) -> Service {
    Service::new("funds").emits(&["funds.deposited"])
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_time_events_of_a_key_are_published_is_in_commit_order() {
    let seed: u64 = rand::rng().random();
    println!("seed {seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let log = Arc::default();
    let folder = tempfile::tempdir().unwrap();
    let recorder_rng = Mutex::new(StdRng::seed_from_u64(rng.random()));
    let platform = Platform::open(folder.path()).await.with_broker(|inner| {
        Arc::new(Recorder {
            inner,
            rng: recorder_rng,
            log: Arc::clone(&log),
        })
    });
    let looker = platform.context("funds").await;
    let mut replicas = Vec::new();
    for _ in 1..RELAYS {
        replicas.push(platform.replica("funds", funds).await);
    }
    // One loses its leases on the way and goes on: two relays publish the same slots then.
    let is_cut_off = Arc::new(AtomicBool::new(false));
    let flaky = Flaky {
        inner: Arc::clone(&looker.store),
        down: Arc::default(),
        is_cut_off: Arc::clone(&is_cut_off),
    };
    let ctx = Context::new(
        "funds",
        Arc::new(flaky),
        Arc::clone(&looker.clock),
        Directory::new(),
    );
    let cut_off = Replica::start(ctx, funds, Arc::clone(platform.broker())).await;
    eventually("the outbox is shared", async || {
        let mut all = replicas.iter().chain([&cut_off]);
        all.all(|replica| replica.held("relay") == 2)
    })
    .await;
    is_cut_off.store(true, Ordering::SeqCst);

    let mut contexts = Vec::new();
    for _ in 0..RELAYS {
        contexts.push(platform.context("funds").await);
    }
    let mut load = tokio::task::JoinSet::new();
    for user in 0..USERS {
        let contexts = contexts.clone();
        let mut rng = StdRng::seed_from_u64(rng.random());
        load.spawn(async move {
            for number in 0..DEPOSITS {
                let pause = Duration::from_millis(rng.random_range(0..PAUSE_MAX_MS));
                tokio::time::sleep(pause).await;
                let ctx = &contexts[rng.random_range(0..contexts.len())];
                deposit(ctx, user, &[&format!("r{number}")]).await;
            }
        });
    }
    while !load.is_empty() {
        let pause = Duration::from_millis(rng.random_range(0..ABORT_MAX_MS));
        tokio::time::sleep(pause).await;
        let one = replicas.swap_remove(rng.random_range(0..replicas.len()));
        if rng.random() {
            one.crash().await;
        } else {
            one.stop().await;
        }
        replicas.push(platform.replica("funds", funds).await);
        while let Some(ended) = load.try_join_next() {
            ended.unwrap();
        }
    }
    eventually("all is published", async || {
        looker.store.oldest_unsent().await.unwrap().is_none()
    })
    .await;
    assert!(cut_off.ctx.metrics().relay.published.get() > 0);

    let mut published: HashMap<String, Vec<String>> = HashMap::new();
    let mut repeats = 0;
    for (key, event_id) in log.lock().unwrap().iter() {
        let ids = published.entry(key.clone()).or_default();
        if ids.contains(event_id) {
            repeats += 1;
        } else {
            ids.push(event_id.clone());
        }
    }
    println!("{repeats} repeats");
    for user in 0..USERS {
        let filter = ReadAll {
            partition_key: Some(id(user)),
            limit: 1000,
            ..ReadAll::default()
        };
        let committed = looker.store.read_all(&filter).await.unwrap();
        let committed: Vec<_> = committed
            .iter()
            .map(|row| row.event.id().to_string())
            .collect();
        assert_eq!(committed.len(), DEPOSITS);
        assert_eq!(published[&id(user)], committed, "user {user}, seed {seed}");
    }
    for replica in replicas.into_iter().chain([cut_off]) {
        replica.stop().await;
    }
    platform.stop().await;
}
