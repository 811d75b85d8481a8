//! The provider's answer, and the end of a payment's time.

use async_trait::async_trait;
use outcry_service::{Fault, TimerHandler};
use outcry_store::{Commit, Timer};

use crate::desk::{Desk, EXPIRE, PROVIDER};
use crate::domain::Command;
use crate::sandbox;
use crate::views;

/// Fires the timers of payments.
pub(crate) struct Timers {
    pub(crate) desk: Desk,
}

#[async_trait]
impl TimerHandler for Timers {
    async fn fire(&self, timer: &Timer) -> Result<Commit, Fault> {
        let Some((kind, payment_id)) = timer.id.split_once('/') else {
            return Err(Fault::discard(format!(
                "timer {} is none of ours",
                timer.id
            )));
        };
        match kind {
            EXPIRE => self.desk.change(payment_id, &Command::Expire).await,
            PROVIDER => self.provider(payment_id).await,
            _ => Err(Fault::discard(format!(
                "timer {} is none of ours",
                timer.id
            ))),
        }
    }
}

// === impl Timers ===

impl Timers {
    async fn provider(&self, payment_id: &str) -> Result<Commit, Fault> {
        let store = self.desk.ctx.store.as_ref();
        let Some(row) = views::payment(store, payment_id).await? else {
            return Err(Fault::discard("there is no such payment"));
        };
        match sandbox::answer(payment_id, row.amount) {
            Command::Capture { amount, reference } => {
                self.desk.capture(payment_id, amount, &reference).await
            }
            other => self.desk.change(payment_id, &other).await,
        }
    }
}
