//! The time in which a slot is held.

use outcry_store::{Commit, Fence, InvalidCommit, Lease};
use tokio_util::sync::CancellationToken;

/// A slot that is held, until it is to be let go.
#[derive(Clone, Debug)]
pub(crate) struct Tenure {
    pub(crate) lease: Lease,
    /// Cancelled when the slot is lost, wanted by others, or the service stops.
    pub(crate) stop: CancellationToken,
}

// === impl Tenure ===

impl Tenure {
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
