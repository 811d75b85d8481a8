//! Work that stops together when a service drains.

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// Pieces of work with one stop signal, one way to wait for all of them and one to break them off.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shift {
    stop: CancellationToken,
    broken_off: CancellationToken,
    running: TaskTracker,
}

// === impl Shift ===

impl Shift {
    /// A signal that is given when the shift stops, or earlier by whoever cancels this one.
    pub(crate) fn stop_signal(&self) -> CancellationToken {
        self.stop.child_token()
    }

    /// `work` as part of the shift: waited for, and broken off when that takes too long.
    pub(crate) fn part(
        &self,
        work: impl Future<Output = ()> + Send + 'static,
    ) -> impl Future<Output = ()> + Send + 'static {
        let broken_off = self.broken_off.clone();
        self.running.track_future(async move {
            tokio::select! {
                biased;
                () = work => {}
                () = broken_off.cancelled() => {}
            }
        })
    }

    /// Something that is waited for until the token is dropped, but cannot be broken off.
    pub(crate) fn begun(&self) -> TaskTrackerToken {
        self.running.token()
    }

    /// Tells all parts to come to their end.
    pub(crate) fn stop(&self) {
        self.running.close();
        self.stop.cancel();
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Waits until the shift has been told to stop and no part is left.
    pub(crate) async fn ended(&self) {
        self.running.wait().await;
    }

    /// Ends all parts where they stand.
    pub(crate) fn break_off(&self) {
        self.stop();
        self.broken_off.cancel();
    }
}
