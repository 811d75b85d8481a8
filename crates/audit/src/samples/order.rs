//! An order, and the events it makes.

use std::time::SystemTime;

use outcry_contracts::funds::v1::{
    FundsLockedEvent, FundsReleasedEvent, FundsSettledEvent, LockPurpose, ReleaseReason,
};
use outcry_contracts::orders::v1::{
    CancelReason, OrderCancelledEvent, OrderCreatedEvent, OrderFilledEvent, OrderReplacedEvent,
    OrderStatus, OrderTerms, OrderType, OrderValidatedEvent, Side, TimeInForce,
};
use outcry_contracts::trades::v1::{
    Liquidity, TradeCancelledEvent, TradeClosedEvent, TradeCreatedEvent, TradeExecutedEvent,
    TradePlacedEvent, TradeStatus,
};
use outcry_contracts::types::v1::AssetAmount;

use super::{Script, id, money};

/// An order in ACME.
#[derive(Clone)]
pub struct Order {
    pub user: u128,
    pub order: u128,
    pub terms: OrderTerms,
    /// Limit or collar in ten-thousandths.
    pub limit: i64,
}

/// A fill as one side sees it.
#[derive(Clone, Copy)]
pub struct Fill {
    pub sequence: u64,
    pub quantity: i64,
    pub price: i64,
    pub cumulative: i64,
    pub leaves: i64,
    /// Average of all fills so far.
    pub average: i64,
    pub liquidity: Liquidity,
    pub fee: i64,
}

// === impl Fill ===

impl Fill {
    /// The only fill of an order.
    pub fn of(sequence: u64, quantity: i64, price: i64) -> Self {
        Self {
            sequence,
            quantity,
            price,
            cumulative: quantity,
            leaves: 0,
            average: price,
            liquidity: Liquidity::Taker,
            fee: 0,
        }
    }

    pub fn taker(self, fee: i64) -> Self {
        let liquidity = Liquidity::Taker;
        Self {
            liquidity,
            fee,
            ..self
        }
    }

    pub fn maker(self, fee: i64) -> Self {
        let liquidity = Liquidity::Maker;
        Self {
            liquidity,
            fee,
            ..self
        }
    }

    pub fn leaving(self, leaves: i64) -> Self {
        Self { leaves, ..self }
    }

    fn match_id(self) -> String {
        format!("ACME-{}", self.sequence)
    }
}

// === impl Order ===

impl Order {
    pub fn buy(user: u128, order: u128, quantity: i64, limit: i64) -> Self {
        Self::limit(Side::Buy, user, order, quantity, limit)
    }

    pub fn sell(user: u128, order: u128, quantity: i64, limit: i64) -> Self {
        Self::limit(Side::Sell, user, order, quantity, limit)
    }

    fn limit(side: Side, user: u128, order: u128, quantity: i64, limit: i64) -> Self {
        let terms = OrderTerms {
            symbol: "ACME".to_owned(),
            side: side.into(),
            r#type: OrderType::Limit.into(),
            quantity,
            limit_price: money(limit),
            time_in_force: TimeInForce::Gtc.into(),
            ..Default::default()
        };
        Self {
            user,
            order,
            terms,
            limit,
        }
    }

    /// The same, without a limit: what was the limit is its collar.
    pub fn market(mut self) -> Self {
        self.terms.set_type(OrderType::Market);
        self.terms.limit_price = None;
        self
    }

    /// The same as a market order that waits.
    pub fn stop(mut self, stop: i64) -> Self {
        self = self.market();
        self.terms.set_type(OrderType::Stop);
        self.terms.stop_price = money(stop);
        self
    }

    pub fn good(mut self, time_in_force: TimeInForce) -> Self {
        self.terms.set_time_in_force(time_in_force);
        self
    }

    pub fn until(mut self, expires_at: SystemTime) -> Self {
        self.terms.expires_at = Some(expires_at.into());
        self.good(TimeInForce::Gtd)
    }

    pub fn post_only(mut self) -> Self {
        self.terms.post_only = true;
        self
    }

    /// The trade's id is the order's with a bit set.
    pub fn trade(&self) -> String {
        id(self.order | 0x100)
    }

    /// From its creation to its arrival at the venue.
    pub fn opened(&self, locked: Option<AssetAmount>) -> Script {
        Script::default()
            .then(self.created())
            .then(self.locked(locked.clone()))
            .then(self.validated(locked))
            .then(self.received())
    }

    pub fn created(&self) -> OrderCreatedEvent {
        OrderCreatedEvent {
            order_id: id(self.order),
            user_id: id(self.user),
            client_order_id: String::new(),
            terms: Some(self.terms.clone()),
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

    pub fn released(
        &self,
        amount: Option<AssetAmount>,
        remaining: Option<AssetAmount>,
        reason: ReleaseReason,
    ) -> FundsReleasedEvent {
        FundsReleasedEvent {
            user_id: id(self.user),
            lock_id: id(self.order),
            purpose: LockPurpose::Order.into(),
            amount,
            remaining,
            reason: reason.into(),
        }
    }

    pub fn validated(&self, locked: Option<AssetAmount>) -> OrderValidatedEvent {
        OrderValidatedEvent {
            order_id: id(self.order),
            user_id: id(self.user),
            terms: Some(self.terms.clone()),
            locked,
            protection_price: money(self.limit),
        }
    }

    pub fn received(&self) -> TradeCreatedEvent {
        TradeCreatedEvent {
            trade_id: self.trade(),
            order_id: id(self.order),
            user_id: id(self.user),
            symbol: "ACME".to_owned(),
            terms: Some(self.terms.clone()),
            protection_price: money(self.limit),
        }
    }

    pub fn placed(&self, sequence: u64) -> TradePlacedEvent {
        TradePlacedEvent {
            trade_id: self.trade(),
            order_id: id(self.order),
            user_id: id(self.user),
            symbol: "ACME".to_owned(),
            side: self.terms.side,
            quantity: self.terms.quantity,
            limit_price: money(self.limit),
            leaves_quantity: self.terms.quantity,
            revision: 0,
            kept_priority: false,
            venue_sequence: sequence,
            status: TradeStatus::Placed.into(),
            stop_price: None,
        }
    }

    /// A stop order begins to wait.
    pub fn waits(&self, sequence: u64) -> TradePlacedEvent {
        TradePlacedEvent {
            status: TradeStatus::TriggerPending.into(),
            stop_price: self.terms.stop_price.clone(),
            ..self.placed(sequence)
        }
    }

    pub fn executed(&self, fill: Fill) -> TradeExecutedEvent {
        TradeExecutedEvent {
            trade_id: self.trade(),
            order_id: id(self.order),
            user_id: id(self.user),
            symbol: "ACME".to_owned(),
            side: self.terms.side,
            match_id: fill.match_id(),
            execution_id: self.execution(fill),
            last_quantity: fill.quantity,
            last_price: money(fill.price),
            cumulative_quantity: fill.cumulative,
            leaves_quantity: fill.leaves,
            liquidity: fill.liquidity.into(),
            fee: money(fill.fee),
            venue_sequence: fill.sequence,
            ..Default::default()
        }
    }

    fn execution(&self, fill: Fill) -> String {
        let mark = match self.terms.side() {
            Side::Buy => "B",
            _ => "S",
        };
        format!("{}-{mark}", fill.match_id())
    }

    pub fn filled(&self, fill: Fill) -> OrderFilledEvent {
        let status = match fill.leaves {
            0 => OrderStatus::Filled,
            _ => OrderStatus::PartiallyFilled,
        };
        OrderFilledEvent {
            order_id: id(self.order),
            user_id: id(self.user),
            symbol: "ACME".to_owned(),
            side: self.terms.side,
            last_quantity: fill.quantity,
            last_price: money(fill.price),
            cumulative_quantity: fill.cumulative,
            leaves_quantity: fill.leaves,
            average_price: money(fill.average),
            status: status.into(),
            execution_id: self.execution(fill),
        }
    }

    pub fn closed(&self, quantity: i64, average: i64) -> TradeClosedEvent {
        TradeClosedEvent {
            trade_id: self.trade(),
            order_id: id(self.order),
            user_id: id(self.user),
            symbol: "ACME".to_owned(),
            cumulative_quantity: quantity,
            average_price: money(average),
        }
    }

    /// New terms: total quantity and limit.
    pub fn replaced(&self, quantity: i64, cumulative: i64, kept: bool) -> OrderReplacedEvent {
        OrderReplacedEvent {
            order_id: id(self.order),
            user_id: id(self.user),
            symbol: "ACME".to_owned(),
            side: self.terms.side,
            revision: 1,
            quantity,
            limit_price: money(self.limit),
            cumulative_quantity: cumulative,
            kept_priority: kept,
            stop_price: None,
        }
    }

    /// It leaves the book with so many shares unfilled.
    pub fn taken_off(
        &self,
        sequence: u64,
        cumulative: i64,
        leaves: i64,
        reason: CancelReason,
    ) -> TradeCancelledEvent {
        TradeCancelledEvent {
            trade_id: self.trade(),
            order_id: id(self.order),
            user_id: id(self.user),
            symbol: "ACME".to_owned(),
            cumulative_quantity: cumulative,
            cancelled_quantity: leaves,
            reason: reason.into(),
            venue_sequence: sequence,
        }
    }

    pub fn cancelled(
        &self,
        cumulative: i64,
        leaves: i64,
        reason: CancelReason,
    ) -> OrderCancelledEvent {
        OrderCancelledEvent {
            order_id: id(self.order),
            user_id: id(self.user),
            symbol: "ACME".to_owned(),
            side: self.terms.side,
            cumulative_quantity: cumulative,
            cancelled_quantity: leaves,
            reason: reason.into(),
        }
    }
}

/// Settles a match.
pub fn settled(buy: &Order, bought: Fill, sell: &Order, sold: Fill) -> FundsSettledEvent {
    FundsSettledEvent {
        match_id: bought.match_id(),
        symbol: "ACME".to_owned(),
        quantity: bought.quantity,
        price: money(bought.price),
        notional: money(bought.price * bought.quantity),
        buyer_user_id: id(buy.user),
        buyer_order_id: id(buy.order),
        buyer_fee: money(bought.fee),
        seller_user_id: id(sell.user),
        seller_order_id: id(sell.order),
        seller_fee: money(sold.fee),
        ..Default::default()
    }
}
