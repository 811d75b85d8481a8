//! A gateway on a real socket and a real store, with a users service behind it.

use std::net::SocketAddr;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use outcry_contracts::Event;
use outcry_contracts::users::v1::user_service_client::UserServiceClient;
use outcry_contracts::users::v1::user_service_server::UserServiceServer;
use outcry_contracts::users::v1::{UserPasswordChangedEvent, UserUpdatedEvent};
use outcry_events::{Cause, SealedEvent, Stamp, seal};
use outcry_gateway::{Config, Edge, Rate, serve_within, service};
use outcry_mesh::token::{Claims, SigningKey};
use outcry_mesh::{Bounds, Directory, Role, Rules};
use outcry_service::testing::FakeClock;
use outcry_service::{Clock, Context, Reaction};
use outcry_sqlite::Database;
use outcry_store::{CommitError, SqliteStore, Store};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::Request;
use tonic::service::Routes;
use tonic::transport::Channel;
use uuid::Uuid;

use crate::users::{Seen, Users};

/// How long a token of these stories counts.
pub const TOKEN_LIFETIME: Duration = Duration::from_secs(900);

/// A running gateway and what is around it.
pub struct Rig {
    pub address: SocketAddr,
    pub clock: Arc<FakeClock>,
    pub directory: Directory,
    pub keys: Arc<Mutex<Vec<SigningKey>>>,
    pub seen: Arc<Mutex<Vec<Seen>>>,
    pub key_fetches: Arc<AtomicUsize>,
    pub edge: Edge,
    pub stop: CancellationToken,
    pub serving: JoinHandle<()>,
    ctx: Context,
    recorder: Arc<dyn Reaction>,
    stored: Stored,
}

/// What outlives a gateway.
#[derive(Clone)]
struct Stored {
    store: Arc<dyn Store>,
    _folder: Arc<TempDir>,
    clock: Arc<FakeClock>,
}

/// The usual configuration, but for how often one user may call: here it is all about connections.
pub fn unhurried() -> Config {
    let mut config = Config::default();
    config.rates.reads = Rate {
        per_second: 1_000_000,
        burst: 1_000_000,
    };
    config
}

/// The id of customer number `number`.
pub fn user(number: u128) -> String {
    Uuid::from_u128(number).to_string()
}

impl Rig {
    pub async fn start() -> Rig {
        Rig::with(Config::default()).await
    }

    pub async fn with(config: Config) -> Rig {
        Rig::within(config, |bounds| bounds).await
    }

    /// A gateway whose door has other bounds than the configuration's.
    pub async fn within(config: Config, other: impl FnOnce(Bounds) -> Bounds) -> Rig {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let database = Database::open(&folder.path().join("outcry.db")).unwrap();
        let store = SqliteStore::open(&database, "gateway").await.unwrap();
        let stored = Stored {
            store: Arc::new(store),
            _folder: folder,
            clock: Arc::default(),
        };
        Rig::on(stored, config, other).await
    }

    /// One more gateway on the same store, as another process runs it.
    pub async fn replica(&self) -> Rig {
        Rig::on(self.stored.clone(), Config::default(), |bounds| bounds).await
    }

    /// The edge of one more gateway, not served yet.
    pub async fn edge_with(&self, config: Config) -> Edge {
        service(self.ctx.clone(), config).await.unwrap().1
    }

    /// A new gateway on the same database: it knows only what is stored.
    pub async fn restarted(self) -> Rig {
        self.stop.cancel();
        self.serving.await.unwrap();
        Rig::on(self.stored, Config::default(), |bounds| bounds).await
    }

    async fn on(stored: Stored, config: Config, other: impl FnOnce(Bounds) -> Bounds) -> Rig {
        let (store, clock) = (Arc::clone(&stored.store), Arc::clone(&stored.clock));
        let ids = Arc::clone(&clock);
        let directory = Directory::with(Rules::of_the_contract(), move || ids.new_id());
        let ctx = Context::new("gateway", store, Arc::clone(&clock) as _, directory.clone());
        let (gateway, edge) = service(ctx.clone(), config).await.unwrap();
        directory
            .register("gateway", gateway.routes.clone())
            .unwrap();
        let recorder = Arc::clone(&gateway.reactions[0]);

        let keys = Arc::new(Mutex::new(vec![SigningKey::from_seed(&[1; 32])]));
        let seen = Arc::default();
        let key_fetches = Arc::default();
        let users = Users {
            keys: Arc::clone(&keys),
            seen: Arc::clone(&seen),
            key_fetches: Arc::clone(&key_fetches),
        };
        directory
            .register("users", Routes::new(UserServiceServer::new(users)))
            .unwrap();

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let bounds = other(edge.bounds());
        let serving = serve_within(edge.clone(), bounds, listener, stop.clone());
        let serving = tokio::spawn(async move { serving.await.unwrap() });
        for task in gateway.tasks {
            tokio::spawn((task.work)(stop.clone()));
        }
        Rig {
            address,
            clock,
            directory,
            keys,
            seen,
            key_fetches,
            edge,
            stop,
            serving,
            ctx,
            recorder,
            stored,
        }
    }

    /// How many connections ended for a reason.
    pub fn ended(&self, reason: &str) -> u64 {
        let doors = self.directory.doors();
        let ended = doors.first().map(|door| &door.ended);
        ended
            .and_then(|ended| ended.get(reason))
            .copied()
            .unwrap_or(0)
    }

    pub async fn connect(&self) -> Channel {
        let address = format!("http://{}", self.address);
        Channel::from_shared(address)
            .unwrap()
            .connect()
            .await
            .unwrap()
    }

    pub async fn users(&self) -> UserServiceClient<Channel> {
        UserServiceClient::new(self.connect().await)
    }

    /// A token of a user at the clock's time, in the first epoch.
    pub fn token(&self, user_id: &str, role: Role) -> String {
        let (jti, now) = (self.clock.new_id(), self.clock.now());
        let claims = Claims::new(user_id, &[role], 0, jti, now, TOKEN_LIFETIME);
        self.keys.lock().unwrap()[0].sign(&claims).unwrap()
    }

    /// A request of a signed-in user.
    pub fn by<T>(&self, user_id: &str, role: Role, message: T) -> Request<T> {
        bearing(&self.token(user_id, role), message)
    }

    pub fn last_seen(&self) -> Seen {
        self.seen.lock().unwrap().last().unwrap().clone()
    }

    /// Seals an event in a flow.
    pub fn sealed<E: Event>(&self, event: &E, flow: Uuid) -> SealedEvent {
        let cause = Cause::root(flow, "service:users");
        let now = self.clock.now();
        let stamp = Stamp {
            event_id: self.clock.new_id(),
            sequence: 1,
            occurred_at: now,
            recorded_at: now,
            cause: &cause,
        };
        seal(event, stamp).unwrap()
    }

    /// Lets the gateway consume an event the way the runtime does.
    pub async fn consume(&self, event: &SealedEvent) {
        loop {
            let commit = self.recorder.react(event).await.unwrap();
            match self.ctx.store.commit(commit).await {
                Ok(()) => break self.recorder.committed(event).await,
                Err(CommitError::Conflict(_)) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Consumes an event about a customer, and returns it.
    pub async fn happened_to(&self, user_id: &str, flow: u128) -> SealedEvent {
        let updated = UserUpdatedEvent {
            user_id: user_id.to_owned(),
            ..Default::default()
        };
        let event = self.sealed(&updated, Uuid::from_u128(flow));
        self.consume(&event).await;
        event
    }

    /// Voids a customer's tokens of earlier epochs than `token_epoch`.
    pub async fn revoke(&self, user_id: &str, token_epoch: u64) {
        let changed = UserPasswordChangedEvent {
            user_id: user_id.to_owned(),
            token_epoch,
        };
        let event = self.sealed(&changed, self.clock.new_id());
        self.consume(&event).await;
    }

    pub fn recorder(&self) -> &dyn Reaction {
        self.recorder.as_ref()
    }

    pub fn store(&self) -> &dyn Store {
        self.ctx.store.as_ref()
    }
}

/// A request with a token.
pub fn bearing<T>(token: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let header = format!("Bearer {token}").parse().unwrap();
    request.metadata_mut().insert("authorization", header);
    request
}
