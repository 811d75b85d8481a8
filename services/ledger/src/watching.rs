//! The books against custody, again and again: what differs and stays so is shown to operators.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use outcry_events::Cause;
use outcry_events::money::{CURRENCY, PER_UNIT};
use outcry_service::metrics::{Family, Numbers};
use outcry_service::{Context, Slots};
use outcry_store::Lease;
use tokio_util::sync::CancellationToken;

use crate::domain::lasting::{FOLLOWED_MAX, Lasting};
use crate::reconciling::reconcile;

/// Rest between two comparisons: a difference that matters is known within some minutes.
const RECONCILE_EVERY: Duration = Duration::from_secs(60);

/// How many times as long as a comparison has taken the rest is at least: with so many accounts that one takes long,
/// funds is busy with it for a tenth of the time at most.
const REST_PER_COMPARISON: u32 = 9;

/// Accounts that are named in the log at most; `LedgerService.Reconcile` lists more.
const NAMED_MAX: usize = 5;

/// What the books and custody differ by. Zero is shown for the currency when nothing differs, so that who looks sees
/// that somebody compares.
pub static DIFFERENCE: Family = Family {
    name: "outcry_reconciliation_difference",
    help: "What books and custody differ by, comparison after comparison: units of the currency, or shares",
    label: "asset",
};

/// When the two were last compared, or since when this replica is to do that.
pub static COMPARED: Family = Family {
    name: "outcry_reconciliation_timestamp_seconds",
    help: "When the books were last compared with custody, in seconds since 1970",
    label: "custodian",
};

/// Who compares: one replica at a time.
pub(crate) struct Watch {
    ctx: Context,
}

/// What one replica shows while it compares: nothing of it stays when another does.
struct Shown<'ctx>(&'ctx Context);

// === impl Watch ===

impl Watch {
    pub(crate) fn new(ctx: Context) -> Watch {
        Watch { ctx }
    }

    /// Compares once, and shows what came of it. Without an answer from custody all stays as it was shown.
    async fn compare(&self, shown: &Shown<'_>, lasting: &mut Lasting) {
        let cause = Cause::root(self.ctx.clock.new_id(), "service:ledger");
        let compared = match reconcile(&self.ctx, &cause, FOLLOWED_MAX).await {
            Ok((compared, _)) => compared,
            Err(status) => {
                tracing::warn!(error = %status, "books and custody could not be compared");
                return;
            }
        };
        lasting.follow(&compared);
        let named: Vec<String> = lasting
            .accounts()
            .take(NAMED_MAX)
            .map(|(account, by)| format!("{account} by {by}"))
            .collect();
        if !named.is_empty() {
            tracing::error!(
                accounts = lasting.accounts().count(),
                first = named.join(", "),
                "books and custody differ, and not by what is on its way"
            );
        }
        shown.compared(self.ctx.clock.now(), lasting);
    }
}

#[async_trait]
impl Slots for Watch {
    fn pool(&self) -> &'static str {
        "reconciliation"
    }

    fn count(&self) -> u32 {
        1
    }

    async fn hold(&self, _lease: Lease, stop: CancellationToken) {
        let clock = &self.ctx.clock;
        let mut lasting = Lasting::default();
        let shown = Shown(&self.ctx);
        shown.compared(clock.now(), &lasting);
        let watching = async {
            let mut took = Duration::ZERO;
            loop {
                let rest = RECONCILE_EVERY.max(took * REST_PER_COMPARISON);
                clock.sleep_until(clock.now() + rest).await;
                let began = clock.now();
                self.compare(&shown, &mut lasting).await;
                took = clock.now().duration_since(began).unwrap_or_default();
            }
        };
        // Nothing is written: a comparison may end anywhere.
        stop.run_until_cancelled(watching).await;
    }
}

// === impl Shown ===

impl Shown<'_> {
    fn compared(&self, at: SystemTime, lasting: &Lasting) {
        let mut numbers: Numbers = lasting
            .by_asset()
            .into_iter()
            .map(|(asset, by)| {
                let shown = in_units(&asset, by);
                (asset, shown)
            })
            .collect();
        numbers.entry(CURRENCY.to_owned()).or_insert(0.0);
        let metrics = self.0.metrics();
        metrics.show(&DIFFERENCE, numbers);
        let at = at.duration_since(UNIX_EPOCH).unwrap_or_default();
        metrics.show(&COMPARED, [("funds".to_owned(), at.as_secs_f64())].into());
    }
}

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        for family in [&DIFFERENCE, &COMPARED] {
            self.0.metrics().show(family, Numbers::new());
        }
    }
}

/// An amount of the books as people say it.
#[expect(
    clippy::cast_precision_loss,
    reason = "for people: the books themselves have the last digit"
)]
fn in_units(asset: &str, amount: u128) -> f64 {
    let amount = amount as f64;
    if asset == CURRENCY {
        amount / PER_UNIT as f64
    } else {
        amount
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_shown_in_units_and_shares_as_they_are() {
        assert!((in_units("USD", 12_500) - 1.25).abs() < f64::EPSILON);
        assert!((in_units("ACME", 3) - 3.0).abs() < f64::EPSILON);
    }
}
