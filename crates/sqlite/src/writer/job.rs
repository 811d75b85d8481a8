//! One queued write, whatever its types.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rusqlite::Connection;
use tokio::sync::oneshot;
use tracing::error;

use crate::error::Error;

/// How a job ended, as far as its transaction is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// What it wrote is to be kept.
    Keep,
    /// What it wrote is to be undone.
    Undo,
}

/// What is undone when a job fails, or panics, that has written something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undo {
    /// The job alone.
    Job,
    /// Everything in its transaction, and everybody in it is told. For a job that refuses, if it does, before it has
    /// written anything: it costs less, since nothing is kept to undo it alone.
    Group,
}

/// A queued write. Called in the order of these methods, at most once each.
pub(super) trait Job: Send {
    /// Whether nobody waits for it any more.
    fn is_abandoned(&self) -> bool;
    /// What goes with it when it fails.
    fn undo(&self) -> Undo;
    /// Does the writing.
    fn run(&mut self, connection: &Connection) -> Verdict;
    /// What it wrote has reached the disk.
    fn committed(&mut self);
    /// Answers: what the job came to, or `failure` in place of a success that was lost.
    fn answer(self: Box<Self>, failure: Option<Error>);
}

/// A job of certain types.
pub(super) struct Task<J, H, T, E> {
    undo: Undo,
    job: Option<J>,
    then: Option<H>,
    result: Option<Result<T, E>>,
    answer: oneshot::Sender<Result<T, E>>,
}

// === impl Task ===

impl<J, H, T, E> Task<J, H, T, E> {
    pub(super) fn new(undo: Undo, job: J, then: H) -> (Self, oneshot::Receiver<Result<T, E>>) {
        let (answer, receiver) = oneshot::channel();
        let task = Self {
            undo,
            job: Some(job),
            then: Some(then),
            result: None,
            answer,
        };
        (task, receiver)
    }
}

impl<J, H, T, E> Job for Task<J, H, T, E>
where
    J: FnOnce(&Connection) -> Result<T, E> + Send,
    H: FnOnce(&T) + Send,
    T: Send,
    E: From<Error> + Send,
{
    fn is_abandoned(&self) -> bool {
        self.answer.is_closed()
    }

    fn undo(&self) -> Undo {
        self.undo
    }

    fn run(&mut self, connection: &Connection) -> Verdict {
        let Some(job) = self.job.take() else {
            return Verdict::Undo;
        };
        // What the job has touched is either undone or dropped with it.
        let result = catch_unwind(AssertUnwindSafe(|| job(connection)))
            .unwrap_or_else(|_| Err(Error::Panicked.into()));
        let verdict = match result {
            Ok(_) => Verdict::Keep,
            Err(_) => Verdict::Undo,
        };
        self.result = Some(result);
        verdict
    }

    fn committed(&mut self) {
        if let (Some(then), Some(Ok(value))) = (self.then.take(), &self.result)
            && catch_unwind(AssertUnwindSafe(|| then(value))).is_err()
        {
            error!("what was to follow a database write panicked");
        }
    }

    fn answer(self: Box<Self>, failure: Option<Error>) {
        let result = match (self.result, failure) {
            (Some(Err(error)), _) => Err(error),
            (_, Some(failure)) => Err(failure.into()),
            (Some(result), None) => result,
            // Never run and no reason given.
            (None, None) => Err(Error::Closed.into()),
        };
        // The caller may have stopped waiting.
        let _ = self.answer.send(result);
    }
}
