//! Orders: placed, funded, sent to the venue, and told what became of them.
//!
//! Owns: the events of orders (`order.*`). Only this service publishes them.
//!
//! Consumes: [`CONSUMES`](reactions::CONSUMES): users it may take orders from, and the facts of
//! the venue. Calls: funds (`LockFunds`, `ReleaseFunds`) and trades (`GetBook`, `SubmitOrder`,
//! `CancelTrade`, `ReplaceTrade`).
//!
//! Rooms, in reading order:
//! - [`domain`]: what an order is and what can happen to it. Pure.
//! - [`pretrade`]: checks and needs before anything is locked. Pure.
//! - [`views`]: orders as they are shown; for auditors the refold of a row from its events.
//! - `placing`, `cancelling`, `replacing`: the three courses an order can take, step by step.
//! - `custody`, `venue`: the questions to the other services.
//! - `timers`: who goes on when the request is gone.
//! - [`reactions`]: facts of users and of the venue.
//! - `api`: the gRPC methods.
//!
//! Invariants:
//! 1. A request makes one order at most, however often it is repeated.
//! 2. An order that is not final is in somebody's hands: at the venue, or under a timer.
//! 3. What happened at the venue is written down only from its facts (or, for accepted changes,
//!    its answer), in its order. A late fact on a final order is refused and counted.
//! 4. An answer shows an order as far as it is known, and never less than an earlier answer did.
//! 5. A user's orders made before a suspension are cancelled, those after it are rejected.

pub mod config;
pub mod domain;
pub mod pretrade;
pub mod reactions;
pub mod views;

mod api;
mod cancelling;
mod changes;
mod custody;
mod placing;
mod replacing;
mod timers;
mod venue;

use outcry_events::EventSet;
use outcry_service::{Context, Service};

pub use config::{Config, ConfigError, Fees, Instrument};
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
    Ok(Service::new("orders")
        .serves(api::routes(ctx, config))
        .reacts(reactions)
        .fires(timers)
        .emits(EMITS))
}
