//! Notifications: what happened, told to the users it concerns.
//!
//! Owns: the messages, what users mute, the channels they have chosen and what is on its way over
//! them. Consumes: every topic. Emits: nothing. Calls: a mail server and users' own servers.
//!
//! Rooms, in reading order:
//! - [`templates`] – every event's message, or that it deliberately has none. Pure.
//! - [`inbox`] – a user's messages, numbered from 1, and their preferences
//! - `sorting` – reading, archiving and deleting messages
//! - [`channels`] – ways to a user outside the application
//! - [`deliveries`] – messages on their way over channels
//! - [`letter`], [`signature`] – what is sent, and how a receiver knows who sent it. Pure.
//! - `network` – which addresses users may make this service call. Pure.
//! - `email`, `webhook` – the two ways out
//! - `courier` – sends what is due
//! - `reactions` – events become messages, and messages deliveries
//! - `stream` – messages as they come
//! - [`config`] – what can be set
//! - `api` – the gRPC methods
//!
//! Invariants:
//! 1. Every event of the contract is in the table of templates.
//! 2. A user's messages are numbered 1, 2, 3 … without gaps, but for those deleted.
//! 3. An event makes one message at most for each user it is about, and a message one delivery at
//!    most for each channel; the end of an order makes one message.
//! 4. Messages about security cannot be muted.
//! 5. A delivery is sent at least once, under the same id each time, or is dead and can be tried
//!    again; none is lost.
//! 6. Users make this service call public addresses only, unless its settings say otherwise.
//! 7. Addresses, URLs and secrets of users are in no log and no error.

pub mod channels;
pub mod config;
pub mod deliveries;
pub mod inbox;
pub mod letter;
pub mod signature;
pub mod templates;

mod api;
mod courier;
mod email;
mod network;
mod reactions;
mod sorting;
mod stream;
mod webhook;

use std::sync::Arc;

use outcry_contracts::notifications::v1::notification_service_server::NotificationServiceServer;
use outcry_service::{Context, Service};
use tokio::sync::watch;
use tonic::service::Routes;

pub use config::{Config, EmailConfig, Encryption, StartError, WebhookConfig};
pub use webhook::{DELIVERY_ID, EVENT_ID};

use self::courier::{Courier, Ways};
use self::email::Mailer;
use self::webhook::Poster;

/// Name of the service and of its consumer group.
pub const NAME: &str = "notifications";

/// Topics it consumes.
pub const CONSUMES: &[&str] = &["#"];

/// The service, ready to run.
///
/// # Errors
/// [`StartError`] when the settings of the mail server or of webhooks make no sense, or a file
/// named in them cannot be read.
pub async fn service(ctx: Context, config: Config) -> Result<Service, StartError> {
    let ways = Arc::new(Ways {
        mailer: Mailer::new(&config.email)?,
        poster: Poster::new(config.webhooks)?,
    });
    let news = watch::Sender::new(0);
    let (stopping, stop) = stream::Stop::new();
    let api = api::Api {
        ctx: ctx.clone(),
        news: news.subscribe(),
        stop,
        ways: Arc::clone(&ways),
    };
    let courier = Courier {
        ctx: ctx.clone(),
        ways,
    };
    Ok(Service::new(NAME)
        .serves(Routes::new(NotificationServiceServer::new(api)))
        .reacts(reactions::Messenger { ctx, news })
        .fires(courier)
        .runs("streams", |asked| stopping.once(asked)))
}
