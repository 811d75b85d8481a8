//! What is in memory does what every store and every broker must do.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use outcry_broker::Broker;
use outcry_broker::conformance::{
    a_call_that_is_broken_off_loses_nothing, another_subscription_takes_over,
    concurrent_publishers_keep_the_order_of_their_keys,
    many_messages_reach_every_group_exactly_once, partitions_are_taken_over_one_by_one,
};
use outcry_simulation::{Clock, MemoryBroker, MemoryData, MemoryExchange, MemoryStore};
use outcry_store::Store;
use tokio::time::Instant;

/// Data by name: opened again, a name finds what was left behind.
#[derive(Default)]
struct Named<T>(RefCell<BTreeMap<String, T>>);

impl<T: Clone + Default> Named<T> {
    fn get(&self, name: &str) -> T {
        self.0
            .borrow_mut()
            .entry(name.to_owned())
            .or_default()
            .clone()
    }
}

fn store(databases: &Named<MemoryData>, name: &str, clock: &Clock) -> Arc<dyn Store> {
    Arc::new(MemoryStore::open(&databases.get(name), Arc::clone(clock)))
}

fn broker(exchanges: &Named<MemoryExchange>, name: &str) -> Arc<dyn Broker> {
    Arc::new(MemoryBroker::open(&exchanges.get(name)))
}

/// Time as the runtime has it, which stands still while there is something to do.
fn runtime_clock() -> Clock {
    let start = Instant::now();
    Arc::new(move || SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000) + start.elapsed())
}

#[tokio::test(start_paused = true)]
async fn the_store_in_simulated_time() {
    let databases = Named::default();
    let clock = runtime_clock();
    outcry_store::conformance::all(async |name: &str| store(&databases, name, &clock)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_store_on_many_threads() {
    let databases = Named::default();
    let clock: Clock = Arc::new(SystemTime::now);
    outcry_store::conformance::all(async |name: &str| store(&databases, name, &clock)).await;
}

#[tokio::test(start_paused = true)]
async fn the_broker_in_simulated_time() {
    let exchanges = Named::default();
    outcry_broker::conformance::all(async |name: &str| broker(&exchanges, name)).await;
}

/// Those about what happens at the same time. The others count on messages taking some time.
#[tokio::test(flavor = "multi_thread")]
async fn the_broker_on_many_threads() {
    let exchanges = Named::default();
    let make = async |name: &str| broker(&exchanges, name);
    Box::pin(concurrent_publishers_keep_the_order_of_their_keys(&make)).await;
    Box::pin(another_subscription_takes_over(&make)).await;
    Box::pin(partitions_are_taken_over_one_by_one(&make)).await;
    Box::pin(a_call_that_is_broken_off_loses_nothing(&make)).await;
    Box::pin(many_messages_reach_every_group_exactly_once(&make)).await;
}
