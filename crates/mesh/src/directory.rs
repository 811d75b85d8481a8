//! Which services run here, and how to reach them.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::convert::Infallible;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use futures::FutureExt;
use http::{Request, Response};
use tokio::sync::watch;
use tonic::body::Body;
use tonic::service::Routes;
use tonic::{Code, Status};
use tower::Service;
use uuid::Uuid;

use crate::address::Endpoints;
use crate::authorize::{Rules, service_of};
use crate::channel::Channel;
use crate::credentials::Credentials;
use crate::door::{DoorView, Doors};
use crate::faults::{Faults, Injected};
use crate::metrics::MeshMetrics;
use crate::network::Network;
use crate::overview::Overview;
use crate::recorder::CallRecorder;
use crate::refusal;
use crate::server::{IdSource, Server};

/// The gRPC services that every service serves: for its own consumer groups, and of itself.
const DEAD_LETTERS: &str = "outcry.operations.v1.DeadLetterService";
const REPLICA: &str = "outcry.operations.v1.ReplicaService";

/// Owners of methods that another service serves: the event log is the gateway's.
const SERVED_BY_ANOTHER: [(&str, &str); 1] = [("eventlog", "gateway")];

/// Service names and where they run: in this process, or in others. Cheap to clone; all clones are
/// one directory.
#[derive(Clone)]
pub struct Directory {
    inner: Arc<Inner>,
}

struct Inner {
    rules: Arc<Rules>,
    ids: IdSource,
    served: RwLock<HashMap<String, Served>>,
    metrics: MeshMetrics,
    faults: Arc<Injected>,
    doors: Doors,
    network: Arc<Network>,
    changes: watch::Sender<u64>,
    ready: watch::Sender<bool>,
}

#[derive(Clone)]
struct Served {
    server: Arc<Server>,
    /// Names of the contract's gRPC services found in the routes.
    grpc_services: BTreeSet<String>,
}

/// Why a service cannot be registered.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// The contract says of none of its callers that they may call these methods.
    #[error("`{service}` serves methods that have no `access` option in the contract: {methods}")]
    NoRule {
        /// The service that was to be registered.
        service: String,
        /// Paths of the methods.
        methods: String,
    },
}

impl Default for Directory {
    fn default() -> Directory {
        Directory::new()
    }
}

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Directory")
            .field("services", &self.names())
            .finish_non_exhaustive()
    }
}

impl Directory {
    /// An empty directory that authorizes by the contract.
    pub fn new() -> Directory {
        Directory::with(Rules::of_the_contract(), Uuid::now_v7)
    }

    /// An empty directory with rules of its own, and a source of correlation ids for calls that have none.
    pub fn with(rules: Rules, ids: impl Fn() -> Uuid + Send + Sync + 'static) -> Directory {
        let metrics = MeshMetrics::default();
        Directory {
            inner: Arc::new(Inner {
                rules: Arc::new(rules),
                ids: Arc::new(ids),
                served: RwLock::default(),
                network: Arc::new(Network::new(metrics.clone())),
                metrics,
                faults: Arc::default(),
                doors: Doors::default(),
                changes: watch::Sender::new(0),
                ready: watch::Sender::new(false),
            }),
        }
    }

    /// Makes a service reachable under a name. A service registered before under that name is replaced.
    ///
    /// # Errors
    /// [`RegisterError::NoRule`] when the routes serve a method of the contract that nobody may call.
    /// Methods outside the contract are denied at every call.
    pub fn register(&self, name: &str, routes: Routes) -> Result<(), RegisterError> {
        self.register_recorded(name, routes, None)
    }

    /// The same with a recorder of its denials and of its calls that may change something.
    ///
    /// # Errors
    /// As of [`register`](Directory::register).
    pub fn register_recorded(
        &self,
        name: &str,
        routes: Routes,
        recorder: Option<Arc<dyn CallRecorder>>,
    ) -> Result<(), RegisterError> {
        let routes = Routes::from(
            routes
                .into_axum_router()
                .fallback_service(tower::service_fn(not_served)),
        );
        let grpc_services: BTreeSet<String> = self
            .inner
            .rules
            .services()
            .into_iter()
            .filter(|service| serves(&routes, service))
            .map(str::to_owned)
            .collect();
        let closed: Vec<&str> = grpc_services
            .iter()
            .flat_map(|service| self.inner.rules.closed_methods(service))
            .collect();
        if !closed.is_empty() {
            return Err(RegisterError::NoRule {
                service: name.to_owned(),
                methods: closed.join(", "),
            });
        }
        let (rules, ids) = (Arc::clone(&self.inner.rules), Arc::clone(&self.inner.ids));
        let metrics = self.inner.metrics.clone();
        let faults = Arc::clone(&self.inner.faults);
        let server = Server::new(name, routes, rules, ids, metrics, faults).recorded_by(recorder);
        let server = Arc::new(server);
        self.change(|served| {
            served.insert(
                name.to_owned(),
                Served {
                    server,
                    grpc_services,
                },
            );
        });
        Ok(())
    }

    /// Makes a service of this process unreachable: calls begun go on, later ones go to its replicas
    /// in other processes, or are answered `UNAVAILABLE` when there are none.
    pub fn deregister(&self, name: &str) {
        self.change(|served| {
            served.remove(name);
        });
    }

    /// Makes a service of other processes reachable under its name. It is called only while no service
    /// of that name runs in this process. Endpoints given before are replaced.
    ///
    /// Calls need [credentials](Directory::join).
    pub fn remote(&self, name: &str, endpoints: Endpoints) {
        self.inner.network.add(name, endpoints);
        self.inner.changes.send_modify(|version| *version += 1);
    }

    /// Proves calls to other processes with the mesh's key, or with certificates, from now on: say so
    /// before the first call.
    pub fn join(&self, credentials: impl Into<Credentials>) {
        self.inner.network.join(credentials.into());
    }

    /// What calls to other processes are proven with.
    pub fn credentials(&self) -> Option<Credentials> {
        self.inner.network.credentials()
    }

    /// Makes calls of services of this process, and events that they consume, fail on purpose from now on, in place of
    /// what was injected before.
    pub fn inject(&self, faults: Faults) {
        self.inner.faults.replace(faults);
    }

    /// Whether a service of this process is to refuse an event of a topic on purpose.
    pub fn refuses(&self, service: &str, topic: &str) -> bool {
        self.inner.faults.refuses(service, topic)
    }

    /// A channel on which `caller` calls `target`: in this process when it runs here, else over the
    /// network. The target is looked up at each call.
    pub fn channel(&self, caller: &'static str, target: impl Into<Cow<'static, str>>) -> Channel {
        Channel::new(self.clone(), caller, target.into(), None)
    }

    /// A channel on which `caller` calls one certain replica of `target`, over the network even where
    /// the address is this process's own. The address is `http://host:port`, or `https://` with certificates; with another text, calls
    /// are answered as when nobody is there.
    pub fn channel_at(
        &self,
        caller: &'static str,
        target: impl Into<Cow<'static, str>>,
        address: impl Into<String>,
    ) -> Channel {
        Channel::new(self.clone(), caller, target.into(), Some(address.into()))
    }

    /// The rules calls are authorized by.
    pub fn rules(&self) -> &Rules {
        &self.inner.rules
    }

    /// What the calls of this process are counted in.
    pub fn metrics(&self) -> &MeshMetrics {
        &self.inner.metrics
    }

    /// What this process knows of the services of others that it calls.
    pub fn overview(&self) -> Overview {
        self.inner.network.overview()
    }

    /// Where the replicas of a service of other processes are known to be, as URLs and in no order: to ask each of
    /// them by [`channel_at`](Directory::channel_at). A name is looked up when what is known of it is too old. None
    /// of a service that is not elsewhere.
    pub async fn replicas(&self, name: &str) -> Vec<String> {
        match self.inner.network.pool(name) {
            Some(pool) => pool.addresses().await,
            None => Vec::new(),
        }
    }

    /// Retries that calls may cost at the moment, by service.
    pub fn retries_left(&self) -> Vec<(String, f64)> {
        self.inner.network.retries_left()
    }

    /// The open doors of this process: their connections, and how others ended.
    pub fn doors(&self) -> Vec<DoorView> {
        self.inner.doors.views()
    }

    pub(crate) fn open_doors(&self) -> &Doors {
        &self.inner.doors
    }

    /// Names of all services that can be called, here and elsewhere, in order.
    pub fn names(&self) -> Vec<String> {
        let mut names = self.inner.network.names();
        names.extend(self.local_names());
        names.into_iter().collect()
    }

    /// Names of the services registered in this process, in order.
    pub fn local_names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.read(|served| served.keys().cloned().collect());
        names.sort_unstable();
        names
    }

    /// Names of the services that serve a gRPC service of the contract (`package.Service`), in order.
    ///
    /// What services of other processes serve is what the contract says they own.
    pub fn serving(&self, grpc_service: &str) -> Vec<String> {
        let owners = owners(&self.inner.rules, grpc_service);
        let everybodys = [DEAD_LETTERS, REPLICA].contains(&grpc_service);
        let mut names = self.inner.network.names();
        names.retain(|name| everybodys || owners.contains(name.as_str()));
        self.read(|served| {
            for (name, one) in served {
                if one.grpc_services.contains(grpc_service) {
                    names.insert(name.clone());
                } else {
                    // It runs here, and is known better than by the contract.
                    names.remove(name);
                }
            }
        });
        names.into_iter().collect()
    }

    /// Says whether this process is ready for calls of others: its health on the port for peers.
    /// A process is not ready until it says so.
    pub fn set_ready(&self, ready: bool) {
        self.inner.ready.send_replace(ready);
    }

    /// Whether this process is ready for calls of others.
    pub fn is_ready(&self) -> bool {
        *self.inner.ready.borrow()
    }

    /// Changes whenever the process becomes ready, or is ready no longer.
    pub fn readiness(&self) -> watch::Receiver<bool> {
        self.inner.ready.subscribe()
    }

    /// Changes whenever a service is registered or deregistered here, or becomes known elsewhere.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.inner.changes.subscribe()
    }

    pub(crate) fn server(&self, name: &str) -> Option<Arc<Server>> {
        self.read(|served| served.get(name).map(|one| Arc::clone(&one.server)))
    }

    /// The service of this process that serves a gRPC service: its owner, else the first that does.
    pub(crate) fn local_owner(&self, grpc_service: &str) -> Option<String> {
        let owners = owners(&self.inner.rules, grpc_service);
        self.read(|served| {
            served
                .iter()
                .filter(|(_, one)| one.grpc_services.contains(grpc_service))
                .map(|(name, _)| name)
                .min_by_key(|name| (!owners.contains(name.as_str()), *name))
                .cloned()
        })
    }

    pub(crate) fn network(&self) -> &Arc<Network> {
        &self.inner.network
    }

    fn read<T>(&self, look: impl FnOnce(&HashMap<String, Served>) -> T) -> T {
        // The map is whole after every change, so a panic elsewhere cannot have left it half written.
        look(
            &self
                .inner
                .served
                .read()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    fn change(&self, alter: impl FnOnce(&mut HashMap<String, Served>)) {
        alter(
            &mut self
                .inner
                .served
                .write()
                .unwrap_or_else(PoisonError::into_inner),
        );
        self.inner.changes.send_modify(|version| *version += 1);
    }
}

/// Names of the services that serve a gRPC service by the contract.
fn owners<'rules>(rules: &'rules Rules, grpc_service: &str) -> BTreeSet<&'rules str> {
    rules
        .iter()
        .filter(|(path, _)| service_of(path) == Some(grpc_service))
        .map(|(_, rule)| {
            let owner = rule.owner.as_str();
            let another = SERVED_BY_ANOTHER.iter().find(|(name, _)| *name == owner);
            another.map_or(owner, |(_, server)| *server)
        })
        .collect()
}

/// Marks the answer of the fallback, to tell it from a served service's own `UNIMPLEMENTED`.
#[derive(Clone)]
struct NotServed;

async fn not_served<B>(request: Request<B>) -> Result<Response<Body>, Infallible> {
    let status = refusal::with_reason(
        Code::Unimplemented,
        "NO_SUCH_METHOD",
        format!("{} is not served here", request.uri().path()),
    );
    let mut response = status.into_http::<Body>();
    response.extensions_mut().insert(NotServed);
    Ok(response)
}

/// Whether the routes lead to a gRPC service: asked with a method name that no service can have,
/// since routes do not tell what they hold.
fn serves(routes: &Routes, grpc_service: &str) -> bool {
    let Ok(probe) = Request::post(format!("/{grpc_service}/-")).body(Body::empty()) else {
        return false;
    };
    let answer = routes.clone().call(probe).now_or_never();
    // Both the fallback and a generated service answer an unknown method at once.
    !matches!(answer, Some(Ok(response)) if response.extensions().get::<NotServed>().is_some())
}

/// The status of a call to a service that is not here.
pub(crate) fn not_running(target: &str) -> Status {
    refusal::retry_after(
        Code::Unavailable,
        "SERVICE_NOT_RUNNING",
        format!("service {target} is not running here"),
        RETRY_AFTER,
    )
}

/// When a call to a missing service is worth repeating: services of one process start within this time.
const RETRY_AFTER: std::time::Duration = std::time::Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_services_elsewhere_serve_is_known_from_the_contract() {
        let directory = Directory::new();
        for name in ["funds", "gateway", "orders"] {
            let endpoints = format!("http://{name}:7070").parse();
            directory.remote(name, endpoints.unwrap());
        }
        let serving = |service| directory.serving(service);
        assert_eq!(serving("outcry.funds.v1.FundsService"), ["funds"]);
        assert_eq!(serving("outcry.eventlog.v1.EventLogService"), ["gateway"]);
        for everybodys in [DEAD_LETTERS, REPLICA] {
            assert_eq!(serving(everybodys), ["funds", "gateway", "orders"]);
        }
        assert!(serving("outcry.trades.v1.TradeService").is_empty());
        // Here, it is what is registered that counts.
        directory.register("funds", Routes::default()).unwrap();
        assert!(serving("outcry.funds.v1.FundsService").is_empty());
        assert_eq!(serving(DEAD_LETTERS), ["gateway", "orders"]);
    }

    #[test]
    fn the_contract_has_the_services_that_are_served_by_others() {
        let rules = Rules::of_the_contract();
        for everybodys in [DEAD_LETTERS, REPLICA] {
            assert_eq!(owners(&rules, everybodys).len(), 1);
        }
        for (owner, _) in SERVED_BY_ANOTHER {
            assert!(rules.iter().any(|(_, rule)| rule.owner == owner));
        }
    }
}
