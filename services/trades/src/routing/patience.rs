//! How long a request waits for a desk.

use std::time::Duration;

use outcry_mesh::deadline;
use outcry_service::backoff::Backoff;
use tokio::sync::watch;
use tokio::time::Instant;

/// How long a request waits for somebody to have the symbol: longer than an orderly move takes. A
/// replica that is gone is replaced after its lease only; callers are told to come back then.
const HOLDER_MAX: Duration = Duration::from_secs(2);

/// How long a request waits for a book that is being loaded here.
const BOOK_MAX: Duration = Duration::from_secs(8);

/// Kept back from the call's own deadline, so that the caller hears why there is no answer.
const MARGIN: Duration = Duration::from_millis(50);

/// Waits between looks at who has the symbol.
const LOOK_BACKOFF: Backoff = Backoff {
    first: Duration::from_millis(10),
    most: Duration::from_millis(200),
};

/// One request's patience.
pub(super) struct Patience {
    began: Instant,
    looks: u32,
}

// === impl Patience ===

impl Patience {
    pub(super) fn begin() -> Patience {
        Patience {
            began: Instant::now(),
            looks: 0,
        }
    }

    /// Waits a little for somebody to have the symbol; false when it has been long enough.
    pub(super) async fn for_a_holder(&mut self, changes: &mut watch::Receiver<()>) -> bool {
        self.wait(HOLDER_MAX, changes).await
    }

    /// Waits a little for a book to be loaded here; false when it has been long enough.
    pub(super) async fn for_a_book(&mut self, changes: &mut watch::Receiver<()>) -> bool {
        self.wait(BOOK_MAX, changes).await
    }

    async fn wait(&mut self, bound: Duration, changes: &mut watch::Receiver<()>) -> bool {
        let mut end = self.began + bound;
        if let Some(deadline) = deadline::current() {
            end = end.min(deadline.checked_sub(MARGIN).unwrap_or(deadline));
        }
        let now = Instant::now();
        if now >= end {
            return false;
        }
        self.looks = self.looks.saturating_add(1);
        let look = now + LOOK_BACKOFF.after(self.looks);
        tokio::select! {
            biased;
            // The floor outlives whoever waits for it.
            _ = changes.changed() => {}
            () = tokio::time::sleep_until(look.min(end)) => {}
        }
        true
    }
}
