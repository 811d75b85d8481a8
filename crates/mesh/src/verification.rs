//! Who calls: what a connection and a call show, believed only as far as it is proven.

use std::time::SystemTime;

use tonic::{Code, Status};

use crate::accounts::Accounts;
use crate::certificates::Peer;
use crate::credentials::Credentials;
use crate::pass::Control;
use crate::passport::Passport;
use crate::refusal;
use crate::token::PEER_CLOCK_SKEW;

/// How this process knows its callers.
#[derive(Debug)]
pub(crate) enum Verification {
    Tokens(Control),
    Certificates(Accounts),
}

/// A caller that is known.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Proven {
    /// The calling service.
    pub(crate) caller: String,
    /// The only service the proof counts for; `None` for any that runs here.
    pub(crate) target: Option<String>,
}

impl Verification {
    pub(crate) fn new(credentials: Credentials) -> Verification {
        match credentials {
            Credentials::Key(key) => Verification::Tokens(Control::new(key)),
            Credentials::Certificates(certificates) => {
                Verification::Certificates(certificates.accounts().clone())
            }
        }
    }

    /// Whoever makes a call that came with this passport, over a connection to this peer.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` when nothing proves who calls, `PERMISSION_DENIED` when something proves that
    /// it is not who it says.
    pub(crate) fn caller(
        &self,
        passport: &Passport,
        peer: Option<&Peer>,
        now: SystemTime,
    ) -> Result<Proven, Status> {
        match self {
            Verification::Tokens(control) => {
                let token = passport.token.as_ref().ok_or_else(no_token)?;
                let claims = control
                    .claims(token, now)
                    .map_err(|error| refusal::status(&error))?;
                Ok(Proven {
                    caller: claims.sub,
                    target: Some(claims.aud),
                })
            }
            Verification::Certificates(accounts) => {
                let peer = peer.ok_or_else(no_certificate)?;
                if peer.not_after + PEER_CLOCK_SKEW <= now {
                    return Err(ended());
                }
                let caller = passport.caller.as_deref().ok_or_else(nameless)?;
                if !accounts.may_speak_for(&peer.account, caller) {
                    return Err(not_its_name(peer, caller));
                }
                Ok(Proven {
                    caller: caller.to_owned(),
                    target: None,
                })
            }
        }
    }
}

fn no_token() -> Status {
    refusal::with_reason(
        Code::Unauthenticated,
        "NOT_A_PEER",
        "this port is for the services of this platform, which show their token",
    )
}

/// Never seen while connections are made by TLS, which lets nobody in without.
fn no_certificate() -> Status {
    refusal::with_reason(
        Code::Unauthenticated,
        "NOT_A_PEER",
        "this port is for the services of this platform, which show their certificate",
    )
}

/// Seldom seen: callers let a connection go when its certificates end.
fn ended() -> Status {
    refusal::with_reason(
        Code::Unauthenticated,
        "CERTIFICATE_ENDED",
        "the certificate shown when the connection was made has ended",
    )
}

fn nameless() -> Status {
    refusal::with_reason(
        Code::Unauthenticated,
        "NO_CALLER",
        "the call does not say which service makes it",
    )
}

fn not_its_name(peer: &Peer, caller: &str) -> Status {
    tracing::warn!(peer = %peer.id, caller, "a peer called in a name that is not its own");
    refusal::with_metadata(
        Code::PermissionDenied,
        "NOT_YOUR_NAME",
        "the certificate's account may not speak for the service the call is made by",
        [("account".to_owned(), peer.account.clone())],
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::HeaderValue;

    use super::*;
    use crate::token::MeshKey;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + seconds)
    }

    fn peer(account: &str) -> Peer {
        let id = format!("spiffe://outcry.local/ns/outcry/sa/{account}");
        Peer {
            id: id.parse().unwrap(),
            account: account.to_owned(),
            not_after: at(100),
        }
    }

    fn named(caller: Option<&str>) -> Passport {
        Passport {
            caller: caller.map(str::to_owned),
            ..Passport::default()
        }
    }

    #[test]
    fn a_certificate_counts_for_the_services_of_its_account_alone() {
        let verification = Verification::Certificates(Accounts::default());
        let code = |account: Option<&str>, caller: Option<&str>| {
            let peer = account.map(peer);
            let known = verification.caller(&named(caller), peer.as_ref(), at(0));
            known
                .map(|proven| proven.caller)
                .map_err(|status| status.code())
        };
        assert_eq!(code(Some("orders"), Some("orders")), Ok("orders".into()));
        assert_eq!(code(Some("gateway"), Some("edge")), Ok("edge".into()));
        assert_eq!(
            code(Some("orders"), Some("edge")),
            Err(Code::PermissionDenied)
        );
        assert_eq!(code(Some("orders"), Some("")), Err(Code::PermissionDenied));
        assert_eq!(code(Some("orders"), None), Err(Code::Unauthenticated));
        assert_eq!(code(None, Some("orders")), Err(Code::Unauthenticated));
    }

    #[test]
    fn a_certificate_that_has_ended_counts_for_nothing_on_a_connection_of_before() {
        let verification = Verification::Certificates(Accounts::default());
        let known = |seconds| {
            let (passport, peer) = (named(Some("orders")), peer("orders"));
            verification.caller(&passport, Some(&peer), at(seconds))
        };
        assert!(known(109).is_ok());
        assert_eq!(known(110).unwrap_err().code(), Code::Unauthenticated);
    }

    #[test]
    fn a_token_of_the_shared_key_is_nothing_to_a_process_with_certificates_nor_the_other_way() {
        let key = MeshKey::from_secret(&[1; 32]);
        let token = key.token("orders", "funds", at(0)).unwrap();
        let shown = Passport {
            token: HeaderValue::from_str(&token).ok(),
            ..Passport::default()
        };
        let certificates = Verification::Certificates(Accounts::default());
        let refused = certificates.caller(&shown, Some(&peer("orders")), at(0));
        assert_eq!(refused.unwrap_err().code(), Code::Unauthenticated);
        let tokens = Verification::new(key.into());
        let proven = tokens.caller(&shown, None, at(0)).unwrap();
        assert_eq!(proven.target.as_deref(), Some("funds"));
        let refused = tokens.caller(&named(Some("orders")), Some(&peer("orders")), at(0));
        assert_eq!(refused.unwrap_err().code(), Code::Unauthenticated);
    }
}
