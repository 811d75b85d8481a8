//! One subscription: reads what is there, then waits for more, and never further ahead than the subscriber takes.

use std::sync::Arc;
use std::time::Duration;

use futures::future;
use outcry_contracts::eventlog::v1::SubscribeResponse;
use outcry_mesh::refusal;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tonic::{Code, Status};
use tracing::Instrument;

use super::{logged, unreadable};
use crate::archive::{Entry, Reader};

/// Events waiting for a subscriber; with those in its connection enough to ride out a pause.
const WAITING_MAX: usize = 64;
/// A subscriber that takes nothing for so long is not coming back, and its place is wanted.
const STALLED_AFTER: Duration = Duration::from_secs(30);

/// Why a subscription is over.
enum Over {
    /// The subscriber left.
    Left,
    /// Everything asked for was sent.
    Done,
    /// With this status.
    Failed(Status),
}

/// Starts feeding a subscriber; the stream ends with a status that says where to go on.
pub(super) fn open(
    reader: Reader,
    end: watch::Receiver<u64>,
    stop_at_end: bool,
) -> impl Stream<Item = Result<SubscribeResponse, Status>> + Send {
    let (events, waiting) = mpsc::channel(WAITING_MAX);
    let (closing, closed) = oneshot::channel();
    let feeding = async move {
        // Nobody listens to the verdict any more when the subscriber left.
        if let Over::Failed(status) = feed(reader, end, stop_at_end, events).await {
            let _ = closing.send(status);
        }
    };
    tokio::spawn(feeding.in_current_span());
    let verdict = futures::stream::once(closed).filter_map(|verdict| verdict.ok().map(Err));
    StreamExt::chain(ReceiverStream::new(waiting).map(Ok), verdict)
}

async fn feed(
    mut reader: Reader,
    mut end: watch::Receiver<u64>,
    stop_at_end: bool,
    events: mpsc::Sender<SubscribeResponse>,
) -> Over {
    let mut sent = reader.after();
    loop {
        let present = *end.borrow_and_update();
        while reader.after() < present {
            let page = match reader.next(present).await {
                Ok(page) => page,
                Err(error) => return Over::Failed(resume_from(unreadable(&error), sent)),
            };
            for entry in page {
                if let Err(over) = send(&events, &entry, sent).await {
                    return over;
                }
                sent = entry.position;
            }
        }
        if stop_at_end {
            return Over::Done;
        }
        let more = std::pin::pin!(end.changed());
        match future::select(more, std::pin::pin!(events.closed())).await {
            future::Either::Left((Ok(()), _)) => {}
            future::Either::Left((Err(_gone), _)) => return Over::Done,
            future::Either::Right(((), _)) => return Over::Left,
        }
    }
}

async fn send(
    events: &mpsc::Sender<SubscribeResponse>,
    entry: &Arc<Entry>,
    sent: u64,
) -> Result<(), Over> {
    let event = SubscribeResponse {
        logged: Some(logged(entry)),
    };
    match tokio::time::timeout(STALLED_AFTER, events.send(event)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_closed)) => Err(Over::Left),
        Err(_stalled) => Err(Over::Failed(too_slow(sent))),
    }
}

fn too_slow(sent: u64) -> Status {
    refusal::with_metadata(
        Code::ResourceExhausted,
        "SUBSCRIBER_TOO_SLOW",
        format!(
            "nothing was taken for {} seconds: subscribe again with after_position {sent}",
            STALLED_AFTER.as_secs()
        ),
        [(RESUME_AFTER.to_owned(), sent.to_string())],
    )
}

/// Fact of a status: the position to subscribe from again.
const RESUME_AFTER: &str = "after_position";

fn resume_from(status: Status, sent: u64) -> Status {
    refusal::with_metadata(
        status.code(),
        "SUBSCRIPTION_BROKEN",
        format!(
            "{}: subscribe again with after_position {sent}",
            status.message()
        ),
        [(RESUME_AFTER.to_owned(), sent.to_string())],
    )
}
