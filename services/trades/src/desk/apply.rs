//! What happens in the book, told as what happens to trades.

use outcry_contracts::orders::v1::{CancelReason, Side};
use outcry_contracts::trades::v1::{
    FailureReason, Liquidity, TradeCancelledEvent, TradeExecutedEvent, TradeFailedEvent,
    TradePlacedEvent, TradeStatus,
};
use outcry_store::timer;
use uuid::Uuid;

use super::{Desk, Pen, Unwritable};
use crate::book::{self, BookEvent, Execution, Match, Refusal, Replacement};
use crate::trade::{Trade, TradeEvent, amount};
use crate::views::{self, Settled, TapeRow, match_id};

/// What the book does not know about its events.
#[derive(Clone, Copy, Debug)]
pub(super) enum Why {
    /// Nothing: the venue's rules led to them.
    Venue,
    /// The reason somebody gave for taking an order out.
    Asked(CancelReason),
    /// The change of an order they come from.
    Changed {
        order_id: Uuid,
        revision: u32,
        /// What is settled of its trade, if the change may fill it.
        settled: Settled,
    },
}

impl Desk {
    /// Makes an event of the book so, and writes down what it means to the trades.
    pub(super) fn apply(
        &mut self,
        event: BookEvent,
        pen: &mut Pen<'_>,
        why: Why,
    ) -> Result<(), Unwritable> {
        self.book.evolve(&event);
        let venue_seq = self.book.venue_seq();
        match event {
            BookEvent::Placed(terms) => {
                self.unarmed
                    .extend(terms.expires_at().filter(|due| !self.armed.contains(due)));
                let place = Place {
                    quantity: terms.quantity,
                    price: terms.limit(),
                    stop: terms.stop,
                };
                self.change(terms.order_id, pen, |trade| {
                    TradeEvent::Placed(placed(trade, place, venue_seq))
                })
            }
            BookEvent::Triggered { order_id, price } => self.change(order_id, pen, |trade| {
                let place = Place {
                    quantity: trade.quantity,
                    price,
                    stop: None,
                };
                TradeEvent::Placed(placed(trade, place, venue_seq))
            }),
            BookEvent::Refused { order_id, refusal } => {
                let trade = self
                    .trades
                    .remove(&order_id)
                    .ok_or(Unwritable::Stray(order_id))?;
                self.refuse(trade, failure(refusal), &refusal.to_string(), pen)
            }
            BookEvent::Matched(matched) => self.matched(&matched, venue_seq, pen),
            BookEvent::Replaced(replacement) => self.replaced(&replacement, venue_seq, pen, why),
            BookEvent::Cancelled {
                order_id,
                leaves,
                reason,
            } => self.change(order_id, pen, |trade| {
                TradeEvent::Cancelled(TradeCancelledEvent {
                    trade_id: trade.trade_id.to_string(),
                    order_id: trade.order_id.to_string(),
                    user_id: trade.user_id.to_string(),
                    symbol: trade.symbol.clone(),
                    cumulative_quantity: trade.executed,
                    cancelled_quantity: leaves,
                    reason: cancel_reason(reason, why).into(),
                    venue_sequence: venue_seq,
                })
            }),
            // Written down where it is asked for.
            BookEvent::SessionChanged(_) => Ok(()),
        }
    }

    /// Writes the next event of an order's trade.
    fn change(
        &mut self,
        order_id: Uuid,
        pen: &mut Pen<'_>,
        event: impl FnOnce(&Trade) -> TradeEvent,
    ) -> Result<(), Unwritable> {
        let trade = self
            .trades
            .get_mut(&order_id)
            .ok_or(Unwritable::Stray(order_id))?;
        let event = event(trade);
        pen.write(trade, &event)?;
        if trade.is_open() {
            pen.batch.touch(order_id);
        } else if let Some(trade) = self.trades.remove(&order_id) {
            self.leave(trade, pen);
        }
        Ok(())
    }

    /// Refuses a new order.
    pub(super) fn refuse(
        &mut self,
        mut trade: Trade,
        reason: FailureReason,
        message: &str,
        pen: &mut Pen<'_>,
    ) -> Result<(), Unwritable> {
        let failed = failed(&trade, reason, message);
        pen.write(&mut trade, &TradeEvent::Failed(failed))?;
        self.leave(trade, pen);
        Ok(())
    }

    /// A trade is in the book no more.
    fn leave(&mut self, trade: Trade, pen: &mut Pen<'_>) {
        self.recent.note(trade.order_id);
        pen.batch.finish(trade);
    }

    fn matched(
        &mut self,
        matched: &Match,
        venue_seq: u64,
        pen: &mut Pen<'_>,
    ) -> Result<(), Unwritable> {
        let taker = self.trades.get(&matched.taker.order_id);
        let taker_side = taker.map_or(Side::Unspecified, Trade::side);
        pen.batch.print(&TapeRow {
            symbol: self.market.symbol.clone(),
            venue_seq,
            price: matched.price,
            quantity: matched.quantity,
            taker_side: taker_side.into(),
            executed_ns: timer::nanos(pen.at).unwrap_or_default(),
            maker_order_id: matched.maker.order_id,
            taker_order_id: matched.taker.order_id,
        })?;
        for (execution, liquidity) in [
            (&matched.taker, Liquidity::Taker),
            (&matched.maker, Liquidity::Maker),
        ] {
            self.change(execution.order_id, pen, |trade| {
                TradeEvent::Executed(executed(trade, matched, execution, liquidity, venue_seq))
            })?;
        }
        Ok(())
    }

    fn replaced(
        &mut self,
        replacement: &Replacement,
        venue_seq: u64,
        pen: &mut Pen<'_>,
        why: Why,
    ) -> Result<(), Unwritable> {
        let order_id = replacement.order_id;
        let trade = self
            .trades
            .get_mut(&order_id)
            .ok_or(Unwritable::Stray(order_id))?;
        let place = Place {
            quantity: replacement.quantity,
            price: replacement.price,
            stop: replacement.stop,
        };
        let event = TradePlacedEvent {
            kept_priority: replacement.keeps_priority,
            ..placed(trade, place, venue_seq)
        };
        let settled = match why {
            Why::Changed {
                order_id: asked,
                revision,
                settled,
            } if asked == order_id && revision > trade.revision => {
                let event = TradePlacedEvent { revision, ..event };
                pen.write(trade, &TradeEvent::Placed(event))?;
                settled
            }
            // What an order loses because it met one of its owner nobody has asked for.
            Why::Changed { .. } | Why::Venue | Why::Asked(_) => {
                let revision = trade.revision + 1;
                let event = TradePlacedEvent { revision, ..event };
                pen.write_own(trade, &TradeEvent::Placed(event))?;
                Settled::default()
            }
        };
        if trade.is_open() {
            pen.batch.touch(order_id);
            return Ok(());
        }
        // Filled without a fill: nobody will tell that the last of it is settled, if it is. The
        // row is written again so that a settlement going on at this moment conflicts.
        pen.batch
            .view(views::write_settled(trade.trade_id, &settled)?);
        if settled.quantity == trade.executed {
            let closed = trade.closed();
            pen.write(trade, &TradeEvent::Closed(closed))?;
        }
        if let Some(trade) = self.trades.remove(&order_id) {
            self.leave(trade, pen);
        }
        Ok(())
    }
}

/// Where an order stands from now on.
struct Place {
    quantity: i64,
    price: i64,
    /// What it waits for.
    stop: Option<i64>,
}

/// The order was placed; a change adds its revision.
fn placed(trade: &Trade, place: Place, venue_seq: u64) -> TradePlacedEvent {
    let status = match place.stop {
        Some(_) => TradeStatus::TriggerPending,
        None => TradeStatus::Placed,
    };
    let stop = place.stop.or(trade.stop_price());
    TradePlacedEvent {
        trade_id: trade.trade_id.to_string(),
        order_id: trade.order_id.to_string(),
        user_id: trade.user_id.to_string(),
        symbol: trade.symbol.clone(),
        side: trade.side().into(),
        quantity: place.quantity,
        limit_price: Some(amount(place.price).to_money()),
        leaves_quantity: place.quantity - trade.executed,
        revision: trade.revision,
        kept_priority: false,
        venue_sequence: venue_seq,
        status: status.into(),
        stop_price: stop.map(|raw| amount(raw).to_money()),
    }
}

fn executed(
    trade: &Trade,
    matched: &Match,
    execution: &Execution,
    liquidity: Liquidity,
    venue_seq: u64,
) -> TradeExecutedEvent {
    let match_id = match_id(&trade.symbol, venue_seq);
    let mark = match trade.side() {
        Side::Sell => 'S',
        Side::Buy | Side::Unspecified => 'B',
    };
    TradeExecutedEvent {
        trade_id: trade.trade_id.to_string(),
        order_id: trade.order_id.to_string(),
        user_id: trade.user_id.to_string(),
        symbol: trade.symbol.clone(),
        side: trade.side().into(),
        execution_id: format!("{match_id}-{mark}"),
        match_id,
        last_quantity: matched.quantity,
        last_price: Some(amount(matched.price).to_money()),
        cumulative_quantity: execution.executed,
        leaves_quantity: execution.leaves,
        liquidity: liquidity.into(),
        fee: Some(amount(execution.fee).to_money()),
        venue_sequence: venue_seq,
        portfolio_id: trade.portfolio_id.clone(),
    }
}

/// The order was refused.
pub(crate) fn failed(trade: &Trade, reason: FailureReason, message: &str) -> TradeFailedEvent {
    TradeFailedEvent {
        trade_id: trade.trade_id.to_string(),
        order_id: trade.order_id.to_string(),
        user_id: trade.user_id.to_string(),
        symbol: trade.symbol.clone(),
        reason: reason.into(),
        message: message.to_owned(),
    }
}

fn failure(refusal: Refusal) -> FailureReason {
    match refusal {
        Refusal::Halted | Refusal::CancelOnly => FailureReason::SymbolHalted,
        Refusal::Closed => FailureReason::SymbolClosed,
        Refusal::NoLiquidity => FailureReason::NoLiquidity,
        Refusal::PostOnlyWouldTake | Refusal::RestingOnly => FailureReason::WouldTake,
        Refusal::PriceOutsideBand => FailureReason::PriceBand,
        Refusal::AlreadyExpired => FailureReason::AlreadyExpired,
        Refusal::PriceOffTick
        | Refusal::QuantityOffLot
        | Refusal::QuantityTooLarge
        | Refusal::ValueTooLarge
        | Refusal::PostOnlyCannotRest
        | Refusal::NotWaiting => FailureReason::BadTerms,
    }
}

fn cancel_reason(reason: book::CancelReason, why: Why) -> CancelReason {
    match reason {
        book::CancelReason::Requested => match why {
            Why::Asked(asked) => asked,
            Why::Venue | Why::Changed { .. } => CancelReason::User,
        },
        book::CancelReason::Expired => CancelReason::Expired,
        book::CancelReason::ImmediateOrCancel => CancelReason::Ioc,
        book::CancelReason::FillOrKill => CancelReason::Fok,
        book::CancelReason::NoLiquidity => CancelReason::NoLiquidity,
        book::CancelReason::SelfTrade => CancelReason::SelfTrade,
        book::CancelReason::PostOnly => CancelReason::PostOnly,
    }
}
