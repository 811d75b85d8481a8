//! Histories to plant faults in.
//!
//! - [`sale`]: Alice pays 1,000 in and buys four of Bob's ten shares
//! - [`day`](day::day): then orders are filled in part, replaced, cancelled and woken, and money is paid out,
//!   taken back and kept in suspense

pub mod day;
pub mod order;

use std::any::Any;
use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use outcry_contracts::funds::v1::{DepositMethod, FundsDepositedEvent, ReleaseReason};
use outcry_contracts::payments::v1::{PaymentCreatedEvent, PaymentSuccessEvent};
use outcry_contracts::reports::v1::{ReportCompletedEvent, ReportFormat, ReportType};
use outcry_contracts::reports::v2::report_period::End;
use outcry_contracts::reports::v2::{ReportPeriod, ReportRequestedEvent};
use outcry_contracts::types::v1::asset_amount::Asset;
use outcry_contracts::types::v1::{AssetAmount, Money, Shares};
use outcry_contracts::users::v1::UserCreatedEvent;
use outcry_events::{Amount, Cause, Event, SealedEvent, Stamp, seal};
use uuid::Uuid;

use self::order::{Fill, Order, settled};
use crate::finding::Findings;
use crate::history::{History, Recorded};
use crate::stores::Stores;

pub const ALICE: u128 = 1;
pub const BOB: u128 = 2;
pub const PAYMENT: u128 = 3;
/// Alice's order.
pub const BUY: u128 = 4;
/// Bob's order.
pub const SELL: u128 = 5;
pub const REPORT: u128 = 6;
pub const MATCH: &str = "ACME-3";

/// Facts that can be changed until they are sealed.
#[derive(Default)]
pub struct Script {
    facts: Vec<Entry>,
}

struct Entry {
    fact: Box<dyn Fact>,
    /// Other than usual: its flow, and what led to it.
    cause: Option<Cause>,
}

trait Fact {
    fn owner(&self) -> &'static str;
    fn stream(&self) -> String;
    fn seal(&self, stamp: Stamp<'_>) -> SealedEvent;
    fn any(&self) -> &dyn Any;
    fn any_mut(&mut self) -> &mut dyn Any;
}

impl<E: Event + 'static> Fact for E {
    fn owner(&self) -> &'static str {
        E::OWNER
    }

    fn stream(&self) -> String {
        format!("{}-{}", E::AGGREGATE, self.aggregate_id())
    }

    fn seal(&self, stamp: Stamp<'_>) -> SealedEvent {
        seal(self, stamp).unwrap()
    }

    fn any(&self) -> &dyn Any {
        self
    }

    fn any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

/// The names of the invariants that are broken, each once.
pub fn broken(findings: &Findings) -> Vec<&'static str> {
    let mut names: Vec<_> = findings.breaches.iter().map(|one| one.invariant).collect();
    names.sort_unstable();
    names.dedup();
    names
}

pub fn id(number: u128) -> String {
    Uuid::from_u128(number).to_string()
}

/// Cash in ten-thousandths.
pub fn money(raw: i64) -> Option<Money> {
    Some(Amount::from_raw(raw).unwrap().to_money())
}

pub fn cash(raw: i64) -> Option<AssetAmount> {
    let asset = money(raw).map(Asset::Cash);
    Some(AssetAmount { asset })
}

pub fn shares(quantity: i64) -> Option<AssetAmount> {
    let symbol = "ACME".to_owned();
    let asset = Some(Asset::Shares(Shares { symbol, quantity }));
    Some(AssetAmount { asset })
}

// === impl Script ===

impl Script {
    /// One more fact.
    pub fn then(mut self, fact: impl Event + 'static) -> Self {
        self.facts.push(Entry {
            fact: Box::new(fact),
            cause: None,
        });
        self
    }

    /// All facts of another script.
    pub fn and(mut self, other: Script) -> Self {
        self.facts.extend(other.facts);
        self
    }

    /// Changes the `nth` fact of a type, from 0.
    pub fn edit<E: Event + 'static>(mut self, nth: usize, change: impl Fn(&mut E)) -> Self {
        let place = self.place::<E>(nth);
        change(self.facts[place].fact.any_mut().downcast_mut().unwrap());
        self
    }

    /// Says that something else led to the `nth` fact of a type.
    pub fn because<E: Event + 'static>(mut self, nth: usize, flow: u128, by: Option<Uuid>) -> Self {
        let place = self.place::<E>(nth);
        let mut cause = Cause::root(Uuid::from_u128(flow), "service:samples");
        cause.causation_id = by;
        self.facts[place].cause = Some(cause);
        self
    }

    /// Takes the `nth` fact of a type away.
    pub fn without<E: Event + 'static>(mut self, nth: usize) -> Self {
        let place = self.place::<E>(nth);
        self.facts.remove(place);
        self
    }

    /// Moves the `nth` fact of a type in front of the fact before it.
    pub fn earlier<E: Event + 'static>(mut self, nth: usize) -> Self {
        let place = self.place::<E>(nth);
        self.facts.swap(place - 1, place);
        self
    }

    /// Adds the `nth` fact of a type at the end once more.
    pub fn again<E: Event + Clone + 'static>(self, nth: usize) -> Self {
        let place = self.place::<E>(nth);
        let fact = self.facts[place].fact.any().downcast_ref::<E>();
        let fact: E = fact.unwrap().clone();
        self.then(fact)
    }

    fn place<E: Event + 'static>(&self, nth: usize) -> usize {
        let places = self.facts.iter().enumerate();
        let mut places = places.filter(|(_, entry)| entry.fact.any().is::<E>());
        places.nth(nth).unwrap().0
    }

    /// Id of the event the `nth` fact of a type becomes.
    pub fn event_id<E: Event + 'static>(&self, nth: usize) -> Uuid {
        event_id(self.place::<E>(nth))
    }

    /// Everything sealed, service by service. All is one flow, in which everything follows from the
    /// first fact.
    pub fn history(&self) -> History {
        let mut sequences: HashMap<String, u64> = HashMap::new();
        let mut events: Vec<Recorded> = Vec::new();
        for (place, entry) in self.facts.iter().enumerate() {
            let fact = &entry.fact;
            let sequence = sequences.entry(fact.stream()).or_default();
            *sequence += 1;
            let mut cause = Cause::root(Uuid::from_u128(FLOW), "service:samples");
            cause.causation_id = (place > 0).then(|| event_id(0));
            let stamp = Stamp {
                event_id: event_id(place),
                sequence: *sequence,
                occurred_at: at(place),
                recorded_at: at(place),
                cause: entry.cause.as_ref().unwrap_or(&cause),
            };
            events.push(Recorded::new(fact.owner(), fact.seal(stamp)).unwrap());
        }
        events.sort_by_key(|recorded| recorded.service);
        History::new(events)
    }

    /// What the whole audit finds in it, without any tables.
    pub fn findings(&self) -> Findings {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let mut findings = Findings::default();
        let history = self.history();
        let stores = Stores::default();
        let checked = crate::check(&history, &stores, &mut findings, |_| {});
        runtime.unwrap().block_on(checked).unwrap();
        findings
    }

    /// The names of the invariants that are broken in it.
    pub fn broken(&self) -> Vec<&'static str> {
        broken(&self.findings())
    }
}

/// The flow all facts are of.
pub const FLOW: u128 = 0xc0;

fn event_id(place: usize) -> Uuid {
    Uuid::from_u128(0xe001 + place as u128)
}

/// Each fact is a second after the one before.
pub fn at(place: usize) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_700_000_000 + place as u64)
}

/// All that happens when Alice buys four shares for 99.00 each, which she would have paid 100.00
/// for. She pays a fee of 0.40, Bob one of 0.30.
pub fn sale() -> Script {
    let buy = Order::buy(ALICE, BUY, 4, 1_000_000);
    let sell = Order::sell(BOB, SELL, 4, 990_000);
    let fill = Fill::of(3, 4, 990_000);
    let (bought, sold) = (fill.taker(4_000), fill.maker(3_000));
    paid_in()
        .and(sell.opened(shares(4)))
        .then(sell.placed(1))
        .and(buy.opened(cash(4_010_000)))
        .then(buy.placed(2))
        .then(buy.executed(bought))
        .then(sell.executed(sold))
        .then(buy.filled(bought))
        .then(sell.filled(sold))
        .then(settled(&buy, bought, &sell, sold))
        .then(buy.released(cash(46_000), cash(0), ReleaseReason::Filled))
        .then(buy.closed(4, 990_000))
        .then(sell.closed(4, 990_000))
        .then(requested())
        .then(completed())
}

/// Two users; Alice has 1,000 in cash, Bob ten shares.
pub fn paid_in() -> Script {
    Script::default()
        .then(user(ALICE))
        .then(user(BOB))
        .then(PaymentCreatedEvent {
            payment_id: id(PAYMENT),
            user_id: id(ALICE),
            amount: money(10_000_000),
            provider: "samples".to_owned(),
            expires_at: Some((UNIX_EPOCH + Duration::from_secs(1_800_000_000)).into()),
        })
        .then(PaymentSuccessEvent {
            payment_id: id(PAYMENT),
            user_id: id(ALICE),
            amount: money(10_000_000),
            provider: "samples".to_owned(),
            provider_reference: "p-1".to_owned(),
            late: false,
        })
        .then(FundsDepositedEvent {
            user_id: id(ALICE),
            amount: cash(10_000_000),
            available: cash(10_000_000),
            method: DepositMethod::Payment.into(),
            reference: id(PAYMENT),
            ..Default::default()
        })
        .then(FundsDepositedEvent {
            user_id: id(BOB),
            amount: shares(10),
            available: shares(10),
            method: DepositMethod::Issue.into(),
            reference: "listing".to_owned(),
            ..Default::default()
        })
}

pub fn user(number: u128) -> UserCreatedEvent {
    UserCreatedEvent {
        user_id: id(number),
        display_name: "Sample".to_owned(),
        ..UserCreatedEvent::default()
    }
}

fn requested() -> ReportRequestedEvent {
    ReportRequestedEvent {
        report_id: id(REPORT),
        user_id: id(ALICE),
        r#type: ReportType::Activity.into(),
        format: ReportFormat::Csv.into(),
        period: Some(ReportPeriod {
            from: None,
            end: Some(End::AsOf(
                (UNIX_EPOCH + Duration::from_secs(1_700_000_000)).into(),
            )),
        }),
    }
}

fn completed() -> ReportCompletedEvent {
    ReportCompletedEvent {
        report_id: id(REPORT),
        user_id: id(ALICE),
        sha256: "0".repeat(64),
        size_bytes: 1,
        rows: 1,
        as_of_position: 1,
    }
}
