//! Everything that happened in an account, line by line in order of occurrence.
//!
//! Each event of the journal has a line; a settled fill has one for the cash and one for the
//! shares. Only movements carry changes, so that their columns can be added up.

use outcry_contracts::orders::v1::{
    OrderCancelledEvent, OrderCreatedEvent, OrderExpiredEvent, OrderFilledEvent,
    OrderRejectedEvent, OrderReplacedEvent, OrderTerms, OrderValidatedEvent, Side,
};
use outcry_contracts::payments::v1::{
    PaymentCreatedEvent, PaymentExpiredEvent, PaymentFailedEvent, PaymentSuccessEvent,
};
use outcry_contracts::trades::v1::{
    TradeCancelledEvent, TradeClosedEvent, TradeCreatedEvent, TradeExecutedEvent, TradeFailedEvent,
    TradePlacedEvent,
};
use outcry_contracts::types::v1::Money;
use outcry_events::SealedEvent;
use outcry_events::money::Amount;
use uuid::Uuid;

use super::Unmade;
use super::document::{self, Cell, Column, Section};
use super::movement::{self, Asset, Kind, Movement, word};

/// Columns of a list of activity, the fields of [`Line`].
pub const COLUMNS: &[Column] = &[
    Column::new("occurred_at", "Time (UTC)", document::Kind::Time),
    Column::new("event_id", "Event id", document::Kind::Text).hidden(),
    Column::new("event", "Event", document::Kind::Text),
    Column::new("reference", "Reference", document::Kind::Text),
    Column::new("asset", "Asset", document::Kind::Text),
    Column::new("available_change", "Available", document::Kind::Money),
    Column::new("locked_change", "Reserved", document::Kind::Money),
    Column::new("symbol", "Symbol", document::Kind::Text),
    Column::new("side", "Side", document::Kind::Text),
    Column::new("quantity", "Quantity", document::Kind::Count),
    Column::new("price", "Price", document::Kind::Money),
    Column::new("amount", "Amount", document::Kind::Money),
    Column::new("fee", "Fee", document::Kind::Money),
    Column::new("detail", "Detail", document::Kind::Text),
];

/// Lines with the order they are to come in: time, event, place within the event.
#[derive(Debug, Default)]
pub struct Activity {
    lines: Vec<((i64, Uuid, usize), Line)>,
}

/// A line of a list of activity.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Line {
    /// When, in nanoseconds since 1970.
    pub at_ns: i64,
    /// Id of the event.
    pub event_id: String,
    /// Its topic.
    pub event: String,
    /// Order, payment, issue, withdrawal or lock it is about.
    pub reference: String,
    /// Currency or symbol that moved.
    pub asset: Option<String>,
    /// Change of what can be used, signed.
    pub available_change: Option<Cell>,
    /// Change of what is set aside, signed.
    pub locked_change: Option<Cell>,
    /// Symbol of the order.
    pub symbol: Option<String>,
    /// `BUY` or `SELL`.
    pub side: Option<String>,
    /// Shares the event is about.
    pub quantity: Option<i64>,
    /// Price of a share: of the fill, or the limit of the order.
    pub price: Option<Amount>,
    /// Of a payment; of a fill, without fee.
    pub amount: Option<Amount>,
    /// Of a fill.
    pub fee: Option<Amount>,
    /// Status, reason or kind.
    pub detail: String,
}

// === impl Activity ===

impl Activity {
    pub(super) fn rows(&self) -> usize {
        self.lines.len()
    }

    /// Adds an event's lines.
    pub(super) fn add(
        &mut self,
        event: &SealedEvent,
        at_ns: i64,
        user_id: &str,
    ) -> Result<(), Unmade> {
        for (place, line) in lines(event, user_id)?.into_iter().enumerate() {
            let line = Line {
                at_ns,
                event_id: event.id().to_string(),
                event: event.topic().to_owned(),
                ..line
            };
            self.lines.push(((at_ns, event.id(), place), line));
        }
        Ok(())
    }

    /// The table, in order of occurrence. Lines of cash and of shares are not added up.
    pub(super) fn into_section(mut self) -> Section {
        self.lines.sort_by_key(|(place, _)| *place);
        Section {
            key: "activity",
            title: "Activity",
            columns: COLUMNS,
            rows: self
                .lines
                .into_iter()
                .map(|(_, line)| line.cells())
                .collect(),
            totals: None,
        }
    }
}

// === impl Line ===

impl Line {
    fn cells(self) -> Vec<Cell> {
        let text = |text: Option<String>| text.map_or(Cell::Empty, Cell::text);
        vec![
            Cell::Time(self.at_ns),
            Cell::text(self.event_id),
            Cell::text(self.event),
            Cell::text(self.reference),
            text(self.asset),
            self.available_change.unwrap_or(Cell::Empty),
            self.locked_change.unwrap_or(Cell::Empty),
            text(self.symbol),
            text(self.side),
            self.quantity.map_or(Cell::Empty, Cell::Count),
            Cell::money(self.price),
            Cell::money(self.amount),
            Cell::money(self.fee),
            Cell::text(self.detail),
        ]
    }
}

/// The lines of an event, as far as they depend on what it is.
fn lines(event: &SealedEvent, user_id: &str) -> Result<Vec<Line>, Unmade> {
    let movements = movement::of(event, user_id)?;
    if !movements.is_empty() {
        let mut lines = Vec::new();
        for movement in &movements {
            lines.extend(moved(movement)?);
        }
        return Ok(lines);
    }
    let line = match order(event)? {
        Some(line) => Some(line),
        None => match trade(event)? {
            Some(line) => Some(line),
            None => payment(event)?,
        },
    };
    Ok(line.into_iter().collect())
}

/// One line per change; what the fill cost is on the first.
fn moved(movement: &Movement) -> Result<Vec<Line>, Unmade> {
    let mut lines = Vec::with_capacity(movement.changes.len());
    for change in &movement.changes {
        let mut line = Line {
            reference: movement.reference.clone(),
            asset: Some(change.asset.to_string()),
            available_change: Some(change.asset.cell(change.available)?),
            locked_change: Some(change.asset.cell(change.locked)?),
            detail: movement.detail.clone(),
            ..Line::default()
        };
        if let Kind::Fill(fill) = &movement.kind {
            line.symbol = Some(fill.symbol.clone());
            line.side = Some(side(fill.side));
            if change.asset == Asset::Cash {
                line.quantity = Some(fill.quantity);
                line.price = Some(fill.price);
                line.amount = Some(fill.notional);
                line.fee = Some(fill.fee);
            }
        }
        lines.push(line);
    }
    Ok(lines)
}

fn order(event: &SealedEvent) -> Result<Option<Line>, Unmade> {
    if event.is::<OrderCreatedEvent>() {
        let created: OrderCreatedEvent = event.payload()?;
        return wanted(created.order_id, created.terms).map(Some);
    }
    if event.is::<OrderValidatedEvent>() {
        let validated: OrderValidatedEvent = event.payload()?;
        return wanted(validated.order_id, validated.terms).map(Some);
    }
    if event.is::<OrderFilledEvent>() {
        let filled: OrderFilledEvent = event.payload()?;
        let line = Line {
            quantity: Some(filled.last_quantity),
            price: money(filled.last_price.as_ref())?,
            detail: word(filled.status().as_str_name(), "ORDER_STATUS_"),
            ..about(filled.order_id.clone(), &filled.symbol, filled.side())
        };
        return Ok(Some(line));
    }
    if event.is::<OrderCancelledEvent>() {
        let cancelled: OrderCancelledEvent = event.payload()?;
        let line = Line {
            quantity: Some(cancelled.cancelled_quantity),
            detail: word(cancelled.reason().as_str_name(), "CANCEL_REASON_"),
            ..about(
                cancelled.order_id.clone(),
                &cancelled.symbol,
                cancelled.side(),
            )
        };
        return Ok(Some(line));
    }
    if event.is::<OrderExpiredEvent>() {
        let expired: OrderExpiredEvent = event.payload()?;
        let line = Line {
            quantity: Some(expired.expired_quantity),
            detail: word(expired.time_in_force().as_str_name(), "TIME_IN_FORCE_"),
            ..about(expired.order_id.clone(), &expired.symbol, expired.side())
        };
        return Ok(Some(line));
    }
    if event.is::<OrderRejectedEvent>() {
        let rejected: OrderRejectedEvent = event.payload()?;
        let line = Line {
            detail: word(rejected.reason().as_str_name(), "REJECT_REASON_"),
            ..about(rejected.order_id.clone(), &rejected.symbol, rejected.side())
        };
        return Ok(Some(line));
    }
    if event.is::<OrderReplacedEvent>() {
        let replaced: OrderReplacedEvent = event.payload()?;
        let line = Line {
            quantity: Some(replaced.quantity),
            price: money(replaced.limit_price.as_ref())?,
            detail: format!("revision {}", replaced.revision),
            ..about(replaced.order_id.clone(), &replaced.symbol, replaced.side())
        };
        return Ok(Some(line));
    }
    Ok(None)
}

fn trade(event: &SealedEvent) -> Result<Option<Line>, Unmade> {
    if event.is::<TradeCreatedEvent>() {
        let created: TradeCreatedEvent = event.payload()?;
        return wanted(created.order_id, created.terms).map(Some);
    }
    if event.is::<TradePlacedEvent>() {
        let placed: TradePlacedEvent = event.payload()?;
        let line = Line {
            quantity: Some(placed.leaves_quantity),
            price: money(placed.limit_price.as_ref())?,
            detail: format!("revision {}", placed.revision),
            ..about(placed.order_id.clone(), &placed.symbol, placed.side())
        };
        return Ok(Some(line));
    }
    if event.is::<TradeExecutedEvent>() {
        let executed: TradeExecutedEvent = event.payload()?;
        let line = Line {
            quantity: Some(executed.last_quantity),
            price: money(executed.last_price.as_ref())?,
            fee: money(executed.fee.as_ref())?,
            detail: format!("match {}", executed.match_id),
            ..about(executed.order_id.clone(), &executed.symbol, executed.side())
        };
        return Ok(Some(line));
    }
    if event.is::<TradeClosedEvent>() {
        let closed: TradeClosedEvent = event.payload()?;
        let line = Line {
            quantity: Some(closed.cumulative_quantity),
            price: money(closed.average_price.as_ref())?,
            ..of_symbol(closed.order_id, &closed.symbol)
        };
        return Ok(Some(line));
    }
    if event.is::<TradeCancelledEvent>() {
        let cancelled: TradeCancelledEvent = event.payload()?;
        let line = Line {
            quantity: Some(cancelled.cancelled_quantity),
            detail: word(cancelled.reason().as_str_name(), "CANCEL_REASON_"),
            ..of_symbol(cancelled.order_id.clone(), &cancelled.symbol)
        };
        return Ok(Some(line));
    }
    if event.is::<TradeFailedEvent>() {
        let failed: TradeFailedEvent = event.payload()?;
        let line = Line {
            detail: word(failed.reason().as_str_name(), "FAILURE_REASON_"),
            ..of_symbol(failed.order_id.clone(), &failed.symbol)
        };
        return Ok(Some(line));
    }
    Ok(None)
}

fn payment(event: &SealedEvent) -> Result<Option<Line>, Unmade> {
    let (reference, amount, detail);
    if event.is::<PaymentCreatedEvent>() {
        let created: PaymentCreatedEvent = event.payload()?;
        (reference, amount, detail) = (created.payment_id, created.amount, String::new());
    } else if event.is::<PaymentSuccessEvent>() {
        let paid: PaymentSuccessEvent = event.payload()?;
        detail = if paid.late { "LATE" } else { "" }.to_owned();
        (reference, amount) = (paid.payment_id, paid.amount);
    } else if event.is::<PaymentFailedEvent>() {
        let failed: PaymentFailedEvent = event.payload()?;
        detail = word(failed.reason().as_str_name(), "PAYMENT_FAILURE_");
        (reference, amount) = (failed.payment_id, failed.amount);
    } else if event.is::<PaymentExpiredEvent>() {
        let expired: PaymentExpiredEvent = event.payload()?;
        (reference, amount, detail) = (expired.payment_id, expired.amount, String::new());
    } else {
        return Ok(None);
    }
    Ok(Some(Line {
        reference,
        amount: money(amount.as_ref())?,
        detail,
        ..Line::default()
    }))
}

/// The line of an order with its terms.
fn wanted(order_id: String, terms: Option<OrderTerms>) -> Result<Line, Unmade> {
    let terms = terms.unwrap_or_default();
    let kind = word(terms.r#type().as_str_name(), "ORDER_TYPE_");
    let lives = word(terms.time_in_force().as_str_name(), "TIME_IN_FORCE_");
    Ok(Line {
        quantity: Some(terms.quantity),
        price: money(terms.limit_price.as_ref())?,
        detail: format!("{kind} {lives}"),
        ..about(order_id, &terms.symbol, terms.side())
    })
}

fn about(order_id: String, symbol: &str, of: Side) -> Line {
    Line {
        side: Some(side(of)),
        ..of_symbol(order_id, symbol)
    }
}

fn of_symbol(order_id: String, symbol: &str) -> Line {
    Line {
        reference: order_id,
        symbol: Some(symbol.to_owned()),
        ..Line::default()
    }
}

fn side(side: Side) -> String {
    word(side.as_str_name(), "SIDE_")
}

/// An amount that may be absent.
fn money(money: Option<&Money>) -> Result<Option<Amount>, Unmade> {
    Ok(money.map(Amount::from_money).transpose()?)
}
