//! How long to wait before trying again.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// Waits that double from `first` up to `most`, each shortened at random by up to half, so that
/// those who failed together do not come back together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The first wait.
    pub first: Duration,
    /// The longest wait.
    pub most: Duration,
}

/// Doubling more often than this would overflow and no wait is that long.
const DOUBLINGS_MAX: u32 = 20;

// === impl Backoff ===

impl Backoff {
    /// The longest the wait after failure number `failures` (from 1) can be.
    fn ceiling(&self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(DOUBLINGS_MAX);
        self.first.saturating_mul(1 << doublings).min(self.most)
    }

    /// The wait after failure number `failures` (from 1).
    pub fn after(&self, failures: u32) -> Duration {
        let ceiling = self.ceiling(failures);
        ceiling / 2 + ceiling.mul_f64(fastrand::f64() / 2.0)
    }

    /// Waits after failure number `failures`; false when `stop` came first.
    pub(crate) async fn wait(&self, failures: u32, stop: &CancellationToken) -> bool {
        tokio::select! {
            biased;
            () = stop.cancelled() => false,
            () = tokio::time::sleep(self.after(failures)) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff {
        first: Duration::from_millis(100),
        most: Duration::from_secs(5),
    };

    #[test]
    fn waits_double_up_to_the_longest() {
        let ceilings: Vec<u128> = (1..=8).map(|n| BACKOFF.ceiling(n).as_millis()).collect();
        assert_eq!(ceilings, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        assert_eq!(BACKOFF.ceiling(u32::MAX), BACKOFF.most);
    }

    #[test]
    fn a_wait_is_never_shorter_than_half_its_ceiling() {
        for failures in 1..12 {
            let wait = BACKOFF.after(failures);
            assert!(wait >= BACKOFF.ceiling(failures) / 2);
            assert!(wait <= BACKOFF.ceiling(failures));
        }
    }
}
