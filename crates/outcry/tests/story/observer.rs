//! A consumer of everything, and what it saw compared with what was committed.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use outcry_broker::{Broker, Group, RabbitMq, RabbitOptions};
use outcry_events::SealedEvent;
use outcry_store::{PostgresDatabase, PostgresOptions, ReadAll};
use uuid::Uuid;

use super::backbone::Backbone;

/// Partitions of the observer's group.
const PARTITIONS: u32 = 4;

/// Wait before a broken subscription is opened again.
const PAUSE: Duration = Duration::from_millis(200);

/// Rows read at a time.
const PAGE: usize = 5_000;

/// Services that append events.
const PUBLISHERS: [&str; 6] = ["users", "orders", "trades", "funds", "payments", "reports"];

/// What was seen: events by publisher and key, in the order in which each was first seen.
#[derive(Default)]
struct Seen {
    order: HashMap<(String, String), Vec<Uuid>>,
    ids: HashSet<Uuid>,
    deliveries: u64,
}

/// A consumer of everything.
#[derive(Clone)]
pub struct Observer {
    seen: Arc<Mutex<Seen>>,
}

/// What came of the comparison.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Events in the stores.
    pub committed: u64,
    /// Of them, never seen.
    pub lost: u64,
    /// Seen without being in any store.
    pub invented: u64,
    /// Keys whose events were first seen in another order than they were committed in.
    pub reordered_keys: u64,
    /// Deliveries of events seen before: at least once, so there may be some.
    pub repeated: u64,
}

// === impl Observer ===

impl Observer {
    /// Begins to observe; returns when everything published from now on will be seen.
    pub fn begin(backbone: &Backbone) -> Self {
        let observer = Self {
            seen: Arc::default(),
        };
        let url = backbone.rabbit.url();
        let broker = backbone.block_on(async {
            let broker = RabbitMq::connect(RabbitOptions::new(&url, "observer"))
                .await
                .unwrap();
            broker.declare(&group()).await.unwrap();
            Arc::new(broker)
        });
        for partition in 0..PARTITIONS {
            let broker: Arc<dyn Broker> = Arc::clone(&broker) as Arc<dyn Broker>;
            backbone.spawn(observer.clone().observe(broker, partition));
        }
        observer
    }

    async fn observe(self, broker: Arc<dyn Broker>, partition: u32) {
        loop {
            if let Ok(mut messages) = broker.subscribe(&group(), partition).await {
                while let Some(delivery) = messages.recv().await {
                    self.note(&SealedEvent::open(delivery.message.body.clone()).unwrap());
                    // When that fails it comes again, which is noted as a repetition.
                    let _acknowledged = delivery.ack().await;
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn note(&self, event: &SealedEvent) {
        // A fact in an older version: in no store, and seen as itself.
        if event.copy_of().is_some() {
            return;
        }
        let mut seen = self.seen.lock().unwrap();
        seen.deliveries += 1;
        if seen.ids.insert(event.id()) {
            let place = (event.source().to_owned(), event.partition_key().to_owned());
            seen.order.entry(place).or_default().push(event.id());
        }
    }

    /// Compares what was seen with what the stores hold now; to be asked when all is quiet.
    pub fn verdict(&self, backbone: &Backbone) -> Verdict {
        let committed = backbone.block_on(committed(&backbone.postgres.url()));
        let seen = self.seen.lock().unwrap();
        let mut verdict = Verdict {
            repeated: seen.deliveries - seen.ids.len() as u64,
            ..Verdict::default()
        };
        let mut known = HashSet::new();
        for (place, ids) in &committed {
            verdict.committed += ids.len() as u64;
            known.extend(ids.iter().copied());
            let lost = ids.iter().filter(|id| !seen.ids.contains(*id)).count();
            verdict.lost += lost as u64;
            let order = seen.order.get(place).map_or(&[][..], Vec::as_slice);
            if lost == 0 && order != ids.as_slice() {
                verdict.reordered_keys += 1;
                println!("{place:?} was committed as {ids:?} and seen as {order:?}");
            }
        }
        verdict.invented = seen.ids.difference(&known).count() as u64;
        verdict
    }
}

fn group() -> Group {
    Group {
        name: "observer",
        topics: vec!["#".to_owned()],
        partitions: PARTITIONS,
        prefetch: 256,
    }
}

/// Every event of every store by publisher and key, in commit order.
async fn committed(url: &str) -> BTreeMap<(String, String), Vec<Uuid>> {
    let snapshot = PostgresDatabase::snapshot(url, &PostgresOptions::default())
        .await
        .unwrap();
    let mut events: BTreeMap<(String, String), Vec<Uuid>> = BTreeMap::new();
    for service in PUBLISHERS {
        let store = snapshot.store(service).await.unwrap();
        let mut filter = ReadAll {
            limit: PAGE,
            ..ReadAll::default()
        };
        loop {
            let page = store.read_all(&filter).await.unwrap();
            let Some(last) = page.last() else { break };
            filter.after = last.position;
            for stored in page {
                let event = stored.event;
                let place = (event.source().to_owned(), event.partition_key().to_owned());
                events.entry(place).or_default().push(event.id());
            }
        }
    }
    events
}
