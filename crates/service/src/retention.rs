//! Forgetting what no longer protects anybody: old inbox marks and old answers.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::context::Context;
use crate::faults::chain;

/// How long inbox marks and answers are kept: far longer than a broker keeps an event undelivered
/// or a client repeats a request.
pub const KEPT: Duration = Duration::from_secs(30 * 24 * 3600);

/// How often old ones are looked for.
const EVERY: Duration = Duration::from_secs(600);

/// Rows forgotten in one commit, so that others' commits do not wait long behind it.
const BATCH: usize = 1000;

/// Forgets old inbox marks and answers until `stop`.
pub(crate) async fn forget(ctx: Context, stop: CancellationToken) {
    while !stop.is_cancelled() {
        if let Some(before) = ctx.clock.now().checked_sub(KEPT) {
            match ctx.store.forget(before, BATCH).await {
                Ok(rows) if rows >= BATCH as u64 => continue,
                Ok(rows) => debug!(
                    service = ctx.service,
                    rows, "old marks and answers forgotten"
                ),
                Err(error) => {
                    warn!(
                        service = ctx.service,
                        error = chain(&error),
                        "forgetting failed"
                    );
                }
            }
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}
