//! A trade: one order as the venue knows it, folded from its events.

mod terms;

use std::time::SystemTime;

use outcry_contracts::orders::v1::{
    CancelReason, OrderTerms, OrderType, SelfTradePrevention, Side, TimeInForce,
};
use outcry_contracts::trades::v1::{
    FailureReason, TradeCancelledEvent, TradeClosedEvent, TradeCreatedEvent, TradeExecutedEvent,
    TradeFailedEvent, TradePlacedEvent, TradeStatus,
};
use outcry_events::money::Rounding;
use outcry_events::{Amount, Cause, EventSet, MoneyError, PayloadError, SealedEvent};
use outcry_store::timer;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Under this name and an order's id lies the id of its trade (UUID version 5): whoever knows the
/// order knows the trade, and an order can have only one.
const TRADE_IDS: Uuid = Uuid::from_u128(0x6d1c_41f0_93a4_5e0b_8f2e_2b7a_5c60_9d11);

/// The actor of what the venue does on its own.
pub(crate) const VENUE: &str = "service:trades";

outcry_events::event_set! {
    /// What can happen to a trade.
    pub(crate) enum TradeEvent {
        /// The venue received the order.
        Created(TradeCreatedEvent),
        /// It was accepted, or accepted with new terms.
        Placed(TradePlacedEvent),
        /// It traded.
        Executed(TradeExecutedEvent),
        /// It is filled and settled.
        Closed(TradeClosedEvent),
        /// It left the book with shares unfilled.
        Cancelled(TradeCancelledEvent),
        /// It was refused.
        Failed(TradeFailedEvent),
    }
}

/// The id of an order's trade.
pub(crate) fn trade_id(order_id: Uuid) -> Uuid {
    Uuid::new_v5(&TRADE_IDS, order_id.as_bytes())
}

/// Name of a trade's stream.
pub(crate) fn stream(trade_id: Uuid) -> String {
    format!("{}-{trade_id}", TradeEvent::AGGREGATE)
}

/// A trade as it stands. Amounts are in ten-thousandths; enums are those of the contract, as
/// numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Trade {
    pub(crate) trade_id: Uuid,
    pub(crate) order_id: Uuid,
    pub(crate) user_id: Uuid,
    pub(crate) symbol: String,
    side: i32,
    order_type: i32,
    time_in_force: i32,
    post_only: bool,
    /// Total shares wanted, after the last accepted change.
    pub(crate) quantity: i64,
    limit_price: Option<i64>,
    protection_price: Option<i64>,
    #[serde(default)]
    stop_price: Option<i64>,
    /// Nanoseconds since 1970.
    #[serde(default)]
    expires_ns: Option<i64>,
    #[serde(default)]
    self_trade_prevention: i32,
    #[serde(default)]
    pub(crate) portfolio_id: String,
    status: i32,
    pub(crate) executed: i64,
    pub(crate) leaves: i64,
    /// Σ price × shares.
    notional: i128,
    pub(crate) fees: i64,
    pub(crate) cancel_reason: i32,
    pub(crate) failure_reason: i32,
    pub(crate) message: String,
    pub(crate) revision: u32,
    /// The last revision somebody asked for; as [`Trade::revision`] while the venue has made none
    /// on its own.
    #[serde(default)]
    asked_revision: Option<u32>,
    /// Whether the last change somebody asked for kept the place in the queue.
    pub(crate) kept_priority: bool,
    /// Nanoseconds since 1970.
    created_ns: i64,
    /// Sequence of its last event.
    pub(crate) sequence: u64,
    /// Id of its last event.
    last_event: Uuid,
    /// The flow of its order.
    pub(crate) correlation_id: Uuid,
    traceparent: String,
}

/// Why stored events are not a trade.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreadable {
    /// Not an event this build knows.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// A field holds what sealing would have refused.
    #[error("field {field} cannot be read")]
    Field {
        /// Which.
        field: &'static str,
    },
    /// An amount that is none.
    #[error(transparent)]
    Money(#[from] MoneyError),
    /// An event is missing, or from another trade.
    #[error("event {found} of trade {trade_id} follows event {last}")]
    Gap {
        /// The trade.
        trade_id: Uuid,
        /// Sequence of the event before.
        last: u64,
        /// Sequence of the event.
        found: u64,
    },
}

/// An id in a stored event.
pub(crate) fn id(text: &str, field: &'static str) -> Result<Uuid, Unreadable> {
    Uuid::try_parse(text).map_err(|_| Unreadable::Field { field })
}

/// Ten-thousandths as an amount. What the venue computes is bounded by the value of an order.
pub(crate) fn amount(raw: i64) -> Amount {
    Amount::from_raw(raw).unwrap_or(Amount::MAX)
}

// === impl Trade ===

impl Trade {
    /// The trade that begins with this event.
    pub(crate) fn born(
        sealed: &SealedEvent,
        event: &TradeCreatedEvent,
    ) -> Result<Trade, Unreadable> {
        let terms = event
            .terms
            .as_ref()
            .ok_or(Unreadable::Field { field: "terms" })?;
        let price = |money: Option<&_>| match money {
            // An order may come with a price that is none; it is refused then, and kept without.
            Some(money) => Amount::from_money(money).ok().map(Amount::raw),
            None => None,
        };
        Ok(Trade {
            trade_id: id(&event.trade_id, "trade_id")?,
            order_id: id(&event.order_id, "order_id")?,
            user_id: id(&event.user_id, "user_id")?,
            symbol: event.symbol.clone(),
            side: terms.side,
            order_type: terms.r#type,
            time_in_force: terms.time_in_force,
            post_only: terms.post_only,
            quantity: terms.quantity,
            limit_price: price(terms.limit_price.as_ref()),
            protection_price: price(event.protection_price.as_ref()),
            stop_price: price(terms.stop_price.as_ref()),
            // A time that cannot be kept is none; the order is refused then.
            expires_ns: terms
                .expires_at
                .and_then(|at| timer::nanos(SystemTime::try_from(at).ok()?)),
            self_trade_prevention: terms.self_trade_prevention,
            portfolio_id: terms.portfolio_id.clone(),
            status: TradeStatus::Created.into(),
            executed: 0,
            leaves: terms.quantity,
            notional: 0,
            fees: 0,
            cancel_reason: CancelReason::Unspecified.into(),
            failure_reason: FailureReason::Unspecified.into(),
            message: String::new(),
            revision: 0,
            asked_revision: None,
            kept_priority: false,
            created_ns: timer::nanos(sealed.occurred_at()).ok_or(Unreadable::Field {
                field: "occurred_at",
            })?,
            sequence: sealed.sequence(),
            last_event: sealed.id(),
            correlation_id: sealed.correlation_id(),
            traceparent: sealed.envelope().traceparent.clone(),
        })
    }

    /// Takes over its next event.
    pub(crate) fn apply(
        &mut self,
        sealed: &SealedEvent,
        event: &TradeEvent,
    ) -> Result<(), Unreadable> {
        if sealed.sequence() != self.sequence + 1 {
            return Err(Unreadable::Gap {
                trade_id: self.trade_id,
                last: self.sequence,
                found: sealed.sequence(),
            });
        }
        match event {
            TradeEvent::Created(_) => {}
            TradeEvent::Placed(event) => self.placed(event, &sealed.envelope().actor)?,
            TradeEvent::Executed(event) => self.executed(event)?,
            TradeEvent::Closed(_) => self.set(TradeStatus::Closed),
            TradeEvent::Cancelled(event) => {
                self.set(TradeStatus::Cancelled);
                self.leaves = 0;
                self.cancel_reason = event.reason;
            }
            TradeEvent::Failed(event) => {
                self.set(TradeStatus::Failed);
                self.leaves = 0;
                self.failure_reason = event.reason;
                self.message.clone_from(&event.message);
            }
        }
        self.sequence = sealed.sequence();
        self.last_event = sealed.id();
        Ok(())
    }

    fn placed(&mut self, event: &TradePlacedEvent, actor: &str) -> Result<(), Unreadable> {
        if event.revision > 0 {
            let price = Some(Amount::from_required(event.limit_price.as_ref())?.raw());
            match self.order_type() {
                OrderType::Market | OrderType::Stop => self.protection_price = price,
                OrderType::Limit | OrderType::StopLimit | OrderType::Unspecified => {
                    self.limit_price = price;
                }
            }
            if let Some(stop) = &event.stop_price {
                self.stop_price = Some(Amount::from_money(stop)?.raw());
            }
        }
        self.quantity = event.quantity;
        self.leaves = event.leaves_quantity;
        if event.revision > self.revision && actor == VENUE {
            self.asked_revision.get_or_insert(self.revision);
        } else if event.revision > self.revision {
            self.asked_revision = Some(event.revision);
            self.kept_priority = event.kept_priority;
        }
        self.revision = event.revision;
        self.set(match event.status() {
            TradeStatus::TriggerPending => TradeStatus::TriggerPending,
            _ => self.open_status(),
        });
        Ok(())
    }

    fn executed(&mut self, event: &TradeExecutedEvent) -> Result<(), Unreadable> {
        let price = Amount::from_required(event.last_price.as_ref())?.raw();
        let fee = Amount::from_required(event.fee.as_ref())?.raw();
        self.notional += i128::from(price) * i128::from(event.last_quantity);
        self.fees = self.fees.saturating_add(fee);
        self.executed = event.cumulative_quantity;
        self.leaves = event.leaves_quantity;
        self.set(self.open_status());
        Ok(())
    }

    /// The status that follows from what is executed and what is left.
    fn open_status(&self) -> TradeStatus {
        match (self.executed, self.leaves) {
            (_, 0) => TradeStatus::Filled,
            (0, _) => TradeStatus::Placed,
            _ => TradeStatus::PartiallyFilled,
        }
    }

    fn set(&mut self, status: TradeStatus) {
        self.status = status.into();
    }

    /// Where it is in its life.
    pub(crate) fn status(&self) -> TradeStatus {
        TradeStatus::try_from(self.status).unwrap_or_default()
    }

    /// Whether it stands in the book.
    pub(crate) fn is_open(&self) -> bool {
        match self.status() {
            TradeStatus::Created
            | TradeStatus::TriggerPending
            | TradeStatus::Placed
            | TradeStatus::PartiallyFilled => true,
            TradeStatus::Unspecified
            | TradeStatus::Filled
            | TradeStatus::Closed
            | TradeStatus::Cancelled
            | TradeStatus::Failed => false,
        }
    }

    /// The side, as the contract has it.
    pub(crate) fn side(&self) -> Side {
        Side::try_from(self.side).unwrap_or_default()
    }

    /// The price it waits for or has waited for, in ten-thousandths.
    pub(crate) fn stop_price(&self) -> Option<i64> {
        self.stop_price
    }

    /// The last revision somebody asked for.
    pub(crate) fn asked_revision(&self) -> u32 {
        self.asked_revision.unwrap_or(self.revision)
    }

    /// When the venue received it.
    pub(crate) fn created_at(&self) -> SystemTime {
        timer::time_of(self.created_ns)
    }

    /// Price × shares over shares, rounded to the ten-thousandth; `None` while nothing is traded.
    pub(crate) fn average_price(&self) -> Option<Amount> {
        let notional = i64::try_from(self.notional).ok()?;
        amount(notional).checked_mul_div(1, self.executed, Rounding::HalfEven)
    }

    /// What it asks for, as the contract says it.
    pub(crate) fn terms(&self) -> OrderTerms {
        OrderTerms {
            symbol: self.symbol.clone(),
            side: self.side,
            r#type: self.order_type,
            quantity: self.quantity,
            limit_price: self.limit_price.map(|raw| amount(raw).to_money()),
            time_in_force: self.time_in_force,
            post_only: self.post_only,
            stop_price: self.stop_price.map(|raw| amount(raw).to_money()),
            expires_at: self.expires_ns.map(|nanos| timer::time_of(nanos).into()),
            self_trade_prevention: self.self_trade_prevention,
            portfolio_id: self.portfolio_id.clone(),
        }
    }

    /// The event that closes it.
    pub(crate) fn closed(&self) -> TradeClosedEvent {
        TradeClosedEvent {
            trade_id: self.trade_id.to_string(),
            order_id: self.order_id.to_string(),
            user_id: self.user_id.to_string(),
            symbol: self.symbol.clone(),
            cumulative_quantity: self.executed,
            average_price: self.average_price().map(Amount::to_money),
        }
    }

    /// The cause of its next event when `cause` brings it about.
    ///
    /// Each trade belongs to the flow of its order. What another flow brings about follows from
    /// the trade's own last event, so that every flow is a tree that starts at its command.
    pub(crate) fn caused_by(&self, cause: &Cause) -> Cause {
        let own = cause.correlation_id == self.correlation_id;
        Cause {
            correlation_id: self.correlation_id,
            causation_id: cause.causation_id.filter(|_| own).or(Some(self.last_event)),
            actor: cause.actor.clone(),
            traceparent: match own && !cause.traceparent.is_empty() {
                true => cause.traceparent.clone(),
                false => self.traceparent.clone(),
            },
        }
    }

    /// The cause of its next event when the venue itself brings it about.
    pub(crate) fn own_cause(&self) -> Cause {
        Cause {
            correlation_id: self.correlation_id,
            causation_id: Some(self.last_event),
            actor: VENUE.to_owned(),
            traceparent: self.traceparent.clone(),
        }
    }

    fn order_type(&self) -> OrderType {
        OrderType::try_from(self.order_type).unwrap_or_default()
    }

    fn self_trade_prevention(&self) -> SelfTradePrevention {
        SelfTradePrevention::try_from(self.self_trade_prevention).unwrap_or_default()
    }

    fn time_in_force(&self) -> TimeInForce {
        TimeInForce::try_from(self.time_in_force).unwrap_or_default()
    }
}
