//! People who trade with each other at a steady pace, and somebody who counts the events.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use outcry_contracts::eventlog::v1::SubscribeRequest;
use outcry_contracts::eventlog::v1::event_log_service_client::EventLogServiceClient;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::orders::crowd::{Crowd, Pair, TRIP};
use crate::orders::installation::Site;
use crate::orders::people::Person;

/// Sales and purchases that one pair has on their way at the same time, at most.
const HANDS: usize = 2;

/// Events of an order, about: a first guess, mended by what is counted.
const EVENTS_OF_ORDER: f64 = 8.5;

/// By how much the pace may differ from the guess: more would only drown a platform that cannot keep up.
const MENDED_MAX: f64 = 1.5;

/// How many times what is wanted is aimed at: the rate swings, and its mean must not be below.
const AIM: f64 = 1.1;

/// How often the pace is mended.
const MENDED_EVERY: Duration = Duration::from_secs(1);

/// Before a stream that has ended is opened again.
const AGAIN: Duration = Duration::from_millis(100);

/// All of them at work, until the end.
pub struct Traders {
    admin: Person,
    tasks: JoinSet<()>,
    counted: Arc<AtomicU64>,
}

/// Events from a moment on.
pub struct Flowed {
    counted: Arc<AtomicU64>,
    from: u64,
    since: Instant,
}

/// Everybody's pause between two trips, in nanoseconds.
type Pause = Arc<AtomicU64>;

// === impl Traders ===

impl Traders {
    /// Has them begin, so that about so many events a second flow.
    pub async fn begin(site: &Site, events: u32) -> anyhow::Result<Self> {
        let crowd = Crowd::come(site, "trader").await?;
        let counted = Arc::new(AtomicU64::new(0));
        let mut tasks = JoinSet::new();
        tasks.spawn(count(crowd.admin.clone(), Arc::clone(&counted)));
        let hands = crowd.pairs.len() * HANDS;
        let trips = f64::from(events) / EVENTS_OF_ORDER / TRIP as f64;
        let guess = hands as f64 * 1e9 / trips;
        let pause: Pause = Arc::new(AtomicU64::new(guess as u64));
        for (number, pair) in crowd.pairs.iter().cycle().take(hands).enumerate() {
            // Evenly over the pause, so that they do not all come at once.
            let first = Duration::from_nanos((guess * number as f64 / hands as f64) as u64);
            tasks.spawn(trade(Arc::clone(pair), first, Arc::clone(&pause)));
        }
        let aim = AIM * f64::from(events);
        tasks.spawn(mend(pause, guess, Arc::clone(&counted), aim));
        Ok(Self {
            admin: crowd.admin,
            tasks,
            counted,
        })
    }

    /// Counts from now on.
    pub fn count(&self) -> Flowed {
        Flowed {
            counted: Arc::clone(&self.counted),
            from: self.counted.load(Ordering::Relaxed),
            since: Instant::now(),
        }
    }

    /// Events that wait for somebody who has not kept up.
    pub async fn waiting(&self) -> anyhow::Result<f64> {
        self.admin.events_waiting().await
    }

    /// Ends all of it.
    pub fn end(mut self) {
        self.tasks.abort_all();
    }
}

// === impl Flowed ===

impl Flowed {
    /// Events a second until now.
    pub fn per_second(&self) -> f64 {
        let events = self.counted.load(Ordering::Relaxed) - self.from;
        events as f64 / self.since.elapsed().as_secs_f64()
    }
}

/// A sale and the purchase that takes it after every pause.
async fn trade(pair: Arc<Pair>, first: Duration, pause: Pause) {
    let mut due = tokio::time::Instant::now() + first;
    loop {
        tokio::time::sleep_until(due).await;
        // What a busy platform refuses is missing in what is counted, and nowhere else.
        let _answered = pair.trip().await;
        due += Duration::from_nanos(pause.load(Ordering::Relaxed));
        // Who is late does not hurry: the pace is mended by what is counted.
        due = due.max(tokio::time::Instant::now());
    }
}

/// Counts events as the console's streams have them.
async fn count(admin: Person, counted: Arc<AtomicU64>) {
    let mut log = EventLogServiceClient::new(admin.signed);
    loop {
        let request = SubscribeRequest {
            from_now: true,
            ..SubscribeRequest::default()
        };
        if let Ok(reply) = log.subscribe(request).await {
            let mut events = reply.into_inner();
            while let Ok(Some(_)) = events.message().await {
                counted.fetch_add(1, Ordering::Relaxed);
            }
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// Makes the pause shorter while too few events flow, and longer while there are too many.
async fn mend(pause: Pause, guess: f64, counted: Arc<AtomicU64>, wanted: f64) {
    let mut ticks = tokio::time::interval(MENDED_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    let mut before = counted.load(Ordering::Relaxed);
    loop {
        ticks.tick().await;
        let now = counted.load(Ordering::Relaxed);
        // Never by more than a tenth: what is counted comes some time after the orders.
        let change = ((now - before) as f64 / wanted).clamp(0.9, 1.1);
        before = now;
        let longer = pause.load(Ordering::Relaxed) as f64 * change;
        pause.store(
            longer.clamp(guess / MENDED_MAX, guess * MENDED_MAX) as u64,
            Ordering::Relaxed,
        );
    }
}
