//! One poisoned key among many at three replicas, and the death of the one that redrives it.

use std::collections::BTreeMap;
use std::sync::Arc;

use outcry_broker::Broker;
use outcry_contracts::operations::v1 as api;
use outcry_contracts::operations::v1::dead_letter_service_client::DeadLetterServiceClient;
use outcry_contracts::options::v1::Role;
use outcry_mesh::{Channel, Directory, EDGE, Endpoints, User, acting_for};
use outcry_service::testing::{eventually, found};
use outcry_store::{AuditAction, AuditEntry, AuditFilter, Parked, ParkedFilter, Store};
use tonic::Request;

use crate::journal::{GROUP, PARTITIONS, POISON, counts, deposited, id, lines, mend};
use crate::place::Place;
use crate::replica::{Replica, mesh_key};

const REPLICAS: usize = 3;
const KEYS: u128 = 64;
const EVENTS: u64 = 500;

/// The key that is poisoned, and where.
const POISONED: u128 = 7;
const POISON_AT: u64 = 70;

/// Events of the key that wait in the end.
const WAITING: u64 = EVENTS - POISON_AT + 1;

/// Slow enough for a redrive to have a middle.
const PER_SECOND: u32 = 100;

/// Where the replica that redrives is killed: somewhere behind this event.
const KILLED_BEHIND: u64 = 200;

/// Events that are handled within the patience of a story, however busy the machine is.
const STEP: u64 = 1_000;

/// What a story sees of the ledger.
struct Stage {
    store: Arc<dyn Store>,
    directory: Directory,
}

impl Stage {
    fn letters(&self) -> DeadLetterServiceClient<Channel> {
        DeadLetterServiceClient::new(self.directory.channel(EDGE, "ledger"))
    }

    /// Asks any of the replicas to redrive the poisoned key; how much that is.
    async fn redrive(&self, dry_run: bool) -> (u64, u64) {
        let mut request = Request::new(api::RedriveDeadLettersRequest {
            group: GROUP.into(),
            key: id(POISONED),
            rate_per_second: PER_SECOND,
            dry_run,
            ..Default::default()
        });
        let operator = User {
            id: "operator".into(),
            roles: vec![Role::Admin],
        };
        acting_for(&mut request, &operator);
        let extent = self.letters().redrive_dead_letters(request).await.unwrap();
        let extent = extent.into_inner();
        (extent.events, extent.keys)
    }

    async fn parked(&self) -> Vec<Parked> {
        let filter = ParkedFilter {
            limit: 1_000,
            ..ParkedFilter::default()
        };
        self.store.parked(&filter).await.unwrap()
    }

    async fn audit(&self, action: AuditAction) -> Vec<AuditEntry> {
        let filter = AuditFilter {
            limit: 1_000,
            ..AuditFilter::default()
        };
        let mut entries = self.store.parking_audit(&filter).await.unwrap();
        entries.retain(|entry| entry.action == action);
        entries
    }

    async fn handled_of_poisoned(&self) -> u64 {
        let counts = counts(self.store.as_ref()).await;
        counts.get(&id(POISONED)).copied().unwrap_or_default()
    }

    /// Waits until so many events are handled in all.
    async fn handled(&self, wanted: u64) {
        let mut seen = 0;
        while seen < wanted {
            let next = wanted.min(seen + STEP);
            eventually("more events are handled", async || {
                seen = counts(self.store.as_ref()).await.values().sum();
                seen >= next
            })
            .await;
        }
    }

    /// The poisoned key is handled up to this event; of the others, all.
    async fn assert_in_order_and_once(&self, poisoned_to: u64) {
        for user in 0..KEYS {
            let to = if user == POISONED {
                poisoned_to
            } else {
                EVENTS
            };
            let lines = lines(self.store.as_ref(), user).await;
            let sequences: Vec<_> = lines.iter().map(|line| line.sequence).collect();
            assert_eq!(sequences, (1..=to).collect::<Vec<_>>(), "user {user}");
        }
    }

    /// Address of the replica that holds a slot.
    async fn holder(&self, pool: &str, slot: u32) -> Option<String> {
        let holder = self.store.holder(pool, slot).await.unwrap();
        holder.map(|member| member.address)
    }

    /// Partitions by the address of their holder.
    async fn shares(&self) -> BTreeMap<String, u32> {
        let mut shares = BTreeMap::new();
        for partition in 0..PARTITIONS {
            if let Some(holder) = self.holder("group/ledger", partition).await {
                *shares.entry(holder).or_default() += 1;
            }
        }
        shares
    }

    /// Events handled by the address of the replica, of the poisoned key behind the poison and of
    /// all else.
    async fn work(&self) -> BTreeMap<String, (u64, u64)> {
        let mut work: BTreeMap<String, (u64, u64)> = BTreeMap::new();
        for user in 0..KEYS {
            for line in lines(self.store.as_ref(), user).await {
                let done = work.entry(line.at).or_default();
                if user == POISONED && line.sequence >= POISON_AT {
                    done.1 += 1;
                } else {
                    done.0 += 1;
                }
            }
        }
        work
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poisoned_key_waits_at_three_processes_and_its_redrive_outlives_the_one_at_it() {
    if !outcry_servers::present() {
        return;
    }
    let place = Place::new("poison").await;
    let mut replicas = Vec::new();
    for _ in 0..REPLICAS {
        replicas.push(Replica::start("ledger", &place).await);
    }
    let addresses: Vec<_> = replicas.iter().map(|one| one.address.clone()).collect();
    let directory = Directory::new();
    directory.join(mesh_key());
    directory.remote("ledger", Endpoints::at(&addresses).unwrap());
    let stage = Stage {
        store: place.store("ledger").await,
        directory,
    };
    eventually("the partitions are shared", async || {
        let shares = stage.shares().await;
        addresses.iter().all(|one| shares.get(one) == Some(&4))
    })
    .await;
    let shares = stage.shares().await;

    let broker = place.broker("funds").await;
    for number in 1..=EVENTS {
        let round = (0..KEYS).map(|user| {
            let is_poison = user == POISONED && number == POISON_AT;
            deposited(user, number, if is_poison { POISON } else { "fine" })
        });
        let results = broker.publish(round.collect()).await;
        assert!(results.iter().all(Result::is_ok), "{results:?}");
    }
    let others = u64::try_from(KEYS - 1).unwrap() * EVENTS;
    stage.handled(others + POISON_AT - 1).await;
    eventually("the rest of the key is parked", async || {
        stage.parked().await.len() as u64 == WAITING
    })
    .await;
    stage.assert_in_order_and_once(POISON_AT - 1).await;
    let rows = stage.parked().await;
    assert!(rows.iter().all(|row| row.key == id(POISONED)));
    let attempts = |rows: &[Parked]| rows.iter().map(|row| row.attempts).collect::<Vec<_>>();
    let tried_once = attempts(&rows);
    assert_eq!((tried_once[0], tried_once.iter().sum::<u32>()), (1, 1));

    assert_eq!(stage.redrive(true).await, (WAITING, 1));
    assert_eq!(stage.parked().await, rows, "a dry run changes nothing");
    assert!(stage.audit(AuditAction::RedriveRequested).await.is_empty());
    assert_eq!(stage.redrive(false).await, (WAITING, 1));
    eventually("the redrive fails", async || {
        stage.audit(AuditAction::RedriveFailed).await.len() == 1
    })
    .await;
    let rows = stage.parked().await;
    assert_eq!(rows.len() as u64, WAITING);
    assert_eq!(attempts(&rows), tried_once, "attempts count anew");
    stage.assert_in_order_and_once(POISON_AT - 1).await;

    mend(stage.store.as_ref()).await;
    assert_eq!(stage.redrive(false).await, (WAITING, 1));
    eventually("the redrive is in its middle", async || {
        stage.handled_of_poisoned().await > KILLED_BEHIND
    })
    .await;
    let redriver = stage.holder("redrive/ledger", 0).await.unwrap();
    let place_of = addresses.iter().position(|one| *one == redriver).unwrap();
    replicas[place_of].kill().await;
    // The database may still be at a commit that it was sent before.
    let (killed_at, rows) = found("its last commit is over", async || {
        let rows = stage.parked().await;
        let handled = stage.handled_of_poisoned().await;
        (handled + rows.len() as u64 == EVENTS).then_some((handled, rows))
    })
    .await;
    assert!(killed_at < EVENTS, "it was over before it was killed");
    assert!(
        rows.iter().all(|row| row.attempts == 0),
        "attempts are reset"
    );
    let requests = stage.store.redrives(GROUP, 10).await.unwrap();
    let open: Vec<_> = requests
        .iter()
        .map(|one| (one.key.clone(), one.per_second, one.asked.by.as_str()))
        .collect();
    assert_eq!(open, [(id(POISONED), PER_SECOND, "user:operator")]);

    eventually("another replica has brought the key through", async || {
        stage.parked().await.is_empty()
    })
    .await;
    stage.assert_in_order_and_once(EVENTS).await;
    let redriven = stage.audit(AuditAction::Redriven).await;
    assert_eq!(redriven.len() as u64, WAITING, "each once, whoever did it");
    let requested = stage.audit(AuditAction::RedriveRequested).await;
    assert_eq!(requested.len(), 2);
    let failed = stage.audit(AuditAction::RedriveFailed).await;
    let mut entries = redriven.iter().chain(&requested).chain(&failed);
    assert!(entries.all(|entry| entry.asked.by == "user:operator"));
    let successor = stage.holder("redrive/ledger", 0).await.unwrap();
    assert_ne!(successor, redriver);

    let work = stage.work().await;
    println!("replica  partitions  handled  redriven  end");
    for (number, address) in addresses.iter().enumerate() {
        let (handled, redriven) = work.get(address).copied().unwrap_or_default();
        let end = if number == place_of {
            format!("killed behind event {killed_at} of the poisoned key")
        } else {
            "drained".to_owned()
        };
        println!(
            "{:>7}  {:>10}  {handled:>7}  {redriven:>8}  {end}",
            number + 1,
            shares[address]
        );
    }
    for (number, replica) in replicas.into_iter().enumerate() {
        if number != place_of {
            replica.stop().await;
        }
    }
}
