//! Services, one database, one broker and a directory in a folder: the platform as `up` runs it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use outcry_broker::{Broker, EmbeddedBroker, Group};
use outcry_contracts::options::v1::Role;
use outcry_mesh::{Directory, EDGE, Rules, User};
use outcry_sqlite::Database;
use outcry_store::{SqliteStore, Store};
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::waiting::eventually;
use super::{Caller, Replica};
use crate::clock::{Clock, SystemClock};
use crate::context::Context;
use crate::run::{RunError, declare, run};
use crate::service::Service;

/// A group that wants every event and takes none: a broker refuses what nobody wants, and a story
/// runs only some of the services.
const ARCHIVE: &str = "archive";

/// Name of the database in the folder.
const DATABASE: &str = "outcry.db";

/// How long a story waits for all services to drain before it calls them stuck: longer than each
/// of their own bounds together.
const STOP_MAX: Duration = Duration::from_secs(60);

/// A platform in a folder. Stopped and opened again on the same folder, it goes on where it was.
pub struct Platform {
    folder: PathBuf,
    clock: Arc<dyn Clock>,
    database: Database,
    broker: Arc<dyn Broker>,
    directory: Directory,
    /// One per service: leases are kept with it.
    stores: Mutex<HashMap<&'static str, Arc<dyn Store>>>,
    running: JoinSet<(&'static str, Result<(), RunError>)>,
    shutdown: CancellationToken,
}

// === impl Platform ===

impl Platform {
    /// A platform in `folder`, by the machine's clock.
    pub async fn open(folder: &Path) -> Self {
        Self::open_at(folder, Arc::new(SystemClock::new())).await
    }

    /// A platform in `folder`, by `clock`.
    ///
    /// # Panics
    /// When the folder's database cannot be opened.
    pub async fn open_at(folder: &Path, clock: Arc<dyn Clock>) -> Self {
        let archive = Group {
            name: ARCHIVE,
            topics: vec!["#".to_owned()],
            partitions: 1,
            prefetch: 1,
        };
        let database = match Database::open(&folder.join(DATABASE)) {
            Ok(database) => database,
            Err(error) => panic!("opening the database: {error}"),
        };
        let broker = match EmbeddedBroker::open(&database).await {
            Ok(broker) => broker,
            Err(error) => panic!("opening the broker: {error}"),
        };
        if let Err(error) = broker.declare(&archive).await {
            panic!("declaring the archive: {error}");
        }
        let ids = Arc::clone(&clock);
        Self {
            folder: folder.to_owned(),
            clock,
            database,
            broker: Arc::new(broker),
            directory: Directory::with(Rules::of_the_contract(), move || ids.new_id()),
            stores: Mutex::default(),
            running: JoinSet::new(),
            shutdown: CancellationToken::new(),
        }
    }

    /// The same with the broker behind something that stands in its way.
    #[must_use]
    pub fn with_broker(mut self, wrap: impl FnOnce(Arc<dyn Broker>) -> Arc<dyn Broker>) -> Self {
        self.broker = wrap(self.broker);
        self
    }

    /// The context of `service`, with its own store in the platform's database. Every call makes
    /// another member on the same store.
    ///
    /// # Panics
    /// When the store cannot be opened.
    pub async fn context(&self, service: &'static str) -> Context {
        let clock = Arc::clone(&self.clock);
        let store = self.store(service).await;
        Context::new(service, store, clock, self.directory.clone())
    }

    /// The one store of `service`.
    async fn store(&self, service: &'static str) -> Arc<dyn Store> {
        let mut stores = self.stores.lock().await;
        if let Some(store) = stores.get(service) {
            return Arc::clone(store);
        }
        let store: Arc<dyn Store> = match SqliteStore::open(&self.database, service).await {
            Ok(store) => Arc::new(store),
            Err(error) => panic!("opening the store of {service}: {error}"),
        };
        stores.insert(service, Arc::clone(&store));
        store
    }

    /// Runs one more replica of `service`, as a process of its own would: it shares the store and
    /// the broker with the others and has a directory to itself. Comes back when it is running.
    ///
    /// Such a replica is stopped by itself, before the platform.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn replica(
        &self,
        service: &'static str,
        make: impl FnOnce(&Context) -> Service,
    ) -> Replica {
        let mut ctx = self.context(service).await;
        let ids = Arc::clone(&self.clock);
        ctx.directory = Directory::with(Rules::of_the_contract(), move || ids.new_id());
        Replica::start(ctx, make, Arc::clone(&self.broker)).await
    }

    /// Runs these services from now on. Comes back when all can be called.
    ///
    /// # Panics
    /// When one of them does not start.
    pub async fn start(&mut self, services: impl IntoIterator<Item = (Context, Service)>) {
        let services: Vec<_> = services.into_iter().collect();
        for (_, service) in &services {
            if let Err(error) = declare(service, self.broker.as_ref()).await {
                panic!("declaring the groups of {}: {error}", service.name);
            }
        }
        let mut names = Vec::new();
        for (ctx, service) in services {
            let name = service.name;
            names.push(name);
            let broker = Arc::clone(&self.broker);
            let shutdown = self.shutdown.clone();
            self.running
                .spawn(async move { (name, run(ctx, service, broker, shutdown).await) });
        }
        eventually("all services are running", async || {
            if let Some(ended) = self.running.try_join_next() {
                panic!("a service did not start: {ended:?}");
            }
            let here = self.directory.names();
            names.iter().all(|name| here.iter().any(|one| one == name))
        })
        .await;
    }

    /// Calls `target` as a customer, past the edge.
    pub fn user(&self, id: &str, target: &'static str) -> Caller {
        self.person(id, Role::User, target)
    }

    /// Calls `target` as an operator, past the edge.
    pub fn admin(&self, target: &'static str) -> Caller {
        self.person("admin", Role::Admin, target)
    }

    /// Calls `target` without signing in, past the edge.
    pub fn anybody(&self, target: &'static str) -> Caller {
        Caller::new(self.directory.channel(EDGE, target), None)
    }

    /// Calls `target` as the service `caller`.
    pub fn service(&self, caller: &'static str, target: &'static str) -> Caller {
        Caller::new(self.directory.channel(caller, target), None)
    }

    fn person(&self, id: &str, role: Role, target: &'static str) -> Caller {
        let user = User {
            id: id.to_owned(),
            roles: vec![role],
        };
        Caller::new(self.directory.channel(EDGE, target), Some(user))
    }

    /// The broker, to look at.
    pub fn broker(&self) -> &Arc<dyn Broker> {
        &self.broker
    }

    /// The directory the services are in.
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Stops everything in order.
    ///
    /// # Panics
    /// When a service ends with an error or does not end.
    pub async fn stop(mut self) {
        self.shutdown.cancel();
        let all = async {
            while let Some(ended) = self.running.join_next().await {
                match ended {
                    Ok((_, Ok(()))) => {}
                    Ok((name, Err(error))) => panic!("{name} failed: {error}"),
                    Err(error) => panic!("a service broke: {error}"),
                }
            }
        };
        if tokio::time::timeout(STOP_MAX, all).await.is_err() {
            panic!("services did not stop within {STOP_MAX:?}");
        }
        if let Err(error) = self.broker.close().await {
            panic!("closing the broker: {error}");
        }
        close(self.database).await;
    }

    /// Drops everything where it stands, as a crash would: nothing is finished, nothing is flushed.
    pub async fn crash(mut self) {
        self.running.shutdown().await;
        close(self.database).await;
    }

    /// Stops everything in order and opens it again on the same folder, without services.
    pub async fn restart(self) -> Self {
        let (folder, clock) = (self.folder.clone(), Arc::clone(&self.clock));
        self.stop().await;
        Self::open_at(&folder, clock).await
    }

    /// Crashes and opens again on the same folder, without services.
    pub async fn crash_and_restart(self) -> Self {
        let (folder, clock) = (self.folder.clone(), Arc::clone(&self.clock));
        self.crash().await;
        Self::open_at(&folder, clock).await
    }
}

async fn close(database: Database) {
    if let Err(error) = database.close().await {
        panic!("closing the database: {error}");
    }
}
