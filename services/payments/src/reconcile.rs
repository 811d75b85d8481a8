//! Rounds in which the provider is asked about payments without a capture: open ones, and those
//! that ended a short while ago. They find what lost webhooks would have said, and late captures.
//!
//! A round is a durable timer, `reconcile/<number>`, and goes through the payments batch by batch,
//! the latest first. There are rounds as long as there is a payment to ask about; starting one
//! sets the next. Every round has a timer of its own, so starting payments never puts one off.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::stream::{self, StreamExt, TryStreamExt};
use outcry_service::{CommandError, Fault};
use outcry_store::{Commit, Scan, Store, StoreError, Timer, TimerWrite};

use crate::desk::{Applied, Desk};
use crate::domain::Rejection;
use crate::views::{PAYMENTS, PaymentRow, UNCAPTURED};

/// What the timers of rounds are for: the first part of their ids.
pub(crate) const RECONCILE: &str = "reconcile";

/// Payments asked about in one go: even when the provider answers none of them, the timer ends
/// before it counts as stuck.
const BATCH: usize = 32;

/// Questions to the provider at the same time.
const AT_ONCE: usize = 8;

/// Pause between two batches of a round: providers limit how often they are asked.
const PACE: Duration = Duration::from_millis(500);

/// Payments that one call asks about; the rounds get to the others.
const CALL_MAX: i32 = 512;

/// What a batch or a call found.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    /// Payments asked about.
    pub(crate) checked: i32,
    /// Payments that changed.
    pub(crate) changed: i32,
    /// Payments the provider did not answer for.
    pub(crate) unanswered: i32,
}

/// One batch done.
struct Batch {
    found: Found,
    /// Where the next one begins; none after the last.
    next: Option<String>,
}

/// The timer of the first round after `now`.
pub(crate) fn round_after(now: SystemTime, every: Duration) -> Timer {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    // Rounds are whole seconds apart, at least one.
    let number = since.as_secs() / every.as_secs().max(1) + 1;
    Timer {
        id: format!("{RECONCILE}/{number}"),
        due: UNIX_EPOCH + Duration::from_secs(number.saturating_mul(every.as_secs().max(1))),
        payload: Vec::new(),
    }
}

/// Does the next batch of a round, and sets what comes then.
pub(crate) async fn fire(desk: &Desk, timer: &Timer) -> Result<Commit, Fault> {
    let after = match std::str::from_utf8(&timer.payload) {
        Ok("") | Err(_) => None,
        Ok(cursor) => Some(cursor.to_owned()),
    };
    let is_first = after.is_none();
    let Batch { found, next } = batch(desk, after).await?;
    if found.changed + found.unanswered > 0 {
        tracing::info!(
            checked = found.checked,
            changed = found.changed,
            unanswered = found.unanswered,
            "the provider was asked about payments without a capture"
        );
    }
    let now = desk.ctx.clock.now();
    let following = match next {
        Some(cursor) => Some(Timer {
            id: timer.id.clone(),
            due: now + PACE,
            payload: cursor.into_bytes(),
        }),
        // Nobody is left to ask about: the next payment sets the next round.
        None if is_first && found.checked == 0 => None,
        None => Some(round_after(now, desk.config.reconcile_every())),
    };
    let mut commit = Commit::default();
    commit.timers.extend(following.map(TimerWrite::Set));
    Ok(commit)
}

/// Asks about as many payments as one call may, at once.
///
/// # Errors
/// The store does not answer.
pub(crate) async fn all(desk: &Desk) -> Result<Found, CommandError<Rejection>> {
    let mut all = Found::default();
    let mut after = None;
    loop {
        let Batch { found, next } = batch(desk, after).await?;
        all.checked += found.checked;
        all.changed += found.changed;
        all.unanswered += found.unanswered;
        match next {
            Some(cursor) if all.checked < CALL_MAX => after = Some(cursor),
            _ => return Ok(all),
        }
    }
}

async fn batch(desk: &Desk, after: Option<String>) -> Result<Batch, CommandError<Rejection>> {
    let (rows, next) = watched(desk, after).await?;
    let found = stream::iter(rows)
        .map(|row| async move { one(desk, &row).await })
        .buffered(AT_ONCE)
        .try_fold(Found::default(), |mut found, one| async move {
            found.checked += 1;
            match one {
                None => found.unanswered += 1,
                Some(Applied::Changed) => found.changed += 1,
                Some(Applied::Unchanged | Applied::Duplicate) => {}
            }
            Ok(found)
        })
        .await?;
    Ok(Batch { found, next })
}

/// Asks about one payment; none when the provider does not answer.
async fn one(desk: &Desk, row: &PaymentRow) -> Result<Option<Applied>, CommandError<Rejection>> {
    let Ok(standing) = desk.ask(row).await else {
        return Ok(None);
    };
    let cause = desk.cause();
    let applied = desk.apply(&row.payment_id, &standing, &cause, None).await?;
    Ok(Some(applied))
}

/// The next payments to ask about, those that expire last first, and where to go on.
async fn watched(
    desk: &Desk,
    after: Option<String>,
) -> Result<(Vec<PaymentRow>, Option<String>), StoreError> {
    let store: &dyn Store = desk.ctx.store.as_ref();
    let oldest = desk.ctx.clock.now() - desk.config.reconcile_for();
    let oldest_ns = outcry_store::timer::nanos(oldest).unwrap_or_default();
    let scan = Scan::new(PAYMENTS)
        .index(UNCAPTURED)
        .reverse()
        .after(after)
        .limit(BATCH);
    let found = store.scan(&scan).await?;
    let is_full = found.len() == BATCH;
    let next = found.last().map(|row| row.cursor.clone());
    let mut rows = Vec::with_capacity(found.len());
    for row in &found {
        let row: PaymentRow = row.decode()?;
        if row.expires_ns < oldest_ns {
            // All behind it ended still earlier.
            return Ok((rows, None));
        }
        rows.push(row);
    }
    Ok((rows, next.filter(|_| is_full)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_are_on_a_grid_and_the_next_one_is_always_ahead() {
        let every = Duration::from_secs(30);
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        for (now, due) in [(0, 30), (29, 30), (30, 60), (31, 60)] {
            assert_eq!(round_after(at(now), every).due, at(due));
        }
        assert_eq!(round_after(at(1), every).id, round_after(at(29), every).id);
        assert_ne!(round_after(at(29), every).id, round_after(at(30), every).id);
    }
}
