//! Messages as they come, to whoever listens.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use outcry_contracts::notifications::v1::StreamNotificationsResponse;
use outcry_mesh::refusal;
use outcry_service::Context;
use outcry_store::StoreError;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};

use crate::inbox;

/// Messages waiting for one listener. A slow one just reads later: messages are kept.
const WAITING_MAX: usize = 64;

/// Listeners at the same time: each is a task that looks into the store with every message.
const LISTENERS_MAX: usize = 4096;

/// How often a listener is looked after without being woken, as nothing wakes it when another
/// process writes: about what a message may be late, against one read of one row per listener.
const SWEEP: Duration = Duration::from_secs(1);

/// The messages of one listener.
pub(crate) type Messages =
    Pin<Box<dyn Stream<Item = Result<StreamNotificationsResponse, Status>> + Send>>;

/// Ends streams when the service stops, as nothing else would, and counts those that are open.
#[derive(Clone)]
pub(crate) struct Stop {
    token: CancellationToken,
    places: Arc<Semaphore>,
}

/// The part that is told to stop.
pub(crate) struct Stopping(CancellationToken);

// === impl Stop ===

impl Stop {
    pub(crate) fn new() -> (Stopping, Stop) {
        let token = CancellationToken::new();
        let places = Arc::new(Semaphore::new(LISTENERS_MAX));
        (Stopping(token.clone()), Stop { token, places })
    }
}

// === impl Stopping ===

impl Stopping {
    /// Ends all streams once `asked` is cancelled.
    pub(crate) async fn once(self, asked: CancellationToken) {
        asked.cancelled().await;
        self.0.cancel();
    }
}

/// Messages of a user behind `after`, then those that come.
///
/// # Errors
/// `RESOURCE_EXHAUSTED` while too many others listen.
pub(crate) fn messages(
    ctx: Context,
    user_id: String,
    after: u64,
    news: watch::Receiver<u64>,
    stop: Stop,
) -> Result<Messages, Status> {
    let place = Arc::clone(&stop.places).try_acquire_owned();
    let place = place.map_err(|_| {
        let message = "too many streams are open; try again later";
        refusal::with_reason(Code::ResourceExhausted, "TOO_MANY_STREAMS", message)
    })?;
    let (send, receive) = mpsc::channel(WAITING_MAX);
    tokio::spawn(async move {
        let _place = place;
        let status = tokio::select! {
            biased;
            () = stop.token.cancelled() => {
                let message = "the service is stopping; resume after the last sequence";
                Some(refusal::with_reason(Code::Unavailable, "STOPPING", message))
            }
            status = feed(&ctx, &user_id, after, news, &send) => status,
        };
        if let Some(status) = status {
            // A listener that is far behind finds its stream just ended, and resumes.
            let _gone = send.try_send(Err(status));
        }
    });
    Ok(Box::pin(ReceiverStream::new(receive)))
}

/// Sends what there is and what comes; why it ends, or nothing when nobody listens any more.
async fn feed(
    ctx: &Context,
    user_id: &str,
    after: u64,
    mut news: watch::Receiver<u64>,
    send: &mpsc::Sender<Result<StreamNotificationsResponse, Status>>,
) -> Option<Status> {
    let store = ctx.store.as_ref();
    let mut seen = after;
    loop {
        // Before looking: what comes in meanwhile is looked for again.
        news.mark_unchanged();
        let last = match inbox::counter(store, user_id).await {
            Ok((counter, _)) => counter.sequence,
            Err(error) => return Some(unreadable(&error)),
        };
        while seen < last {
            match inbox::message(store, user_id, seen + 1).await {
                Ok(Some(message)) => {
                    let notification = Some(message.shown());
                    let reply = StreamNotificationsResponse { notification };
                    if send.send(Ok(reply)).await.is_err() {
                        return None;
                    }
                }
                // It was deleted.
                Ok(None) => {}
                Err(error) => return Some(unreadable(&error)),
            }
            seen += 1;
        }
        tokio::select! {
            biased;
            () = send.closed() => return None,
            _ = tokio::time::timeout(SWEEP, news.changed()) => {}
        }
    }
}

fn unreadable(error: &StoreError) -> Status {
    let error = error as &dyn std::error::Error;
    tracing::warn!(error, "reading messages for a stream failed");
    let message = "the service cannot reach its store; resume after the last sequence";
    refusal::with_reason(Code::Unavailable, "STORE_UNAVAILABLE", message)
}
