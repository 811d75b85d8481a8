//! Positions as they change, to whoever listens.
//!
//! A mark is a time on the clocks of the replicas that write: that of the change a message shows, but
//! always a little in the past. Changes behind it are all in what was sent, also those whose
//! commit took a while or whose replica's clock is late. So nothing is missed after resuming, and
//! only what changed within that little while before the mark may come once more.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use outcry_contracts::portfolio::v1 as wire;
use outcry_contracts::portfolio::v1::StreamPositionsResponse;
use outcry_mesh::refusal;
use outcry_service::{Context, store_failure};
use outcry_store::timer::nanos;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};
use uuid::Uuid;

use crate::{showing, views};

/// Messages waiting for one listener. A slow one reads later, and gets what changed meanwhile once.
const WAITING_MAX: usize = 64;

/// Listeners at the same time: each is a task that reads its user's positions with every change.
const LISTENERS_MAX: usize = 4_096;

/// How often a listener is looked after without being woken: nothing wakes it when another process
/// writes.
const SWEEP: Duration = Duration::from_secs(1);

/// How long a stream goes on at most; whoever wants more resumes. Nobody is served by a process that
/// is long to be replaced.
const LISTENING_MAX: Duration = Duration::from_secs(3_600);

/// How far marks are in the past, at least: longer than a commit takes, and more than clocks differ.
const SETTLE_NS: i64 = 2_000_000_000;

/// The messages of one listener.
pub(crate) type Messages =
    Pin<Box<dyn Stream<Item = Result<StreamPositionsResponse, Status>> + Send>>;

/// What every stream needs.
#[derive(Clone)]
pub(crate) struct Streams {
    stop: CancellationToken,
    places: Arc<Semaphore>,
    news: watch::Receiver<u64>,
}

/// Ends all streams when the service stops.
pub(crate) struct Stopping(CancellationToken);

/// Which positions are wanted.
pub(crate) struct Wanted {
    pub(crate) user_id: String,
    /// Only of this one.
    pub(crate) portfolio_id: Option<Uuid>,
    /// Not those that have not changed since.
    pub(crate) after_mark: u64,
}

/// Streams that look again whenever `news` changes.
pub(crate) fn streams(news: watch::Receiver<u64>) -> (Stopping, Streams) {
    let stop = CancellationToken::new();
    let streams = Streams {
        stop: stop.clone(),
        places: Arc::new(Semaphore::new(LISTENERS_MAX)),
        news,
    };
    (Stopping(stop), streams)
}

// === impl Stopping ===

impl Stopping {
    /// Ends all streams once `asked` is cancelled.
    pub(crate) async fn once(self, asked: CancellationToken) {
        asked.cancelled().await;
        self.0.cancel();
    }
}

// === impl Streams ===

impl Streams {
    /// Positions, then each again when it changes.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED` while too many others listen.
    pub(crate) fn open(&self, ctx: Context, wanted: Wanted) -> Result<Messages, Status> {
        let place = Arc::clone(&self.places).try_acquire_owned();
        let place = place.map_err(|_| {
            let message = "too many streams are open; try again later";
            refusal::with_reason(Code::ResourceExhausted, "TOO_MANY_STREAMS", message)
        })?;
        let (send, receive) = mpsc::channel(WAITING_MAX);
        let (stop, news) = (self.stop.clone(), self.news.clone());
        tokio::spawn(async move {
            let _place = place;
            let ended = tokio::select! {
                biased;
                () = stop.cancelled() => {
                    let message = "the service is stopping; resume after the last mark";
                    Some(refusal::with_reason(Code::Unavailable, "STOPPING", message))
                }
                ended = feed(&ctx, &wanted, news, &send) => ended,
                () = tokio::time::sleep(LISTENING_MAX) => None,
            };
            if let Some(status) = ended {
                // A listener that is far behind finds its stream just ended, and resumes.
                let _gone = send.try_send(Err(status));
            }
        });
        Ok(Box::pin(ReceiverStream::new(receive)))
    }
}

/// Sends what there is and what changes; why it ends, or nothing when nobody listens any more.
async fn feed(
    ctx: &Context,
    wanted: &Wanted,
    mut news: watch::Receiver<u64>,
    send: &mpsc::Sender<Result<StreamPositionsResponse, Status>>,
) -> Option<Status> {
    let mut sent = BTreeMap::new();
    let mut mark = wanted.after_mark;
    let mut skip_to = Some(wanted.after_mark);
    loop {
        // Before looking: what changes meanwhile is looked for again.
        news.mark_unchanged();
        // Before reading: what is not read yet was changed later.
        let now_ns = nanos(ctx.clock.now()).unwrap_or_default();
        let settled = u64::try_from(now_ns - SETTLE_NS).unwrap_or_default();
        let changed = match changed(ctx, wanted, &mut sent, skip_to.take()).await {
            Ok(changed) => changed,
            Err(status) => return Some(status),
        };
        for (changed_at, position) in changed {
            mark = mark.max(changed_at.min(settled));
            let position = Some(position);
            let reply = StreamPositionsResponse { position, mark };
            if send.send(Ok(reply)).await.is_err() {
                return None;
            }
        }
        tokio::select! {
            biased;
            () = send.closed() => return None,
            _ = tokio::time::timeout(SWEEP, news.changed()) => {}
        }
    }
}

/// The positions that are not as they were sent, with when they changed, in that order. At first
/// those that have not changed since `skip_to` count as sent.
async fn changed(
    ctx: &Context,
    wanted: &Wanted,
    sent: &mut BTreeMap<String, wire::Position>,
    skip_to: Option<u64>,
) -> Result<Vec<(u64, wire::Position)>, Status> {
    let store = ctx.store.as_ref();
    let positions = views::positions(store, &wanted.user_id).await;
    let positions = positions.map_err(store_failure)?;
    let prices = views::prices(store).await.map_err(store_failure)?;
    let mut changed = Vec::new();
    for position in &positions {
        let symbol = &position.symbol;
        let Some(sums) = showing::sums(position, wanted.portfolio_id) else {
            continue;
        };
        let priced = prices.get(symbol).map_or(0, |price| price.changed_ns);
        let at = position.changed_ns.max(priced);
        let at = u64::try_from(at).unwrap_or_default();
        let shown = showing::position(symbol, &sums, wanted.portfolio_id, &prices)?;
        if sent.get(symbol) == Some(&shown) {
            continue;
        }
        sent.insert(symbol.clone(), shown.clone());
        if skip_to.is_none_or(|mark| at > mark) {
            changed.push((at, shown));
        }
    }
    changed.sort_by(|(one, of), (other, than)| (one, &of.symbol).cmp(&(other, &than.symbol)));
    Ok(changed)
}
