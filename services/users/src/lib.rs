//! Users: who somebody is, how they prove it, and what they may do.
//!
//! Owns: the events of users (`user.*`), and what no event may hold: addresses, password hashes
//! and sessions. Consumes nothing. Calls nobody.
//!
//! Rooms, in reading order:
//! - [`domain`]: what a user is and what can happen to them. Pure.
//! - [`config`]: what can be set.
//! - [`views`]: the rows that are kept.
//! - `passwords`: hashing, a bounded number at a time.
//! - `lockout`: how often somebody may guess. Pure.
//! - `sessions`: refresh tokens that work once.
//! - `keys`: the file of the key that access tokens are signed with.
//! - `keyring`: what is signed with now, and what may still be verified.
//! - `desk`: commands carried out, with all that goes along with their events.
//! - `signing_in`: login, refresh and logout.
//! - `timers`: what is forgotten at its time.
//! - `api`: the gRPC methods.
//!
//! Invariants:
//! 1. An address belongs to one user at most.
//! 2. A wrong password and an unknown address are told apart by nobody: same answer, same work,
//!    same lock-out.
//! 3. A refresh token works once; using it again ends its session.
//! 4. Passwords and tokens are kept as hashes only: they are in no event, no stored answer and no
//!    log. Addresses are in no event and no log.
//! 5. Whoever's status, roles or password change has to sign in again.
//! 6. Every process publishes all keys that a token which still counts may be signed with.
//! 7. There is an active administrator as long as there ever was one.

pub mod config;
pub mod domain;
pub mod views;

mod api;
mod desk;
mod keyring;
mod keys;
mod lockout;
mod passwords;
mod sessions;
mod signing_in;
mod timers;

use std::sync::Arc;

use outcry_contracts::options::v1::Role;
use outcry_contracts::users::v1::user_service_server::UserServiceServer;
use outcry_events::{Cause, EventSet};
use outcry_service::{Context, Service, store_failure};
use tonic::Status;
use tonic::service::Routes;

pub use config::Config;
pub use domain::{User, UserEvent};
pub use keys::StartError;

use self::api::Api;
use self::desk::{Desk, Newcomer};
use self::keyring::Keyring;
use self::passwords::Passwords;
use self::signing_in::SigningIn;
use self::timers::Timers;

/// Name of the service.
pub const NAME: &str = "users";

/// Topics of the events this service appends.
pub const EMITS: &[&str] = UserEvent::TOPICS;

/// The service, ready to run. Makes the signing key when there is none yet.
///
/// # Errors
/// [`StartError`] when the signing key cannot be read, made or published.
pub async fn service(ctx: Context, config: Config) -> Result<Service, StartError> {
    let keyring = Arc::new(Keyring::open(ctx.clone(), config.keys_dir).await?);
    let passwords = Passwords::new();
    let desk = Arc::new(Desk::new(ctx.clone(), passwords.clone()));
    let signing_in = SigningIn::new(Arc::clone(&desk), Arc::clone(&keyring));
    Ok(Service::new(NAME)
        .serves(Routes::new(UserServiceServer::new(Api::new(
            desk, signing_in,
        ))))
        .fires(Timers::new(ctx))
        .runs("signing key", async move |stop| keyring.run(stop).await)
        .emits(EMITS))
}

/// Why there is no administrator.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// Somebody without the role has the address: nobody is raised behind their back.
    #[error("the administrator's address belongs to a user who is no administrator")]
    AddressTaken,
    /// The user could not be made or read.
    #[error("making the administrator failed: {0}")]
    Failed(String),
}

/// Makes sure that there is an administrator, and returns the id of one: with this address, if
/// there is none yet. One who is there already is left as they are, address and password included.
///
/// # Errors
/// [`AdminError`].
pub async fn ensure_admin(
    ctx: &Context,
    email: &str,
    password: &str,
) -> Result<String, AdminError> {
    let failed = |status: Status| AdminError::Failed(status.message().to_owned());
    let desk = Desk::new(ctx.clone(), Passwords::new());
    let email = views::normalised(email);
    let known = async || -> Result<Option<String>, AdminError> {
        match desk.user_of(&email).await.map_err(failed)? {
            Some(known) if known.row.roles().contains(&Role::Admin) => Ok(Some(known.row.user_id)),
            // Somebody else may have the role by now, whatever became of the first one.
            other => {
                let found = views::other_administrator(desk.store(), "").await;
                match found.map_err(|error| failed(store_failure(error)))? {
                    None if other.is_some() => Err(AdminError::AddressTaken),
                    found => Ok(found),
                }
            }
        }
    };
    if let Some(user_id) = known().await? {
        return Ok(user_id);
    }
    let newcomer = Newcomer {
        email: email.clone(),
        display_name: "Administrator".to_owned(),
        roles: vec![Role::Admin],
    };
    let cause = Cause::root(ctx.clock.new_id(), "service:users");
    match desk.register(&newcomer, password, &cause, |_| None).await {
        Ok(row) => Ok(row.user_id),
        // Processes that start together do this together: another one may have been faster.
        Err(status) => known().await?.ok_or_else(|| failed(status)),
    }
}
