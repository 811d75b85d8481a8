//! What a token says.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use outcry_contracts::options::v1::Role;
use serde::{Deserialize, Serialize};
use tonic::Code;
use uuid::Uuid;

use crate::identity::{User, role_name, role_of};
use crate::refusal::Refusal;

/// Who issues tokens.
pub const ISSUER: &str = "outcry";
/// Whom tokens are for.
pub const AUDIENCE: &str = "outcry";
/// How far the clocks of signer and verifier may be apart.
pub const CLOCK_SKEW: Duration = Duration::from_secs(60);
/// The longest life a token may have: revocations need not be remembered for longer.
pub const MAX_LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// The claims of an access token. Times are seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Issuer, always [`ISSUER`].
    pub iss: String,
    /// Audience, always [`AUDIENCE`].
    pub aud: String,
    /// The user's id.
    pub sub: String,
    /// `user`, `admin` or `viewer`.
    pub roles: Vec<String>,
    /// The user's token epoch at signing; a token of an earlier epoch than the user's is revoked.
    pub epoch: u64,
    /// When it was signed.
    pub iat: u64,
    /// From when it counts.
    pub nbf: u64,
    /// Until when it counts.
    pub exp: u64,
    /// The token's own id.
    pub jti: String,
}

impl Claims {
    /// Claims that count from `now` for `lifetime` (at most [`MAX_LIFETIME`]).
    pub fn new(
        user_id: &str,
        roles: &[Role],
        epoch: u64,
        jti: Uuid,
        now: SystemTime,
        lifetime: Duration,
    ) -> Claims {
        let iat = seconds(now);
        Claims {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: user_id.to_owned(),
            roles: roles
                .iter()
                .map(|role| role_name(*role).to_owned())
                .collect(),
            epoch,
            iat,
            nbf: iat,
            exp: iat.saturating_add(lifetime.min(MAX_LIFETIME).as_secs()),
            jti: jti.to_string(),
        }
    }

    /// The user the token speaks for; unknown roles grant nothing.
    pub fn user(&self) -> User {
        User {
            id: self.sub.clone(),
            roles: self.roles.iter().filter_map(|name| role_of(name)).collect(),
        }
    }

    /// When the token stops counting.
    pub fn expires_at(&self) -> SystemTime {
        UNIX_EPOCH
            .checked_add(Duration::from_secs(self.exp))
            .unwrap_or(UNIX_EPOCH)
    }

    /// Whether the claims count at a moment.
    ///
    /// # Errors
    /// The first claim that does not hold.
    pub(super) fn check(&self, now: SystemTime) -> Result<(), TokenError> {
        let now = seconds(now);
        let skew = CLOCK_SKEW.as_secs();
        if self.iss != ISSUER {
            return Err(TokenError::WrongIssuer);
        }
        if self.aud != AUDIENCE {
            return Err(TokenError::WrongAudience);
        }
        if self.sub.is_empty() {
            return Err(TokenError::Malformed);
        }
        if self.exp.saturating_add(skew) <= now {
            return Err(TokenError::Expired);
        }
        if self.nbf > now.saturating_add(skew) {
            return Err(TokenError::NotYetValid);
        }
        if self.exp.saturating_sub(self.iat) > MAX_LIFETIME.as_secs() {
            return Err(TokenError::TooLongLived);
        }
        Ok(())
    }
}

pub(super) fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// Why a token does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not three parts of base64url JSON with the claims of an access token.
    #[error("the token is malformed")]
    Malformed,
    /// Signed by another algorithm than EdDSA.
    #[error("the token is not signed with EdDSA")]
    WrongAlgorithm,
    /// Signed by a key that is not in the key set, or names none.
    #[error("the token is signed by an unknown key")]
    UnknownKey,
    /// The signature is not by the key it names.
    #[error("the token's signature is wrong")]
    BadSignature,
    /// From another issuer.
    #[error("the token is from another issuer")]
    WrongIssuer,
    /// For another audience.
    #[error("the token is for another audience")]
    WrongAudience,
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
    /// Its time has not come.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// Would count for longer than [`MAX_LIFETIME`].
    #[error("the token lives longer than this platform allows")]
    TooLongLived,
    /// Of an earlier epoch than the user's.
    #[error("the token was revoked")]
    Revoked,
}

impl Refusal for TokenError {
    fn code(&self) -> Code {
        Code::Unauthenticated
    }

    fn reason(&self) -> &'static str {
        match self {
            TokenError::Malformed => "TOKEN_MALFORMED",
            TokenError::WrongAlgorithm => "TOKEN_WRONG_ALGORITHM",
            TokenError::UnknownKey => "TOKEN_UNKNOWN_KEY",
            TokenError::BadSignature => "TOKEN_BAD_SIGNATURE",
            TokenError::WrongIssuer => "TOKEN_WRONG_ISSUER",
            TokenError::WrongAudience => "TOKEN_WRONG_AUDIENCE",
            TokenError::Expired => "TOKEN_EXPIRED",
            TokenError::NotYetValid => "TOKEN_NOT_YET_VALID",
            TokenError::TooLongLived => "TOKEN_TOO_LONG_LIVED",
            TokenError::Revoked => "TOKEN_REVOKED",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn claims() -> Claims {
        let minutes = Duration::from_secs(900);
        Claims::new(
            "u1",
            &[Role::User],
            3,
            Uuid::from_u128(1),
            at(10_000),
            minutes,
        )
    }

    #[test]
    fn claims_count_within_their_time_and_the_clock_skew() {
        let claims = claims();
        assert_eq!(claims.check(at(10_000)), Ok(()));
        assert_eq!(claims.check(at(10_000 - 60)), Ok(()));
        assert_eq!(claims.check(at(10_000 - 61)), Err(TokenError::NotYetValid));
        assert_eq!(claims.check(at(10_900 + 59)), Ok(()));
        assert_eq!(claims.check(at(10_900 + 60)), Err(TokenError::Expired));
        assert_eq!(claims.expires_at(), at(10_900));
    }

    #[test]
    fn foreign_and_overlong_claims_do_not_count() {
        let check = |alter: fn(&mut Claims)| {
            let mut claims = claims();
            alter(&mut claims);
            claims.check(at(10_000))
        };
        assert_eq!(
            check(|c| c.iss = "else".into()),
            Err(TokenError::WrongIssuer)
        );
        assert_eq!(
            check(|c| c.aud = "else".into()),
            Err(TokenError::WrongAudience)
        );
        assert_eq!(check(|c| c.sub.clear()), Err(TokenError::Malformed));
        assert_eq!(check(|c| c.exp = u64::MAX), Err(TokenError::TooLongLived));
        assert_eq!(check(|c| c.iat = 0), Ok(()));
        assert_eq!(check(|c| c.exp = 0), Err(TokenError::Expired));
    }

    #[test]
    fn a_lifetime_is_capped_and_unknown_roles_grant_nothing() {
        let long = Duration::from_secs(365 * 24 * 3600);
        let mut claims = Claims::new("u1", &[Role::Admin], 0, Uuid::nil(), at(0), long);
        assert_eq!(claims.exp, MAX_LIFETIME.as_secs());
        claims.roles.push("root".into());
        assert_eq!(
            claims.user(),
            User {
                id: "u1".into(),
                roles: vec![Role::Admin]
            }
        );
    }
}
