//! A channel on which every call is made by the same somebody.

use std::convert::Infallible;
use std::task::{Context, Poll};

use outcry_mesh::{Channel, User, forward_for};
use tonic::body::Body;
use tonic::codegen::{Service, http};

/// A transport for generated clients: calls one service as one user, or as another service.
#[derive(Clone, Debug)]
pub struct Caller {
    channel: Channel,
    user: Option<User>,
}

// === impl Caller ===

impl Caller {
    /// Calls over `channel` as `user`, or as nobody.
    #[must_use]
    pub fn new(channel: Channel, user: Option<User>) -> Self {
        Self { channel, user }
    }
}

impl Service<http::Request<Body>> for Caller {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = <Channel as Service<http::Request<Body>>>::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.channel.poll_ready(cx)
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        if let Some(user) = &self.user {
            forward_for(&mut request, user.clone());
        }
        self.channel.call(request)
    }
}
