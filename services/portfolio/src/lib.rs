//! The portfolio service: what users hold, what it cost them and what they made of it.
//!
//! Owns: positions, open lots, last prices. All of it can be rebuilt from the events of funds.
//! Consumes: `user.created`, `funds.settled`, `funds.deposited`.
//! Emits: nothing.
//!
//! - [`domain`]: lots, profit and what each event does to them, pure
//! - [`rebuild`]: the whole projection from events alone, for comparing
//! - [`views`]: what is kept
//! - `reactions`: following funds
//! - `api`: reading
//!
//! Invariants:
//! 1. A position's quantity and cost are the sums over its open lots (I20).
//! 2. `realised profit = sold − bought − fees + cost`, to the ten-thousandth (I20).
//! 3. The oldest shares are sold first: the n-th share sold of a holding is the n-th that came in,
//!    and shares come in in the order of the ids of the events that tell of it.
//! 4. So what is kept once all events have come does not depend on the order they came in, and is
//!    what the events say (I19).
//! 5. A sale that comes before its shares is not held up: it counts at once, and the lots that
//!    come next give the shares.

pub mod domain;
pub mod rebuild;
pub mod views;

mod api;
mod reactions;

use std::convert::Infallible;

use outcry_contracts::portfolio::v1::portfolio_service_server::PortfolioServiceServer;
use outcry_service::{Context, Service};
use serde::{Deserialize, Serialize};
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
    let api = PortfolioServiceServer::new(Api::new(ctx.clone()));
    Ok(Service::new(NAME)
        .serves(Routes::new(api))
        .reacts(Follower::new(ctx)))
}
