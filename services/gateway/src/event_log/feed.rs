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

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use outcry_contracts::users::v1::UserPasswordChangedEvent;
    use outcry_events::{Cause, SealedEvent, Stamp, seal};
    use outcry_sqlite::Database;
    use outcry_store::SqliteStore;
    use tonic_types::StatusExt;
    use uuid::Uuid;

    use super::*;
    use crate::archive::{Archive, Filter};

    fn event(id: u128) -> SealedEvent {
        let user_id = Uuid::from_u128(1).to_string();
        let cause = Cause::root(Uuid::from_u128(2), "service:users");
        let stamp = Stamp {
            event_id: Uuid::from_u128(id),
            sequence: 1,
            occurred_at: UNIX_EPOCH,
            recorded_at: UNIX_EPOCH,
            cause: &cause,
        };
        seal(
            &UserPasswordChangedEvent {
                user_id,
                token_epoch: 1,
            },
            stamp,
        )
        .unwrap()
    }

    #[tokio::test]
    async fn a_subscriber_who_takes_nothing_is_told_where_to_go_on() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(&folder.path().join("outcry.db")).unwrap();
        let store = SqliteStore::open(&database, "gateway").await.unwrap();
        let archive = Archive::open(Arc::new(store)).await.unwrap();
        for id in 1..=200 {
            archive.write(&event(id)).await.unwrap().unwrap();
            archive.written(&event(id));
        }
        tokio::time::pause();
        let reader = Reader::new(archive.clone(), Filter::default(), 0);
        let mut events = std::pin::pin!(open(reader, archive.end(), false));
        // Lets the feed run into its bound and then the time pass.
        tokio::time::sleep(STALLED_AFTER * 2).await;
        let mut last = 0;
        let status = loop {
            match events.next().await.unwrap() {
                Ok(event) => last = event.logged.unwrap().position,
                Err(status) => break status,
            }
        };
        assert_eq!(last, WAITING_MAX as u64);
        let info = status.get_details_error_info().unwrap();
        assert_eq!(
            (status.code(), info.reason.as_str()),
            (Code::ResourceExhausted, "SUBSCRIBER_TOO_SLOW")
        );
        assert_eq!(info.metadata[RESUME_AFTER], last.to_string());
        assert!(events.next().await.is_none());
    }
}
