//! Hashing passwords (argon2id), a bounded number at a time and off the async threads.

use std::sync::Arc;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use outcry_mesh::refusal;
use std::time::Duration;
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};
use tonic::{Code, Status};

/// Hashes computed at the same time: each takes a processor and 19 MiB for its time.
pub(crate) const AT_ONCE: usize = 2;

/// Callers who may wait for their turn; beyond it a refusal is kinder than a deadline.
const WAITING_MAX: usize = 200;

/// When a refused caller may try again.
const TRY_AGAIN: Duration = Duration::from_secs(2);

/// What no password hashes to matters to nobody: only the work does.
const NOBODY: &str = "nobody's password";

/// The hasher. Cheap to clone; all clones share the bounds.
#[derive(Clone)]
pub(crate) struct Passwords {
    inner: Arc<Inner>,
}

struct Inner {
    /// Callers inside or waiting.
    queue: Arc<Semaphore>,
    /// Callers computing.
    turns: Arc<Semaphore>,
    /// A hash to compare with where there is none.
    nobody: OnceCell<String>,
}

/// The right to hash: for as long as it is held.
pub(crate) struct Turn {
    _place: OwnedSemaphorePermit,
    _turn: OwnedSemaphorePermit,
}

// === impl Passwords ===

impl Passwords {
    pub(crate) fn new() -> Self {
        Self {
            inner: Arc::new(Inner {
                queue: Arc::new(Semaphore::new(AT_ONCE + WAITING_MAX)),
                turns: Arc::new(Semaphore::new(AT_ONCE)),
                nobody: OnceCell::new(),
            }),
        }
    }

    /// Waits for a turn.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED` when too many wait already.
    pub(crate) async fn turn(&self) -> Result<Turn, Status> {
        let busy = || {
            refusal::retry_after(
                Code::ResourceExhausted,
                "TOO_BUSY",
                "too many people are signing in or registering; try again shortly",
                TRY_AGAIN,
            )
        };
        let place = Arc::clone(&self.inner.queue)
            .try_acquire_owned()
            .map_err(|_| busy())?;
        let turn = Arc::clone(&self.inner.turns)
            .acquire_owned()
            .await
            .map_err(|_| busy())?;
        Ok(Turn {
            _place: place,
            _turn: turn,
        })
    }

    /// The hash of a password with a salt of its own, as a PHC string.
    ///
    /// # Errors
    /// `INTERNAL` when it cannot be computed.
    pub(crate) async fn hash(&self, _turn: &Turn, password: &str) -> Result<String, Status> {
        hash(password.to_owned()).await
    }

    /// Whether the password has this hash. Without a hash the answer is no, after the same work.
    ///
    /// # Errors
    /// `INTERNAL` when the hash cannot be read.
    pub(crate) async fn matches(
        &self,
        _turn: &Turn,
        password: &str,
        known: Option<String>,
    ) -> Result<bool, Status> {
        let exists = known.is_some();
        let against = match known {
            Some(known) => known,
            None => self
                .inner
                .nobody
                .get_or_try_init(|| hash(NOBODY.to_owned()))
                .await?
                .clone(),
        };
        let password = password.to_owned();
        let same = aside(move || {
            let parsed = PasswordHash::new(&against).map_err(|error| error.to_string())?;
            Ok(Argon2::default()
                .verify_password(password.as_bytes(), &parsed)
                .is_ok())
        });
        Ok(same.await? && exists)
    }
}

async fn hash(password: String) -> Result<String, Status> {
    aside(move || {
        Argon2::default()
            .hash_password(password.as_bytes())
            .map(|hash| hash.to_string())
            .map_err(|error| error.to_string())
    })
    .await
}

/// Runs `work` on a thread that may block. Its errors name no password.
async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, Status> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| error.to_string())
        .and_then(|outcome| outcome)
        .map_err(|error| {
            tracing::error!(error, "hashing a password failed");
            refusal::with_reason(Code::Internal, "INTERNAL", "the service failed")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_matches_its_own_hash_only_and_nobody_matches_nothing() {
        let passwords = Passwords::new();
        let turn = passwords.turn().await.unwrap();
        let hash = passwords.hash(&turn, "correct horse").await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        let known = Some(hash);
        let right = passwords.matches(&turn, "correct horse", known.clone());
        assert!(right.await.unwrap());
        assert!(
            !passwords
                .matches(&turn, "wrong horse", known)
                .await
                .unwrap()
        );
        assert!(!passwords.matches(&turn, NOBODY, None).await.unwrap());
    }

    #[tokio::test]
    async fn too_many_waiting_are_refused_with_a_time_to_come_back() {
        use tonic_types::StatusExt;
        let passwords = Passwords::new();
        let full = passwords
            .inner
            .queue
            .acquire_many((AT_ONCE + WAITING_MAX) as u32);
        let _full = full.await.unwrap();
        let refused = passwords.turn().await.err().unwrap();
        assert_eq!(refused.code(), Code::ResourceExhausted);
        assert!(refused.get_details_retry_info().is_some());
    }
}
