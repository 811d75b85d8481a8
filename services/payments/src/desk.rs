//! A payment changed: its events, its row and its timers in one commit.

use std::time::SystemTime;

use outcry_events::{Amount, Cause};
use outcry_service::{CommandError, Context, Executed, Fault, execute, plan};
use outcry_store::{Answer, Commit, Timer, TimerWrite};

use crate::config::Config;
use crate::domain::{Command, Payment, Rejection};
use crate::sandbox;
use crate::views::{self, PaymentRow};

/// What timers are for: the first part of their ids.
pub(crate) const PROVIDER: &str = "provider";
pub(crate) const EXPIRE: &str = "expire";

/// Changes payments. Cheap to clone.
#[derive(Clone)]
pub struct Desk {
    pub(crate) ctx: Context,
    pub(crate) config: Config,
}

// === impl Desk ===

impl Desk {
    pub(crate) fn new(ctx: Context, config: Config) -> Self {
        Self { ctx, config }
    }

    /// Starts a payment; the provider's answer and the end of its time are set as timers.
    pub(crate) async fn create(
        &self,
        user_id: &str,
        amount: Amount,
        cause: &Cause,
        answer: impl Fn(&PaymentRow) -> Option<Answer> + Send + Sync,
    ) -> Result<PaymentRow, CommandError<Rejection>> {
        let now = self.ctx.clock.now();
        let payment_id = self.ctx.clock.new_id().to_string();
        let expires_at = now + self.config.expires_after();
        let command = Command::Create {
            payment_id: payment_id.clone(),
            user_id: user_id.to_owned(),
            amount,
            provider: sandbox::NAME.to_owned(),
            expires_at,
        };
        let answers_at = sandbox::answers_at(amount, now, expires_at, self.config.answers_after());
        let timers = [
            timer(PROVIDER, &payment_id, answers_at),
            timer(EXPIRE, &payment_id, expires_at),
        ];
        let executed = execute::<Payment>(
            &self.ctx,
            &payment_id,
            cause,
            &command,
            |executed, commit: &mut Commit| {
                let row = row(executed, now)?;
                commit.answered = answer(&row);
                commit.views.push(row.write()?);
                commit.timers.extend(timers.clone().map(TimerWrite::Set));
                Ok(())
            },
        )
        .await?;
        row(&executed, now)
    }

    /// What the provider says it captured, from wherever it says so.
    ///
    /// # Errors
    /// The payment is unknown, or the capture does not fit it: parked for a person.
    pub async fn capture(
        &self,
        payment_id: &str,
        amount: Amount,
        provider_reference: &str,
    ) -> Result<Commit, Fault> {
        let command = Command::Capture {
            amount,
            reference: provider_reference.to_owned(),
        };
        self.change(payment_id, &command).await
    }

    /// A change that comes from the provider or from time, as a commit.
    pub(crate) async fn change(&self, id: &str, command: &Command) -> Result<Commit, Fault> {
        let cause = Cause::root(
            self.ctx.clock.new_id(),
            format!("provider:{}", sandbox::NAME),
        );
        let (executed, mut commit) = plan::<Payment>(&self.ctx, id, &cause, command).await?;
        if executed.events.is_empty() {
            return Ok(commit);
        }
        let before = views::payment(self.ctx.store.as_ref(), id).await?;
        let created = before.map_or_else(
            || self.ctx.clock.now(),
            |row| outcry_store::timer::time_of(row.created_ns),
        );
        let row = row(&executed, created)?;
        commit.views.push(row.write()?);
        Ok(commit)
    }
}

fn timer(kind: &str, payment_id: &str, due: SystemTime) -> Timer {
    Timer {
        id: format!("{kind}/{payment_id}"),
        due,
        payload: Vec::new(),
    }
}

fn row(
    executed: &Executed<Payment>,
    created: SystemTime,
) -> Result<PaymentRow, CommandError<Rejection>> {
    PaymentRow::of(&executed.after, created).ok_or(CommandError::Rejected(Rejection::Unknown))
}
