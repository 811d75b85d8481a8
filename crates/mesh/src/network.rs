//! Services of other processes: where they are, and with which proof they are called.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::SystemTime;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TE, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tonic::body::Body;
use tonic::{Code, Status};

use crate::address::{Address, Endpoints};
use crate::call::Call;
use crate::credentials::{Credentials, Membership};
use crate::metrics::MeshMetrics;
use crate::overview::Overview;
use crate::pass::Passes;
use crate::passport::{self, Proof};
use crate::pool::Pool;
use crate::refusal;

/// Largest request that is sent to another process: the largest message a service takes, and its frame.
const REQUEST_BYTES_MAX: usize = 4 * 1024 * 1024 + 5;

/// Replicas called by their address whose connections are kept.
const REPLICAS_MAX: usize = 64;

/// Header of an answer whose call was not begun, so that it may be made elsewhere, whatever it does.
/// Only a listener itself writes it.
pub(crate) const NOT_BEGUN: HeaderName = HeaderName::from_static("outcry-not-begun");

/// Headers of old HTTP/1 that HTTP/2 does not have.
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// What a process knows of the others.
#[derive(Default)]
pub(crate) struct Network {
    metrics: MeshMetrics,
    membership: Membership,
    passes: Passes,
    pools: RwLock<HashMap<String, Arc<Pool>>>,
    replicas: Mutex<Vec<Replica>>,
}

/// One process that is called by its address, and what is called there.
struct Replica {
    target: String,
    address: Address,
    pool: Arc<Pool>,
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network")
            .field("services", &self.names())
            .finish_non_exhaustive()
    }
}

impl Network {
    pub(crate) fn new(metrics: MeshMetrics) -> Network {
        Network {
            metrics,
            ..Network::default()
        }
    }

    /// Proves itself with these credentials from now on.
    pub(crate) fn join(&self, credentials: Credentials) {
        self.membership.join(credentials);
        self.passes.forget();
    }

    pub(crate) fn credentials(&self) -> Option<Credentials> {
        self.membership.credentials()
    }

    pub(crate) fn metrics(&self) -> &MeshMetrics {
        &self.metrics
    }

    pub(crate) fn add(&self, name: &str, endpoints: Endpoints) {
        let pool = self.made(name, endpoints);
        self.pools
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name.to_owned(), pool);
    }

    /// Names of the services that run elsewhere.
    pub(crate) fn names(&self) -> BTreeSet<String> {
        let pools = self.pools.read().unwrap_or_else(PoisonError::into_inner);
        pools.keys().cloned().collect()
    }

    pub(crate) fn pool(&self, name: &str) -> Option<Arc<Pool>> {
        let pools = self.pools.read().unwrap_or_else(PoisonError::into_inner);
        pools.get(name).cloned()
    }

    /// The process at an address, with the connection it had when the target was last called there.
    pub(crate) fn replica(&self, target: &str, address: &str) -> Option<Arc<Pool>> {
        let address: Address = address.parse().ok()?;
        let mut replicas = self.replicas();
        let known = replicas
            .iter()
            .position(|one| one.address == address && one.target == target);
        let replica = match known {
            Some(index) => replicas.remove(index),
            None => Replica {
                target: target.to_owned(),
                pool: self.made(target, Endpoints::one(address.clone())),
                address,
            },
        };
        let pool = Arc::clone(&replica.pool);
        if replicas.len() >= REPLICAS_MAX {
            // The front is the one whose last call is the longest ago.
            replicas.remove(0);
        }
        replicas.push(replica);
        Some(pool)
    }

    /// Retries that calls may cost at the moment, by service. Replicas called by their address are left out: they come
    /// and go.
    pub(crate) fn retries_left(&self) -> Vec<(String, f64)> {
        let pools = self.pools.read().unwrap_or_else(PoisonError::into_inner);
        pools
            .iter()
            .map(|(name, pool)| (name.clone(), pool.retries_left()))
            .collect()
    }

    /// What there is to see of all services, in order of their names.
    pub(crate) fn overview(&self) -> Overview {
        let pools = self.pools.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<Arc<Pool>> = pools.values().cloned().collect();
        drop(pools);
        all.extend(self.replicas().iter().map(|one| Arc::clone(&one.pool)));
        let mut targets: Vec<_> = all.iter().map(|pool| pool.overview()).collect();
        targets.sort_by(|one, other| (&one.name, &one.source).cmp(&(&other.name, &other.source)));
        Overview { targets }
    }

    /// Adds to a request's headers who makes it.
    ///
    /// # Errors
    /// `FAILED_PRECONDITION` without credentials, `INVALID_ARGUMENT` when a name cannot be metadata.
    pub(crate) fn sign(
        &self,
        pool: &Pool,
        call: &Call,
        headers: &mut HeaderMap,
    ) -> Result<(), Status> {
        let proof = match self.credentials().ok_or_else(no_credentials)? {
            Credentials::Key(key) => {
                let now = SystemTime::now();
                Proof::Token(self.passes.token(&key, call.caller, pool.target(), now)?)
            }
            Credentials::Certificates(_) => Proof::Name(passport::value(call.caller)?),
        };
        passport::write(headers, proof, pool.header()?, call.user.as_ref())?;
        clean(headers);
        Ok(())
    }

    fn made(&self, target: &str, endpoints: Endpoints) -> Arc<Pool> {
        let (membership, metrics) = (self.membership.clone(), self.metrics.clone());
        Arc::new(Pool::new(target, endpoints, membership, metrics))
    }

    fn replicas(&self) -> MutexGuard<'_, Vec<Replica>> {
        self.replicas.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes away what belongs to the connection a request came on, and says what gRPC asks for.
fn clean(headers: &mut HeaderMap) {
    for name in [
        HOST,
        CONTENT_LENGTH,
        CONNECTION,
        TRANSFER_ENCODING,
        UPGRADE,
        KEEP_ALIVE,
        PROXY_CONNECTION,
        NOT_BEGUN,
    ] {
        headers.remove(name);
    }
    headers.insert(TE, HeaderValue::from_static("trailers"));
}

/// All of a request's content: most requests are one message, which is there at once.
pub(crate) async fn whole(body: Body) -> Result<Bytes, Status> {
    match Limited::new(body, REQUEST_BYTES_MAX).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
        Err(error) => Err(Status::from_error(error)),
    }
}

fn too_large() -> Status {
    refusal::with_metadata(
        Code::ResourceExhausted,
        "MESSAGE_TOO_LARGE",
        format!("the request is too large; send at most {REQUEST_BYTES_MAX} bytes"),
        [("bytes_max".to_owned(), REQUEST_BYTES_MAX.to_string())],
    )
}

fn no_credentials() -> Status {
    refusal::with_reason(
        Code::FailedPrecondition,
        "NO_CREDENTIALS",
        "this process has neither a mesh key nor certificates, and calls no other process without",
    )
}

#[cfg(test)]
mod tests {
    use http_body_util::Full;

    use super::*;

    #[test]
    fn connections_to_replicas_are_kept_up_to_a_bound() {
        let network = Network::default();
        assert!(network.replica("a", "nonsense").is_none());
        let address = |number: usize| format!("http://10.0.0.1:{}", 1000 + number);
        let first = network.replica("a", &address(0)).unwrap();
        for number in 1..REPLICAS_MAX {
            network.replica("a", &address(number)).unwrap();
        }
        assert!(Arc::ptr_eq(
            &first,
            &network.replica("a", &address(0)).unwrap()
        ));
        // One more: the second one, called the longest ago, makes room.
        network.replica("a", &address(REPLICAS_MAX)).unwrap();
        assert_eq!(network.replicas().len(), REPLICAS_MAX);
        assert!(Arc::ptr_eq(
            &first,
            &network.replica("a", &address(0)).unwrap()
        ));
        let second: Address = address(1).parse().unwrap();
        assert!(network.replicas().iter().all(|one| one.address != second));
        // Another service at the same address proves itself anew.
        let other = network.replica("b", &address(0)).unwrap();
        assert!(!Arc::ptr_eq(&first, &other));
    }

    #[tokio::test]
    async fn a_request_is_held_up_to_the_bound_and_no_further() {
        let body = |bytes: usize| Body::new(Full::new(Bytes::from(vec![0; bytes])));
        assert!(whole(body(REQUEST_BYTES_MAX)).await.is_ok());
        let refused = whole(body(REQUEST_BYTES_MAX + 1)).await.unwrap_err();
        assert_eq!(refused.code(), Code::ResourceExhausted);
    }
}
