//! Login, refresh and logout.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use outcry_contracts::users::v1 as wire;
use outcry_contracts::users::v1::UserStatus;
use outcry_events::Cause;
use outcry_mesh::refusal;
use outcry_mesh::token::Claims;
use outcry_service::store_failure;
use outcry_store::{Commit, CommitError, ViewWrite};
use tonic::{Code, Status};

use crate::desk::{Desk, busy, refused};
use crate::domain::Command;
use crate::keyring::Keyring;
use crate::lockout::Attempts;
use crate::sessions::{RefreshToken, SESSION_LIFETIME, SessionRow};
use crate::timers::{forget, forgotten};
use crate::views::{ATTEMPTS, SESSIONS, UserRow, attempts_key, row};

/// How long an access token counts: what was taken from a user and did not reach the public edge
/// yet is void after this time at the latest.
pub(crate) const ACCESS_LIFETIME: Duration = Duration::from_secs(15 * 60);

/// Tries of a commit while others use the same session or fail for the same address.
const ATTEMPTS_MAX: u32 = 20;

/// Signs people in and keeps them signed in.
pub(crate) struct SigningIn {
    desk: Arc<Desk>,
    keyring: Arc<Keyring>,
}

/// Somebody who wants to sign in.
pub(crate) struct Visitor {
    /// Normalised.
    pub(crate) email: String,
    pub(crate) password: String,
    /// Where from; empty when not known.
    pub(crate) ip_address: String,
}

// === impl SigningIn ===

impl SigningIn {
    pub(crate) fn new(desk: Arc<Desk>, keyring: Arc<Keyring>) -> Self {
        Self { desk, keyring }
    }

    /// The public keys as a JSON Web Key Set.
    pub(crate) async fn keys(&self) -> Result<String, Status> {
        self.keyring.key_set().await.map_err(store_failure)
    }

    /// Signs somebody in. An unknown address takes the course of a wrong password: same work, same
    /// rows, same answer.
    pub(crate) async fn login(
        &self,
        visitor: &Visitor,
        cause: &Cause,
    ) -> Result<(wire::Tokens, UserRow), Status> {
        let desk = &self.desk;
        let known = desk.user_of(&visitor.email).await?;
        let user_id = known.as_ref().map(|known| known.row.user_id.as_str());
        self.proves(
            &visitor.email,
            user_id.unwrap_or_default(),
            &visitor.password,
        )
        .await?;
        // Nobody has no password, so whoever gets here is somebody.
        let known = known.ok_or_else(bad_credentials)?;

        let token = RefreshToken::new().map_err(no_randomness)?;
        let command = Command::SignIn {
            ip_address: visitor.ip_address.clone(),
        };
        let attempts = attempts_key(&visitor.email);
        let expires_at = desk.ctx.clock.now() + SESSION_LIFETIME;
        let user_id = &known.row.user_id;
        let row = desk
            .change(user_id, cause, &command, |change| {
                let at = change.executed.events.last();
                change.row.last_login_at = at.map(|event| event.occurred_at());
                let session = SessionRow {
                    user_id: user_id.clone(),
                    // The epoch the password was right in: one that changed since is void at once.
                    token_epoch: known.row.token_epoch,
                    secret_hash: token.secret_hash(),
                    expires_at,
                    revoked: false,
                };
                let views = &mut change.commit.views;
                views.push(ViewWrite::put(SESSIONS, token.key(), &session)?.expect(0));
                views.push(ViewWrite::delete(ATTEMPTS, &attempts));
                let timers = &mut change.commit.timers;
                timers.push(forget(SESSIONS, &token.key(), expires_at));
                timers.push(forgotten(ATTEMPTS, &attempts));
                Ok(())
            })
            .await?;
        let tokens = self.tokens(&row, known.row.token_epoch, &token, expires_at)?;
        Ok((tokens, row))
    }

    /// Trades a refresh token for new tokens. One that was used before ends its session.
    pub(crate) async fn refresh(&self, text: &str) -> Result<wire::Tokens, Status> {
        let token = RefreshToken::parse(text).ok_or_else(bad_refresh_token)?;
        let (ctx, key) = (&self.desk.ctx, token.key());
        for _ in 0..ATTEMPTS_MAX {
            let found = row::<SessionRow>(self.desk.store(), SESSIONS, &key).await;
            let Some(found) = found.map_err(store_failure)? else {
                return Err(bad_refresh_token());
            };
            let now = ctx.clock.now();
            let mut session = found.row;
            if session.revoked || session.expires_at <= now {
                return Err(bad_refresh_token());
            }
            let user = self.desk.user(&session.user_id).await?.row;
            let reused = session.secret_hash != token.secret_hash();
            let void =
                user.token_epoch != session.token_epoch || user.status() != UserStatus::Active;
            let next = token.next().map_err(no_randomness)?;
            if reused || void {
                session.revoked = true;
            } else {
                session.secret_hash = next.secret_hash();
                session.expires_at = now + SESSION_LIFETIME;
            }
            let write = ViewWrite::put(SESSIONS, &key, &session).map_err(store_failure)?;
            let commit = Commit {
                views: vec![write.expect(found.version)],
                timers: vec![forget(SESSIONS, &key, session.expires_at)],
                ..Commit::default()
            };
            match ctx.store.commit(commit).await {
                Ok(()) if reused => {
                    tracing::warn!(
                        user_id = session.user_id,
                        "a refresh token was used twice; its session has ended"
                    );
                    return Err(refresh_token_reused());
                }
                Ok(()) if void => return Err(bad_refresh_token()),
                Ok(()) => return self.tokens(&user, user.token_epoch, &next, session.expires_at),
                Err(CommitError::Conflict(_)) => {}
                Err(error) => return Err(refused(error)),
            }
        }
        Err(busy())
    }

    /// Ends the session of a refresh token. One that is not there has ended already.
    pub(crate) async fn logout(&self, text: &str) -> Result<(), Status> {
        let Some(token) = RefreshToken::parse(text) else {
            return Ok(());
        };
        let key = token.key();
        let commit = Commit {
            views: vec![ViewWrite::delete(SESSIONS, &key)],
            timers: vec![forgotten(SESSIONS, &key)],
            ..Commit::default()
        };
        self.desk.ctx.store.commit(commit).await.map_err(refused)
    }

    /// New tokens for a user; the access token is of the epoch given.
    fn tokens(
        &self,
        user: &UserRow,
        epoch: u64,
        refresh: &RefreshToken,
        refresh_expires_at: SystemTime,
    ) -> Result<wire::Tokens, Status> {
        let clock = &self.desk.ctx.clock;
        let claims = Claims::new(
            &user.user_id,
            &user.roles(),
            epoch,
            clock.new_id(),
            clock.now(),
            ACCESS_LIFETIME,
        );
        let access_token = self.keyring.current().sign(&claims).map_err(|error| {
            tracing::error!(error = &error as &dyn std::error::Error, "signing failed");
            refusal::with_reason(Code::Internal, "INTERNAL", "the service failed")
        })?;
        Ok(wire::Tokens {
            access_token,
            access_expires_at: Some(claims.expires_at().into()),
            refresh_token: refresh.text(),
            refresh_expires_at: Some(refresh_expires_at.into()),
        })
    }

    /// Demands a user's password from whoever gives `email`. Failures count for that address, and
    /// enough of them lock it; an empty user id has no password.
    pub(crate) async fn proves(
        &self,
        email: &str,
        user_id: &str,
        password: &str,
    ) -> Result<(), Status> {
        let desk = &self.desk;
        // Looked at and written down while holding a turn: guesses made at the same time are no
        // more than all processes have turns.
        let turn = desk.passwords.turn().await?;
        self.not_locked(email).await?;
        let hash = desk.password_hash(user_id).await?;
        if desk.passwords.matches(&turn, password, hash).await? {
            return Ok(());
        }
        self.failed(email).await?;
        Err(bad_credentials())
    }

    async fn not_locked(&self, email: &str) -> Result<(), Status> {
        let key = attempts_key(email);
        let found = row::<Attempts>(self.desk.store(), ATTEMPTS, &key).await;
        let attempts = found.map_err(store_failure)?.map(|found| found.row);
        let now = self.desk.ctx.clock.now();
        match attempts.and_then(|attempts| attempts.locked(now)) {
            Some(left) => Err(refusal::retry_after(
                Code::ResourceExhausted,
                "LOGIN_LOCKED",
                "too many wrong passwords for this address; try again later",
                left,
            )),
            None => Ok(()),
        }
    }

    /// Writes a failure down.
    async fn failed(&self, email: &str) -> Result<(), Status> {
        let (ctx, key) = (&self.desk.ctx, attempts_key(email));
        for _ in 0..ATTEMPTS_MAX {
            let found = row::<Attempts>(self.desk.store(), ATTEMPTS, &key).await;
            let (attempts, version) = match found.map_err(store_failure)? {
                Some(found) => (found.row, found.version),
                None => (Attempts::default(), 0),
            };
            let now = ctx.clock.now();
            let attempts = attempts.failed(now);
            let write = ViewWrite::put(ATTEMPTS, &key, &attempts).map_err(store_failure)?;
            let commit = Commit {
                views: vec![write.expect(version)],
                timers: vec![forget(ATTEMPTS, &key, attempts.forgotten_at(now))],
                ..Commit::default()
            };
            match ctx.store.commit(commit).await {
                Ok(()) => return Ok(()),
                Err(CommitError::Conflict(_)) => {}
                Err(error) => return Err(refused(error)),
            }
        }
        Err(busy())
    }
}

/// Without the password.
impl fmt::Debug for Visitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Visitor").finish_non_exhaustive()
    }
}

fn bad_credentials() -> Status {
    refusal::with_reason(
        Code::Unauthenticated,
        "BAD_CREDENTIALS",
        "the address or the password is wrong",
    )
}

fn bad_refresh_token() -> Status {
    refusal::with_reason(
        Code::Unauthenticated,
        "BAD_REFRESH_TOKEN",
        "the refresh token does not count (any more); sign in again",
    )
}

fn refresh_token_reused() -> Status {
    refusal::with_reason(
        Code::Unauthenticated,
        "REFRESH_TOKEN_REUSED",
        "the refresh token was used before, so its session has ended; sign in again",
    )
}

fn no_randomness(error: rand::rand_core::OsError) -> Status {
    tracing::error!(%error, "the system has no random bytes");
    refusal::with_reason(Code::Internal, "INTERNAL", "the service failed")
}
