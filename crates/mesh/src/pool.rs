//! All replicas of one service elsewhere: which one gets a call, and which are passed over.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use fastrand::Rng;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tonic::Code;

use crate::address::{Address, Endpoints, Source};
use crate::budget::Budget;
use crate::choice;
use crate::credentials::Membership;
use crate::criticality::Level;
use crate::endpoint::{Endpoint, Standing};
use crate::gate::{self, Passage, Verdict};
use crate::metrics::{Detection, MeshMetrics};
use crate::overview;
use crate::resolver;
use crate::throttle::Throttle;
use crate::turn::Turn;

/// A name is not looked up more often than this, however much fails.
const RESOLVE_AT_MOST_EVERY: Duration = Duration::from_secs(1);

/// The replicas of one service.
#[derive(Debug)]
pub(crate) struct Pool {
    /// The service.
    target: Arc<str>,
    endpoints: Endpoints,
    membership: Membership,
    metrics: MeshMetrics,
    known: RwLock<Known>,
    /// Held by whoever looks the name up.
    resolving: Mutex<()>,
    /// Some endpoint may be passed over. Saves looking for one in ordinary times.
    troubled: AtomicBool,
    /// Held while it is decided whether one more is passed over.
    ejecting: std::sync::Mutex<()>,
    budget: std::sync::Mutex<Budget>,
    throttle: std::sync::Mutex<Throttle>,
}

#[derive(Debug, Clone, Default)]
struct Known {
    endpoints: Arc<[Arc<Endpoint>]>,
    /// When the name was last looked up, with whatever outcome, and until when that holds.
    asked: Option<(Instant, Instant)>,
}

/// What a call is looking for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    /// One that was not tried yet.
    Another,
    /// One that was not tried yet, or else any.
    Any,
}

impl Pool {
    pub(crate) fn new(
        target: &str,
        endpoints: Endpoints,
        membership: Membership,
        metrics: MeshMetrics,
    ) -> Pool {
        let now = Instant::now();
        let pool = Pool {
            target: target.into(),
            endpoints,
            membership,
            metrics,
            known: RwLock::default(),
            resolving: Mutex::new(()),
            troubled: AtomicBool::new(false),
            ejecting: std::sync::Mutex::new(()),
            budget: std::sync::Mutex::new(Budget::new(now)),
            throttle: std::sync::Mutex::new(Throttle::new(now)),
        };
        if let Source::Fixed(addresses) = &pool.endpoints.source {
            pool.replace(addresses.clone());
        }
        pool
    }

    /// An attempt at the endpoint that should get it: at once, as long as any is known.
    pub(crate) async fn next(
        self: &Arc<Self>,
        tried: &[Arc<Endpoint>],
        wish: Wish,
    ) -> Option<Turn> {
        self.refresh(!tried.is_empty()).await;
        if let Some(turn) = self.pick(tried, wish) {
            return Some(turn);
        }
        // Nobody is left: replicas may have moved since the name was looked up.
        self.resolve_now().await;
        self.pick(tried, wish)
    }

    fn pick(self: &Arc<Self>, tried: &[Arc<Endpoint>], wish: Wish) -> Option<Turn> {
        let now = Instant::now();
        let all = self.known().endpoints;
        let untried = |one: &Arc<Endpoint>| !tried.iter().any(|other| Arc::ptr_eq(one, other));
        if let Some(probed) = self.to_probe(&all, untried, now) {
            return Some(Turn::new(self, probed, true));
        }
        let mut random = Rng::new();
        let mut of_two = |wanted: &dyn Fn(&Arc<Endpoint>) -> bool, gate: fn(Passage) -> bool| {
            choice::of_two(all.iter(), &mut random, |one| {
                let (passage, busy) = one.conduct().busy(one.calls(), now);
                (gate(passage) && wanted(one)).then_some(busy)
            })
        };
        let good = |one: &Arc<Endpoint>| one.standing() == Standing::Good;
        let doubtful = |one: &Arc<Endpoint>| one.standing() == Standing::Doubtful;
        let open = |passage| passage == Passage::Open;
        let chosen = of_two(&|one| untried(one) && good(one), open)
            .or_else(|| of_two(&|one| untried(one) && doubtful(one), open))
            .or_else(|| {
                let any = wish == Wish::Any;
                any.then(|| of_two(&|one| good(one), open)).flatten()
            })
            // One that is passed over is better than none.
            .or_else(|| of_two(&|one| untried(one) && good(one), |_| true))?;
        Some(Turn::new(self, Arc::clone(chosen), false))
    }

    /// One that was passed over for long enough; its right to one call is taken.
    fn to_probe(
        &self,
        all: &[Arc<Endpoint>],
        untried: impl Fn(&Arc<Endpoint>) -> bool,
        now: Instant,
    ) -> Option<Arc<Endpoint>> {
        if !self.troubled.load(Ordering::Relaxed) {
            return None;
        }
        let mut troubled = false;
        for one in all {
            let passage = one.conduct().passage(now);
            troubled |= passage != Passage::Open;
            let due = passage == Passage::Due && untried(one);
            if due && one.standing() == Standing::Good && one.conduct().probe(now) {
                return Some(Arc::clone(one));
            }
        }
        if !troubled {
            // Whoever ejects one meanwhile holds the lock, and says so after it.
            let _ejecting = self.ejecting();
            let troubled = all.iter().any(|one| one.conduct().is_ejected());
            self.troubled.store(troubled, Ordering::Relaxed);
        }
        None
    }

    /// An attempt that began at a moment has ended.
    pub(crate) fn ended(
        &self,
        endpoint: &Arc<Endpoint>,
        verdict: Verdict,
        began: Instant,
        probe: bool,
    ) {
        let now = Instant::now();
        if let Some(detection) = endpoint.conduct().ended(verdict, began, probe, now) {
            self.suspect(endpoint, detection, now);
        }
    }

    /// Passes an endpoint over if it is worse than the others and not too many are already.
    fn suspect(&self, endpoint: &Arc<Endpoint>, detection: Detection, now: Instant) {
        let all = self.known().endpoints;
        let others = || all.iter().filter(|one| !Arc::ptr_eq(one, endpoint));
        let conduct = endpoint.conduct();
        let outlier = match detection {
            // What all of them depend on may have failed: only while others answer is it this one.
            Detection::ConsecutiveFailures => conduct
                .failing_since()
                .is_some_and(|since| others().any(|one| one.conduct().answered_since(since))),
            Detection::SuccessRate => {
                let counts = others().map(|one| one.conduct().counts(now));
                gate::worse(conduct.counts(now), counts)
            }
        };
        if !outlier {
            return;
        }
        let _ejecting = self.ejecting();
        let ejected = others().filter(|one| one.conduct().is_ejected()).count();
        if ejected >= gate::ejected_max(all.len()) {
            conduct.spare(now);
            self.metrics.endpoints().spared(&self.target, detection);
        } else if conduct.eject(now) {
            self.troubled.store(true, Ordering::Relaxed);
            self.metrics.endpoints().ejected(&self.target, detection);
            tracing::warn!(
                target = %self.target,
                address = %endpoint.address(),
                ?detection,
                "an endpoint fails and is passed over"
            );
        }
    }

    /// Whether a call may be made; if so, it brings its share of retries.
    pub(crate) fn admits(&self, level: Level) -> bool {
        let now = Instant::now();
        let admitted = self.throttle().admits(level, fastrand::f64(), now);
        if admitted {
            self.budget().call(now);
        }
        admitted
    }

    /// A call was answered by one of the endpoints.
    pub(crate) fn answered(&self, level: Level, code: Code) {
        self.throttle().answered(level, code, Instant::now());
    }

    /// Pays for a retry.
    pub(crate) fn pays(&self) -> bool {
        self.budget().pay(Instant::now())
    }

    /// What there is to see.
    pub(crate) fn overview(&self) -> overview::Target {
        let now = Instant::now();
        overview::Target {
            name: self.target.to_string(),
            source: self.endpoints.to_string(),
            retries_left: self.budget().left(now),
            kept_back: Level::ALL
                .into_iter()
                .map(|level| (level.name(), self.throttle().kept_back(level, now)))
                .collect(),
            endpoints: self
                .known()
                .endpoints
                .iter()
                .map(|one| one.overview(now))
                .collect(),
        }
    }

    /// Looks the name up when what is known is too old, in the background as long as anything is known.
    async fn refresh(self: &Arc<Self>, after_failure: bool) {
        if matches!(self.endpoints.source, Source::Fixed(_)) {
            return;
        }
        let known = self.known();
        if known.endpoints.is_empty() {
            self.resolve_now().await;
        } else if is_due(known.asked, after_failure) {
            let pool = Arc::clone(self);
            tokio::spawn(async move {
                if let Ok(_turn) = pool.resolving.try_lock() {
                    pool.resolve().await;
                }
            });
        }
    }

    /// Looks the name up unless that was done a moment ago, and waits for it.
    async fn resolve_now(&self) {
        let asked = self.known().asked;
        if matches!(self.endpoints.source, Source::Fixed(_)) || !is_due(asked, true) {
            return;
        }
        let _turn = self.resolving.lock().await;
        if self.known().asked == asked {
            self.resolve().await;
        }
    }

    async fn resolve(&self) {
        let Source::Name { host, port } = &self.endpoints.source else {
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

    fn ejecting(&self) -> MutexGuard<'_, ()> {
        self.ejecting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn budget(&self) -> MutexGuard<'_, Budget> {
        self.budget.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn throttle(&self) -> MutexGuard<'_, Throttle> {
        self.throttle.lock().unwrap_or_else(PoisonError::into_inner)
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
