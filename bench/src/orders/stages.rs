//! How long orders take to each stage of their way, at a pace.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::ensure;
use outcry_contracts::orders::v1::OrderStatus;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval_at};

use super::crowd::{Answered, Crowd, Pair, TRIP};
use super::installation::Site;
use super::sightings::Lookouts;
use crate::percentile::milliseconds;

/// How long the last orders may take to be settled and told.
const ARRIVE_MAX: Duration = Duration::from_secs(60);

/// How often they are looked for.
const LOOK: Duration = Duration::from_millis(10);

/// People at a pace, and those who look.
pub struct Floor {
    pub crowd: Crowd,
    lookouts: Lookouts,
}

/// Times from placing an order, in milliseconds, sorted.
#[derive(Debug, Default)]
pub struct Stages {
    /// To the venue's word on it: of all orders.
    pub acknowledged: Vec<f64>,
    /// To when its owner saw it filled: of those that are filled as they come, as the two below.
    pub filled: Vec<f64>,
    /// To when its trade was closed: every fill is settled.
    pub settled: Vec<f64>,
    /// To when it was settled and its owner notified.
    pub whole: Vec<f64>,
    /// Orders that were never settled, or never told of.
    pub lost: usize,
    /// Why sales with their purchases came to nothing: one of the two was refused.
    pub refused: Vec<String>,
}

// === impl Floor ===

impl Floor {
    /// People nobody else has seen, so that their streams begin with what is measured.
    pub async fn open(site: &Site, name: &str) -> anyhow::Result<Self> {
        let crowd = Crowd::come(site, name).await?;
        let mut lookouts = Lookouts::at_closing(&crowd.admin).await?;
        for pair in &crowd.pairs {
            lookouts.join(&pair.buyer);
        }
        Ok(Self { crowd, lookouts })
    }

    /// Orders at a pace for a while, whether those before have been answered or not, and how long
    /// they took.
    pub async fn trade(&self, per_second: f64, length: Duration) -> anyhow::Result<Stages> {
        self.lookouts.clear();
        let pairs = self.crowd.pairs.len();
        let every = Duration::from_secs_f64((TRIP * pairs) as f64 / per_second);
        let begun = Instant::now();
        let mut traders = JoinSet::new();
        for (number, pair) in self.crowd.pairs.iter().enumerate() {
            // Evenly over the period, so that they do not all come at once.
            let first = begun + every * number as u32 / pairs as u32;
            traders.spawn(keep_pace(Arc::clone(pair), first, every, begun + length));
        }
        let (mut trips, mut refused) = (Vec::new(), Vec::new());
        while let Some(ended) = traders.join_next().await {
            for trip in ended?? {
                match trip {
                    Ok(trip) => trips.push(trip),
                    Err(error) => refused.push(format!("{error:#}")),
                }
            }
        }
        ensure!(!trips.is_empty(), "no order was placed");
        self.until_seen(trips.len()).await;
        let mut stages = self.stages(&trips);
        stages.refused = refused;
        Ok(stages)
    }

    /// Waits until everything has arrived, but not for ever: what has not is counted as lost.
    async fn until_seen(&self, trips: usize) {
        let end = Instant::now() + ARRIVE_MAX;
        let lookouts = &self.lookouts;
        let is_over = || {
            lookouts.closed.count() >= trips * TRIP
                && lookouts.filled.count() >= trips
                && lookouts.told.count() >= trips
        };
        while !is_over() && Instant::now() < end {
            tokio::time::sleep(LOOK).await;
        }
    }

    fn stages(&self, trips: &[[Answered; TRIP]]) -> Stages {
        let mut stages = Stages::default();
        for [sale, purchase] in trips {
            for one in [sale, purchase] {
                stages.acknowledged.push(since(one, one.answered));
            }
            self.add(&mut stages, purchase);
        }
        for times in [
            &mut stages.acknowledged,
            &mut stages.filled,
            &mut stages.settled,
            &mut stages.whole,
        ] {
            times.sort_by(f64::total_cmp);
        }
        stages
    }

    fn add(&self, stages: &mut Stages, purchase: &Answered) {
        let order_id = &purchase.order.order_id;
        let in_answer =
            (purchase.order.status() == OrderStatus::Filled).then_some(purchase.answered);
        let filled = [in_answer, self.lookouts.filled.at(order_id)];
        if let Some(at) = filled.into_iter().flatten().min() {
            stages.filled.push(since(purchase, at));
        }
        let [closed, told] = [&self.lookouts.closed, &self.lookouts.told];
        match (closed.at(order_id), told.at(order_id)) {
            (Some(closed), Some(told)) => {
                stages.settled.push(since(purchase, closed));
                stages.whole.push(since(purchase, closed.max(told)));
            }
            _ => stages.lost += 1,
        }
    }
}

/// From when an order was sent.
fn since(one: &Answered, at: Instant) -> f64 {
    milliseconds(at.saturating_duration_since(one.sent))
}

/// A sale and its purchase, or why there are none.
type Trip = anyhow::Result<[Answered; TRIP]>;

/// Trips of one pair, each begun when it is due.
async fn keep_pace(
    pair: Arc<Pair>,
    first: Instant,
    every: Duration,
    end: Instant,
) -> anyhow::Result<Vec<Trip>> {
    let mut ticks = interval_at(first.into(), every);
    // Trips that are due while the machine is busy are made up for: the pace is kept.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut trips = JoinSet::new();
    let mut made = Vec::new();
    while ticks.tick().await.into_std() < end {
        let pair = Arc::clone(&pair);
        trips.spawn(async move { pair.trip().await });
        while let Some(ended) = trips.try_join_next() {
            made.push(ended?);
        }
    }
    while let Some(ended) = trips.join_next().await {
        made.push(ended?);
    }
    Ok(made)
}

// === impl Stages ===

impl Stages {
    /// Each stage by name, with its times.
    pub fn named(&self) -> [(&'static str, &[f64]); 4] {
        [
            ("place to acknowledged", self.acknowledged.as_slice()),
            ("place to filled", self.filled.as_slice()),
            ("place to settled", self.settled.as_slice()),
            ("place to settled and notified", self.whole.as_slice()),
        ]
    }
}
