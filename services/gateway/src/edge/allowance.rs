//! How often callers may call: each has an allowance per lane that fills up steadily and may be spent at once.

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::{Quota, RateLimiter};
use outcry_mesh::refusal;
use tokio::time::Instant;
use tonic::{Code, Status};

use super::caller::Caller;
use super::lane::Lane;
use crate::config::{Rate, Rates};

/// Callers whose spending is remembered at most, in each lane: a few megabytes in all. Those who
/// have their whole allowance again are forgotten first; if all are spending, newcomers share one.
const CALLERS_MAX: usize = 16 * 1024;

/// How often at most it is looked for callers to forget: looking takes about a millisecond.
const FORGET_EVERY: Duration = Duration::from_secs(1);

/// A failed sign-in costs as much as this many good ones: it may be a guess.
const FAILED_SIGN_IN_COST: u32 = 5;

/// What every caller may still spend. Cheap to clone; all clones share it.
#[derive(Clone)]
pub(super) struct Allowances {
    lanes: Arc<Lanes>,
}

struct Lanes {
    reads: Pair,
    orders: Pair,
    cancels: Pair,
    sign_ins: Limiter,
}

/// The allowances of one lane.
struct Pair {
    /// Of each user, or of all strangers at an address.
    caller: Limiter,
    /// Of everybody at an address together.
    address: Limiter,
}

type Limiter = RateLimiter<Caller, Spending, Ticks, NoOpMiddleware<Duration>>;

// === impl Allowances ===

impl Allowances {
    pub(super) fn new(rates: &Rates) -> Allowances {
        Allowances::bounded(rates, CALLERS_MAX)
    }

    fn bounded(rates: &Rates, callers_max: usize) -> Allowances {
        let clock = Ticks(Instant::now());
        let limiter = |rate: &Rate, times: u32| limiter(rate, times, callers_max, clock);
        let pair = |rate: &Rate| Pair {
            caller: limiter(rate, 1),
            address: limiter(rate, rates.users_per_address),
        };
        Allowances {
            lanes: Arc::new(Lanes {
                reads: pair(&rates.reads),
                orders: pair(&rates.orders),
                cancels: pair(&rates.cancels),
                sign_ins: limiter(&rates.sign_ins, 1),
            }),
        }
    }

    /// Takes one call from the allowance of a user, or of the address when nobody is signed in.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED` that says how long to wait.
    pub(super) fn spend(
        &self,
        lane: Lane,
        user_id: Option<&str>,
        address: Option<IpAddr>,
    ) -> Result<(), Status> {
        let pair = match lane {
            Lane::Reads => &self.lanes.reads,
            Lane::Orders => &self.lanes.orders,
            Lane::Cancels => &self.lanes.cancels,
            // Whoever is signed in already guesses passwords no faster for it.
            Lane::SignIns => return take(&self.lanes.sign_ins, lane, &Caller::at(address)),
        };
        // A user who is refused takes nothing from neighbours at the same address.
        take(&pair.caller, lane, &Caller::of(user_id, address))?;
        take(&pair.address, lane, &Caller::at(address))
    }

    /// Takes what a failed sign-in costs beyond the call itself.
    pub(super) fn sign_in_failed(&self, address: Option<IpAddr>) {
        let caller = Caller::at(address);
        for _ in 1..FAILED_SIGN_IN_COST {
            // Whoever has less left loses all of it.
            if self.lanes.sign_ins.check_key(&caller).is_err() {
                break;
            }
        }
    }
}

fn limiter(rate: &Rate, times: u32, callers_max: usize, clock: Ticks) -> Limiter {
    // Settings of 0 are refused before anything is served.
    let cells = |number: u32| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
    let quota = Quota::per_second(cells(rate.per_second.saturating_mul(times)))
        .allow_burst(cells(rate.burst.saturating_mul(times)));
    let spending = Spending {
        callers_max,
        clock,
        kept: Mutex::default(),
    };
    RateLimiter::new(quota, spending, clock)
}

fn take(limiter: &Limiter, lane: Lane, caller: &Caller) -> Result<(), Status> {
    limiter.check_key(caller).map_err(|not_until| {
        let wait = not_until.wait_time_from(limiter.clock().now());
        // Whole milliseconds, and never too few: a client that waits is let in.
        let wait = Duration::from_millis(wait.as_nanos().div_ceil(1_000_000) as u64);
        refusal::retry_after(
            Code::ResourceExhausted,
            "RATE_LIMITED",
            format!(
                "too many {} in too short a time: wait {} ms",
                lane.noun(),
                wait.as_millis()
            ),
            wait,
        )
    })
}

/// Time since the start, by a clock that only goes forwards.
#[derive(Debug, Clone, Copy)]
struct Ticks(Instant);

impl Clock for Ticks {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

/// Until when callers have spent their allowance.
struct Spending {
    callers_max: usize,
    clock: Ticks,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    spent_until: HashMap<Caller, Nanos>,
    forgotten_at: Option<Duration>,
}

impl StateStore for Spending {
    type Key = Caller;

    fn measure_and_replace<T, F, E>(&self, caller: &Caller, measure: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        // Nothing in here panics half-way through a change.
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = !kept.spent_until.contains_key(caller);
        if is_new && kept.spent_until.len() >= self.callers_max {
            kept.forget(self.clock.now());
        }
        let caller = if is_new && kept.spent_until.len() >= self.callers_max {
            &Caller::Others
        } else {
            caller
        };
        let (outcome, until) = measure(kept.spent_until.get(caller).copied())?;
        kept.spent_until.insert(caller.clone(), until);
        Ok(outcome)
    }
}

impl Kept {
    /// Forgets who has the whole allowance again: they are as good as new.
    fn forget(&mut self, now: Duration) {
        if self.forgotten_at.is_some_and(|at| now < at + FORGET_EVERY) {
            return;
        }
        self.forgotten_at = Some(now);
        let now = Nanos::from(now);
        self.spent_until.retain(|_, until| *until > now);
    }
}

#[cfg(test)]
mod tests {
    use tonic_types::StatusExt;

    use super::*;

    const HOME: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST));

    fn rates() -> Rates {
        let rate = |per_second, burst| Rate { per_second, burst };
        Rates {
            reads: rate(10, 20),
            orders: rate(2, 4),
            cancels: rate(10, 20),
            sign_ins: rate(1, 10),
            users_per_address: 3,
        }
    }

    /// How many of these calls in a row are let in.
    fn let_in(allowances: &Allowances, lane: Lane, user_id: Option<&str>) -> usize {
        (0..1000)
            .take_while(|_| allowances.spend(lane, user_id, HOME).is_ok())
            .count()
    }

    fn wait(refused: &Status) -> Duration {
        refused
            .get_details_retry_info()
            .unwrap()
            .retry_delay
            .unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_let_in_and_then_the_rate() {
        let allowances = Allowances::new(&rates());
        assert_eq!(let_in(&allowances, Lane::Orders, Some("a")), 4);
        let refused = allowances.spend(Lane::Orders, Some("a"), HOME).unwrap_err();
        let info = refused.get_details_error_info().unwrap();
        assert_eq!(
            (refused.code(), info.reason.as_str()),
            (Code::ResourceExhausted, "RATE_LIMITED")
        );
        assert_eq!(wait(&refused), Duration::from_millis(500));
        tokio::time::advance(wait(&refused)).await;
        assert_eq!(let_in(&allowances, Lane::Orders, Some("a")), 1);
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(let_in(&allowances, Lane::Orders, Some("a")), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_spent_the_orders_can_still_cancel_and_others_can_still_order() {
        let allowances = Allowances::new(&rates());
        assert_eq!(let_in(&allowances, Lane::Orders, Some("a")), 4);
        assert_eq!(let_in(&allowances, Lane::Cancels, Some("a")), 20);
        assert_eq!(let_in(&allowances, Lane::Reads, Some("a")), 20);
        assert_eq!(let_in(&allowances, Lane::Orders, Some("b")), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_gets_as_much_as_a_few_users_however_many_sign_in_there() {
        let allowances = Allowances::new(&rates());
        let users = ["a", "b", "c", "d", "e"];
        let all: usize = users
            .iter()
            .map(|user| let_in(&allowances, Lane::Orders, Some(user)))
            .sum();
        assert_eq!(all, 3 * 4);
    }

    #[tokio::test(start_paused = true)]
    async fn failed_sign_ins_cost_more_and_a_session_does_not_make_them_cheaper() {
        let allowances = Allowances::new(&rates());
        assert_eq!(let_in(&allowances, Lane::SignIns, None), 10);
        assert_eq!(let_in(&allowances, Lane::SignIns, Some("a")), 0);
        tokio::time::advance(Duration::from_secs(60)).await;
        let guesses = (0..1000)
            .take_while(|_| {
                let tried = allowances.spend(Lane::SignIns, None, HOME);
                allowances.sign_in_failed(HOME);
                tried.is_ok()
            })
            .count();
        assert_eq!(guesses, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn no_number_of_callers_fills_the_memory_and_idle_ones_make_room() {
        let allowances = Allowances::bounded(&rates(), 100);
        let spend = |number: u32| {
            let address = IpAddr::V4(std::net::Ipv4Addr::from_bits(number));
            allowances.spend(Lane::Orders, None, Some(address)).is_ok()
        };
        assert_eq!((0..100).filter(|number| spend(*number)).count(), 100);
        // The hundred spend still, so these share what one caller has.
        assert_eq!((100..1000).filter(|number| spend(*number)).count(), 4);
        // Those who were there first keep what is theirs.
        assert!(spend(7));
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!((1000..1050).filter(|number| spend(*number)).count(), 50);
    }
}
