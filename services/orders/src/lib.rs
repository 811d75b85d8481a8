//! Orders: placed, funded, sent to the venue, and told what became of them.
//!
//! Owns: the events of orders (`order.*`). Only this service publishes them.
//!
//! Consumes: [`CONSUMES`]: users it may take orders from, and the facts of
//! the venue. Calls: funds (`LockFunds`, `ReleaseFunds`), trades (`ListInstruments`, `GetBook`,
//! `SubmitOrder`, `CancelTrade`, `ReplaceTrade`) and portfolio (`CheckPortfolio`).
//!
//! Rooms, in reading order:
//! - [`domain`]: what an order is and what can happen to it, as one table. Pure.
//! - [`terms`]: whether a request is an order at all. Pure.
//! - [`instruments`], [`pretrade`]: the venue's rules; checks and needs before anything is locked.
//! - [`views`]: orders as they are shown; for auditors the refold of a row from its events.
//! - `placing`, `cancelling`, `replacing`, `releasing`: the courses an order can take, step by step.
//! - `custody`, `venue`, `portfolios`: the questions to the other services.
//! - `timers`: who goes on when the request is gone.
//! - [`reactions`]: facts of users and of the venue.
//! - [`updates`]: every change of a user's orders, numbered.
//! - `api`: the gRPC methods.
//!
//! Invariants:
//! 1. A request makes one order at most, however often it is repeated.
//! 2. An order that is not final is in somebody's hands: at the venue, or under a timer.
//! 3. What happened at the venue is written down only from its facts (or, for accepted changes,
//!    its answer), in its order. A late fact on a final order is refused and counted.
//! 4. An answer shows an order as far as it is known, and never less than an earlier answer did.
//! 5. A user's orders made before a suspension are cancelled, and none are made after it.
//! 6. The changes of a user's orders have numbers without gaps, which they keep.

pub mod config;
pub mod domain;
pub mod instruments;
pub mod pretrade;
pub mod reactions;
pub mod terms;
pub mod updates;
pub mod views;

mod api;
mod cancelling;
mod changes;
mod custody;
mod placing;
mod portfolios;
mod releasing;
mod replacing;
mod timers;
mod venue;

use outcry_events::EventSet;
use outcry_service::{Context, Service};
use tokio::sync::watch;

pub use config::{Config, ConfigError, Fees};
pub use domain::{Order, OrderEvent};
pub use reactions::CONSUMES;

/// Topics of the events this service appends.
pub const EMITS: &[&str] = OrderEvent::TOPICS;

/// The service, ready to run.
///
/// # Errors
/// [`ConfigError`].
pub fn service(ctx: Context, config: Config) -> Result<Service, ConfigError> {
    config.check()?;
    let reactions = reactions::Reactions { ctx: ctx.clone() };
    let timers = timers::Timers {
        ctx: ctx.clone(),
        config: config.clone(),
    };
    let (open, draining) = watch::channel(false);
    Ok(Service::new("orders")
        .serves(api::routes(ctx, config, draining))
        .reacts(reactions)
        .fires(timers)
        .runs("ends streams", |stop| async move {
            stop.cancelled().await;
            open.send_replace(true);
        })
        .emits(EMITS))
}
