//! All replicas of one service elsewhere: which one gets a call, and which are passed over.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fastrand::Rng;
use http::HeaderValue;
use tokio::time::Instant;
use tonic::{Code, Status};

use crate::address::Endpoints;
use crate::budget::Budget;
use crate::choice;
use crate::credentials::Membership;
use crate::criticality::Level;
use crate::endpoint::{Endpoint, Standing};
use crate::gate::{self, Passage, Verdict};
use crate::metrics::{Detection, MeshMetrics};
use crate::overview;
use crate::passport;
use crate::replicas::Replicas;
use crate::throttle::Throttle;
use crate::turn::Turn;

/// The replicas of one service.
#[derive(Debug)]
pub(crate) struct Pool {
    /// The service.
    target: Arc<str>,
    /// Its name as its callers write it into their calls; `None` if it is not one that can be written.
    header: Option<HeaderValue>,
    replicas: Arc<Replicas>,
    metrics: MeshMetrics,
    /// Some endpoint may be passed over. Saves looking for one in ordinary times.
    troubled: AtomicBool,
    /// Held while it is decided whether one more is passed over.
    ejecting: Mutex<()>,
    budget: Mutex<Budget>,
    throttle: Mutex<Throttle>,
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
        let target: Arc<str> = target.into();
        let replicas = Replicas::new(&target, endpoints, membership, metrics.clone());
        Pool {
            header: passport::value(&target).ok(),
            target,
            replicas: Arc::new(replicas),
            metrics,
            troubled: AtomicBool::new(false),
            ejecting: Mutex::new(()),
            budget: Mutex::new(Budget::new(now)),
            throttle: Mutex::new(Throttle::new(now)),
        }
    }

    /// The service.
    pub(crate) fn target(&self) -> &str {
        &self.target
    }

    /// Its name as metadata.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` when it cannot be that.
    pub(crate) fn header(&self) -> Result<HeaderValue, Status> {
        self.header.clone().ok_or_else(passport::unreadable)
    }

    /// An attempt at the endpoint that should get it: at once, as long as any is known.
    pub(crate) async fn next(
        self: &Arc<Self>,
        tried: &[Arc<Endpoint>],
        wish: Wish,
    ) -> Option<Turn> {
        self.replicas.refresh(!tried.is_empty());
        if let Some(turn) = self.pick(tried, wish) {
            return Some(turn);
        }
        // Nobody is known or left: replicas may have moved since the name was looked up. In a box, since it is
        // large and seldom there.
        Box::pin(self.replicas.resolve_now()).await;
        self.pick(tried, wish)
    }

    /// Where the replicas are known to be; a name is looked up when what is known of it is too old.
    pub(crate) async fn addresses(&self) -> Vec<String> {
        self.replicas.refresh(false);
        if self.replicas.all().is_empty() {
            self.replicas.resolve_now().await;
        }
        let all = self.replicas.all();
        all.iter().map(|one| one.address().to_string()).collect()
    }

    fn pick(self: &Arc<Self>, tried: &[Arc<Endpoint>], wish: Wish) -> Option<Turn> {
        let now = Instant::now();
        let all = self.replicas.all();
        let untried = |one: &Arc<Endpoint>| !tried.iter().any(|other| Arc::ptr_eq(one, other));
        if let Some(probed) = self.to_probe(&all, untried, now) {
            return Some(Turn::new(self, probed, true, now));
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
        Some(Turn::new(self, Arc::clone(chosen), false, now))
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
        let all = self.replicas.all();
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
    pub(crate) fn admits(&self, level: Level, now: Instant) -> bool {
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

    /// Retries that calls may cost at the moment.
    pub(crate) fn retries_left(&self) -> f64 {
        self.budget().left(Instant::now())
    }

    /// What there is to see.
    pub(crate) fn overview(&self) -> overview::Target {
        let now = Instant::now();
        overview::Target {
            name: self.target.to_string(),
            source: self.replicas.source().to_string(),
            retries_left: self.retries_left(),
            kept_back: Level::ALL
                .into_iter()
                .map(|level| (level.name(), self.throttle().kept_back(level, now)))
                .collect(),
            endpoints: self
                .replicas
                .all()
                .iter()
                .map(|one| one.overview(now))
                .collect(),
        }
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::Registry;

    use super::*;

    fn pool(endpoints: &str) -> (Arc<Pool>, MeshMetrics) {
        let metrics = MeshMetrics::default();
        let endpoints = endpoints.parse().unwrap();
        let pool = Pool::new("funds", endpoints, Membership::default(), metrics.clone());
        (Arc::new(pool), metrics)
    }

    fn of(count: usize) -> (Arc<Pool>, MeshMetrics) {
        let addresses: Vec<_> = (1..=count)
            .map(|port| format!("http://10.0.0.1:{port}"))
            .collect();
        pool(&addresses.join(","))
    }

    fn all(pool: &Pool) -> Arc<[Arc<Endpoint>]> {
        pool.replicas.all()
    }

    /// One answers, and then another fails more often than it may.
    fn fails(pool: &Pool, failing: usize, answering: usize) {
        let (all, began) = (all(pool), Instant::now());
        pool.ended(&all[answering], Verdict::Good, began, false);
        for _ in 0..5 {
            pool.ended(&all[failing], Verdict::Failed, began, false);
        }
    }

    fn ejected(pool: &Pool) -> Vec<bool> {
        let ejected = |one: &Arc<Endpoint>| one.conduct().is_ejected();
        all(pool).iter().map(ejected).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn half_are_passed_over_and_the_next_one_is_spared() {
        let (pool, metrics) = of(3);
        fails(&pool, 0, 2);
        assert_eq!(ejected(&pool), [true, false, false]);
        fails(&pool, 1, 2);
        assert_eq!(ejected(&pool), [true, false, false]);
        let mut registry = Registry::default();
        metrics.register(&mut registry);
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        for counter in ["ejections_enforced_total", "ejections_unenforced_total"] {
            let line = text
                .lines()
                .find(|line| line.contains(counter) && !line.starts_with('#'));
            assert!(line.is_some_and(|line| line.ends_with(" 1")), "{text}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn failures_with_no_answer_elsewhere_since_they_began_make_no_exception() {
        let (pool, _) = of(2);
        pool.ended(&all(&pool)[1], Verdict::Good, Instant::now(), false);
        tokio::time::advance(Duration::from_millis(1)).await;
        for _ in 0..20 {
            pool.ended(&all(&pool)[0], Verdict::Failed, Instant::now(), false);
        }
        assert_eq!(ejected(&pool), [false, false]);
    }

    #[tokio::test(start_paused = true)]
    async fn deadlines_that_pass_while_others_answer_count_as_failures_in_a_row() {
        let (pool, _) = of(2);
        let (all, began) = (all(&pool), Instant::now());
        tokio::time::advance(Duration::from_secs(1)).await;
        pool.ended(&all[1], Verdict::Good, began, false);
        for _ in 0..5 {
            pool.ended(&all[0], Verdict::TimedOut, began, false);
        }
        assert_eq!(ejected(&pool), [true, false]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_bad_share_of_good_answers_passes_over_only_who_is_worse_than_the_others() {
        let share = |pool: &Pool, index: usize, good: usize| {
            let (one, now) = (Arc::clone(&all(pool)[index]), Instant::now());
            for call in 0..40 {
                let verdict = if call % 10 < good {
                    Verdict::Good
                } else {
                    Verdict::Declined
                };
                pool.ended(&one, verdict, now, false);
            }
        };
        let (alike, _) = of(2);
        share(&alike, 0, 5);
        share(&alike, 1, 5);
        assert_eq!(ejected(&alike), [false, false]);
        let (different, _) = of(2);
        share(&different, 0, 10);
        share(&different, 1, 5);
        assert_eq!(ejected(&different), [false, true]);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_passed_over_gets_a_call_only_if_nobody_else_can() {
        let (pool, _) = of(2);
        fails(&pool, 0, 1);
        let all = all(&pool);
        for _ in 0..20 {
            let turn = pool.next(&[], Wish::Another).await.unwrap();
            assert!(Arc::ptr_eq(turn.endpoint(), &all[1]));
        }
        let tried = [Arc::clone(&all[1])];
        let another = pool.next(&tried, Wish::Another).await.unwrap();
        assert!(Arc::ptr_eq(another.endpoint(), &all[0]));
        // Rather the same one again than one that fails.
        let any = pool.next(&tried, Wish::Any).await.unwrap();
        assert!(Arc::ptr_eq(any.endpoint(), &all[1]));
        assert!(pool.next(&all, Wish::Another).await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_while_one_call_probes_it_and_no_other() {
        let (pool, _) = of(2);
        fails(&pool, 0, 1);
        tokio::time::advance(Duration::from_secs(3)).await;
        let all = all(&pool);
        let probe = pool.next(&[], Wish::Another).await.unwrap();
        assert!(Arc::ptr_eq(probe.endpoint(), &all[0]));
        for _ in 0..20 {
            let turn = pool.next(&[], Wish::Another).await.unwrap();
            assert!(Arc::ptr_eq(turn.endpoint(), &all[1]));
        }
        // Given up, it found nothing out.
        drop(probe);
        let probe = pool.next(&[], Wish::Another).await.unwrap();
        assert!(Arc::ptr_eq(probe.endpoint(), &all[0]));
        probe.end(Verdict::Good);
        assert_eq!(ejected(&pool), [false, false]);
    }
}
