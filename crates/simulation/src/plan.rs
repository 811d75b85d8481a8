//! What will happen in a run: drawn from a seed, and a value, so that it can be cut down.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

/// Users of the simulated market.
pub const USERS: usize = 5;

/// What they trade.
pub const SYMBOLS: [&str; 2] = ["ACME", "OPAL"];

/// Services that may have a second process: all that are reached by their name alone.
const REPLICATED: [&str; 7] = [
    "orders",
    "funds",
    "payments",
    "ledger",
    "portfolio",
    "reports",
    "notifications",
];

/// Services that can crash.
pub const SERVICES: [&str; 10] = [
    "users",
    "orders",
    "trades",
    "funds",
    "payments",
    "ledger",
    "portfolio",
    "reports",
    "notifications",
    "gateway",
];

/// How long people act: afterwards everything heals and comes to rest.
const ACTIVE: Duration = Duration::from_secs(40);

/// Calls to its store or the broker after which a process that is to crash does so, at most. What
/// it is doing then is whatever the seed makes it be.
const CALLS_MAX: u32 = 60;

/// A whole run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What it was drawn from; also seeds what is drawn on the way.
    pub seed: u64,
    /// How bad the everyday is.
    pub weather: Weather,
    /// Services that have two processes.
    pub replicated: Vec<&'static str>,
    /// What people do.
    pub acts: Vec<Act>,
    /// What breaks.
    pub faults: Vec<Fault>,
}

/// Chances, each of so many in a thousand.
#[derive(Debug, Clone, Copy, Default)]
pub struct Weather {
    /// A call to a store, the broker or a service takes up to this long.
    pub latency_max: Duration,
    /// A read or commit fails before it has an effect.
    pub store_fails: u32,
    /// A commit takes effect and its caller hears that it failed.
    pub commit_unanswered: u32,
    /// A call between services is refused on its way there.
    pub call_lost: u32,
    /// A call between services takes effect and its answer is lost.
    pub answer_lost: u32,
    /// A message is not taken by the broker.
    pub publish_refused: u32,
    /// A message is taken and its publisher hears that it was not.
    pub publish_unconfirmed: u32,
    /// An acknowledged message comes again.
    pub redelivered: u32,
}

/// Something a person does.
#[derive(Debug, Clone)]
pub struct Act {
    /// When, from the beginning.
    pub at: Duration,
    /// Which user; for what only administrators may do, whom it is done to.
    pub user: usize,
    /// What.
    pub deed: Deed,
}

/// What can be done.
#[derive(Debug, Clone)]
pub enum Deed {
    /// Pays in so many cents.
    Deposit(i64),
    /// Asks for a payout of so many cents.
    Withdraw(i64),
    /// Places an order.
    Place(Wish),
    /// Cancels one of the user's orders, counted back from the newest.
    Cancel(usize),
    /// Changes one of the user's orders, counted back from the newest.
    Replace {
        /// Which.
        back: usize,
        /// New quantity.
        quantity: i64,
        /// New limit in ticks; none keeps it.
        ticks: Option<i64>,
    },
    /// Cancels all of the user's orders.
    CancelAll,
    /// Stops a symbol.
    Halt(usize),
    /// Lets a symbol go on.
    Resume(usize),
    /// Suspends the user.
    Suspend,
    /// Takes the suspension back.
    Reinstate,
    /// Asks for a statement.
    Report,
    /// Issues shares to the user.
    Issue {
        /// Symbol.
        symbol: usize,
        /// How many.
        quantity: i64,
    },
    /// Opens another portfolio.
    OpenPortfolio,
    /// Takes the user's newest deposit back.
    Reverse,
}

/// An order as a user wants it. Prices are in ticks of a cent around 100.
#[derive(Debug, Clone)]
pub struct Wish {
    /// Symbol.
    pub symbol: usize,
    /// Whether to buy.
    pub buys: bool,
    /// Shares.
    pub quantity: i64,
    /// Limit; none for a market order.
    pub limit: Option<i64>,
    /// Stop price.
    pub stop: Option<i64>,
    /// 0 day, 1 gtc, 2 ioc, 3 fok, 4 gtd.
    pub lives: u8,
    /// Refuses to take.
    pub post_only: bool,
    /// 0 to 4, as the contract numbers them.
    pub self_trade: u8,
    /// For the user's newest portfolio rather than none in particular.
    pub in_portfolio: bool,
}

/// Something that breaks.
#[derive(Debug, Clone)]
pub struct Fault {
    /// When.
    pub at: Duration,
    /// What.
    pub what: Breakage,
}

/// What can break.
#[derive(Debug, Clone)]
pub enum Breakage {
    /// A process dies at one of its next calls to the outside, and is started again later.
    Crash {
        /// Of which service.
        service: &'static str,
        /// Which of its processes.
        number: usize,
        /// At how many calls from now.
        after_calls: u32,
        /// Whether that call still has its effect.
        applied: bool,
        /// How long until it is started again.
        down: Duration,
    },
    /// A service does not reach another, or is not reached by it.
    Part {
        /// One.
        one: &'static str,
        /// The other.
        other: &'static str,
        /// How long.
        lasts: Duration,
    },
    /// A service does not reach its store.
    StoreGone {
        /// Which service.
        service: &'static str,
        /// How long.
        lasts: Duration,
    },
    /// A service does not reach the broker.
    BrokerGone {
        /// Which service.
        service: &'static str,
        /// How long.
        lasts: Duration,
    },
    /// Everything a service does takes this much longer.
    Slow {
        /// Which service.
        service: &'static str,
        /// By how much each call.
        by: Duration,
        /// How long.
        lasts: Duration,
    },
}

// === impl Plan ===

impl Plan {
    /// What a seed stands for.
    #[must_use]
    pub fn draw(seed: u64) -> Self {
        let mut dice = StdRng::seed_from_u64(seed);
        let weather = Weather::draw(&mut dice);
        let mut replicated = REPLICATED.to_vec();
        replicated.retain(|_| dice.random_range(0..4) == 0);
        let count = dice.random_range(20..100);
        let mut acts: Vec<Act> = (0..count).map(|_| Act::draw(&mut dice)).collect();
        acts.sort_by_key(|act| act.at);
        let count = dice.random_range(0..9);
        let mut faults: Vec<Fault> = (0..count).map(|_| Fault::draw(&mut dice)).collect();
        faults.sort_by_key(|fault| fault.at);
        Self {
            seed,
            weather,
            replicated,
            acts,
            faults,
        }
    }

    /// How many parts can still be taken away.
    #[must_use]
    pub fn size(&self) -> usize {
        self.acts.len() + self.faults.len() + self.replicated.len()
    }
}

impl Weather {
    fn draw(dice: &mut StdRng) -> Self {
        let mut chance = |most: u32| {
            let is_fine = dice.random_range(0..3) == 0;
            if is_fine {
                0
            } else {
                dice.random_range(0..=most)
            }
        };
        Self {
            latency_max: Duration::from_millis(u64::from(chance(20))),
            store_fails: chance(10),
            commit_unanswered: chance(10),
            call_lost: chance(30),
            answer_lost: chance(30),
            publish_refused: chance(50),
            publish_unconfirmed: chance(50),
            redelivered: chance(100),
        }
    }
}

impl Act {
    fn draw(dice: &mut StdRng) -> Self {
        let deed = match dice.random_range(0..100) {
            0..57 => Deed::Place(Wish::draw(dice)),
            57..67 => Deed::Cancel(dice.random_range(0..4)),
            67..75 => Deed::Replace {
                back: dice.random_range(0..4),
                quantity: dice.random_range(1..=40),
                ticks: dice.random_bool(0.5).then(|| ticks(dice)),
            },
            75..77 => Deed::CancelAll,
            77..81 => Deed::Deposit(dice.random_range(100..=500_000)),
            81..86 => Deed::Withdraw(dice.random_range(100..=6_000_000)),
            86..88 => Deed::Halt(dice.random_range(0..SYMBOLS.len())),
            88..91 => Deed::Resume(dice.random_range(0..SYMBOLS.len())),
            91..94 => Deed::Suspend,
            94 | 95 => Deed::Reinstate,
            96 => Deed::Report,
            97 => Deed::Issue {
                symbol: dice.random_range(0..SYMBOLS.len()),
                quantity: dice.random_range(1..=20),
            },
            98 => Deed::OpenPortfolio,
            _ => Deed::Reverse,
        };
        Self {
            at: dice.random_range(Duration::ZERO..ACTIVE),
            user: dice.random_range(0..USERS),
            deed,
        }
    }
}

impl Wish {
    fn draw(dice: &mut StdRng) -> Self {
        let kind = dice.random_range(0..20);
        let limit = (kind >= 3).then(|| ticks(dice));
        let stop = (!(1..18).contains(&kind)).then(|| ticks(dice));
        let may_rest = limit.is_some() && stop.is_none();
        let lives = match dice.random_range(0..10) {
            0..2 => 0,
            2..6 => 1,
            6..8 => 2,
            8 => 3,
            _ => 4,
        };
        Self {
            symbol: dice.random_range(0..SYMBOLS.len()),
            buys: dice.random_bool(0.5),
            quantity: dice.random_range(1..=30),
            limit,
            stop,
            lives,
            post_only: may_rest && matches!(lives, 0 | 1 | 4) && dice.random_bool(0.1),
            self_trade: dice.random_range(0..=4),
            in_portfolio: dice.random_bool(0.2),
        }
    }
}

/// A price near the middle, so that orders meet.
fn ticks(dice: &mut StdRng) -> i64 {
    10_000 + dice.random_range(-12..=12)
}

impl Fault {
    fn draw(dice: &mut StdRng) -> Self {
        let service = *SERVICES.choose(dice).unwrap_or(&SERVICES[0]);
        let lasts = dice.random_range(Duration::from_millis(200)..Duration::from_secs(12));
        let what = match dice.random_range(0..10) {
            0..5 => Breakage::Crash {
                service,
                number: dice.random_range(0..2),
                after_calls: dice.random_range(0..CALLS_MAX),
                applied: dice.random_bool(0.5),
                down: lasts,
            },
            5 | 6 => Breakage::Part {
                one: service,
                other: SERVICES.choose(dice).unwrap_or(&SERVICES[0]),
                lasts,
            },
            7 => Breakage::StoreGone { service, lasts },
            8 => Breakage::BrokerGone { service, lasts },
            _ => Breakage::Slow {
                service,
                by: dice.random_range(Duration::from_millis(20)..Duration::from_millis(1_500)),
                lasts,
            },
        };
        Self {
            at: dice.random_range(Duration::ZERO..ACTIVE),
            what,
        }
    }
}
