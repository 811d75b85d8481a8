//! A trades service that does as it is told, and publishes what it does.

mod calls;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use outcry_contracts::Event;
use outcry_contracts::orders::v1::{CancelReason, OrderType, Side};
use outcry_contracts::trades::v1::trade_service_server::TradeServiceServer;
use outcry_contracts::trades::v1::*;
use outcry_events::{Amount, Cause, Stamp, seal};
use outcry_service::Context;
use outcry_store::{Append, Commit};
use tonic::service::Routes;
use uuid::Uuid;

use super::custody::Manner;
use super::house::amount;

/// What the venue holds and how it behaves. Survives crashes of the platform.
#[derive(Clone, Default)]
pub struct Venue(Arc<Mutex<Floor>>);

#[derive(Default)]
struct Floor {
    ctx: Option<Context>,
    /// How the next calls go, by method; well, when there is nothing more.
    manners: BTreeMap<&'static str, Vec<Manner>>,
    trades: BTreeMap<String, Held>,
    barred: Vec<String>,
    bid: Option<Amount>,
    ask: Option<Amount>,
    session: SessionState,
    /// Rules of the symbols that are not as usual.
    rules: BTreeMap<String, Instrument>,
    rules_asked: usize,
    /// Why the next orders are refused.
    refusals: Vec<FailureReason>,
    /// Whether the venue publishes that it has taken an order.
    tells_placed: bool,
    matches: u64,
    submitted: Vec<SubmitOrderRequest>,
    replaced: Vec<ReplaceTradeRequest>,
}

#[derive(Clone)]
struct Held {
    trade: Trade,
    cause: Cause,
    sequence: u64,
    notional: i64,
}

impl Venue {
    /// Publishes in this context from now on.
    pub fn open(&self, ctx: &Context) {
        self.0.lock().unwrap().ctx = Some(ctx.clone());
    }

    pub fn routes(&self) -> Routes {
        Routes::new(TradeServiceServer::new(self.clone()))
    }

    /// The next calls of a method go like this.
    pub fn next(&self, method: &'static str, manners: impl IntoIterator<Item = Manner>) {
        let mut floor = self.0.lock().unwrap();
        floor.manners.entry(method).or_default().extend(manners);
    }

    pub fn quotes(&self, bid: Option<Amount>, ask: Option<Amount>) {
        let mut floor = self.0.lock().unwrap();
        (floor.bid, floor.ask) = (bid, ask);
    }

    pub fn session(&self, session: SessionState) {
        self.0.lock().unwrap().session = session;
    }

    /// Changes the rules of ACME.
    pub fn rules(&self, change: impl FnOnce(&mut Instrument)) {
        let mut floor = self.0.lock().unwrap();
        change(
            floor
                .rules
                .entry("ACME".to_owned())
                .or_insert_with(|| instrument("ACME")),
        );
    }

    /// How often the rules were asked for.
    pub fn rules_asked(&self) -> usize {
        self.0.lock().unwrap().rules_asked
    }

    /// The next orders are refused.
    pub fn refuse(&self, reasons: impl IntoIterator<Item = FailureReason>) {
        self.0.lock().unwrap().refusals.extend(reasons);
    }

    /// From now on what is taken in is published.
    pub fn tell_placed(&self) {
        self.0.lock().unwrap().tells_placed = true;
    }

    /// What was to be changed of the order, every time.
    pub fn replaced(&self, order_id: &str) -> Vec<ReplaceTradeRequest> {
        let floor = self.0.lock().unwrap();
        let of_order = |asked: &&ReplaceTradeRequest| asked.order_id == order_id;
        floor.replaced.iter().filter(of_order).cloned().collect()
    }

    /// Says how the order stands, as after it was taken in, woken or changed.
    pub async fn publish_placed(&self, order_id: &str) {
        let trade = self.trade(order_id).expect("a trade");
        let terms = trade.terms.clone().unwrap();
        let placed = TradePlacedEvent {
            trade_id: trade.trade_id.clone(),
            order_id: order_id.to_owned(),
            user_id: trade.user_id.clone(),
            symbol: terms.symbol.clone(),
            side: terms.side,
            quantity: terms.quantity,
            limit_price: terms.limit_price,
            leaves_quantity: trade.leaves_quantity,
            revision: trade.revision,
            kept_priority: false,
            venue_sequence: 1,
            status: trade.status,
            stop_price: terms.stop_price,
        };
        self.publish(order_id, &placed).await;
    }

    /// A trade at its stop price wakes the order.
    pub async fn wake(&self, order_id: &str) {
        {
            let mut floor = self.0.lock().unwrap();
            let trade = &mut floor.trades.get_mut(order_id).expect("a trade").trade;
            trade.set_status(TradeStatus::Placed);
        }
        self.publish_placed(order_id).await;
    }

    /// An order meets another one of its user and loses shares.
    pub async fn decrement(&self, order_id: &str, lost: i64) {
        {
            let mut floor = self.0.lock().unwrap();
            let trade = &mut floor.trades.get_mut(order_id).expect("a trade").trade;
            trade.revision += 1;
            trade.leaves_quantity -= lost;
            trade.terms.as_mut().unwrap().quantity -= lost;
        }
        self.publish_placed(order_id).await;
    }

    /// Refuses an order that was taken in before anybody heard of it.
    pub async fn fail(&self, order_id: &str, reason: FailureReason) {
        let trade = self.trade(order_id).expect("a trade");
        let failed = TradeFailedEvent {
            trade_id: trade.trade_id,
            order_id: order_id.to_owned(),
            user_id: trade.user_id,
            symbol: trade.terms.unwrap().symbol,
            reason: reason.into(),
            message: "no".to_owned(),
        };
        self.publish(order_id, &failed).await;
    }

    /// What was handed in for the order, every time.
    pub fn submitted(&self, order_id: &str) -> Vec<SubmitOrderRequest> {
        let floor = self.0.lock().unwrap();
        let of_order = |asked: &&SubmitOrderRequest| asked.order_id == order_id;
        floor.submitted.iter().filter(of_order).cloned().collect()
    }

    pub fn trade(&self, order_id: &str) -> Option<Trade> {
        let floor = self.0.lock().unwrap();
        floor.trades.get(order_id).map(|held| held.trade.clone())
    }

    /// Fills some of an order, without a word: what happened is to be published.
    pub fn fill_quietly(&self, order_id: &str, quantity: i64, units: i32) -> TradeExecutedEvent {
        let mut floor = self.0.lock().unwrap();
        floor.matches += 1;
        let number = floor.matches;
        let held = floor.trades.get_mut(order_id).expect("a trade");
        let price = Amount::from_units(units);
        let trade = &mut held.trade;
        trade.cumulative_quantity += quantity;
        trade.leaves_quantity -= quantity;
        held.notional += price.raw() * quantity;
        let average = held.notional / trade.cumulative_quantity;
        trade.average_price = Amount::from_raw(average).ok().map(Amount::to_money);
        trade.set_status(if trade.leaves_quantity == 0 {
            TradeStatus::Filled
        } else {
            TradeStatus::PartiallyFilled
        });
        let terms = trade.terms.as_ref().unwrap();
        let suffix = if terms.side() == Side::Buy { "B" } else { "S" };
        TradeExecutedEvent {
            trade_id: trade.trade_id.clone(),
            order_id: order_id.to_owned(),
            user_id: trade.user_id.clone(),
            symbol: terms.symbol.clone(),
            side: terms.side,
            match_id: format!("{}-{number}", terms.symbol),
            execution_id: format!("{}-{number}-{suffix}", terms.symbol),
            last_quantity: quantity,
            last_price: Some(price.to_money()),
            cumulative_quantity: trade.cumulative_quantity,
            leaves_quantity: trade.leaves_quantity,
            liquidity: Liquidity::Maker.into(),
            fee: Some(Amount::ZERO.to_money()),
            venue_sequence: number,
            ..Default::default()
        }
    }

    /// Fills some of an order.
    pub async fn fill(&self, order_id: &str, quantity: i64, units: i32) {
        let executed = self.fill_quietly(order_id, quantity, units);
        self.publish(order_id, &executed).await;
    }

    /// Takes an order off, without a word.
    pub fn take_off_quietly(&self, order_id: &str, reason: CancelReason) -> TradeCancelledEvent {
        let mut floor = self.0.lock().unwrap();
        let trade = &mut floor.trades.get_mut(order_id).expect("a trade").trade;
        trade.set_status(TradeStatus::Cancelled);
        trade.set_cancel_reason(reason);
        let unfilled = std::mem::take(&mut trade.leaves_quantity);
        TradeCancelledEvent {
            trade_id: trade.trade_id.clone(),
            order_id: order_id.to_owned(),
            user_id: trade.user_id.clone(),
            symbol: trade.terms.as_ref().unwrap().symbol.clone(),
            cumulative_quantity: trade.cumulative_quantity,
            cancelled_quantity: unfilled,
            reason: reason.into(),
            venue_sequence: 1,
        }
    }

    /// Takes an order off.
    pub async fn take_off(&self, order_id: &str, reason: CancelReason) {
        let cancelled = self.take_off_quietly(order_id, reason);
        self.publish(order_id, &cancelled).await;
    }

    /// Appends an event of the order's trade, which relays it to everybody.
    pub async fn publish<E: Event>(&self, order_id: &str, event: &E) {
        let (ctx, commit) = {
            let mut floor = self.0.lock().unwrap();
            let ctx = floor.ctx.clone().expect("an open venue");
            let held = floor.trades.get_mut(order_id).expect("a trade");
            let now = ctx.clock.now();
            let stamp = Stamp {
                event_id: ctx.clock.new_id(),
                sequence: held.sequence + 1,
                occurred_at: now,
                recorded_at: now,
                cause: &held.cause,
            };
            let sealed = seal(event, stamp).unwrap();
            let expected = held.sequence;
            held.sequence += 1;
            let appends = vec![Append {
                stream: sealed.stream(),
                expected,
                events: vec![sealed],
            }];
            let commit = Commit {
                appends,
                ..Commit::default()
            };
            (ctx, commit)
        };
        ctx.store.commit(commit).await.unwrap();
    }

    fn manner(&self, method: &'static str) -> Manner {
        let mut floor = self.0.lock().unwrap();
        match floor.manners.get_mut(method) {
            Some(manners) if !manners.is_empty() => manners.remove(0),
            _ => Manner::Well,
        }
    }

    fn take_in(&self, asked: &SubmitOrderRequest, cause: Cause) {
        let mut floor = self.0.lock().unwrap();
        let barred = floor.barred.contains(&asked.order_id);
        let refused = if floor.refusals.is_empty() {
            None
        } else {
            Some(floor.refusals.remove(0))
        };
        let terms = asked.terms.as_ref().unwrap();
        let quantity = terms.quantity;
        let waits = matches!(terms.r#type(), OrderType::Stop | OrderType::StopLimit);
        floor
            .trades
            .entry(asked.order_id.clone())
            .or_insert_with(|| {
                let mut trade = Trade {
                    trade_id: Uuid::new_v5(&Uuid::NAMESPACE_OID, asked.order_id.as_bytes())
                        .to_string(),
                    order_id: asked.order_id.clone(),
                    user_id: asked.user_id.clone(),
                    terms: asked.terms.clone(),
                    leaves_quantity: quantity,
                    ..Trade::default()
                };
                trade.set_status(if waits {
                    TradeStatus::TriggerPending
                } else {
                    TradeStatus::Placed
                });
                if let Some(reason) = refused {
                    trade.set_status(TradeStatus::Failed);
                    trade.set_failure_reason(reason);
                    "no".clone_into(&mut trade.message);
                }
                if barred {
                    trade.set_status(TradeStatus::Failed);
                    trade.set_failure_reason(FailureReason::CancelledBeforeVenue);
                }
                Held {
                    trade,
                    cause,
                    sequence: 0,
                    notional: 0,
                }
            });
    }

    fn change(&self, asked: &ReplaceTradeRequest) {
        let mut floor = self.0.lock().unwrap();
        let trade = &mut floor.trades.get_mut(&asked.order_id).unwrap().trade;
        let open = matches!(
            trade.status(),
            TradeStatus::Placed | TradeStatus::PartiallyFilled | TradeStatus::TriggerPending
        );
        if asked.revision <= trade.revision || !open {
            return;
        }
        let filled = trade.cumulative_quantity;
        let quantity = asked.quantity.max(filled);
        trade.revision = asked.revision;
        trade.leaves_quantity = quantity - filled;
        if trade.leaves_quantity == 0 {
            trade.set_status(TradeStatus::Filled);
        }
        let terms = trade.terms.as_mut().unwrap();
        terms.quantity = quantity;
        if terms.limit_price.is_some() {
            terms.limit_price.clone_from(&asked.limit_price);
        }
        if asked.stop_price.is_some() {
            terms.stop_price.clone_from(&asked.stop_price);
        }
    }
}

fn instrument(symbol: &str) -> Instrument {
    Instrument {
        symbol: symbol.to_owned(),
        name: symbol.to_owned(),
        tick: Some(amount("0.01").to_money()),
        lot: 1,
        max_order_value: Some(amount("100000").to_money()),
        ..Instrument::default()
    }
}
