//! The portfolio service: what users hold, what it cost them and what they made of it.
//!
//! Owns: portfolios; positions, lots, sales, last prices. All but the portfolios' names, defaults and
//! states can be rebuilt from the events of funds.
//! Consumes: `user.created`, `funds.settled`, `funds.deposited`, `funds.withdrawn`.
//! Emits: nothing.
//!
//! - [`domain`]: portfolios, lots, profit and what each event does to them, pure
//! - [`rebuild`]: all holdings from events alone, for comparing
//! - [`views`]: what is kept
//! - `reactions`: following funds
//! - `desk`: changing portfolios
//! - `stream`: positions as they change
//! - `showing`: rows as messages
//! - `api`: gRPC
//!
//! Invariants:
//! 1. A position's quantity and cost are the sums over its open lots (I20).
//! 2. `realised profit = sold − bought − fees + cost`, to the ten-thousandth (I20).
//! 3. Sales take lots in the order of the ids of the events that tell of them: those of their own
//!    portfolio first, then those of the others, the oldest first.
//! 4. So what is kept once all events have come does not depend on the order they came in, and is
//!    what the events say (I19).
//! 5. A sale that comes before its shares is not held up: it counts at once, and the lots that
//!    come next give the shares.
//! 6. A fill belongs to the portfolio its order named. Orders that name none, and shares that are
//!    issued, are the main portfolio's, which every user has from the start under an id that follows
//!    from the user's: that depends neither on what was known when the event came nor on which
//!    portfolio was the default then.

pub mod domain;
pub mod rebuild;
pub mod views;

mod api;
mod desk;
mod reactions;
mod showing;
mod stream;

use std::convert::Infallible;

use outcry_contracts::portfolio::v1::portfolio_service_server::PortfolioServiceServer;
use outcry_service::{Context, Service};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tonic::service::Routes;

use self::api::Api;
use self::reactions::Follower;

pub use self::reactions::CONSUMES;

/// Name of the service and of its consumer group.
pub const NAME: &str = "portfolio";

/// Settings of the service: there is nothing to set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {}

/// The service.
///
/// # Errors
/// None: it has no settings that could be wrong.
pub async fn service(ctx: Context, _config: Config) -> Result<Service, Infallible> {
    let news = watch::Sender::new(0);
    let (stopping, streams) = stream::streams(news.subscribe());
    let api = PortfolioServiceServer::new(Api::new(ctx.clone(), streams));
    Ok(Service::new(NAME)
        .serves(Routes::new(api))
        .reacts(Follower::new(ctx, news))
        .runs("streams", |asked| stopping.once(asked)))
}
