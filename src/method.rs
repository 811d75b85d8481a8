//! Who may call what, as the contract's methods declare it.

use crate::options::v1::Role;

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
