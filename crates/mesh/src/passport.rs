//! What a caller in another process says about itself, in metadata that counts only beside a valid token.

use http::{HeaderMap, HeaderName, HeaderValue};
use tonic::{Code, Status};

use crate::identity::{User, role_name, role_of};
use crate::refusal;

/// Who calls, where a certificate proves that it may say so.
const CALLER: HeaderName = HeaderName::from_static("outcry-caller");
/// The caller's token.
pub(crate) const TOKEN: HeaderName = HeaderName::from_static("outcry-mesh-token");
/// The service that is called.
pub(crate) const TARGET: HeaderName = HeaderName::from_static("outcry-target");
/// The user the call is made for.
const USER: HeaderName = HeaderName::from_static("outcry-user");
/// The user's roles, separated by commas.
const ROLES: HeaderName = HeaderName::from_static("outcry-roles");

/// What came with a call, not yet believed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Passport {
    pub(crate) token: Option<HeaderValue>,
    pub(crate) caller: Option<String>,
    pub(crate) target: Option<String>,
    pub(crate) user: Option<User>,
}

/// What a call shows of who makes it.
#[derive(Debug)]
pub(crate) enum Proof {
    /// A token that names the caller.
    Token(HeaderValue),
    /// The caller's name, which the connection's certificate must bear out.
    Name(HeaderValue),
}

/// Writes a passport in place of whatever the caller's own code put there.
///
/// # Errors
/// `INVALID_ARGUMENT` when a user's id cannot be metadata. A user is never left out:
/// a call for nobody may reach more than a call for a customer.
pub(crate) fn write(
    headers: &mut HeaderMap,
    proof: Proof,
    target: HeaderValue,
    user: Option<&User>,
) -> Result<(), Status> {
    let (proven, other, proof) = match proof {
        Proof::Token(token) => (TOKEN, CALLER, token),
        Proof::Name(caller) => (CALLER, TOKEN, caller),
    };
    headers.remove(other);
    headers.insert(proven, proof);
    headers.insert(TARGET, target);
    if let Some(user) = user {
        let roles: Vec<&str> = user.roles.iter().map(|role| role_name(*role)).collect();
        headers.insert(USER, value(&user.id)?);
        headers.insert(ROLES, value(&roles.join(","))?);
    } else {
        headers.remove(USER);
        headers.remove(ROLES);
    }
    Ok(())
}

/// Takes the passport out of the headers.
///
/// # Errors
/// `INVALID_ARGUMENT` when it cannot be read.
pub(crate) fn take(headers: &mut HeaderMap) -> Result<Passport, Status> {
    let token = headers.remove(TOKEN);
    let mut text = |name: HeaderName| headers.remove(name).map(|value| text(&value)).transpose();
    let (caller, target) = (text(CALLER)?, text(TARGET)?);
    let (id, roles) = (text(USER)?, text(ROLES)?);
    let user = id.map(|id| User {
        id,
        roles: roles
            .unwrap_or_default()
            .split(',')
            .filter_map(role_of)
            .collect(),
    });
    Ok(Passport {
        token,
        caller,
        target,
        user,
    })
}

/// A name as metadata.
///
/// # Errors
/// `INVALID_ARGUMENT` when it cannot be that.
pub(crate) fn value(text: &str) -> Result<HeaderValue, Status> {
    HeaderValue::from_str(text)
        .ok()
        .filter(|value| value.to_str().is_ok())
        .ok_or_else(unreadable)
}

fn text(value: &HeaderValue) -> Result<String, Status> {
    value.to_str().map(str::to_owned).map_err(|_| unreadable())
}

pub(crate) fn unreadable() -> Status {
    refusal::with_reason(
        Code::InvalidArgument,
        "NOT_METADATA",
        "the names of services and users in calls between processes must be printable ASCII",
    )
}

#[cfg(test)]
mod tests {
    use outcry_contracts::options::v1::Role;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_the_callers_code_wrote_itself_is_replaced() {
        let mut headers = HeaderMap::new();
        let token = HeaderValue::from_static("t");
        let name = HeaderValue::from_static("orders");
        for proof in [Proof::Token(token.clone()), Proof::Name(name)] {
            let named = matches!(proof, Proof::Name(_));
            for name in [TOKEN, CALLER, TARGET, USER, ROLES] {
                headers.append(name.clone(), HeaderValue::from_static("admin"));
                headers.append(name, HeaderValue::from_static("admin"));
            }
            write(&mut headers, proof, HeaderValue::from_static("funds"), None).unwrap();
            let passport = take(&mut headers).unwrap();
            assert_eq!(passport.target.as_deref(), Some("funds"));
            assert_eq!(passport.user, None);
            let caller = named.then(|| "orders".to_owned());
            let shown = (!named).then(|| token.clone());
            assert_eq!((passport.token, passport.caller), (shown, caller));
            assert!(headers.is_empty());
        }
    }

    proptest! {
        #[test]
        fn a_user_arrives_as_it_was_sent_or_not_at_all(id in ".{0,40}") {
            let user = User { id, roles: vec![Role::User, Role::Admin, Role::Viewer] };
            let mut headers = HeaderMap::new();
            let proof = Proof::Token(HeaderValue::from_static("t"));
            let target = HeaderValue::from_static("funds");
            match write(&mut headers, proof, target, Some(&user)) {
                Ok(()) => prop_assert_eq!(take(&mut headers).unwrap().user, Some(user)),
                Err(refused) => prop_assert_eq!(refused.code(), Code::InvalidArgument),
            }
        }
    }
}
