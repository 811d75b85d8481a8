//! Who is calling: the service (or the public edge) and the user it acts for.
//!
//! Both travel as typed request extensions that only a [`Channel`](crate::Channel) sets,
//! so nothing a client writes into metadata can claim to be somebody.

use outcry_contracts::options::v1::Role;
use tonic::{Code, Request, Status};

use crate::refusal;

/// The caller name of the public edge.
pub const EDGE: &str = "edge";

/// Metadata key of the address a client called the public edge from.
pub const CLIENT_ADDRESS: &str = "outcry-client-address";

/// Who made a call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// The calling service, or [`EDGE`]; `None` when the call came past no channel.
    pub caller: Option<String>,
    /// The signed-in user the caller acts for.
    pub user: Option<User>,
}

/// A signed-in user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The user's id.
    pub id: String,
    /// What the user is allowed to be.
    pub roles: Vec<Role>,
}

impl User {
    /// Whether the user has the role.
    pub fn has(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    /// Whether the user may read everybody's data.
    pub fn is_operator(&self) -> bool {
        self.has(Role::Admin) || self.has(Role::Viewer)
    }
}

/// Marks an outgoing request as made for a user; the channel turns it into the callee's [`Identity`].
#[derive(Debug, Clone)]
pub(crate) struct ActingFor(pub(crate) User);

static NOBODY: Identity = Identity {
    caller: None,
    user: None,
};

/// Who made the call. A request that came past no channel has no identity.
pub fn identity<T>(request: &Request<T>) -> &Identity {
    request.extensions().get::<Identity>().unwrap_or(&NOBODY)
}

/// The signed-in user of the call.
///
/// # Errors
/// `UNAUTHENTICATED` when the call is made for nobody.
pub fn user<T>(request: &Request<T>) -> Result<&User, Status> {
    identity(request).user.as_ref().ok_or_else(|| {
        refusal::with_reason(
            Code::Unauthenticated,
            "NOT_SIGNED_IN",
            "sign in first: send `authorization: Bearer <access token>`",
        )
    })
}

/// The user whose data the call is about: the one asked for, or the caller when none is named.
///
/// Customers reach their own data only, operators everybody's, and services whatever they name.
///
/// # Errors
/// `PERMISSION_DENIED` when a customer names somebody else, `INVALID_ARGUMENT` when a service names nobody.
pub fn subject<T>(request: &Request<T>, named: &str) -> Result<String, Status> {
    let identity = identity(request);
    match (&identity.user, named) {
        (Some(user), "") => Ok(user.id.clone()),
        (Some(user), named) if user.id == named || user.is_operator() => Ok(named.to_owned()),
        (Some(_), _) => Err(refusal::with_reason(
            Code::PermissionDenied,
            "NOT_YOURS",
            "this belongs to another user; leave the user id empty to mean yourself",
        )),
        (None, "") => Err(refusal::invalid(
            "user_id",
            "must be given when no user is signed in",
        )),
        (None, named) => Ok(named.to_owned()),
    }
}

/// The address the client called from, as the public edge saw it; `None` for calls between services.
pub fn client_address<T>(request: &Request<T>) -> Option<&str> {
    // Only the edge's word counts: it takes away what clients claim about themselves.
    identity(request)
        .caller
        .as_deref()
        .filter(|caller| *caller == EDGE)?;
    request.metadata().get(CLIENT_ADDRESS)?.to_str().ok()
}

/// Makes an outgoing request on behalf of a user.
pub fn acting_for<T>(request: &mut Request<T>, user: &User) {
    request.extensions_mut().insert(ActingFor(user.clone()));
}

/// The same for a request that is forwarded as HTTP.
pub fn forward_for<B>(request: &mut http::Request<B>, user: User) {
    request.extensions_mut().insert(ActingFor(user));
}

/// The name of a role in tokens and on screens: `user`, `admin` or `viewer`.
pub fn role_name(role: Role) -> &'static str {
    match role {
        Role::Unspecified => "unspecified",
        Role::User => "user",
        Role::Admin => "admin",
        Role::Viewer => "viewer",
    }
}

/// The role of a name; `None` for names that grant nothing.
pub fn role_of(name: &str) -> Option<Role> {
    match name {
        "user" => Some(Role::User),
        "admin" => Some(Role::Admin),
        "viewer" => Some(Role::Viewer),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn called_by(user: Option<User>) -> Request<()> {
        let mut request = Request::new(());
        let caller = Some(EDGE.to_owned());
        request.extensions_mut().insert(Identity { caller, user });
        request
    }

    fn person(id: &str, role: Role) -> User {
        User {
            id: id.to_owned(),
            roles: vec![role],
        }
    }

    #[test]
    fn a_request_past_no_channel_is_made_by_nobody() {
        let mut request = Request::new(());
        request
            .metadata_mut()
            .insert("outcry-user", "u1".parse().unwrap());
        assert_eq!(identity(&request), &NOBODY);
        assert_eq!(user(&request).unwrap_err().code(), Code::Unauthenticated);
    }

    #[test]
    fn customers_reach_their_own_data_only_and_operators_everybodys() {
        let customer = called_by(Some(person("u1", Role::User)));
        assert_eq!(subject(&customer, "").unwrap(), "u1");
        assert_eq!(subject(&customer, "u1").unwrap(), "u1");
        assert_eq!(
            subject(&customer, "u2").unwrap_err().code(),
            Code::PermissionDenied
        );
        let viewer = called_by(Some(person("v1", Role::Viewer)));
        assert_eq!(subject(&viewer, "u2").unwrap(), "u2");
        let service = called_by(None);
        assert_eq!(subject(&service, "u2").unwrap(), "u2");
        assert_eq!(
            subject(&service, "").unwrap_err().code(),
            Code::InvalidArgument
        );
    }

    #[test]
    fn only_the_edge_is_believed_about_addresses() {
        let mut request = called_by(None);
        let address = "203.0.113.7".parse().unwrap();
        request.metadata_mut().insert(CLIENT_ADDRESS, address);
        assert_eq!(client_address(&request), Some("203.0.113.7"));
        request.extensions_mut().insert(Identity {
            caller: Some("orders".into()),
            user: None,
        });
        assert_eq!(client_address(&request), None);
    }

    #[test]
    fn role_names_read_back_and_unknown_names_grant_nothing() {
        for role in [Role::User, Role::Admin, Role::Viewer] {
            assert_eq!(role_of(role_name(role)), Some(role));
        }
        assert_eq!(role_of(role_name(Role::Unspecified)), None);
        assert_eq!(role_of("root"), None);
    }
}
