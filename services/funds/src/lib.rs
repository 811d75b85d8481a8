//! The funds service: custody of cash and shares.
//!
//! Owns: accounts, locks, settlements, withdrawals, money in suspense.
//! Consumes: `user.created`, `user.status_changed`, `payment.success`, `payment.failed`,
//! `trade.executed`, and the ends of orders: `order.filled`, `order.cancelled`, `order.expired`,
//! `order.rejected`.
//! Calls: `payments`, which has the provider pay out.
//! Emits: `funds.deposited`, `funds.withdrawn`, `funds.locked`, `funds.released`, `funds.settled`.
//!
//! - [`domain`]: the decisions, pure
//! - [`documents`]: what is kept, and how a decision becomes a commit
//! - `desk`: commands: decide, commit, and again when overtaken
//! - `api`: gRPC
//! - `reactions`: what the events of others lead to
//! - `payouts`: withdrawals on their way to the provider, by timer
//! - `verifying`: one account held against its events
//! - `views`: listings
//! - `shown`: documents as callers see them
//!
//! Invariants:
//! 1. No account holds less than nothing, available or locked (I2).
//! 2. What is locked in an account is what its open locks hold (I3); a lock's amount is what was
//!    posted, released and remains (I4).
//! 3. A match is settled once, both sides and the house in one commit, or not at all (I7).
//! 4. Once an order has ended and its fills are settled, nothing is locked for it (I5).
//! 5. A payment is credited once (I17).
//! 6. What is under way to a bank account is locked until the provider says how it ended, so
//!    payouts never exceed what there is (I18).
//! 7. What came in is either credited or kept in suspense, and suspense is decided once; a movement
//!    is taken back at most once, by another movement.
//! 8. Accounts and locks are what the events say they are (I19).

pub mod documents;
pub mod domain;

mod api;
mod desk;
mod payouts;
mod reactions;
mod shown;
mod verifying;
mod views;

use std::convert::Infallible;
use std::sync::Arc;

use outcry_contracts::Event;
use outcry_contracts::funds::v1::funds_service_server::FundsServiceServer;
use outcry_contracts::funds::v1::{
    FundsDepositedEvent, FundsLockedEvent, FundsReleasedEvent, FundsSettledEvent,
    FundsWithdrawnEvent,
};
use outcry_service::{Context, Service};
use serde::{Deserialize, Serialize};
use tonic::service::Routes;

use self::api::Api;
use self::desk::Desk;
use self::payouts::Payouts;
use self::reactions::Reactions;

/// Name of the service and of its consumer group.
pub const NAME: &str = "funds";

pub use reactions::CONSUMES;

/// Topics of the events it appends.
pub const EMITS: &[&str] = &[
    FundsDepositedEvent::TOPIC,
    FundsWithdrawnEvent::TOPIC,
    FundsLockedEvent::TOPIC,
    FundsReleasedEvent::TOPIC,
    FundsSettledEvent::TOPIC,
];

/// Settings of the service: there is nothing to set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {}

/// The service.
///
/// # Errors
/// None: it has no settings that could be wrong.
pub fn service(ctx: Context, _config: Config) -> Result<Service, Infallible> {
    let desk = Arc::new(Desk::new(ctx.clone()));
    Ok(Service::new(NAME)
        .serves(Routes::new(FundsServiceServer::new(Api::new(Arc::clone(
            &desk,
        )))))
        .reacts(Reactions::new(ctx))
        .fires(Payouts::new(desk))
        .emits(EMITS))
}
