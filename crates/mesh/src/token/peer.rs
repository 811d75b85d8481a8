//! The tokens services show each other: who calls whom, for one minute.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};

use super::claims::{TokenError, seconds};
use super::keys::KeyError;
use super::provider;

/// Who issues peer tokens; users' access tokens have another issuer and another key.
const ISSUER: &str = "outcry-mesh";

/// How long a peer token counts: a stolen one is soon worthless, and signing once a minute costs nothing.
pub const PEER_TOKEN_LIFETIME: Duration = Duration::from_secs(60);

/// How far the clocks of two machines of one platform may be apart.
pub const PEER_CLOCK_SKEW: Duration = Duration::from_secs(10);

/// Longest peer token that is looked at, in bytes: ours are a third of that.
const TOKEN_BYTES_MAX: usize = 1024;

/// The key all processes of one platform share; whoever has it belongs to the mesh. Cheap to clone.
#[derive(Clone)]
pub struct MeshKey {
    keys: Arc<Keys>,
}

struct Keys {
    signing: EncodingKey,
    verifying: DecodingKey,
    validation: Validation,
}

impl fmt::Debug for MeshKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MeshKey").finish_non_exhaustive()
    }
}

/// What a peer token says. Times are seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PeerClaims {
    iss: String,
    /// The calling service.
    pub(crate) sub: String,
    /// The service it calls.
    pub(crate) aud: String,
    iat: u64,
    exp: u64,
}

impl MeshKey {
    /// The key of a secret: 32 bytes from a cryptographic random source.
    pub fn from_secret(secret: &[u8; 32]) -> MeshKey {
        provider::install();
        let public = ed25519_dalek::SigningKey::from_bytes(secret)
            .verifying_key()
            .to_bytes();
        let mut validation = Validation::new(Algorithm::EdDSA);
        // Claims are checked against the clock that is handed in, not the machine's.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        MeshKey {
            keys: Arc::new(Keys {
                signing: EncodingKey::from_ed_der(secret),
                verifying: DecodingKey::from_ed_der(&public),
                validation,
            }),
        }
    }

    /// A token with which `caller` calls `target` for [`PEER_TOKEN_LIFETIME`] from `now`.
    ///
    /// # Errors
    /// [`KeyError::Signing`] when the claims cannot be written.
    pub fn token(&self, caller: &str, target: &str, now: SystemTime) -> Result<String, KeyError> {
        let iat = seconds(now);
        let claims = PeerClaims {
            iss: ISSUER.to_owned(),
            sub: caller.to_owned(),
            aud: target.to_owned(),
            iat,
            exp: iat.saturating_add(PEER_TOKEN_LIFETIME.as_secs()),
        };
        jsonwebtoken::encode(&Header::new(Algorithm::EdDSA), &claims, &self.keys.signing)
            .map_err(KeyError::Signing)
    }

    /// The claims of a token of this key that counts at `now`, for whatever target.
    pub(crate) fn verify(&self, token: &str, now: SystemTime) -> Result<PeerClaims, TokenError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::Malformed);
        }
        let (key, validation) = (&self.keys.verifying, &self.keys.validation);
        let claims = jsonwebtoken::decode::<PeerClaims>(token, key, validation)
            .map_err(|error| match error.kind() {
                ErrorKind::InvalidSignature => TokenError::BadSignature,
                ErrorKind::InvalidAlgorithm => TokenError::WrongAlgorithm,
                _ => TokenError::Malformed,
            })?
            .claims;
        claims.check(now)?;
        Ok(claims)
    }
}

impl PeerClaims {
    /// Whether the claims count at a moment.
    ///
    /// # Errors
    /// The first claim that does not hold.
    pub(crate) fn check(&self, now: SystemTime) -> Result<(), TokenError> {
        let now = seconds(now);
        let skew = PEER_CLOCK_SKEW.as_secs();
        if self.iss != ISSUER {
            return Err(TokenError::WrongIssuer);
        }
        if self.sub.is_empty() {
            return Err(TokenError::Malformed);
        }
        if self.exp.saturating_add(skew) <= now {
            return Err(TokenError::Expired);
        }
        if self.iat > now.saturating_add(skew) {
            return Err(TokenError::NotYetValid);
        }
        if self.exp.saturating_sub(self.iat) > PEER_TOKEN_LIFETIME.as_secs() {
            return Err(TokenError::TooLongLived);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_700_000_000 + seconds)
    }

    #[test]
    fn a_peer_token_counts_for_a_minute_and_the_clock_skew() {
        let key = MeshKey::from_secret(&[1; 32]);
        let token = key.token("orders", "funds", at(100)).unwrap();
        let claims = key.verify(&token, at(100)).unwrap();
        assert_eq!(
            (claims.sub.as_str(), claims.aud.as_str()),
            ("orders", "funds")
        );
        assert!(key.verify(&token, at(90)).is_ok());
        assert_eq!(key.verify(&token, at(89)), Err(TokenError::NotYetValid));
        assert!(key.verify(&token, at(169)).is_ok());
        assert_eq!(key.verify(&token, at(170)), Err(TokenError::Expired));
    }

    #[test]
    fn tokens_of_other_keys_issuers_and_lifetimes_do_not_count() {
        let key = MeshKey::from_secret(&[1; 32]);
        let foreign = MeshKey::from_secret(&[2; 32])
            .token("orders", "funds", at(0))
            .unwrap();
        assert_eq!(key.verify(&foreign, at(0)), Err(TokenError::BadSignature));
        let signed = |alter: fn(&mut PeerClaims)| {
            let mut claims = PeerClaims {
                iss: ISSUER.to_owned(),
                sub: "orders".to_owned(),
                aud: "funds".to_owned(),
                iat: seconds(at(0)),
                exp: seconds(at(60)),
            };
            alter(&mut claims);
            let header = Header::new(Algorithm::EdDSA);
            let token = jsonwebtoken::encode(&header, &claims, &key.keys.signing).unwrap();
            key.verify(&token, at(0)).map(|_| ())
        };
        assert_eq!(signed(|_| ()), Ok(()));
        assert_eq!(
            signed(|claims| claims.iss = super::super::ISSUER.to_owned()),
            Err(TokenError::WrongIssuer)
        );
        assert_eq!(
            signed(|claims| claims.exp += 1),
            Err(TokenError::TooLongLived)
        );
        assert_eq!(
            signed(|claims| claims.sub.clear()),
            Err(TokenError::Malformed)
        );
    }

    #[test]
    fn garbage_and_oversized_tokens_are_malformed() {
        let key = MeshKey::from_secret(&[1; 32]);
        for bad in ["", "a.b.c", &"x".repeat(5000)] {
            assert_eq!(key.verify(bad, at(0)), Err(TokenError::Malformed));
        }
    }
}
