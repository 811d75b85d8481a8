//! The venue: one book per symbol, and the life of every trade.
//!
//! Owns: trades (one per order at the venue), the books, the tape, instruments and sessions.
//! Consumes: `order.validated` (an order its service could not submit itself), `funds.settled`.
//! Emits: `trade.created`, `trade.placed`, `trade.executed`, `trade.closed`, `trade.cancelled`,
//! `trade.failed`, `session.changed`.
//!
//! Rooms, in reading order:
//! - [`config`] – instruments, fees; [`calendar`] – trading hours and days; [`session`] – when a day
//!   without hours ends
//! - [`book`] – the matching core: pure, and open to tests and benchmarks
//! - `trade` – one trade, folded from its events
//! - `desk` – a book with its trades, what requests do to them, and the one task that writes
//! - `floor` – the desks that are open in this process; `routing` – the way to those that are not
//! - `venue` – what may be asked of the desks
//! - `api`, `reactions`, `timers` – who asks the venue: callers, events, time
//! - `streams` – books and tapes as they change, to whoever listens
//! - `views` – read models
//!
//! Invariants, beside those of [`book`]:
//! 1. Each symbol has one writer, at one replica of the venue: its commits carry the fence of the
//!    symbol's slot. What it decides is answered only after it is committed.
//! 2. An order has at most one trade, however often and by whomever it is submitted.
//! 3. A book loaded from the store is the book that wrote it: same digest, be it loaded from all of
//!    its events or from a checkpoint and those behind it.
//! 4. An order cancelled before it came never comes in.
//! 5. Placed, executed, replaced and cancelled orders of a symbol are numbered without gaps.
//! 6. Each event of a trade belongs to the flow of its order; a match links two flows.

pub mod calendar;
pub mod config;
pub mod session;

pub mod book;

mod trade;

mod desk;
mod floor;
mod routing;

mod venue;

mod api;
mod reactions;
mod timers;

mod streams;

mod views;

use std::sync::Arc;

use outcry_contracts::Event;
use outcry_contracts::trades::v1::desk_service_server::DeskServiceServer;
use outcry_contracts::trades::v1::trade_service_server::TradeServiceServer;
use outcry_contracts::trades::v1::{
    SessionChangedEvent, TradeCancelledEvent, TradeClosedEvent, TradeCreatedEvent,
    TradeExecutedEvent, TradeFailedEvent, TradePlacedEvent,
};
use outcry_service::{Context, Service};
use outcry_store::StoreError;
use tonic::service::Routes;

pub use calendar::{Calendar, CalendarError, Hours};
pub use config::{Config, ConfigError, Fees, Instrument};
pub use reactions::CONSUMES;

use api::{Api, Desks};
use floor::{Floor, Posts};
use reactions::Listener;
use streams::Streams;
use timers::Alarm;
use venue::Venue;

/// Topics of the venue's events.
const EMITS: &[&str] = &[
    TradeCreatedEvent::TOPIC,
    TradePlacedEvent::TOPIC,
    TradeExecutedEvent::TOPIC,
    TradeClosedEvent::TOPIC,
    TradeCancelledEvent::TOPIC,
    TradeFailedEvent::TOPIC,
    SessionChangedEvent::TOPIC,
];

/// Why the venue does not open.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration cannot work.
    #[error("configuration of trades")]
    Config(#[from] ConfigError),
    /// The store does not answer.
    #[error("reading the venue's symbols")]
    Store(#[from] StoreError),
}

/// The trades service. Books are loaded once it runs, each at the replica that gets its symbol.
///
/// # Errors
/// [`StartError`].
pub async fn service(ctx: Context, config: Config) -> Result<Service, StartError> {
    config.check()?;
    // A store that does not answer is told of at once, not with the first request.
    views::symbols(ctx.store.as_ref()).await?;
    let (config, floor) = (Arc::new(config), Arc::new(Floor::new()));
    let venue = Venue::new(ctx.clone(), Arc::clone(&config), Arc::clone(&floor));
    let (stopping, streams) = Streams::new();
    let api = Api {
        ctx: ctx.clone(),
        venue: venue.clone(),
        streams,
    };
    let desks = Desks {
        venue: venue.clone(),
    };
    let listener = Listener {
        ctx: ctx.clone(),
        venue: venue.clone(),
    };
    let routes =
        Routes::new(TradeServiceServer::new(api)).add_service(DeskServiceServer::new(desks));
    let alarm = Alarm {
        ctx: ctx.clone(),
        venue,
    };
    Ok(Service::new("trades")
        .serves(routes)
        .reacts(listener)
        .fires(alarm)
        .holds(Posts { ctx, config, floor })
        .runs("streams", |stop| stopping.once(stop))
        .emits(EMITS))
}
