//! Payments: deposits and payouts through a payment provider.
//!
//! Owns: the events of payments (`payment.*`), and what the provider has been asked to pay out.
//! Consumes nothing: what the provider says arrives by webhook, or is asked for.
//!
//! Rooms, in reading order:
//! - [`domain`] – what a payment is and what can happen to it. Pure.
//! - [`provider`] – the port to whoever moves the money
//! - [`sandbox`] – the built-in provider, which misbehaves as real ones do
//! - [`signature`], [`secret`] – which webhooks are believed
//! - `desk` – a payment changed, with its row and timers, in one commit
//! - `webhook` – the one way in for what a provider sends
//! - `reconcile` – rounds of questions about payments without a capture
//! - `payouts` – what the provider is asked to pay out
//! - [`views`] – payments as they are shown
//! - `timers` – what happens at a time
//! - `api` – the gRPC methods
//!
//! Invariants:
//! 1. A payment succeeds at most once, whatever comes how often in which order, by webhook, by
//!    question or by timer.
//! 2. What is credited is what was captured, and that is what was asked for: a capture of another
//!    amount or currency is no success, and its money is never lost from sight.
//! 3. A capture that comes after the payment failed or expired still counts: the money is ours.
//! 4. A webhook counts only when it is signed with a secret of ours within five minutes; it is
//!    answered as taken only when its effect is durable, and an event of the provider counts once.
//! 5. A payout is sent for one id once, and whoever asks about it learns of it until it has ended.

pub mod config;
pub mod domain;
pub mod provider;
pub mod sandbox;
pub mod secret;
pub mod signature;
pub mod views;

mod api;
mod desk;
mod payouts;
mod reconcile;
mod timers;
mod webhook;

use outcry_contracts::payments::v1::payment_service_server::PaymentServiceServer;
use outcry_events::EventSet;
use outcry_service::{Context, Service};
use tonic::service::Routes;

pub use config::Config;
pub use domain::{Payment, PaymentEvent};
pub use secret::{Secret, SecretError};
pub use signature::Secrets;

/// Name of the service.
pub const NAME: &str = "payments";

/// Topics of the events it appends.
pub const EMITS: &[&str] = PaymentEvent::TOPICS;

/// The service, ready to run.
///
/// # Errors
/// The secrets of webhooks cannot be used.
pub async fn service(ctx: Context, config: Config) -> Result<Service, SecretError> {
    let desk = desk::Desk::new(ctx, config)?;
    let api = api::Api { desk: desk.clone() };
    Ok(Service::new(NAME)
        .serves(Routes::new(PaymentServiceServer::new(api)))
        .fires(timers::Timers { desk })
        .emits(EMITS))
}
