//! The venue: one book per symbol, and the life of every trade.
//!
//! Owns: trades (one per order at the venue), the books, the tape, instruments and halts.
//! Consumes: `order.validated` (an order its service could not submit itself), `funds.settled`.
//! Emits: `trade.created`, `trade.placed`, `trade.executed`, `trade.closed`, `trade.cancelled`,
//! `trade.failed`.
//!
//! Rooms, in reading order:
//! - [`config`] – instruments, sessions, fees; [`session`] – when the day ends
//! - [`book`] – the matching core: pure, and open to tests and benchmarks
//! - `trade` – one trade, folded from its events
//! - `desk` – a book with its trades, what requests do to them, and the one task that writes
//! - `venue` – all desks
//! - `api`, `reactions`, `timers` – who asks the venue: callers, events, time
//! - `views` – read models
//!
//! Invariants, beside those of [`book`]:
//! 1. Each symbol has one writer. What it decides is answered only after it is committed.
//! 2. An order has at most one trade, however often and by whomever it is submitted.
//! 3. A book loaded from the store is the book that wrote it: same digest.
//! 4. An order cancelled before it came never comes in.
//! 5. Placed, executed, replaced and cancelled orders of a symbol are numbered without gaps.
//! 6. Each event of a trade belongs to the flow of its order; a match links two flows.

pub mod config;
pub mod session;

pub mod book;

mod trade;

mod desk;

mod venue;

mod api;
mod reactions;
mod timers;

mod views;

use outcry_contracts::trades::v1::trade_service_server::TradeServiceServer;
use outcry_events::EventSet;
use outcry_service::{Context, Service};
use outcry_store::StoreError;
use tonic::service::Routes;

pub use config::{Config, ConfigError, Fees, Instrument};
pub use reactions::CONSUMES;

use api::Api;
use reactions::Listener;
use timers::Alarm;
use trade::TradeEvent;

/// Why the venue does not open.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration cannot work.
    #[error("configuration of trades")]
    Config(#[from] ConfigError),
    /// A book cannot be loaded.
    #[error("loading a book")]
    Load(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The store does not answer.
    #[error("reading the venue's symbols")]
    Store(#[from] StoreError),
}

impl From<desk::LoadError> for StartError {
    fn from(error: desk::LoadError) -> StartError {
        StartError::Load(Box::new(error))
    }
}

/// The trades service: loads every book, then is ready to run.
///
/// # Errors
/// [`StartError`].
pub async fn service(ctx: Context, config: Config) -> Result<Service, StartError> {
    config.check()?;
    let (venue, writers) = venue::open(&ctx, &config).await?;
    let api = Api {
        ctx: ctx.clone(),
        venue: venue.clone(),
    };
    let listener = Listener {
        ctx: ctx.clone(),
        venue: venue.clone(),
    };
    let service = Service::new("trades")
        .serves(Routes::new(TradeServiceServer::new(api)))
        .reacts(listener)
        .fires(Alarm { ctx, venue })
        .emits(TradeEvent::TOPICS);
    Ok(writers.into_iter().fold(service, |service, writer| {
        service.runs("desk", |stop| writer.run(stop))
    }))
}
