//! Notifications: what happened, told to the users it concerns.
//!
//! Owns: the messages and what users mute. Consumes: every topic. Emits: nothing.
//!
//! Rooms, in reading order:
//! - [`templates`] – every event's message, or that it deliberately has none. Pure.
//! - [`inbox`] – a user's messages, numbered from 1, and their preferences
//! - `reactions` – events become messages
//! - `stream` – messages as they come
//! - `api` – the gRPC methods
//!
//! Invariants:
//! 1. Every event of the contract is in the table of templates.
//! 2. A user's messages are numbered 1, 2, 3 … without gaps.
//! 3. An event makes one message at most for each user it is about; the end of an order makes one.
//! 4. Messages about security cannot be muted.

pub mod inbox;
pub mod templates;

mod api;
mod reactions;
mod stream;

use std::convert::Infallible;

use outcry_contracts::notifications::v1::notification_service_server::NotificationServiceServer;
use outcry_service::{Context, Service};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tonic::service::Routes;

/// Name of the service and of its consumer group.
pub const NAME: &str = "notifications";

/// Topics it consumes.
pub const CONSUMES: &[&str] = &["#"];

/// Settings of the service: there is nothing to set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {}

/// The service, ready to run.
///
/// # Errors
/// None: there is nothing to set.
pub async fn service(ctx: Context, _config: Config) -> Result<Service, Infallible> {
    let news = watch::Sender::new(0);
    let (stopping, stop) = stream::Stop::new();
    let api = api::Api {
        ctx: ctx.clone(),
        news: news.subscribe(),
        stop,
    };
    Ok(Service::new(NAME)
        .serves(Routes::new(NotificationServiceServer::new(api)))
        .reacts(reactions::Messenger { ctx, news })
        .runs("streams", |asked| stopping.once(asked)))
}
