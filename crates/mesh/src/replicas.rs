//! Where the replicas of one service are: at addresses, or wherever a name leads by now.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::address::{Address, Endpoints, Source};
use crate::credentials::Membership;
use crate::endpoint::Endpoint;
use crate::metrics::MeshMetrics;
use crate::resolver;

/// A name is not looked up more often than this, however much fails.
const RESOLVE_AT_MOST_EVERY: Duration = Duration::from_secs(1);

/// The replicas of one service.
#[derive(Debug)]
pub(crate) struct Replicas {
    target: Arc<str>,
    source: Endpoints,
    membership: Membership,
    metrics: MeshMetrics,
    known: RwLock<Known>,
    /// Held by whoever looks the name up.
    resolving: Mutex<()>,
}

#[derive(Debug, Clone, Default)]
struct Known {
    endpoints: Arc<[Arc<Endpoint>]>,
    /// When the name was last looked up, with whatever outcome, and until when that holds.
    asked: Option<(Instant, Instant)>,
}

impl Replicas {
    pub(crate) fn new(
        target: &Arc<str>,
        source: Endpoints,
        membership: Membership,
        metrics: MeshMetrics,
    ) -> Replicas {
        let replicas = Replicas {
            target: Arc::clone(target),
            source,
            membership,
            metrics,
            known: RwLock::default(),
            resolving: Mutex::new(()),
        };
        if let Source::Fixed(addresses) = &replicas.source.source {
            replicas.replace(addresses.clone());
        }
        replicas
    }

    /// Where they are said to be.
    pub(crate) fn source(&self) -> &Endpoints {
        &self.source
    }

    /// All that are known.
    pub(crate) fn all(&self) -> Arc<[Arc<Endpoint>]> {
        self.known().endpoints
    }

    /// Looks the name up in the background when what is known is too old.
    pub(crate) fn refresh(self: &Arc<Self>, after_failure: bool) {
        if matches!(self.source.source, Source::Fixed(_)) {
            return;
        }
        let known = self.known();
        // As long as nothing is known, calls wait for it.
        if !known.endpoints.is_empty() && is_due(known.asked, after_failure) {
            let replicas = Arc::clone(self);
            tokio::spawn(async move {
                if let Ok(_turn) = replicas.resolving.try_lock() {
                    replicas.resolve().await;
                }
            });
        }
    }

    /// Looks the name up unless that was done a moment ago, and waits for it.
    pub(crate) async fn resolve_now(&self) {
        let asked = self.known().asked;
        if matches!(self.source.source, Source::Fixed(_)) || !is_due(asked, true) {
            return;
        }
        let _turn = self.resolving.lock().await;
        if self.known().asked == asked {
            self.resolve().await;
        }
    }

    async fn resolve(&self) {
        let Source::Name { host, port } = &self.source.source else {
            return;
        };
        let addresses = resolver::look_up(host, *port).await;
        let now = Instant::now();
        self.known
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .asked = Some((now, now + resolver::good_for()));
        // Old addresses are worth more than none: a resolver may fail while the service runs.
        if !addresses.is_empty() {
            self.replace(addresses);
        }
    }

    /// Knows these addresses from now on. Endpoints that stay keep their connections and their record.
    fn replace(&self, addresses: Vec<Address>) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let endpoints = addresses
            .into_iter()
            .map(|address| {
                let same = known.endpoints.iter().find(|one| *one.address() == address);
                same.cloned().unwrap_or_else(|| {
                    let target = Arc::clone(&self.target);
                    let (membership, metrics) = (self.membership.clone(), self.metrics.clone());
                    Arc::new(Endpoint::new(address, target, membership, metrics))
                })
            })
            .collect();
        known.endpoints = endpoints;
    }

    fn known(&self) -> Known {
        self.known
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// Whether a name should be looked up again.
fn is_due(asked: Option<(Instant, Instant)>, after_failure: bool) -> bool {
    asked.is_none_or(|(at, good_until)| {
        let due = if after_failure {
            at + RESOLVE_AT_MOST_EVERY
        } else {
            good_until
        };
        Instant::now() >= due
    })
}

#[cfg(test)]
mod tests {
    use tokio::runtime::Handle;

    use super::*;

    fn replicas(source: &str) -> Arc<Replicas> {
        let (membership, metrics) = (Membership::default(), MeshMetrics::default());
        let source = source.parse().unwrap();
        Arc::new(Replicas::new(&"funds".into(), source, membership, metrics))
    }

    #[test]
    fn replicas_that_stay_keep_their_record_and_those_that_are_gone_are_forgotten() {
        let replicas = replicas("http://10.0.0.1:1,http://10.0.0.1:2");
        let before = replicas.all();
        let addresses = ["http://10.0.0.1:2", "http://10.0.0.1:3"];
        replicas.replace(addresses.map(|one| one.parse().unwrap()).to_vec());
        let after = replicas.all();
        assert_eq!(after.len(), 2);
        assert!(Arc::ptr_eq(&after[0], &before[1]));
        assert_eq!(after[1].address().to_string(), addresses[1]);
    }

    #[tokio::test]
    async fn a_name_is_looked_up_when_nothing_is_known_and_one_that_leads_nowhere_is_no_wait() {
        let named = replicas("dns:///localhost:7070");
        assert!(named.all().is_empty());
        named.resolve_now().await;
        for found in named.all().iter() {
            assert_eq!(found.address().authority().port_u16(), Some(7070));
        }
        assert!(!named.all().is_empty());
        let nobody = replicas("dns:///nobody.invalid:7070");
        nobody.resolve_now().await;
        nobody.resolve_now().await;
        assert!(nobody.all().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn only_addresses_that_are_known_and_old_are_looked_up_in_the_background() {
        let in_the_background = || Handle::current().metrics().num_alive_tasks();
        let named = replicas("dns:///localhost:7070");
        named.refresh(false);
        assert_eq!(
            in_the_background(),
            0,
            "calls wait as long as none is known"
        );
        named.resolve_now().await;
        let first = named.known().asked;
        named.refresh(false);
        named.refresh(true);
        assert_eq!(in_the_background(), 0, "what is known is young");
        tokio::time::advance(RESOLVE_AT_MOST_EVERY).await;
        named.refresh(false);
        assert_eq!(in_the_background(), 0, "nothing failed");
        named.refresh(true);
        assert_eq!(in_the_background(), 1);
        let looked_up = async {
            while named.known().asked == first {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let within = Duration::from_secs(60);
        tokio::time::timeout(within, looked_up).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_is_looked_up_again_after_seconds_and_sooner_after_a_failure() {
        let now = Instant::now();
        assert!(is_due(None, false));
        let asked = Some((now, now + Duration::from_secs(5)));
        assert!(!is_due(asked, true), "not twice at once");
        tokio::time::advance(RESOLVE_AT_MOST_EVERY).await;
        assert!(is_due(asked, true));
        assert!(!is_due(asked, false));
        tokio::time::advance(Duration::from_secs(4)).await;
        assert!(is_due(asked, false));
    }
}
