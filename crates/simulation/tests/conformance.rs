//! What is in memory does what every store must do.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use outcry_simulation::{Clock, MemoryData, MemoryStore};
use outcry_store::Store;
use tokio::time::Instant;

/// Data by name: opened again, a name finds what was left behind.
#[derive(Default)]
struct Databases(RefCell<BTreeMap<String, MemoryData>>);

impl Databases {
    fn open(&self, name: &str, clock: &Clock) -> Arc<dyn Store> {
        let mut databases = self.0.borrow_mut();
        let data = databases.entry(name.to_owned()).or_default();
        Arc::new(MemoryStore::open(data, Arc::clone(clock)))
    }
}

/// Time as the runtime has it, which stands still while there is something to do.
fn runtime_clock() -> Clock {
    let start = Instant::now();
    Arc::new(move || SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000) + start.elapsed())
}

#[tokio::test(start_paused = true)]
async fn the_store_in_simulated_time() {
    let databases = Databases::default();
    let clock = runtime_clock();
    outcry_store::conformance::all(async |name: &str| databases.open(name, &clock)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_store_on_many_threads() {
    let databases = Databases::default();
    let clock: Clock = Arc::new(SystemTime::now);
    outcry_store::conformance::all(async |name: &str| databases.open(name, &clock)).await;
}
