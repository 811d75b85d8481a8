//! Who may call what, as the contract's methods declare it.

use crate::options::v1::{Criticality, Role};

include!(concat!(env!("OUT_DIR"), "/methods.rs"));

/// What the contract says about one gRPC method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MethodFacts {
    /// Path of the HTTP/2 request, `/outcry.orders.v1.OrderService/PlaceOrder`.
    pub path: &'static str,
    /// Domain of the service that serves it, `orders`.
    pub service_owner: &'static str,
    /// Anybody may call it without signing in.
    pub public: bool,
    /// Signed-in users with one of these roles may call it.
    pub roles: &'static [Role],
    /// These services may call it.
    pub callers: &'static [&'static str],
    /// Calling it again changes nothing more, so the mesh may retry it.
    pub idempotent: bool,
    /// Calling it changes nothing at all.
    pub safe: bool,
    /// How much its calls matter when not all can be answered.
    pub criticality: Criticality,
    /// It answers with a stream.
    pub server_streaming: bool,
}

impl MethodFacts {
    /// The method served at a path.
    #[must_use]
    pub fn at(path: &str) -> Option<&'static MethodFacts> {
        let index = METHODS
            .binary_search_by(|method| method.path.cmp(path))
            .ok()?;
        METHODS.get(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    mod sample {
        use super::*;

        include!(concat!(env!("OUT_DIR"), "/samples/methods.rs"));
    }

    #[test]
    fn methods_say_who_may_call_them_and_what_a_retry_does() {
        let [greet, greet_all, greet_often] = sample::METHODS else {
            panic!("{:?}", sample::METHODS);
        };

        assert_eq!(
            *greet,
            MethodFacts {
                path: "/outcry.sample.v1.GreetService/Greet",
                service_owner: "sample",
                public: true,
                roles: &[],
                callers: &[],
                idempotent: true,
                safe: true,
                criticality: Criticality::SheddablePlus,
                server_streaming: false,
            }
        );
        assert_eq!(
            (greet_all.callers, greet_all.public),
            (&["gateway"][..], false)
        );
        assert_eq!(
            (greet_often.roles, greet_often.idempotent, greet_often.safe),
            (&[Role::User][..], false, false)
        );
        assert!(greet_often.server_streaming);
        assert_eq!(greet_all.criticality, Criticality::Critical);
        assert_eq!(greet_often.criticality, Criticality::CriticalPlus);
    }

    #[test]
    fn every_method_of_the_contract_is_found_by_its_path() {
        for method in METHODS {
            assert_eq!(MethodFacts::at(method.path), Some(method));
            assert!(method.public || !method.roles.is_empty() || !method.callers.is_empty());
        }
        assert_eq!(
            MethodFacts::at("/outcry.orders.v1.OrderService/Nothing"),
            None
        );
    }
}
