//! All replicas of one service elsewhere, taken in turn.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::address::{ADDRESSES_MAX, Address, Endpoints, Source};
use crate::credentials::Membership;
use crate::endpoint::{Endpoint, Standing};

/// How long the addresses of a name are taken for true: replicas come and go within seconds.
const RESOLVE_EVERY: Duration = Duration::from_secs(5);

/// A name is not looked up more often than this, however much fails.
const RESOLVE_AT_MOST_EVERY: Duration = Duration::from_secs(1);

/// A look-up that takes longer is given up; the addresses known so far stay.
const RESOLVE_WITHIN: Duration = Duration::from_secs(2);

/// The replicas of one service.
#[derive(Debug)]
pub(crate) struct Pool {
    /// The service.
    target: Arc<str>,
    membership: Membership,
    source: Source,
    known: RwLock<Known>,
    turn: AtomicUsize,
    /// Held by whoever looks the name up.
    resolving: Mutex<()>,
}

#[derive(Debug, Clone, Default)]
struct Known {
    endpoints: Vec<Arc<Endpoint>>,
    /// When the name was last looked up, with whatever outcome.
    asked: Option<Instant>,
}

impl Pool {
    pub(crate) fn new(target: &str, membership: Membership, endpoints: Endpoints) -> Pool {
        let fixed = match &endpoints.source {
            Source::Fixed(addresses) => addresses.clone(),
            Source::Name { .. } => Vec::new(),
        };
        let mut pool = Pool {
            target: target.into(),
            membership,
            source: endpoints.source,
            known: RwLock::default(),
            turn: AtomicUsize::new(0),
            resolving: Mutex::new(()),
        };
        let endpoints = fixed.into_iter().map(|address| pool.endpoint(address));
        pool.known = RwLock::new(Known {
            endpoints: endpoints.collect(),
            asked: None,
        });
        pool
    }

    /// Exactly one process.
    pub(crate) fn of_one(target: &str, membership: Membership, address: Address) -> Pool {
        let endpoints = Endpoints {
            source: Source::Fixed(vec![address]),
        };
        Pool::new(target, membership, endpoints)
    }

    fn endpoint(&self, address: Address) -> Arc<Endpoint> {
        let (target, membership) = (Arc::clone(&self.target), self.membership.clone());
        Arc::new(Endpoint::new(target, membership, address))
    }

    /// The next endpoint in turn that is not failing and was not tried yet.
    pub(crate) async fn next(self: &Arc<Self>, tried: &[Arc<Endpoint>]) -> Option<Arc<Endpoint>> {
        self.refresh(!tried.is_empty()).await;
        if let Some(found) = self.pick(tried) {
            return Some(found);
        }
        // Nobody is left: replicas may have moved since the name was looked up.
        self.refresh(true).await;
        self.pick(tried)
    }

    fn pick(&self, tried: &[Arc<Endpoint>]) -> Option<Arc<Endpoint>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let mut doubtful = None;
        for one in in_turn(&known.endpoints, turn) {
            if tried.iter().any(|other| Arc::ptr_eq(one, other)) {
                continue;
            }
            match one.standing() {
                Standing::Good => return Some(Arc::clone(one)),
                Standing::Doubtful if doubtful.is_none() => doubtful = Some(Arc::clone(one)),
                Standing::Doubtful | Standing::Failing => {}
            }
        }
        doubtful
    }

    /// Looks the name up when what is known is too old, in the background as long as anything is known.
    async fn refresh(self: &Arc<Self>, after_failure: bool) {
        let Source::Name { host, port } = &self.source else {
            return;
        };
        let known = self.known();
        let age = known.asked.map(|asked| asked.elapsed());
        let patience = if after_failure || known.endpoints.is_empty() {
            RESOLVE_AT_MOST_EVERY
        } else {
            RESOLVE_EVERY
        };
        if age.is_some_and(|age| age < patience) {
            return;
        }
        if known.endpoints.is_empty() || after_failure {
            let _turn = self.resolving.lock().await;
            if self.known().asked == known.asked {
                self.resolve(host, *port).await;
            }
        } else {
            let pool = Arc::clone(self);
            let (host, port) = (host.clone(), *port);
            tokio::spawn(async move {
                if let Ok(_turn) = pool.resolving.try_lock() {
                    pool.resolve(&host, port).await;
                }
            });
        }
    }

    async fn resolve(&self, host: &str, port: u16) {
        let looked_up =
            tokio::time::timeout(RESOLVE_WITHIN, tokio::net::lookup_host((host, port))).await;
        let found: BTreeSet<_> = match looked_up {
            Ok(Ok(found)) => found.take(ADDRESSES_MAX).collect(),
            Ok(Err(error)) => {
                tracing::warn!(host, %error, "looking up a service failed");
                BTreeSet::new()
            }
            Err(_elapsed) => {
                tracing::warn!(host, "looking up a service took too long");
                BTreeSet::new()
            }
        };
        let addresses: Vec<Address> = found.into_iter().filter_map(Address::resolved).collect();
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.asked = Some(Instant::now());
        // Old addresses are worth more than none: a resolver may fail while the service runs.
        if !addresses.is_empty() {
            known.endpoints = kept(&known.endpoints, addresses, |one| self.endpoint(one));
        }
    }

    fn known(&self) -> Known {
        self.known
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// All of them, beginning with the one whose turn it is.
fn in_turn<T>(all: &[T], turn: usize) -> impl Iterator<Item = &T> {
    let first = turn.checked_rem(all.len()).unwrap_or(0);
    all[first..].iter().chain(&all[..first])
}

/// Endpoints of the addresses: those that were known with their connections, others new.
fn kept(
    known: &[Arc<Endpoint>],
    addresses: Vec<Address>,
    made: impl Fn(Address) -> Arc<Endpoint>,
) -> Vec<Arc<Endpoint>> {
    addresses
        .into_iter()
        .map(|address| {
            let same = known.iter().find(|one| *one.address() == address);
            same.cloned().unwrap_or_else(|| made(address))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(name: &str) -> Arc<Pool> {
        let membership = Membership::default();
        Arc::new(Pool::new("funds", membership, name.parse().unwrap()))
    }

    #[test]
    fn everyone_has_a_turn_and_then_all_others() {
        let turns: Vec<Vec<u8>> = (0..4)
            .map(|turn| in_turn(&[1, 2, 3], turn).copied().collect())
            .collect();
        assert_eq!(
            turns,
            [vec![1, 2, 3], vec![2, 3, 1], vec![3, 1, 2], vec![1, 2, 3]]
        );
        assert_eq!(in_turn::<u8>(&[], 5).count(), 0);
    }

    #[test]
    fn replicas_that_stay_keep_their_connections() {
        let addresses = |ports: &[u16]| -> Vec<Address> {
            ports
                .iter()
                .map(|port| format!("http://10.0.0.1:{port}").parse().unwrap())
                .collect()
        };
        let made = |address| {
            let membership = Membership::default();
            Arc::new(Endpoint::new("funds".into(), membership, address))
        };
        let before = kept(&[], addresses(&[1, 2]), made);
        let after = kept(&before, addresses(&[2, 3]), made);
        assert_eq!(after.len(), 2);
        assert!(Arc::ptr_eq(&after[0], &before[1]));
    }

    #[tokio::test]
    async fn a_name_is_looked_up_at_the_first_call() {
        let pool = pool("dns:///localhost:7070");
        let found = pool.next(&[]).await.unwrap();
        assert_eq!(found.address().authority().port_u16(), Some(7070));
        let mut tried = vec![found];
        while let Some(other) = pool.next(&tried).await {
            tried.push(other);
        }
        assert_eq!(tried.len(), pool.known().endpoints.len());
    }

    #[tokio::test]
    async fn a_name_nobody_has_leads_nowhere() {
        let pool = pool("dns:///nobody.invalid:7070");
        assert!(pool.next(&[]).await.is_none());
    }
}
