//! Waiting for what comes about in its own time.

use std::time::Duration;

use tokio::time::Instant;

/// How long a story waits for a condition: far longer than any takes, so that only a condition
/// that never comes true fails, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often the condition is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Waits until `condition` holds.
///
/// # Panics
/// When it does not come to hold for a minute.
pub async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    found(what, async || condition().await.then_some(())).await;
}

/// Waits until `look` finds something, and returns it.
///
/// # Panics
/// When nothing is found for a minute.
pub async fn found<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(thing) = look().await {
            return thing;
        }
        assert!(
            Instant::now() < deadline,
            "waited {PATIENCE:?} in vain: {what}"
        );
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
