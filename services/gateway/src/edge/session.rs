//! Who is on the other side: a bearer token becomes a user, for as long as the token counts.

use std::sync::Arc;

use futures::FutureExt;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use outcry_mesh::door::{Departure, Leaving};
use outcry_mesh::refusal;
use outcry_mesh::token::{Claims, TokenError};
use outcry_service::Clock;
use tonic::{Code, Status};

use super::outcome::End;
use crate::keys::{Keys, refused};
use crate::revocation::Revocations;

/// Turns tokens into sessions.
#[derive(Clone)]
pub(super) struct Sessions {
    pub(super) keys: Keys,
    pub(super) revocations: Revocations,
    pub(super) clock: Arc<dyn Clock>,
}

impl Sessions {
    /// The claims of the request's token; `None` when it has none.
    pub(super) async fn claims(&self, headers: &HeaderMap) -> Result<Option<Claims>, Status> {
        let mut all = headers.get_all(AUTHORIZATION).iter();
        let Some(header) = all.next() else {
            return Ok(None);
        };
        if all.next().is_some() {
            // Whoever stands between might have believed the other one.
            return Err(malformed("send one authorization, not several"));
        }
        let token = header
            .to_str()
            .ok()
            .and_then(bearer)
            .ok_or_else(|| malformed("the authorization must read `Bearer <access token>`"))?;
        let claims = self.keys.verify(token, self.clock.now()).await?;
        if self.revocations.is_revoked(&claims) {
            return Err(refused(&TokenError::Revoked));
        }
        Ok(Some(claims))
    }

    /// What ends a stream that was opened with these claims on a connection that may have to go.
    pub(super) fn end(&self, claims: Option<Claims>, departure: Option<Departure>) -> End {
        let sessions = self.clone();
        async move {
            let over = async {
                match claims {
                    Some(claims) => sessions.over(claims).await,
                    None => std::future::pending().await,
                }
            };
            let leaving = async {
                match departure {
                    Some(departure) => departure.over().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                why = leaving => match why {
                    Leaving::Draining => stopping(),
                    Leaving::Aged => why.status(),
                },
                error = over => refused(&error),
            }
        }
        .boxed()
    }

    /// Comes back when the claims no longer count, and says why.
    async fn over(&self, claims: Claims) -> TokenError {
        let expires_at = claims.expires_at();
        let expired = async {
            while self.clock.now() < expires_at {
                self.clock.sleep_until(expires_at).await;
            }
        };
        tokio::select! {
            () = expired => TokenError::Expired,
            () = self.revocations.revoked(&claims) => TokenError::Revoked,
        }
    }
}

/// The token of an authorization header; the scheme's name is written in any case.
fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

fn malformed(message: &str) -> Status {
    refusal::with_reason(Code::Unauthenticated, "TOKEN_MALFORMED", message)
}

fn stopping() -> Status {
    refusal::retry_after(
        Code::Unavailable,
        "STOPPING",
        "the gateway is stopping: open the stream again where it ended",
        std::time::Duration::from_secs(1),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_read_whatever_the_case_of_the_scheme() {
        assert_eq!(bearer("Bearer abc"), Some("abc"));
        assert_eq!(bearer("bearer  abc "), Some("abc"));
        for bad in ["", "abc", "Bearer", "Bearer ", "Basic abc"] {
            assert_eq!(bearer(bad), None, "{bad}");
        }
    }
}
