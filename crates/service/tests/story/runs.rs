//! Several events of a partition at a time: those of other keys, and those of one order in one write.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use outcry_contracts::funds::v1::FundsDepositedEvent;
use outcry_events::SealedEvent;
use outcry_service::testing::{Platform, eventually};
use outcry_service::{Context, Fault, GroupSpec, Reaction, Service, Unknown};
use outcry_store::{Commit, ParkedFilter, ViewWrite};

use crate::toys::{Act, Script, WIDE, deposited, id, journal, wide_ledger};

/// Everybody's deposits in one list.
struct Chronicle {
    ctx: Context,
    partitions: u32,
    /// The reference that makes no sense.
    poisoned: String,
    /// Once, somebody else writes to the list when this reference is in a run.
    overtaken: Mutex<Option<String>>,
    /// Panics when this one is in a run, and not when it comes alone.
    panics: String,
    /// Events of the longest run.
    longest: Arc<AtomicUsize>,
}

impl Chronicle {
    async fn list(&self) -> (u64, Vec<String>) {
        list(&self.ctx).await
    }

    fn line(&self, event: &SealedEvent) -> Result<String, Fault> {
        let deposit: FundsDepositedEvent = event.payload()?;
        if self.poisoned == deposit.reference {
            return Err(Fault::park("makes no sense"));
        }
        Ok(deposit.reference)
    }
}

/// How often the list was written, and what it says.
async fn list(ctx: &Context) -> (u64, Vec<String>) {
    match ctx.store.view("chronicle", "all").await.unwrap() {
        Some(row) => (row.version, row.decode().unwrap()),
        None => (0, Vec::new()),
    }
}

fn write(lines: &[String], version: u64) -> Commit {
    let write = ViewWrite::put("chronicle", "all", &lines).unwrap();
    Commit {
        views: vec![write.expect(version)],
        ..Commit::default()
    }
}

#[async_trait]
impl Reaction for Chronicle {
    fn group(&self) -> GroupSpec {
        GroupSpec::new("ledger", &["funds.deposited"], Unknown::Park)
            .partitions(self.partitions)
            .in_runs()
    }

    async fn react(&self, event: &SealedEvent) -> Result<Commit, Fault> {
        let (version, mut lines) = self.list().await;
        lines.push(self.line(event)?);
        Ok(write(&lines, version))
    }

    async fn react_to_run(&self, events: &[SealedEvent]) -> Vec<Commit> {
        let (version, mut lines) = self.list().await;
        let mut commits = Vec::new();
        for (event, version) in events.iter().zip(version..) {
            let Ok(line) = self.line(event) else {
                break;
            };
            assert_ne!(line, self.panics, "a bug in runs");
            let is_overtaken = self.overtaken.lock().unwrap().take_if(|one| *one == line);
            if is_overtaken.is_some() {
                let (version, theirs) = self.list().await;
                self.ctx
                    .store
                    .commit(write(&theirs, version))
                    .await
                    .unwrap();
            }
            lines.push(line);
            commits.push(write(&lines, version));
        }
        self.longest.fetch_max(commits.len(), Ordering::SeqCst);
        commits
    }
}

/// Keys, and deposits of each: more than a run holds.
const KEYS: u128 = 5;
const EACH: u64 = 40;

fn reference(key: u128, number: u64) -> String {
    format!("{key}-{number}")
}

/// One deposit of each key, then the next of each.
fn all() -> impl Iterator<Item = (u128, u64)> {
    (1..=EACH).flat_map(|number| (0..KEYS).map(move |key| (key, number)))
}

/// Twice: what is handled is not handled again.
async fn publish_twice(platform: &Platform) {
    let messages = all().map(|(key, number)| deposited(key, number, &reference(key, number)));
    let messages: Vec<_> = messages.collect();
    for messages in [messages.clone(), messages] {
        let results = platform.broker().publish(messages).await;
        assert!(results.iter().all(Result::is_ok));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_of_one_order_keeps_it_whatever_is_wrong_with_one_of_its_events() {
    let folder = tempfile::tempdir().unwrap();
    let mut platform = Platform::open(folder.path()).await;
    let ctx = platform.context("ledger").await;
    let longest = Arc::new(AtomicUsize::new(0));
    let chronicle = Chronicle {
        ctx: ctx.clone(),
        partitions: 1,
        poisoned: reference(3, 20),
        overtaken: Mutex::new(Some(reference(1, 30))),
        panics: reference(2, 35),
        longest: Arc::clone(&longest),
    };
    let ledger = Service::new("ledger").reacts(chronicle);
    platform.start([(ctx.clone(), ledger)]).await;
    publish_twice(&platform).await;

    let expected: Vec<_> = all()
        .filter(|(key, number)| *key != 3 || *number < 20)
        .map(|(key, number)| reference(key, number))
        .collect();
    let lines = async || list(&ctx).await.1;
    eventually("all that can be is written down", async || {
        lines().await.len() >= expected.len()
    })
    .await;
    eventually("the poisoned key waits", async || {
        let filter = ParkedFilter {
            limit: 1000,
            ..ParkedFilter::default()
        };
        let parked = ctx.store.parked(&filter).await.unwrap();
        parked.len() as u64 == EACH - 20 + 1 && parked.iter().all(|one| one.key == id(3))
    })
    .await;
    assert_eq!(lines().await, expected);
    assert!(longest.load(Ordering::SeqCst) > 1, "nothing was a run");
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_of_several_partitions_that_write_one_row_lose_nothing_and_keep_the_order_of_each_key()
{
    let folder = tempfile::tempdir().unwrap();
    let mut platform = Platform::open(folder.path()).await;
    let ctx = platform.context("ledger").await;
    let longest = Arc::new(AtomicUsize::new(0));
    let chronicle = Chronicle {
        ctx: ctx.clone(),
        partitions: WIDE,
        poisoned: String::new(),
        overtaken: Mutex::new(None),
        panics: String::new(),
        longest: Arc::clone(&longest),
    };
    let ledger = Service::new("ledger").reacts(chronicle);
    platform.start([(ctx.clone(), ledger)]).await;
    publish_twice(&platform).await;
    let lines = async || list(&ctx).await.1;
    let total = KEYS as usize * EACH as usize;
    eventually("all is written down", async || lines().await.len() >= total).await;
    let lines = lines().await;
    assert_eq!(lines.len(), total);
    for key in 0..KEYS {
        let begin = format!("{key}-");
        let of_key: Vec<_> = lines
            .iter()
            .filter(|line| line.starts_with(&begin))
            .collect();
        let expected: Vec<_> = (1..=EACH).map(|number| reference(key, number)).collect();
        assert_eq!(of_key, expected.iter().collect::<Vec<_>>());
    }
    assert!(longest.load(Ordering::SeqCst) > 1, "nothing was a run");
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_takes_long_holds_up_its_key_and_no_other_of_its_partition() {
    let folder = tempfile::tempdir().unwrap();
    let platform = Platform::open(folder.path()).await;
    let script = Script::default();
    script.plan("0-1", [Act::Hang]);
    let make = |ctx: &Context| wide_ledger(ctx, &script);
    let replica = platform.replica("ledger", make).await;
    let ctx = platform.context("ledger").await;
    // So many keys that each partition has some of them.
    let keys = u128::from(WIDE) * 8;
    for number in 1..=3 {
        let batch = (0..keys).map(|key| deposited(key, number, &reference(key, number)));
        let results = platform.broker().publish(batch.collect()).await;
        assert!(results.iter().all(Result::is_ok));
    }
    let all: Vec<Vec<_>> = (0..keys)
        .map(|key| (1..=3).map(|number| reference(key, number)).collect())
        .collect();
    for key in 1..keys {
        eventually("the other keys flow", async || {
            journal(&ctx, key).await == all[key as usize]
        })
        .await;
    }
    assert!(script.is_spent("0-1"), "it hangs");
    assert!(
        journal(&ctx, 0).await.is_empty(),
        "and nothing overtakes it"
    );

    replica.crash().await;
    let replica = platform.replica("ledger", make).await;
    eventually("what was in hand comes again", async || {
        journal(&ctx, 0).await == all[0]
    })
    .await;
    replica.stop().await;
    platform.stop().await;
}
