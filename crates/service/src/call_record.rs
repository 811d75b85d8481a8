//! The record of calls: every denial, and every call that may have changed something, in a chain of
//! hashes in the service's own store.
//!
//! Each run of a service writes one chain. Its first record names the ends of the chains before it,
//! and its last says that it ended in order, so that nothing can be taken out of the middle, and
//! nothing off an end, without a trace. What a record holds are ids, names and codes: no message,
//! no token, nothing personal.
//!
//! - [`chain`] – records and what links them
//! - [`denials`] – so many are written one by one, the rest is counted
//! - [`writer`] – records on their way into the store

pub(crate) mod chain;
mod denials;
mod writer;

use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt;
use futures::future::BoxFuture;
use outcry_mesh::refusal;
use outcry_mesh::{CallRecorder, Ending, RecordedCall, Report};
use tokio::sync::{Notify, mpsc};
use tonic::{Code, Status};

use self::chain::Entry;
use self::denials::Denials;
use crate::clock::Clock;

pub(crate) use self::writer::write;

/// Records that may wait to be written. Calls that may change something wait for room: about a
/// second of the most a store takes, and a few megabytes.
const QUEUE_MAX: usize = 4096;

/// The records of one run of a service until they are written.
pub(crate) struct CallRecords {
    clock: Arc<dyn Clock>,
    queue: mpsc::Sender<Entry>,
    /// The other end of the queue, until a writer has taken it.
    queued: Mutex<Option<mpsc::Receiver<Entry>>>,
    denials: Mutex<Denials>,
    /// Told when a denial is to be written.
    denied: Notify,
}

// === impl CallRecords ===

impl CallRecords {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        let (queue, queued) = mpsc::channel(QUEUE_MAX);
        Arc::new(Self {
            clock,
            queue,
            queued: Mutex::new(Some(queued)),
            denials: Mutex::default(),
            denied: Notify::new(),
        })
    }

    /// The other end of the queue; none when a writer has it.
    fn take_queued(&self) -> Option<mpsc::Receiver<Entry>> {
        let mut queued = self.queued.lock().unwrap_or_else(PoisonError::into_inner);
        queued.take()
    }

    /// Looks at the denials. They are whole after every change.
    fn denials<T>(&self, look: impl FnOnce(&mut Denials) -> T) -> T {
        look(&mut self.denials.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl CallRecorder for CallRecords {
    fn denied(&self, call: RecordedCall, ending: Ending) {
        let entry = Entry::denial(self.clock.now(), call, ending);
        if self.denials(|denials| denials.note(entry)) {
            self.denied.notify_one();
        }
    }

    fn begin(&self, call: RecordedCall) -> BoxFuture<'static, Result<Report, Status>> {
        let (queue, clock) = (self.queue.clone(), Arc::clone(&self.clock));
        async move {
            let room = queue.reserve_owned().await.map_err(|_closed| stopping())?;
            let report: Report = Box::new(move |ending| {
                room.send(Entry::call(clock.now(), call, ending));
            });
            Ok(report)
        }
        .boxed()
    }
}

/// After the last record nothing may change any more.
fn stopping() -> Status {
    refusal::with_reason(
        Code::Unavailable,
        "STOPPING",
        "the service is stopping and writes no calls down any more; try again",
    )
}
