//! Payments: deposits through a payment provider.
//!
//! Owns: the events of payments (`payment.*`). Consumes nothing: what the provider says arrives by
//! timer from the built-in sandbox.
//!
//! Rooms, in reading order:
//! - [`domain`] – what a payment is and what can happen to it. Pure.
//! - [`sandbox`] – the built-in provider. Pure.
//! - [`desk`] – a payment changed, with its row and timers, in one commit
//! - [`views`] – payments as they are shown
//! - `timers` – the provider's answer and the end of a payment's time
//! - `api` – the gRPC methods
//!
//! Invariants:
//! 1. A payment succeeds at most once, whatever comes how often in which order.
//! 2. What is credited is what was captured, and that is what was asked for: a capture of another
//!    amount or currency is no success.
//! 3. A capture that comes after the payment failed or expired still counts: the money is ours.

pub mod config;
pub mod desk;
pub mod domain;
pub mod sandbox;
pub mod views;

mod api;
mod timers;

use std::convert::Infallible;

use outcry_contracts::payments::v1::payment_service_server::PaymentServiceServer;
use outcry_events::EventSet;
use outcry_service::{Context, Service};
use tonic::service::Routes;

pub use config::Config;
pub use domain::{Payment, PaymentEvent};

/// Name of the service.
pub const NAME: &str = "payments";

/// Topics of the events it appends.
pub const EMITS: &[&str] = PaymentEvent::TOPICS;

/// The service, ready to run.
///
/// # Errors
/// None today; a provider with credentials will have some.
pub async fn service(ctx: Context, config: Config) -> Result<Service, Infallible> {
    let desk = desk::Desk::new(ctx, config);
    let api = api::Api { desk: desk.clone() };
    Ok(Service::new(NAME)
        .serves(Routes::new(PaymentServiceServer::new(api)))
        .fires(timers::Timers { desk })
        .emits(EMITS))
}
