//! A small history to plant faults in: Alice pays 1,000 in and buys four of Bob's ten shares.

use std::any::Any;
use std::collections::HashMap;
use std::time::{Duration, UNIX_EPOCH};

use outcry_contracts::funds::v1::{
    DepositMethod, FundsDepositedEvent, FundsLockedEvent, FundsReleasedEvent, FundsSettledEvent,
    LockPurpose, ReleaseReason,
};
use outcry_contracts::orders::v1::{
    OrderCreatedEvent, OrderFilledEvent, OrderStatus, OrderTerms, OrderType, OrderValidatedEvent,
    Side, TimeInForce,
};
use outcry_contracts::payments::v1::{PaymentCreatedEvent, PaymentSuccessEvent};
use outcry_contracts::reports::v1::{
    ReportCompletedEvent, ReportFormat, ReportRequestedEvent, ReportType,
};
use outcry_contracts::trades::v1::{
    Liquidity, TradeClosedEvent, TradeCreatedEvent, TradeExecutedEvent, TradePlacedEvent,
};
use outcry_contracts::types::v1::asset_amount::Asset;
use outcry_contracts::types::v1::{AssetAmount, Money, Shares};
use outcry_contracts::users::v1::UserCreatedEvent;
use outcry_events::{Amount, Cause, Event, SealedEvent, Stamp, seal};
use uuid::Uuid;

use crate::finding::Findings;
use crate::history::{History, Recorded};

pub const ALICE: u128 = 1;
pub const BOB: u128 = 2;
pub const PAYMENT: u128 = 3;
/// Alice's order.
pub const BUY: u128 = 4;
/// Bob's order.
pub const SELL: u128 = 5;
pub const REPORT: u128 = 6;
pub const MATCH: &str = "ACME-7";

/// Facts that can be changed until they are sealed.
#[derive(Default)]
pub struct Script {
    facts: Vec<Box<dyn Fact>>,
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
        self.facts.push(Box::new(fact));
        self
    }

    /// Changes the `nth` fact of a type, from 0.
    pub fn edit<E: Event + 'static>(mut self, nth: usize, change: impl Fn(&mut E)) -> Self {
        let place = self.place::<E>(nth);
        change(self.facts[place].any_mut().downcast_mut().unwrap());
        self
    }

    /// Takes the `nth` fact of a type away.
    pub fn without<E: Event + 'static>(mut self, nth: usize) -> Self {
        let place = self.place::<E>(nth);
        self.facts.remove(place);
        self
    }

    /// Adds the `nth` fact of a type at the end once more.
    pub fn again<E: Event + Clone + 'static>(self, nth: usize) -> Self {
        let place = self.place::<E>(nth);
        let fact: E = self.facts[place].any().downcast_ref::<E>().unwrap().clone();
        self.then(fact)
    }

    fn place<E: Event + 'static>(&self, nth: usize) -> usize {
        let places = self.facts.iter().enumerate();
        let mut places = places.filter(|(_, fact)| fact.any().is::<E>());
        places.nth(nth).unwrap().0
    }

    /// Everything sealed, service by service.
    pub fn history(&self) -> History {
        let cause = Cause::root(Uuid::from_u128(0xc0), "service:samples");
        let mut sequences: HashMap<String, u64> = HashMap::new();
        let mut events: Vec<Recorded> = Vec::new();
        for (position, fact) in (1..).zip(&self.facts) {
            let sequence = sequences.entry(fact.stream()).or_default();
            *sequence += 1;
            let at = UNIX_EPOCH + Duration::from_secs(1_700_000_000 + position);
            let stamp = Stamp {
                event_id: Uuid::from_u128(0xe000 + u128::from(position)),
                sequence: *sequence,
                occurred_at: at,
                recorded_at: at,
                cause: &cause,
            };
            events.push(Recorded::new(fact.owner(), fact.seal(stamp)).unwrap());
        }
        events.sort_by_key(|recorded| recorded.service);
        History::new(events)
    }
}

/// All that happens when Alice buys four shares for 99.00 each, which she would have paid 100.00
/// for. She pays a fee of 0.40, Bob one of 0.30.
pub fn sale() -> Script {
    let (buy, sell) = (Party::alice(), Party::bob());
    paid_in()
        .then(sell.created())
        .then(sell.locked(shares(4)))
        .then(sell.validated(shares(4)))
        .then(sell.received())
        .then(sell.placed())
        .then(buy.created())
        .then(buy.locked(cash(4_010_000)))
        .then(buy.validated(cash(4_010_000)))
        .then(buy.received())
        .then(buy.placed())
        .then(buy.executed())
        .then(sell.executed())
        .then(buy.filled())
        .then(sell.filled())
        .then(settled())
        .then(FundsReleasedEvent {
            user_id: id(ALICE),
            lock_id: id(BUY),
            purpose: LockPurpose::Order.into(),
            amount: cash(46_000),
            remaining: cash(0),
            reason: ReleaseReason::Filled.into(),
        })
        .then(buy.closed())
        .then(sell.closed())
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

fn settled() -> FundsSettledEvent {
    FundsSettledEvent {
        match_id: MATCH.to_owned(),
        symbol: "ACME".to_owned(),
        quantity: 4,
        price: money(990_000),
        notional: money(3_960_000),
        buyer_user_id: id(ALICE),
        buyer_order_id: id(BUY),
        buyer_fee: money(4_000),
        seller_user_id: id(BOB),
        seller_order_id: id(SELL),
        seller_fee: money(3_000),
        ..Default::default()
    }
}

fn requested() -> ReportRequestedEvent {
    ReportRequestedEvent {
        report_id: id(REPORT),
        user_id: id(ALICE),
        r#type: ReportType::Activity.into(),
        format: ReportFormat::Csv.into(),
        from: None,
        as_of: Some((UNIX_EPOCH + Duration::from_secs(1_700_000_000)).into()),
        ..Default::default()
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

/// One side of the sale.
struct Party {
    user: u128,
    order: u128,
    side: Side,
    limit: i64,
    fee: i64,
    liquidity: Liquidity,
    execution: &'static str,
}

// === impl Party ===

impl Party {
    fn alice() -> Self {
        Self {
            user: ALICE,
            order: BUY,
            side: Side::Buy,
            limit: 1_000_000,
            fee: 4_000,
            liquidity: Liquidity::Taker,
            execution: "ACME-7-B",
        }
    }

    fn bob() -> Self {
        Self {
            user: BOB,
            order: SELL,
            side: Side::Sell,
            limit: 990_000,
            fee: 3_000,
            liquidity: Liquidity::Maker,
            execution: "ACME-7-S",
        }
    }

    fn terms(&self) -> Option<OrderTerms> {
        Some(OrderTerms {
            symbol: "ACME".to_owned(),
            side: self.side.into(),
            r#type: OrderType::Limit.into(),
            quantity: 4,
            limit_price: money(self.limit),
            time_in_force: TimeInForce::Gtc.into(),
            post_only: false,
            ..Default::default()
        })
    }

    /// The trade's id is the order's with a bit set.
    fn trade(&self) -> String {
        id(self.order | 0x100)
    }

    fn created(&self) -> OrderCreatedEvent {
        OrderCreatedEvent {
            order_id: id(self.order),
            user_id: id(self.user),
            client_order_id: String::new(),
            terms: self.terms(),
        }
    }

    fn locked(&self, amount: Option<AssetAmount>) -> FundsLockedEvent {
        FundsLockedEvent {
            user_id: id(self.user),
            lock_id: id(self.order),
            purpose: LockPurpose::Order.into(),
            remaining: amount.clone(),
            amount,
            revision: 0,
        }
    }

    fn validated(&self, locked: Option<AssetAmount>) -> OrderValidatedEvent {
        OrderValidatedEvent {
            order_id: id(self.order),
            user_id: id(self.user),
            terms: self.terms(),
            locked,
            protection_price: money(self.limit),
        }
    }

    fn received(&self) -> TradeCreatedEvent {
        TradeCreatedEvent {
            trade_id: self.trade(),
            order_id: id(self.order),
            user_id: id(self.user),
            symbol: "ACME".to_owned(),
            terms: self.terms(),
            protection_price: money(self.limit),
        }
    }

    fn placed(&self) -> TradePlacedEvent {
        TradePlacedEvent {
            trade_id: self.trade(),
            order_id: id(self.order),
            user_id: id(self.user),
            symbol: "ACME".to_owned(),
            side: self.side.into(),
            quantity: 4,
            limit_price: money(self.limit),
            leaves_quantity: 4,
            revision: 0,
            kept_priority: false,
            venue_sequence: 1,
            ..Default::default()
        }
    }

    fn executed(&self) -> TradeExecutedEvent {
        TradeExecutedEvent {
            trade_id: self.trade(),
            order_id: id(self.order),
            user_id: id(self.user),
            symbol: "ACME".to_owned(),
            side: self.side.into(),
            match_id: MATCH.to_owned(),
            execution_id: self.execution.to_owned(),
            last_quantity: 4,
            last_price: money(990_000),
            cumulative_quantity: 4,
            leaves_quantity: 0,
            liquidity: self.liquidity.into(),
            fee: money(self.fee),
            venue_sequence: 7,
            ..Default::default()
        }
    }

    fn filled(&self) -> OrderFilledEvent {
        OrderFilledEvent {
            order_id: id(self.order),
            user_id: id(self.user),
            symbol: "ACME".to_owned(),
            side: self.side.into(),
            last_quantity: 4,
            last_price: money(990_000),
            cumulative_quantity: 4,
            leaves_quantity: 0,
            average_price: money(990_000),
            status: OrderStatus::Filled.into(),
            execution_id: self.execution.to_owned(),
        }
    }

    fn closed(&self) -> TradeClosedEvent {
        TradeClosedEvent {
            trade_id: self.trade(),
            order_id: id(self.order),
            user_id: id(self.user),
            symbol: "ACME".to_owned(),
            cumulative_quantity: 4,
            average_price: money(990_000),
        }
    }
}
