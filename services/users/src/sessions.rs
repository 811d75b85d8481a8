//! Refresh tokens that work once, and the sessions they keep alive.
//!
//! A refresh token is a selector, which stays the same through the life of its session, and 256
//! random bits that change with every use. Only hashes of both are kept. The right selector with
//! other bits can only be a token that was used before: somebody copied it.

use std::fmt;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::TryRngCore;
use rand::rngs::OsRng;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::views::hex;

/// How long a session lives without being refreshed.
pub(crate) const SESSION_LIFETIME: Duration = Duration::from_secs(30 * 24 * 3600);

/// Bytes that name a session: as hard to guess as a key.
const SELECTOR_BYTES: usize = 16;
/// Bytes that prove the right to refresh it.
const SECRET_BYTES: usize = 32;

/// A refresh token in the hands of its owner.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct RefreshToken {
    selector: [u8; SELECTOR_BYTES],
    secret: [u8; SECRET_BYTES],
}

/// A session as it is kept, under [`RefreshToken::key`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SessionRow {
    /// Whose it is.
    pub(crate) user_id: String,
    /// The user's token epoch when they signed in.
    pub(crate) token_epoch: u64,
    /// Hash of the secret of the one token that works.
    pub(crate) secret_hash: String,
    /// Until when that token works.
    pub(crate) expires_at: SystemTime,
    /// It has ended: kept so that its tokens are still known to be void.
    pub(crate) revoked: bool,
}

// === impl RefreshToken ===

impl RefreshToken {
    /// The first token of a new session.
    ///
    /// # Errors
    /// The system has no random bytes.
    pub(crate) fn new() -> Result<Self, rand::rand_core::OsError> {
        Ok(Self {
            selector: random()?,
            secret: random()?,
        })
    }

    /// The next token of the same session.
    ///
    /// # Errors
    /// The system has no random bytes.
    pub(crate) fn next(&self) -> Result<Self, rand::rand_core::OsError> {
        Ok(Self {
            selector: self.selector,
            secret: random()?,
        })
    }

    /// Reads what [`text`](Self::text) wrote.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (selector, secret) = bytes.split_at_checked(SELECTOR_BYTES)?;
        Some(Self {
            selector: selector.try_into().ok()?,
            secret: secret.try_into().ok()?,
        })
    }

    /// For the owner's eyes only.
    pub(crate) fn text(&self) -> String {
        URL_SAFE_NO_PAD.encode([self.selector.as_slice(), self.secret.as_slice()].concat())
    }

    /// Under what the session is kept.
    pub(crate) fn key(&self) -> String {
        hex(&Sha256::digest(self.selector))
    }

    /// What of the secret is kept.
    pub(crate) fn secret_hash(&self) -> String {
        hex(&Sha256::digest(self.secret))
    }
}

/// Without the token.
impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefreshToken").finish_non_exhaustive()
    }
}

fn random<const N: usize>() -> Result<[u8; N], rand::rand_core::OsError> {
    let mut bytes = [0; N];
    OsRng.try_fill_bytes(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_reads_back_and_its_successor_is_of_the_same_session() {
        let token = RefreshToken::new().unwrap();
        assert_eq!(RefreshToken::parse(&token.text()).unwrap(), token);
        let next = token.next().unwrap();
        assert_eq!(next.key(), token.key());
        assert_ne!(next.secret_hash(), token.secret_hash());
        assert_ne!(RefreshToken::new().unwrap().key(), token.key());
        assert_eq!(format!("{token:?}"), "RefreshToken { .. }");
    }

    #[test]
    fn what_is_no_token_is_refused() {
        for text in ["", "a", "not a token", &"A".repeat(63), &"A".repeat(65)] {
            assert!(RefreshToken::parse(text).is_none(), "{text}");
        }
    }
}
