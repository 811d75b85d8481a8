//! The way to a desk: a bounded inbox, and what the book looked like lately.

use std::sync::Arc;

use outcry_events::Cause;
use tokio::sync::{mpsc, oneshot, watch};

use super::{Ask, NoEffect, Snapshot};
use crate::trade::Trade;

/// Requests that can wait for a desk. Whoever comes when it is full waits until there is room, as
/// long as its deadline allows.
const INBOX_MAX: usize = 1_024;

/// What a caller gets.
#[derive(Debug)]
pub(crate) enum Answer {
    /// The trade as it stands now, if there is one to show.
    Trade(Option<Box<Trade>>),
    /// The request has no effect.
    NoEffect(NoEffect),
    /// The desk cannot write at the moment. What became of the request is not known.
    Unavailable,
    /// The request cannot be written down.
    Broken,
    /// The desk is here no more. What became of the request is not known: whoever asks the desk
    /// where it is now finds out.
    Gone,
}

/// A request on its way through the desk.
pub(super) struct Job {
    pub(super) ask: Ask,
    pub(super) cause: Cause,
    pub(super) answer: oneshot::Sender<Answer>,
}

/// What waits for a desk.
pub(super) type Inbox = mpsc::Receiver<Job>;

/// The way to a desk. Cheap to clone.
#[derive(Clone)]
pub(crate) struct DeskHandle {
    inbox: mpsc::Sender<Job>,
    snapshot: watch::Receiver<Arc<Snapshot>>,
}

// === impl DeskHandle ===

impl DeskHandle {
    /// A desk's handle, and the inbox that it fills.
    pub(super) fn new(snapshot: watch::Receiver<Arc<Snapshot>>) -> (DeskHandle, Inbox) {
        let (sender, inbox) = mpsc::channel(INBOX_MAX);
        let handle = DeskHandle {
            inbox: sender,
            snapshot,
        };
        (handle, inbox)
    }

    /// Has a request carried out.
    pub(crate) async fn ask(&self, ask: Ask, cause: Cause) -> Answer {
        let (answer, answered) = oneshot::channel();
        let job = Job { ask, cause, answer };
        if self.inbox.send(job).await.is_err() {
            return Answer::Gone;
        }
        answered.await.unwrap_or(Answer::Gone)
    }

    /// What the book looked like after the last commit.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.borrow().clone()
    }
}
