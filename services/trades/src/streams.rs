//! What happens in the market, sent to whoever listens.

mod book;
mod tape;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use outcry_mesh::refusal;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::codegen::BoxStream;
use tonic::{Code, Status};

pub(crate) use book::BookFeed;
pub(crate) use tape::TapeFeed;

/// Messages waiting for one listener. A slow one reads later what it has not read: matches are
/// kept, and books are sent as they are then.
const WAITING_MAX: usize = 64;

/// Listeners at the same time: each is a task that looks with every commit.
const LISTENERS_MAX: usize = 4_096;

/// How long one stream goes on. Then it just ends and the listener resumes it, by chance at
/// another replica: listeners spread anew after replicas were added.
const LIFE_MAX: Duration = Duration::from_secs(3_600);

/// How often a listener is looked after without being woken, as nothing wakes it when another
/// process writes: about what it may be late, against one look per listener.
const SWEEP: Duration = Duration::from_millis(500);

/// Between two looks of one listener: what happens meanwhile is sent together.
const PACE: Duration = Duration::from_millis(20);

/// The way to one listener.
type Listener<T> = mpsc::Sender<Result<T, Status>>;

/// Opens streams, ends them when the service stops, and counts those that are open.
#[derive(Clone)]
pub(crate) struct Streams {
    stop: CancellationToken,
    places: Arc<Semaphore>,
}

/// The part that is told to stop.
pub(crate) struct Stopping(CancellationToken);

/// What tells a listener's task to look again.
struct Bell {
    commits: watch::Receiver<u64>,
    news: watch::Receiver<()>,
}

// === impl Streams ===

impl Streams {
    pub(crate) fn new() -> (Stopping, Streams) {
        let stop = CancellationToken::new();
        let places = Arc::new(Semaphore::new(LISTENERS_MAX));
        (Stopping(stop.clone()), Streams { stop, places })
    }

    /// A stream of what `feed` sends until it ends; a status it ends with is the stream's.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED` while too many others listen.
    pub(crate) fn open<T, Feed>(
        &self,
        feed: impl FnOnce(Listener<T>) -> Feed,
    ) -> Result<BoxStream<T>, Status>
    where
        T: Send + 'static,
        Feed: Future<Output = Option<Status>> + Send + 'static,
    {
        let place = Arc::clone(&self.places).try_acquire_owned();
        let place = place.map_err(|_| {
            let message = "too many streams are open; try again later";
            refusal::with_reason(Code::ResourceExhausted, "TOO_MANY_STREAMS", message)
        })?;
        let (send, receive) = mpsc::channel(WAITING_MAX);
        let feed = feed(send.clone());
        let stop = self.stop.clone();
        tokio::spawn(async move {
            let _place = place;
            let status = tokio::select! {
                biased;
                () = stop.cancelled() => {
                    let message = "the service is stopping; resume after the last sequence";
                    Some(refusal::with_reason(Code::Unavailable, "STOPPING", message))
                }
                status = feed => status,
                () = tokio::time::sleep(LIFE_MAX) => None,
            };
            if let Some(status) = status {
                // A listener that is far behind finds its stream just ended, and resumes.
                let _gone = send.try_send(Err(status));
            }
        });
        Ok(Box::pin(ReceiverStream::new(receive)))
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

// === impl Bell ===

impl Bell {
    /// To be called before looking: what comes meanwhile is looked for again.
    fn hush(&mut self) {
        self.commits.mark_unchanged();
        self.news.mark_unchanged();
    }

    /// Waits until it is worth looking again; false when nobody listens any more.
    async fn wait<T>(&mut self, listener: &Listener<T>) -> bool {
        let rings = tokio::select! {
            biased;
            () = listener.closed() => false,
            // Whoever rings outlives the streams, unless the service is being dropped.
            rang = self.news.changed() => rang.is_ok(),
            rang = self.commits.changed() => rang.is_ok(),
            () = tokio::time::sleep(SWEEP) => true,
        };
        if rings {
            tokio::time::sleep(PACE).await;
        }
        rings
    }
}
