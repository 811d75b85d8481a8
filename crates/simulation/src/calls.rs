//! Calls between services: over the line of the process that is called, and from the directory of
//! a second process to that of the first ones.

use std::convert::Infallible;
use std::task::{Context, Poll};

use axum::body::Body as AxumBody;
use axum::response::Response as AxumResponse;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::Request;
use outcry_mesh::{Directory, Identity, forward_for};
use tonic::service::Routes;
use tonic::{Code, Status};
use tower::Service;
use tower::layer::layer_fn;

use crate::line::Line;
use crate::plan::SERVICES;
use crate::world::{Step, World};

/// `routes` of a process behind its line: calls are lost on the way in and out, and end with it.
pub(crate) fn behind(routes: Routes, service: &'static str, line: &Line, world: &World) -> Routes {
    let (line, world) = (line.clone(), world.clone());
    let layer = layer_fn(move |inner| Behind {
        inner,
        service,
        line: line.clone(),
        world: world.clone(),
    });
    Routes::from(routes.into_axum_router().layer(layer))
}

#[derive(Clone)]
struct Behind<S> {
    inner: S,
    service: &'static str,
    line: Line,
    world: World,
}

impl<S> Service<Request<AxumBody>> for Behind<S>
where
    S: Service<Request<AxumBody>, Response = AxumResponse, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = AxumResponse;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<AxumResponse, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<AxumBody>) -> Self::Future {
        let identity = request.extensions().get::<Identity>();
        let caller = identity.and_then(|identity| identity.caller.clone());
        let answer = self.inner.call(request);
        // The directory, which asks what there is when routes are registered, is nobody.
        let Some(caller) = caller else {
            return answer.boxed();
        };
        let (service, line, world) = (self.service, self.line.clone(), self.world.clone());
        async move {
            let delay = world.delay(service);
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            let step = world.call(&caller, service);
            if step == Step::Refused || line.dead().is_cancelled() {
                return Ok(lost("the call did not arrive"));
            }
            tokio::select! {
                biased;
                () = line.dead().cancelled() => Ok(lost("the service died")),
                answer = answer => match step {
                    Step::Unanswered => Ok(lost("the answer did not arrive")),
                    _ => answer,
                },
            }
        }
        .boxed()
    }
}

fn lost(how: &str) -> AxumResponse {
    Status::new(Code::Unavailable, how).into_http()
}

/// Makes every service of `first` reachable through `second`, but for the one that runs there.
///
/// # Errors
/// A service cannot be registered.
pub(crate) fn reach(
    first: &Directory,
    second: &Directory,
    but: &str,
) -> Result<(), outcry_mesh::RegisterError> {
    for target in SERVICES {
        if target == but {
            continue;
        }
        let forward = Forward {
            first: first.clone(),
            target,
        };
        // The directory has a fallback of its own.
        let router = axum::Router::new().route_service("/{service}/{method}", forward);
        second.register(target, Routes::from(router))?;
    }
    Ok(())
}

/// Takes calls from one directory to a service of another.
#[derive(Clone)]
struct Forward {
    first: Directory,
    target: &'static str,
}

impl Service<Request<AxumBody>> for Forward {
    type Response = AxumResponse;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<AxumResponse, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<AxumBody>) -> Self::Future {
        let identity = request.extensions_mut().remove::<Identity>();
        let identity = identity.unwrap_or_default();
        let named = identity.caller.as_deref();
        let caller = SERVICES.iter().find(|name| Some(**name) == named);
        let Some(caller) = caller else {
            return std::future::ready(Ok(lost("nobody calls"))).boxed();
        };
        if let Some(user) = identity.user {
            forward_for(&mut request, user);
        }
        let mut channel = self.first.channel(caller, self.target);
        let answer = channel.call(request.map(tonic::body::Body::new));
        async move { answer.await.map(|answer| answer.map(AxumBody::new)) }.boxed()
    }
}
