//! Following the changes of one's orders.

use std::pin::Pin;
use std::time::Duration;

use futures::Stream;
use outcry_contracts::orders::v1::{StreamOrderUpdatesRequest, StreamOrderUpdatesResponse};
use outcry_mesh::refusal;
use outcry_service::{Context, store_failure};
use outcry_store::CommitError;
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};
use tonic::{Code, Status};

use crate::updates::{self, UPDATES_KEPT, UpdateRow};
use crate::views::shown;

/// Changes that wait for a follower; with those in the connection enough to ride out a pause.
const WAITING_MAX: usize = 64;

/// A follower who takes nothing for so long is not coming back.
const STALLED_AFTER: Duration = Duration::from_secs(30);

/// How long one stream lasts: a follower then comes back, by now perhaps to another replica.
const STREAM_MAX: Duration = Duration::from_secs(60 * 60);

/// The least time between two looks: many commits of a busy service wake a follower once.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Fact of a status: the sequence to go on behind.
const RESUME_AFTER: &str = "after_sequence";

/// The changes, as they are sent.
pub(crate) type Updates =
    Pin<Box<dyn Stream<Item = Result<StreamOrderUpdatesResponse, Status>> + Send>>;

/// Why a stream is over.
enum Over {
    /// It has lasted long enough, the follower left, or the service stops.
    Ended,
    /// With this status.
    Failed(Status),
}

/// One follower.
struct Follower {
    ctx: Context,
    user_id: String,
    /// Only this symbol; empty for all.
    symbol: String,
    /// The last sequence sent, or passed over because of its symbol.
    passed: u64,
    out: mpsc::Sender<Result<StreamOrderUpdatesResponse, Status>>,
    draining: watch::Receiver<bool>,
}

/// Starts feeding a follower.
///
/// # Errors
/// There is no such sequence yet, or the store failed.
pub(crate) async fn open(
    ctx: &Context,
    user_id: String,
    asked: &StreamOrderUpdatesRequest,
    draining: watch::Receiver<bool>,
) -> Result<Updates, Status> {
    number_all(ctx, &user_id).await?;
    let count = updates::count(ctx.store.as_ref(), &user_id)
        .await
        .map_err(store_failure)?;
    if asked.after_sequence > count.last {
        return Err(beyond(asked.after_sequence, count.last));
    }
    let (out, waiting) = mpsc::channel(WAITING_MAX);
    let follower = Follower {
        ctx: ctx.clone(),
        user_id,
        symbol: asked.symbol.clone(),
        passed: asked.after_sequence,
        out,
        draining,
    };
    tokio::spawn(follower.run());
    let updates = futures::stream::unfold(waiting, |mut waiting| async move {
        let update = waiting.recv().await?;
        Some((update, waiting))
    });
    Ok(Box::pin(updates))
}

/// Numbers everything of a user that has no number yet.
async fn number_all(ctx: &Context, user_id: &str) -> Result<(), Status> {
    loop {
        match updates::number(ctx, user_id).await {
            Ok(true) => {}
            Ok(false) => return Ok(()),
            Err(CommitError::Store(error)) => return Err(store_failure(error)),
            Err(error) => {
                return Err(refusal::with_reason(
                    Code::Aborted,
                    "CONFLICT",
                    error.to_string(),
                ));
            }
        }
    }
}

// === impl Follower ===

impl Follower {
    async fn run(mut self) {
        let mut draining = self.draining.clone();
        let out = self.out.clone();
        let over = {
            let feeding = std::pin::pin!(self.feed());
            tokio::select! {
                biased;
                // The sender goes when the service does.
                _ = draining.wait_for(|drains| *drains) => Over::Ended,
                () = out.closed() => Over::Ended,
                () = sleep(STREAM_MAX) => Over::Ended,
                over = feeding => over,
            }
        };
        if let Over::Failed(status) = over {
            // Nobody listens any more when the follower has left.
            let _ = timeout(STALLED_AFTER, out.send(Err(status))).await;
        }
    }

    async fn feed(&mut self) -> Over {
        let mut commits = self.ctx.store.commits();
        loop {
            // Seen before looking: a commit during the look wakes the next one.
            commits.mark_unchanged();
            if let Err(over) = self.send_new().await {
                return over;
            }
            if commits.changed().await.is_err() {
                return Over::Ended;
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// Sends what is there behind what was sent.
    async fn send_new(&mut self) -> Result<(), Over> {
        let failed = |status: Status, passed| Over::Failed(resume_from(&status, passed));
        if let Err(status) = number_all(&self.ctx, &self.user_id).await {
            return Err(failed(status, self.passed));
        }
        loop {
            let store = self.ctx.store.as_ref();
            let found = match updates::read(store, &self.user_id, self.passed).await {
                Ok(found) if found.is_empty() => return Ok(()),
                Ok(found) => found,
                Err(error) => return Err(failed(store_failure(error), self.passed)),
            };
            for (sequence, update) in found {
                if self.symbol.is_empty() || self.symbol == update.order.order.symbol {
                    self.send(sequence, &update).await?;
                }
                self.passed = sequence;
            }
        }
    }

    async fn send(&self, sequence: u64, update: &UpdateRow) -> Result<(), Over> {
        let response = StreamOrderUpdatesResponse {
            sequence,
            topic: update.topic.clone(),
            event_id: update.event_id.to_string(),
            order: Some(shown(&update.order)),
        };
        match timeout(STALLED_AFTER, self.out.send(Ok(response))).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_left)) => Err(Over::Ended),
            Err(_stalled) => Err(Over::Failed(too_slow(self.passed))),
        }
    }
}

fn beyond(after: u64, last: u64) -> Status {
    refusal::with_metadata(
        Code::OutOfRange,
        "SEQUENCE_BEYOND_END",
        format!("there is no update {after}: the last one is {last}; start from there or from 0"),
        [("last".to_owned(), last.to_string())],
    )
}

fn too_slow(passed: u64) -> Status {
    refusal::with_metadata(
        Code::ResourceExhausted,
        "SUBSCRIBER_TOO_SLOW",
        format!(
            "nothing was taken for {} seconds: go on with after_sequence {passed}; the last \
             {UPDATES_KEPT} updates are kept",
            STALLED_AFTER.as_secs()
        ),
        [(RESUME_AFTER.to_owned(), passed.to_string())],
    )
}

fn resume_from(status: &Status, passed: u64) -> Status {
    refusal::with_metadata(
        status.code(),
        "STREAM_BROKEN",
        format!("{}: go on with after_sequence {passed}", status.message()),
        [(RESUME_AFTER.to_owned(), passed.to_string())],
    )
}
