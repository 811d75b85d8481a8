//! The public edge, and the archive of all events.
//!
//! Owns: the one port the outside reaches, and every event of the platform as it was published.
//! Consumes: `#`, to archive it; of it `user.status_changed`, `user.role_changed` and
//! `user.password_changed` also void tokens. Emits: nothing.
//!
//! Rooms:
//! - [`serve`] – the edge: every method the contract opens to the outside, forwarded by its path,
//!   for the user its token names; gRPC and gRPC-Web, health, reflection, `/healthz`, the key set
//!   and the webhooks of payment providers
//! - `keys`, `revocation` and `token_epochs` – which tokens count
//! - `archive` and `event_log` – events live, from the past and as one flow
//! - `reaction` – the one consumer that fills both
//! - `console` – the page for people, and its files
//! - `dead_letters` – finds the service that keeps a group's dead letters
//! - `status` – how all services stand, and the audit
//!
//! Invariants:
//! 1. Nothing from outside reaches a service except through a method the contract opens to the
//!    outside, or as a webhook, which payments believes only when signed; and nothing a client
//!    writes into metadata is taken for the platform's own word.
//! 2. A token counts only while its key is known, its time has not run out and its epoch is the
//!    user's; streams end when it stops counting. Once the event that begins an epoch is archived,
//!    it counts at every process within a second, as long as the store answers.
//! 3. Every failure that leaves the platform has a reason and says what to do; none tells innards.
//! 4. The archive keeps every event's bytes, and a reader who resumes from a position misses
//!    nothing and sees nothing twice, at whichever process they do.
//! 5. Customers read events about themselves and no others.

mod archive;
mod config;
mod console;
mod dead_letters;
mod edge;
mod event_log;
mod keys;
mod reaction;
mod revocation;
mod status;
mod token_epochs;

use std::sync::Arc;

use outcry_contracts::eventlog::v1::event_log_service_server::EventLogServiceServer;
use outcry_contracts::operations::v1::dead_letter_service_server::DeadLetterServiceServer;
use outcry_contracts::operations::v1::status_service_server::StatusServiceServer;
use outcry_contracts::users::v1::GetSigningKeysRequest;
use outcry_contracts::users::v1::user_service_client::UserServiceClient;
use outcry_mesh::RegisterError;
use outcry_mesh::token::PublicKey;
use outcry_service::{Context, Service};
use outcry_store::StoreError;
use tonic::Status;
use tonic::service::Routes;

pub use archive::{ArchiveError, archived};
pub use config::{Config, Rate, Rates, TlsConfig};
pub use edge::{Edge, ServeError, serve, serve_within};
pub use status::{Examine, Step};

use crate::archive::Archive;
use crate::dead_letters::{DeadLetters, OPERATIONS};
use crate::event_log::{Consumers, EventLog};
use crate::keys::{Fetch, Keys};
use crate::reaction::Recorder;
use crate::status::{Audits, Board, Standing};
use crate::token_epochs::Watch;

/// Name of the service and of its consumer group.
pub const SERVICE: &str = "gateway";

/// Topics it consumes: all.
pub const CONSUMES: &[&str] = &["#"];

/// Why the gateway cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The archive cannot be read.
    #[error("opening the archive")]
    Archive(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The revocations cannot be read.
    #[error("loading the revoked tokens")]
    Revocations(#[source] StoreError),
    /// What operators ask for cannot be served.
    #[error("serving dead letters and status")]
    Operations(#[source] RegisterError),
}

/// The gateway's part among the services (event log and consumer), and the edge to be [`serve`]d
/// once it runs.
///
/// # Errors
/// [`StartError`] when the gateway's store cannot be read.
pub async fn service(ctx: Context, config: Config) -> Result<(Service, Edge), StartError> {
    let archive = Archive::open(Arc::clone(&ctx.store))
        .await
        .map_err(|error: ArchiveError| StartError::Archive(Box::new(error)))?;
    let epochs = Watch::open(Arc::clone(&ctx.store), ctx.clock.now())
        .await
        .map_err(StartError::Revocations)?;
    let revocations = epochs.revocations();
    let dead_letters = DeadLetters {
        directory: ctx.directory.clone(),
    };
    let board = Board::new(ctx.directory.clone(), Arc::clone(&ctx.clock));
    let end = archive.end();
    let audits = Audits::new(Arc::clone(&ctx.clock), move || *end.borrow());
    let standing = Standing {
        board: board.clone(),
        audits: audits.clone(),
    };
    ctx.directory
        .register_recorded(
            OPERATIONS,
            Routes::new(DeadLetterServiceServer::new(dead_letters))
                .add_service(StatusServiceServer::new(standing)),
            ctx.call_recorder(),
        )
        .map_err(StartError::Operations)?;
    let consumers = Consumers::default();
    let event_log = EventLog {
        archive: archive.clone(),
        consumers: consumers.clone(),
    };
    let recorder = Recorder {
        archive: archive.clone(),
        revocations: revocations.clone(),
    };
    let service = Service::new(SERVICE)
        .serves(Routes::new(EventLogServiceServer::new(event_log)))
        .reacts(recorder)
        .runs("archive", |stop| archive.keep_up(stop))
        .runs("token epochs", |stop| epochs.run(stop))
        .runs("status", |stop| board.keep(stop));
    let edge = Edge::new(
        &ctx,
        Keys::new(signing_keys(&ctx)),
        revocations,
        consumers,
        audits,
        config,
    );
    Ok((service, edge))
}

/// How the users service is asked for its keys.
fn signing_keys(ctx: &Context) -> Fetch {
    let users = UserServiceClient::new(ctx.channel("users"));
    Arc::new(move || {
        let mut users = users.clone();
        Box::pin(async move {
            let answer = users
                .get_signing_keys(GetSigningKeysRequest {})
                .await?
                .into_inner();
            read_keys(&answer.jwks_json)
        })
    })
}

/// The Ed25519 keys of a key set; others are none of ours.
fn read_keys(jwks_json: &str) -> Result<Vec<PublicKey>, Status> {
    let malformed = || Status::internal("the users service sent no key set");
    let set: serde_json::Value = serde_json::from_str(jwks_json).map_err(|_| malformed())?;
    let keys = set
        .get("keys")
        .and_then(serde_json::Value::as_array)
        .ok_or_else(malformed)?;
    Ok(keys
        .iter()
        .filter_map(|key| PublicKey::from_jwk(key).ok())
        .collect())
}
