//! Tokens kept while they count: signed once per minute by a caller, verified once by a callee.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use http::HeaderValue;
use tonic::{Code, Status};

use crate::refusal;
use crate::token::{MeshKey, PEER_TOKEN_LIFETIME, PeerClaims, TokenError};

/// Tokens kept at most: far more than pairs of services, so that forgetting all of them is rare.
const KEPT_MAX: usize = 1024;

/// A token is replaced this long before it ends, so that none ends on its way.
const RENEW_BEFORE: Duration = Duration::from_secs(20);

/// The tokens a process calls with.
#[derive(Debug, Default)]
pub(crate) struct Passes {
    kept: Mutex<HashMap<(String, String), Pass>>,
}

#[derive(Debug, Clone)]
struct Pass {
    token: HeaderValue,
    renew_at: SystemTime,
}

impl Passes {
    /// A token of `caller` for `target` that counts for a while yet.
    ///
    /// # Errors
    /// `INTERNAL` when it cannot be signed.
    pub(crate) fn token(
        &self,
        key: &MeshKey,
        caller: &str,
        target: &str,
        now: SystemTime,
    ) -> Result<HeaderValue, Status> {
        let pair = (caller.to_owned(), target.to_owned());
        let mut kept = locked(&self.kept);
        // A clock that was set back would keep a token beyond its time of issue.
        let latest = now + PEER_TOKEN_LIFETIME;
        if let Some(pass) = kept.get(&pair)
            && now < pass.renew_at
            && pass.renew_at < latest
        {
            return Ok(pass.token.clone());
        }
        let token = key
            .token(caller, target, now)
            .ok()
            .and_then(|token| HeaderValue::from_str(&token).ok())
            .ok_or_else(not_signed)?;
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        let pass = Pass {
            token: token.clone(),
            renew_at: now + (PEER_TOKEN_LIFETIME - RENEW_BEFORE),
        };
        kept.insert(pair, pass);
        Ok(token)
    }

    /// Forgets all tokens: they were signed by another key.
    pub(crate) fn forget(&self) {
        locked(&self.kept).clear();
    }
}

/// Verifies the tokens of callers.
#[derive(Debug)]
pub(crate) struct Control {
    key: MeshKey,
    kept: Mutex<HashMap<HeaderValue, PeerClaims>>,
}

impl Control {
    pub(crate) fn new(key: MeshKey) -> Control {
        Control {
            key,
            kept: Mutex::default(),
        }
    }

    /// The claims of a token that counts now.
    ///
    /// # Errors
    /// Why it does not.
    pub(crate) fn claims(
        &self,
        token: &HeaderValue,
        now: SystemTime,
    ) -> Result<PeerClaims, TokenError> {
        if let Some(claims) = locked(&self.kept).get(token) {
            claims.check(now)?;
            return Ok(claims.clone());
        }
        let text = token.to_str().map_err(|_| TokenError::Malformed)?;
        let claims = self.key.verify(text, now)?;
        let mut kept = locked(&self.kept);
        if kept.len() >= KEPT_MAX {
            kept.retain(|_, claims| claims.check(now).is_ok());
        }
        if kept.len() < KEPT_MAX {
            kept.insert(token.clone(), claims.clone());
        }
        Ok(claims)
    }
}

/// The maps are whole after every change.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn not_signed() -> Status {
    refusal::with_reason(
        Code::Internal,
        "NOT_SIGNED",
        "the token of a call to another process could not be signed",
    )
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_700_000_000 + seconds)
    }

    #[test]
    fn a_token_is_kept_per_pair_until_shortly_before_its_end() {
        let (passes, key) = (Passes::default(), MeshKey::from_secret(&[1; 32]));
        let token =
            |target: &str, seconds| passes.token(&key, "orders", target, at(seconds)).unwrap();
        let first = token("funds", 0);
        assert_eq!(token("funds", 39), first);
        assert_ne!(token("trades", 0), first);
        let second = token("funds", 40);
        assert_ne!(second, first);
        // The clock was set back: the token in hand would not count yet.
        assert_ne!(token("funds", 0), second);
    }

    #[test]
    fn a_verified_token_still_ends_and_no_number_of_tokens_fills_the_memory() {
        let key = MeshKey::from_secret(&[1; 32]);
        let control = Control::new(key.clone());
        let token = |target: &str| {
            HeaderValue::from_str(&key.token("orders", target, at(0)).unwrap()).unwrap()
        };
        let first = token("funds");
        assert!(control.claims(&first, at(0)).is_ok());
        assert_eq!(control.claims(&first, at(100)), Err(TokenError::Expired));
        for number in 0..KEPT_MAX + 10 {
            assert!(control.claims(&token(&number.to_string()), at(1)).is_ok());
        }
        assert_eq!(locked(&control.kept).len(), KEPT_MAX);
    }
}
