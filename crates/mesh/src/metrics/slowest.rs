//! The slowest calls of late, each with the flow it belongs to: a histogram says that something was slow, this
//! says where to look.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;
use tonic::Code;
use uuid::Uuid;

/// How long a slow call is shown at least; at most it is twice that.
const WINDOW: Duration = Duration::from_secs(60);

/// Calls kept of a window, and shown: what one screen has room for.
const CALLS_MAX: usize = 16;

/// A call that took long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlowCall {
    /// Path of its method; one name for all that are in no contract.
    pub path: Arc<str>,
    /// The flow it belongs to.
    pub correlation_id: Uuid,
    /// How long it took until its last byte.
    pub took: Duration,
    /// How it ended.
    pub code: Code,
    /// When it ended.
    pub ended: SystemTime,
}

/// The slowest calls of this window and of the one before.
#[derive(Debug)]
pub(super) struct Slowest {
    opened: Instant,
    /// Microseconds since `opened` at which this window ends.
    ends: AtomicU64,
    /// Microseconds that a call must have taken to be among those of this window.
    floor: AtomicU64,
    windows: Mutex<Windows>,
}

#[derive(Debug, Default)]
struct Windows {
    now: Vec<SlowCall>,
    before: Vec<SlowCall>,
}

impl Default for Slowest {
    fn default() -> Slowest {
        Slowest {
            opened: Instant::now(),
            ends: AtomicU64::new(micros(WINDOW)),
            floor: AtomicU64::new(0),
            windows: Mutex::default(),
        }
    }
}

impl Slowest {
    /// Takes a call that began at `began`, if it is among the slowest. Of most calls two numbers are read and
    /// nothing is locked.
    pub(super) fn ended(
        &self,
        path: &Arc<str>,
        correlation_id: Uuid,
        began: Instant,
        took: Duration,
        code: Code,
    ) {
        // The clock was read for `took` already.
        let now = micros(began.saturating_duration_since(self.opened) + took);
        let floor = self.floor.load(Ordering::Relaxed);
        if micros(took) < floor && now < self.ends.load(Ordering::Relaxed) {
            return;
        }
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        self.turn(&mut windows, now);
        let calls = &mut windows.now;
        let same = calls
            .iter()
            .position(|call| call.correlation_id == correlation_id);
        match same {
            // The longest call of a flow is the one around the others.
            Some(place) if calls[place].took >= took => return,
            Some(place) => drop(calls.remove(place)),
            None => {}
        }
        let place = calls.partition_point(|call| call.took >= took);
        let call = SlowCall {
            path: Arc::clone(path),
            correlation_id,
            took,
            code,
            ended: SystemTime::now(),
        };
        calls.insert(place, call);
        calls.truncate(CALLS_MAX);
        if let Some(last) = calls.get(CALLS_MAX - 1) {
            self.floor.store(micros(last.took), Ordering::Relaxed);
        }
    }

    /// The slowest calls of late, one of each flow, the slowest first.
    pub(super) fn list(&self) -> Vec<SlowCall> {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        self.turn(&mut windows, micros(self.opened.elapsed()));
        let mut calls = windows.now.clone();
        for call in &windows.before {
            if calls
                .iter()
                .all(|one| one.correlation_id != call.correlation_id)
            {
                calls.push(call.clone());
            }
        }
        drop(windows);
        calls.sort_by_key(|call| std::cmp::Reverse(call.took));
        calls.truncate(CALLS_MAX);
        calls
    }

    /// Begins the next window, if this one is over.
    fn turn(&self, windows: &mut Windows, now: u64) {
        let ends = self.ends.load(Ordering::Relaxed);
        if now < ends {
            return;
        }
        // Nothing was seen for a whole window: what was before is too old.
        let is_long_over = now - ends >= micros(WINDOW);
        let last = std::mem::take(&mut windows.now);
        windows.before = if is_long_over { Vec::new() } else { last };
        self.floor.store(0, Ordering::Relaxed);
        self.ends.store(now + micros(WINDOW), Ordering::Relaxed);
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn took(slowest: &Slowest) -> Vec<(u128, u64)> {
        let calls = slowest.list();
        let shown = calls.iter();
        shown
            .map(|call| (call.correlation_id.as_u128(), micros(call.took) / 1000))
            .collect()
    }

    fn ended(slowest: &Slowest, flow: u128, ms: u64) {
        let path = "/outcry.orders.v1.OrderService/PlaceOrder".into();
        let took = Duration::from_millis(ms);
        // As if it ended now.
        let began = Instant::now() - took;
        slowest.ended(&path, Uuid::from_u128(flow), began, took, Code::Ok);
    }

    #[tokio::test(start_paused = true)]
    async fn the_slowest_calls_are_kept_and_each_flow_is_there_once() {
        let slowest = Slowest::default();
        for flow in 0..100_u64 {
            ended(&slowest, u128::from(flow), (flow * 37) % 100);
        }
        let calls = took(&slowest);
        assert_eq!(calls.len(), CALLS_MAX);
        let expected: Vec<u64> = (100 - CALLS_MAX as u64..100).rev().collect();
        let times: Vec<u64> = calls.iter().map(|(_, ms)| *ms).collect();
        assert_eq!(times, expected);
        let (flow, _) = calls[3];
        ended(&slowest, flow, 1_000);
        ended(&slowest, flow, 999);
        let calls = took(&slowest);
        assert_eq!(calls[0], (flow, 1_000));
        assert_eq!(calls.iter().filter(|(one, _)| *one == flow).count(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_slow_is_forgotten_after_two_windows_and_hides_nothing() {
        let slowest = Slowest::default();
        for flow in 0..100 {
            ended(&slowest, flow, 500);
        }
        tokio::time::advance(WINDOW).await;
        ended(&slowest, 200, 1);
        let calls = took(&slowest);
        assert_eq!((calls.len(), calls[0].1), (CALLS_MAX, 500));
        tokio::time::advance(WINDOW).await;
        assert_eq!(took(&slowest), [(200, 1)]);
        tokio::time::advance(WINDOW * 2).await;
        assert_eq!(took(&slowest), []);
    }
}
