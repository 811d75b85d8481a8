//! Messages as they come, to whoever listens.

use std::pin::Pin;
use std::time::Duration;

use outcry_contracts::notifications::v1::StreamNotificationsResponse;
use outcry_service::Context;
use tokio::sync::{mpsc, watch};
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};

use crate::inbox;

/// Messages waiting for one listener. A slow one just reads later: messages are kept.
const WAITING_MAX: usize = 64;

/// How often a listener is looked after without being woken: another process may have written.
const SWEEP: Duration = Duration::from_secs(5);

/// The messages of one listener.
pub(crate) type Messages =
    Pin<Box<dyn Stream<Item = Result<StreamNotificationsResponse, Status>> + Send>>;

/// Ends streams when the service stops: nothing else would ever end them.
#[derive(Clone)]
pub(crate) struct Stop(CancellationToken);

/// The part that is told to stop.
pub(crate) struct Stopping(CancellationToken);

// === impl Stop ===

impl Stop {
    pub(crate) fn new() -> (Stopping, Stop) {
        let token = CancellationToken::new();
        (Stopping(token.clone()), Stop(token))
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
pub(crate) fn messages(
    ctx: Context,
    user_id: String,
    after: u64,
    mut news: watch::Receiver<u64>,
    stop: Stop,
) -> Messages {
    let (send, receive) = mpsc::channel(WAITING_MAX);
    tokio::spawn(async move {
        let mut next = after.saturating_add(1);
        loop {
            news.mark_unchanged();
            match inbox::message(ctx.store.as_ref(), &user_id, next).await {
                Ok(Some(message)) => {
                    let notification = Some(message.shown());
                    let reply = StreamNotificationsResponse { notification };
                    if send.send(Ok(reply)).await.is_err() {
                        return;
                    }
                    next += 1;
                    continue;
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(%error, "reading messages for a stream failed");
                    let status = Status::new(Code::Unavailable, "resume after the last sequence");
                    let _gone = send.send(Err(status)).await;
                    return;
                }
            }
            tokio::select! {
                () = send.closed() => return,
                () = stop.0.cancelled() => {
                    let message = "the service is stopping; resume after the last sequence";
                    let _gone = send.try_send(Err(Status::new(Code::Unavailable, message)));
                    return;
                }
                _ = tokio::time::timeout(SWEEP, news.changed()) => {}
            }
        }
    });
    Box::pin(ReceiverStream::new(receive))
}
