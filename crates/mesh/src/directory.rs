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

use crate::authorize::Rules;
use crate::channel::Channel;
use crate::refusal;
use crate::server::{IdSource, Server};

/// Service names and their routes, all within this process. Cheap to clone; all clones are one directory.
#[derive(Clone)]
pub struct Directory {
    inner: Arc<Inner>,
}

struct Inner {
    rules: Arc<Rules>,
    ids: IdSource,
    served: RwLock<HashMap<String, Served>>,
    changes: watch::Sender<u64>,
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
        Directory {
            inner: Arc::new(Inner {
                rules: Arc::new(rules),
                ids: Arc::new(ids),
                served: RwLock::default(),
                changes: watch::Sender::new(0),
            }),
        }
    }

    /// Makes a service reachable under a name. A service registered before under that name is replaced.
    ///
    /// # Errors
    /// [`RegisterError::NoRule`] when the routes serve a method of the contract that nobody may call.
    /// Methods outside the contract are denied at every call.
    pub fn register(&self, name: &str, routes: Routes) -> Result<(), RegisterError> {
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
        let server = Arc::new(Server::new(name, routes, rules, ids));
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

    /// Makes a service unreachable: calls begun go on, later ones are answered `UNAVAILABLE`.
    pub fn deregister(&self, name: &str) {
        self.change(|served| {
            served.remove(name);
        });
    }

    /// A channel on which `caller` calls `target`. The target is looked up at each call.
    pub fn channel(&self, caller: &'static str, target: impl Into<Cow<'static, str>>) -> Channel {
        Channel::new(self.clone(), caller, target.into())
    }

    /// The rules calls are authorized by.
    pub fn rules(&self) -> &Rules {
        &self.inner.rules
    }

    /// Names of the registered services, in order.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.read(|served| served.keys().cloned().collect());
        names.sort_unstable();
        names
    }

    /// Names of the registered services that serve a gRPC service of the contract (`package.Service`), in order.
    pub fn serving(&self, grpc_service: &str) -> Vec<String> {
        let mut names: Vec<String> = self.read(|served| {
            let serving = served
                .iter()
                .filter(|(_, one)| one.grpc_services.contains(grpc_service));
            serving.map(|(name, _)| name.clone()).collect()
        });
        names.sort_unstable();
        names
    }

    /// Changes whenever a service is registered or deregistered.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.inner.changes.subscribe()
    }

    pub(crate) fn server(&self, name: &str) -> Option<Arc<Server>> {
        self.read(|served| served.get(name).map(|one| Arc::clone(&one.server)))
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
