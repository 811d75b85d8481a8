//! Who may call a method: the contract's `access` option, and nobody else.
//!
//! ```
//! use outcry_mesh::{Identity, Rules};
//! use tonic::Code;
//!
//! let rules = Rules::of_the_contract();
//! let service = |name: &str| Identity { caller: Some(name.to_owned()), user: None };
//! let lock = "/outcry.funds.v1.FundsService/LockFunds";
//! assert!(rules.check(lock, &service("orders")).is_ok());
//! let refused = rules.check(lock, &service("reports")).unwrap_err();
//! assert_eq!(refused.code(), Code::PermissionDenied);
//! // Nobody may call what the contract does not have.
//! assert!(rules.check("/outcry.funds.v1.FundsService/Mint", &service("orders")).is_err());
//! ```

use std::collections::{BTreeMap, BTreeSet};

use outcry_contracts::options::v1::{Criticality, Role};
use tonic::{Code, Status};

use crate::identity::{EDGE, Identity};
use crate::refusal;

/// The rule of one method.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rule {
    /// Anybody may call, signed in or not.
    pub public: bool,
    /// Users with one of these roles may call through the edge.
    pub roles: Vec<Role>,
    /// Services that may call.
    pub callers: Vec<String>,
    /// It answers with a stream.
    pub streaming: bool,
    /// Calling twice has the effect of calling once.
    pub idempotent: bool,
    /// Calling changes nothing at all.
    pub safe: bool,
    /// How much its calls matter when not all can be answered.
    pub criticality: Criticality,
    /// The service that serves it.
    pub owner: String,
}

impl Rule {
    /// Whether the rule lets anybody in at all.
    pub fn grants(&self) -> bool {
        self.public || !self.roles.is_empty() || !self.callers.is_empty()
    }

    /// Whether the method is reachable from outside.
    pub fn at_the_edge(&self) -> bool {
        self.public || !self.roles.is_empty()
    }
}

/// The rules of all methods of the contract, by path (`/package.Service/Method`).
#[derive(Debug, Clone, Default)]
pub struct Rules {
    by_path: BTreeMap<String, Rule>,
}

impl Rules {
    /// The rules the contract declares.
    pub fn of_the_contract() -> Rules {
        outcry_contracts::METHODS
            .iter()
            .map(|method| {
                let rule = Rule {
                    public: method.public,
                    roles: method.roles.to_vec(),
                    callers: method
                        .callers
                        .iter()
                        .map(|caller| (*caller).to_owned())
                        .collect(),
                    streaming: method.server_streaming,
                    owner: method.service_owner.to_owned(),
                    idempotent: method.idempotent,
                    safe: method.safe,
                    criticality: method.criticality,
                };
                (method.path.to_owned(), rule)
            })
            .collect()
    }

    /// The rule of a method.
    pub fn rule(&self, path: &str) -> Option<&Rule> {
        self.by_path.get(path)
    }

    /// Every method with its rule, in order of path.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Rule)> {
        self.by_path
            .iter()
            .map(|(path, rule)| (path.as_str(), rule))
    }

    /// The services of the contract, as `package.Service`.
    pub fn services(&self) -> BTreeSet<&str> {
        self.by_path
            .keys()
            .filter_map(|path| service_of(path))
            .collect()
    }

    /// Methods of a service that nobody may call: most likely a forgotten option.
    pub fn closed_methods(&self, service: &str) -> Vec<&str> {
        self.iter()
            .filter(|(path, rule)| service_of(path) == Some(service) && !rule.grants())
            .map(|(path, _)| path)
            .collect()
    }

    /// Lets a call pass or says why not. What has no rule is denied.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` for nobody where somebody is needed, `PERMISSION_DENIED` for the wrong one.
    pub fn check(&self, path: &str, identity: &Identity) -> Result<(), Status> {
        check(path, self.rule(path), identity)
    }
}

/// Lets a call pass by the rule of its method, or says why not.
///
/// # Errors
/// As of [`Rules::check`].
pub(crate) fn check(path: &str, rule: Option<&Rule>, identity: &Identity) -> Result<(), Status> {
    let Some(rule) = rule else {
        return Err(denied(path, "no rule of the contract allows it"));
    };
    match identity.caller.as_deref() {
        _ if rule.public => Ok(()),
        None => Err(not_signed_in(path)),
        Some(EDGE) => check_user(path, rule, identity),
        Some(caller) if rule.callers.iter().any(|allowed| allowed == caller) => Ok(()),
        Some(caller) => Err(denied(
            path,
            &format!("the contract does not name `{caller}` as a caller"),
        )),
    }
}

impl FromIterator<(String, Rule)> for Rules {
    fn from_iter<I: IntoIterator<Item = (String, Rule)>>(rules: I) -> Rules {
        Rules {
            by_path: rules.into_iter().collect(),
        }
    }
}

fn check_user(path: &str, rule: &Rule, identity: &Identity) -> Result<(), Status> {
    if rule.roles.is_empty() {
        return Err(denied(path, "it is not reachable from outside"));
    }
    let Some(user) = &identity.user else {
        return Err(not_signed_in(path));
    };
    if rule
        .roles
        .iter()
        .any(|role| *role != Role::Unspecified && user.has(*role))
    {
        return Ok(());
    }
    Err(denied(path, "your role does not allow it"))
}

/// `package.Service` of a path.
pub fn service_of(path: &str) -> Option<&str> {
    path.strip_prefix('/')?
        .split_once('/')
        .map(|(service, _)| service)
}

fn denied(path: &str, why: &str) -> Status {
    refusal::with_metadata(
        Code::PermissionDenied,
        "NOT_ALLOWED",
        format!("{path} may not be called: {why}"),
        [("method".to_owned(), path.to_owned())],
    )
}

fn not_signed_in(path: &str) -> Status {
    refusal::with_metadata(
        Code::Unauthenticated,
        "NOT_SIGNED_IN",
        format!("{path} needs a signed-in user: send `authorization: Bearer <access token>`"),
        [("method".to_owned(), path.to_owned())],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::User;

    fn rules() -> Rules {
        let rule = |public, roles: &[Role], callers: &[&str]| Rule {
            public,
            roles: roles.to_vec(),
            callers: callers.iter().map(|caller| (*caller).to_owned()).collect(),
            ..Rule::default()
        };
        [
            ("/t.S/Public", rule(true, &[], &[])),
            ("/t.S/ForAdmins", rule(false, &[Role::Admin], &[])),
            ("/t.S/ForOrders", rule(false, &[], &["orders"])),
            ("/t.S/ForBoth", rule(false, &[Role::User], &["orders"])),
            ("/t.S/Unspecified", rule(false, &[Role::Unspecified], &[])),
            ("/t.S/Closed", rule(false, &[], &[])),
        ]
        .into_iter()
        .map(|(path, rule)| (path.to_owned(), rule))
        .collect()
    }

    fn identity(caller: Option<&str>, role: Option<Role>) -> Identity {
        Identity {
            caller: caller.map(str::to_owned),
            user: role.map(|role| User {
                id: "u1".into(),
                roles: vec![role],
            }),
        }
    }

    #[test]
    fn every_caller_gets_exactly_what_the_rules_grant() {
        let anonymous = identity(Some(EDGE), None);
        let customer = identity(Some(EDGE), Some(Role::User));
        let admin = identity(Some(EDGE), Some(Role::Admin));
        let orders = identity(Some("orders"), None);
        let trades = identity(Some("trades"), None);
        let nobody = identity(None, None);
        let impostor = identity(Some(EDGE), Some(Role::Unspecified));
        // A service acting for an admin does not gain the admin's rights.
        let trades_for_admin = identity(Some("trades"), Some(Role::Admin));
        let table: &[(&str, &[&Identity])] = &[
            (
                "/t.S/Public",
                &[
                    &anonymous,
                    &customer,
                    &admin,
                    &orders,
                    &trades,
                    &nobody,
                    &impostor,
                    &trades_for_admin,
                ],
            ),
            ("/t.S/ForAdmins", &[&admin]),
            ("/t.S/ForOrders", &[&orders]),
            ("/t.S/ForBoth", &[&customer, &orders]),
            ("/t.S/Unspecified", &[]),
            ("/t.S/Closed", &[]),
            ("/t.S/Unknown", &[]),
        ];
        let everybody = table[0].1;
        let rules = rules();
        for (path, allowed) in table {
            for caller in everybody {
                let expected = allowed.iter().any(|one| std::ptr::eq(*one, *caller));
                assert_eq!(
                    rules.check(path, caller).is_ok(),
                    expected,
                    "{path} {caller:?}"
                );
            }
        }
    }

    #[test]
    fn a_missing_user_and_a_wrong_user_are_told_apart() {
        let rules = rules();
        let code = |identity| rules.check("/t.S/ForAdmins", &identity).unwrap_err().code();
        assert_eq!(code(identity(Some(EDGE), None)), Code::Unauthenticated);
        assert_eq!(
            code(identity(Some(EDGE), Some(Role::User))),
            Code::PermissionDenied
        );
    }

    #[test]
    fn methods_without_a_grant_are_found() {
        assert_eq!(rules().closed_methods("t.S"), ["/t.S/Closed"]);
        assert_eq!(rules().services().into_iter().collect::<Vec<_>>(), ["t.S"]);
    }

    #[test]
    fn the_contract_leaves_no_method_without_a_rule() {
        let rules = Rules::of_the_contract();
        let closed: Vec<_> = rules.iter().filter(|(_, rule)| !rule.grants()).collect();
        assert!(closed.is_empty(), "no `access` option: {closed:?}");
    }
}
