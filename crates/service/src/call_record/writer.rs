//! Records on their way into the store.

use std::sync::Arc;
use std::time::Duration;

use outcry_store::timer::nanos;
use outcry_store::{Commit, CommitError};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use super::CallRecords;
use super::chain::{Chain, Entry};
use super::denials::WINDOW_NS;
use crate::backoff::Backoff;
use crate::context::Context;
use crate::faults::chain as causes;

/// How long a record waits for others to be written with it: what a crash may lose, and short
/// beside what a call takes that is worth recording.
const BATCH_WITHIN: Duration = Duration::from_millis(100);

/// Records of one commit, so that others' commits do not wait long behind it.
const BATCH_MAX: usize = 1000;

/// Waits while the store does not take records.
const STORE_BACKOFF: Backoff = Backoff {
    first: Duration::from_millis(50),
    most: Duration::from_secs(5),
};

/// Writes records down until `stop`, then what is left and that the chain ends here. Calls that are
/// under way by then are waited for.
pub(crate) async fn write(ctx: Context, records: Arc<CallRecords>, stop: CancellationToken) {
    let Some(mut queued) = records.take_queued() else {
        error!(service = ctx.service, "its calls are being written already");
        return;
    };
    let mut writer = Writer {
        chain: opened(&ctx, ctx.member.id.clone()).await,
        ctx,
    };
    let window = Duration::from_nanos(WINDOW_NS.unsigned_abs());
    let mut batch = Vec::new();
    while !stop.is_cancelled() {
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            Some(entry) = queued.recv() => batch.push(entry),
            () = records.denied.notified() => {}
            // Counts of denials are written though no other comes.
            () = tokio::time::sleep(window) => {}
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = tokio::time::sleep(BATCH_WITHIN) => {}
        }
        let now_ns = nanos(writer.ctx.clock.now()).unwrap_or_default();
        batch.extend(records.denials(|denials| denials.due(now_ns)));
        fill(&mut batch, &mut queued);
        writer.keep(std::mem::take(&mut batch)).await;
    }
    queued.close();
    // Ends when the last call that was begun has said how it ended.
    while let Some(entry) = queued.recv().await {
        batch.push(entry);
        fill(&mut batch, &mut queued);
        writer.keep(std::mem::take(&mut batch)).await;
    }
    let now = writer.ctx.clock.now();
    let now_ns = nanos(now).unwrap_or_default();
    let mut last = records.denials(|denials| denials.all(now_ns));
    last.push(Entry::closed(now));
    writer.keep(last).await;
}

/// Adds what is waiting, up to a full batch.
fn fill(batch: &mut Vec<Entry>, queued: &mut mpsc::Receiver<Entry>) {
    while batch.len() < BATCH_MAX {
        let Ok(entry) = queued.try_recv() else { return };
        batch.push(entry);
    }
}

struct Writer {
    ctx: Context,
    chain: Chain,
}

// === impl Writer ===

impl Writer {
    /// Writes records, however often it takes. Whoever waits for it decides how long.
    async fn keep(&mut self, entries: Vec<Entry>) {
        if entries.is_empty() {
            return;
        }
        let store = self.ctx.store.as_ref();
        let mut failures = 0;
        loop {
            let mut next = self.chain.clone();
            let views = match next.extend(&entries) {
                Ok(views) => views,
                Err(error) => {
                    // Rows of numbers and texts always can be.
                    error!(error = causes(&error), "call records cannot be written");
                    return;
                }
            };
            let commit = Commit {
                views,
                ..Commit::default()
            };
            match store.commit(commit).await {
                Ok(()) => {
                    self.chain = next;
                    return;
                }
                // Either an earlier try came through after all, or somebody else wrote there.
                Err(CommitError::Conflict(_)) => match next.is_stored(store).await {
                    Ok(true) => {
                        self.chain = next;
                        return;
                    }
                    Ok(false) => {
                        error!(
                            service = self.ctx.service,
                            "the chain of call records was changed by somebody else; a new one begins"
                        );
                        let run = self.ctx.clock.new_id().to_string();
                        self.chain = opened(&self.ctx, run).await;
                    }
                    Err(error) => wait(&self.ctx, &mut failures, causes(&error)).await,
                },
                Err(error) => wait(&self.ctx, &mut failures, causes(&error)).await,
            }
        }
    }
}

/// A chain that has begun, however often it takes.
async fn opened(ctx: &Context, run: String) -> Chain {
    let store = ctx.store.as_ref();
    let mut failures = 0;
    loop {
        match Chain::open(store, run.clone(), ctx.clock.now()).await {
            Ok((chain, commit)) => match store.commit(commit).await {
                Ok(()) => return chain,
                Err(CommitError::Conflict(_))
                    if chain.is_stored(store).await.is_ok_and(|is| is) =>
                {
                    return chain;
                }
                Err(error) => wait(ctx, &mut failures, causes(&error)).await,
            },
            Err(error) => wait(ctx, &mut failures, causes(&error)).await,
        }
    }
}

async fn wait(ctx: &Context, failures: &mut u32, error: String) {
    *failures += 1;
    warn!(
        service = ctx.service,
        error, "call records cannot be written now; calls that change something may have to wait"
    );
    tokio::time::sleep(STORE_BACKOFF.after(*failures)).await;
}
