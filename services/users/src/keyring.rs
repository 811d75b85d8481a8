//! The key that access tokens are signed with now, and those that tokens may still be signed with.
//!
//! The key is a file; each process reads its own copy of it and says in the shared store what it
//! signs with, before it does. Every process publishes all of these keys until the last token
//! signed with each has expired, so a new key takes over without anybody noticing: by itself after
//! a while, or because somebody removed or replaced the file.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use outcry_mesh::token::{CLOCK_SKEW, PublicKey, SigningKey, jwks};
use outcry_service::Context;
use outcry_store::{Commit, CommitError, Scan, StoreError, ViewWrite};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::keys::{self, StartError};
use crate::signing_in::ACCESS_LIFETIME;

/// View of [`Published`] keys, by their ids.
const SIGNING_KEYS: &str = "signing_keys";

/// How often a process says what it signs with, and looks whether its file holds another key.
const RENEW_EVERY: Duration = Duration::from_secs(10);

/// How long it may be kept from saying so and go on signing.
const COUNTS_FOR: Duration = Duration::from_secs(60);

/// How long a key is signed with before a new one is made: a stolen one is of use no longer.
const KEY_LIFETIME: Duration = Duration::from_secs(90 * 24 * 3600);

/// Keys looked at: far more than there are processes with copies of their own.
const KEYS_MAX: usize = 1_000;

/// A key that tokens are or were signed with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Published {
    /// The public key in base64url.
    x: String,
    /// When it was first signed with.
    since: SystemTime,
    /// Tokens signed with it count until then at most.
    until: SystemTime,
}

/// The keys of this process.
pub(crate) struct Keyring {
    ctx: Context,
    folder: PathBuf,
    current: RwLock<SigningKey>,
}

// === impl Keyring ===

impl Keyring {
    /// The keyring with the key in `folder`, made when there is none, and published.
    ///
    /// # Errors
    /// [`StartError`].
    pub(crate) async fn open(ctx: Context, folder: PathBuf) -> Result<Self, StartError> {
        let key = keys::load_or_make(&folder)?;
        let keyring = Self {
            ctx,
            folder,
            current: RwLock::new(key.clone()),
        };
        keyring.publish(&key).await.map_err(StartError::Publish)?;
        Ok(keyring)
    }

    /// The key to sign with.
    pub(crate) fn current(&self) -> SigningKey {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current.clone()
    }

    /// Every key that a token which still counts may be signed with, as a JSON Web Key Set.
    ///
    /// # Errors
    /// The store cannot be read.
    pub(crate) async fn key_set(&self) -> Result<String, StoreError> {
        let now = self.ctx.clock.now();
        let current = self.current().public_key();
        let mut counting = BTreeMap::from([(current.kid().to_owned(), current)]);
        for (kid, published) in self.published().await? {
            if published.until <= now {
                continue;
            }
            match PublicKey::from_x(&kid, &published.x) {
                Ok(key) => {
                    counting.insert(kid, key);
                }
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(kid, error, "a published signing key is none");
                }
            }
        }
        Ok(jwks(counting.values()).to_string())
    }

    /// Keeps the key published, and changes it when it is time or its file says so, until `stop`.
    pub(crate) async fn run(&self, stop: CancellationToken) {
        loop {
            let next = self.ctx.clock.now() + RENEW_EVERY;
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = self.ctx.clock.sleep_until(next) => {}
            }
            if let Err(error) = self.look().await {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "looking after the signing key failed; it stays");
            }
        }
    }

    async fn look(&self) -> Result<(), StartError> {
        let old = self.current();
        // Tokens signed with it up to now count as long as they say, whatever comes next.
        let since = self.publish(&old).await.map_err(StartError::Publish)?;
        let found = keys::load_or_make(&self.folder)?;
        let is_old = since + KEY_LIFETIME <= self.ctx.clock.now();
        let new = if found.kid() == old.kid() && is_old {
            keys::replace(&self.folder)?
        } else {
            found
        };
        if new.kid() == old.kid() {
            return Ok(());
        }
        // Known to everybody before it is used.
        self.publish(&new).await.map_err(StartError::Publish)?;
        tracing::info!(old = old.kid(), new = new.kid(), "signing with a new key");
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(())
    }

    /// Says that this process signs with a key; since when somebody has. Keys that no token is
    /// signed with any more are cleared away.
    async fn publish(&self, key: &SigningKey) -> Result<SystemTime, CommitError> {
        let now = self.ctx.clock.now();
        let mut published = self.published().await?;
        let since = published
            .remove(key.kid())
            .map_or(now, |published| published.since);
        let row = Published {
            x: key.public_key().x(),
            since,
            until: now + COUNTS_FOR + ACCESS_LIFETIME + CLOCK_SKEW,
        };
        let mut views = vec![ViewWrite::put(SIGNING_KEYS, key.kid(), &row)?];
        let over = published.iter().filter(|(_, other)| other.until <= now);
        views.extend(over.map(|(kid, _)| ViewWrite::delete(SIGNING_KEYS, kid)));
        let commit = Commit {
            views,
            ..Commit::default()
        };
        self.ctx.store.commit(commit).await?;
        Ok(since)
    }

    async fn published(&self) -> Result<BTreeMap<String, Published>, StoreError> {
        let scan = Scan::new(SIGNING_KEYS).limit(KEYS_MAX);
        let rows = self.ctx.store.scan(&scan).await?;
        rows.into_iter()
            .map(|row| Ok((row.key.clone(), row.decode()?)))
            .collect()
    }
}
