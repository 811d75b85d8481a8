//! The ledger service: an independent double-entry journal of everything that moves.
//!
//! Owns: the journal, its accounts and balances.
//! Consumes: `funds.deposited`, `funds.withdrawn`, `funds.locked`, `funds.released`,
//! `funds.settled`, and `payment.failed` for what was captured all the same. They come in order per
//! user, symbol and payment only: what uses something that has not been booked yet waits for it.
//! Calls: `funds`, to compare the books with custody.
//! Emits: nothing. Nobody can post: transactions follow events.
//!
//! - [`domain`]: what each event is booked as, how transactions are chained, and how that is verified
//! - [`books`]: what is kept
//! - `reactions`: booking
//! - `desk`: the end of the journal, and what is booked behind it
//! - `api`: reading, by gRPC
//! - `listing`: transactions by kind, reference and time
//! - `verifying`: the journal and its balances recomputed
//! - `reconciling`: the books against custody
//! - [`watching`]: that, again and again, for operators
//! - `shown`: transactions as callers see them
//!
//! Invariants:
//! 1. Every transaction sums to zero in each asset, so all accounts together do (I1).
//! 2. Transactions are numbered 1, 2, 3 … and each holds the hash of the one before.
//! 3. A fact is booked once: no two transactions have the same key.
//! 4. No account holds less than nothing, save those that stand for the outside (I2).
//! 5. A transaction, once booked, is never changed.

pub mod books;
pub mod domain;
pub mod watching;

mod api;
mod desk;
mod listing;
mod reactions;
mod reconciling;
mod shown;
mod verifying;

use std::convert::Infallible;

use outcry_contracts::ledger::v1::ledger_service_server::LedgerServiceServer;
use outcry_service::{Context, Service};
use serde::{Deserialize, Serialize};
use tonic::service::Routes;

use self::api::Api;
use self::reactions::Bookkeeper;
use self::watching::Watch;

/// Name of the service and of its consumer group.
pub const NAME: &str = "ledger";

/// Topics it consumes: every event of funds, and payments that failed.
pub const CONSUMES: &[&str] = domain::Bookable::TOPICS;

/// Settings of the service: there is nothing to set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {}

/// The service.
///
/// # Errors
/// None: it has no settings that could be wrong.
pub fn service(ctx: Context, _config: Config) -> Result<Service, Infallible> {
    Ok(Service::new(NAME)
        .serves(Routes::new(LedgerServiceServer::new(Api::new(ctx.clone()))))
        .reacts(Bookkeeper::new(ctx.clone()))
        .holds(Watch::new(ctx)))
}
