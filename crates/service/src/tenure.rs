//! The time in which a slot is held.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use outcry_store::{Commit, Fence, InvalidCommit, Lease};
use tokio_util::sync::CancellationToken;

/// A slot that is held, until it is to be let go.
#[derive(Clone, Debug)]
pub(crate) struct Tenure {
    pub(crate) lease: Lease,
    /// Cancelled when the slot is lost, wanted by others, or the service stops.
    pub(crate) stop: CancellationToken,
    /// Whether keys of its group may be parked: yes, until the store has said that none is and for as long as nobody
    /// parks one. Only who holds the slot does.
    has_parked: Arc<AtomicBool>,
}

// === impl Tenure ===

impl Tenure {
    pub(crate) fn new(lease: Lease, stop: CancellationToken) -> Self {
        Self {
            lease,
            stop,
            has_parked: Arc::new(AtomicBool::new(true)),
        }
    }

    pub(crate) fn has_parked(&self) -> bool {
        self.has_parked.load(Ordering::SeqCst)
    }

    pub(crate) fn note_parked(&self, has_parked: bool) {
        self.has_parked.store(has_parked, Ordering::SeqCst);
    }

    pub(crate) fn fence(&self) -> Fence {
        self.lease.fence()
    }

    /// Makes `commit` one that only the holder of the slot may make.
    ///
    /// # Errors
    /// It is made for another slot already: nothing can check both.
    pub(crate) fn bind(&self, commit: &mut Commit) -> Result<(), InvalidCommit> {
        commit.merge(Commit {
            fence: Some(self.fence()),
            ..Commit::default()
        })
    }
}
