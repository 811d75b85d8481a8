//! Calls that are being answered: a service that stops finishes them first.

use std::pin::Pin;
use std::task::{Context, Poll};

use tonic::service::Routes;
use tower::Service;
use tower::layer::layer_fn;

use crate::shift::Shift;

/// `routes` with every call counted as part of `calls` until its answer begins. A stream of answers
/// counts no longer then: what it shows is committed, and some have no end.
pub(crate) fn counted(routes: Routes, calls: &Shift) -> Routes {
    let calls = calls.clone();
    let layer = layer_fn(move |inner| Counted {
        inner,
        calls: calls.clone(),
    });
    Routes::from(routes.into_axum_router().layer(layer))
}

/// A service whose calls are counted.
#[derive(Clone)]
struct Counted<S> {
    inner: S,
    calls: Shift,
}

impl<S, R> Service<R> for Counted<S>
where
    S: Service<R>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let begun = self.calls.begun();
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await;
            drop(begun);
            answer
        })
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::Arc;

    use tokio::sync::Notify;
    use tower::service_fn;

    use super::*;

    #[tokio::test]
    async fn a_shift_of_calls_ends_when_the_last_one_is_answered_or_given_up() {
        let calls = Shift::default();
        let answer = Arc::new(Notify::new());
        let answering = Arc::clone(&answer);
        let inner = service_fn(move |()| {
            let answering = Arc::clone(&answering);
            async move {
                answering.notified().await;
                Ok::<_, Infallible>(())
            }
        });
        let mut counted = Counted {
            inner,
            calls: calls.clone(),
        };
        let (mut answered, given_up) = (counted.call(()), counted.call(()));
        assert!(futures::poll!(answered.as_mut()).is_pending());
        calls.stop();
        let mut ended = Box::pin(calls.ended());
        assert!(futures::poll!(ended.as_mut()).is_pending());
        answer.notify_one();
        answered.await.unwrap();
        assert!(futures::poll!(ended.as_mut()).is_pending());
        drop(given_up);
        ended.await;
    }
}
