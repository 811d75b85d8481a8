//! A payment changed: its events, its row and its timers in one commit.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use outcry_events::{Amount, Cause};
use outcry_service::{CommandError, Context, Executed, Fault, execute, plan};
use outcry_store::{Answer, Commit, CommitError, StoreError, Timer, TimerWrite};

use crate::config::Config;
use crate::domain::{Command, Payment, Rejection};
use crate::provider::{Capture, MESSAGE_CHARS_MAX, Provider, Standing, Unanswered};
use crate::reconcile;
use crate::sandbox::Sandbox;
use crate::secret::SecretError;
use crate::signature::Secrets;
use crate::views::{self, PaymentRow, StrayRow};

/// What timers are for: the first part of their ids.
pub(crate) const SUBMIT: &str = "submit";
pub(crate) const PROVIDER: &str = "provider";
pub(crate) const EXPIRE: &str = "expire";

/// How long the provider may take to answer; a customer or another service may be waiting.
const ANSWER_WAIT: Duration = Duration::from_secs(5);

/// Changes payments. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Desk {
    pub(crate) ctx: Context,
    pub(crate) config: Arc<Config>,
    pub(crate) secrets: Arc<Secrets>,
    pub(crate) provider: Arc<dyn Provider>,
}

/// What something the provider said has led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Applied {
    /// The payment has gone on.
    Changed,
    /// It stays as it is.
    Unchanged,
    /// The same message has been applied before.
    Duplicate,
}

// === impl Desk ===

impl Desk {
    /// # Errors
    /// The secrets of webhooks cannot be used.
    pub(crate) fn new(ctx: Context, config: Config) -> Result<Self, SecretError> {
        let clock = Arc::clone(&ctx.clock);
        let secrets = config.secrets()?;
        if secrets.is_empty() {
            tracing::warn!("no webhook secret is set up: every webhook is refused");
        }
        Ok(Self {
            ctx,
            secrets: Arc::new(secrets),
            provider: Arc::new(Sandbox::new(clock, config.answers_after())),
            config: Arc::new(config),
        })
    }

    /// Starts a payment. That the provider hears of it and that its time ends is set as timers, so
    /// that neither is lost with the process.
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
            provider: self.provider.name().to_owned(),
            expires_at,
        };
        let timers = [
            timer(SUBMIT, &payment_id, now),
            timer(EXPIRE, &payment_id, expires_at),
            reconcile::round_after(now, self.config.reconcile_every()),
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

    /// Ends a payment's time, as a commit.
    pub(crate) async fn expire(&self, id: &str) -> Result<Commit, Fault> {
        let cause = self.cause();
        let (executed, mut commit) =
            plan::<Payment>(&self.ctx, id, &cause, &Command::Expire).await?;
        if !executed.events.is_empty() {
            let created = self.created(id).await?;
            commit.views.push(row(&executed, created)?.write()?);
        }
        Ok(commit)
    }

    /// What the provider says of a payment now.
    ///
    /// # Errors
    /// It says nothing in time.
    pub(crate) async fn ask(&self, row: &PaymentRow) -> Result<Standing, Unanswered> {
        in_time(self.provider.look_up(&row.charge())).await
    }

    /// Lets what the provider says have its effect, once: `answered` marks the message it said it
    /// in, in the same commit.
    ///
    /// Money that fits no payment here has no effect and is written down for a person.
    pub(crate) async fn apply(
        &self,
        id: &str,
        standing: &Standing,
        cause: &Cause,
        answered: Option<Answer>,
    ) -> Result<Applied, CommandError<Rejection>> {
        let command = match standing {
            Standing::Open | Standing::Authorized => {
                let commit = Commit {
                    answered,
                    ..Commit::default()
                };
                return self.keep(id, commit).await;
            }
            Standing::Captured(capture) => Command::Capture(capture.clone()),
            Standing::Declined { message } => Command::Decline {
                message: message.chars().take(MESSAGE_CHARS_MAX).collect(),
            },
        };
        let created = self.created(id).await?;
        let also = |executed: &Executed<Payment>, commit: &mut Commit| {
            commit.answered.clone_from(&answered);
            if executed.events.is_empty() {
                return Ok(());
            }
            commit.views.push(row(executed, created)?.write()?);
            let id = format!("{EXPIRE}/{id}");
            commit.timers.push(TimerWrite::Clear { id });
            Ok(())
        };
        match execute::<Payment>(&self.ctx, id, cause, &command, also).await {
            Ok(executed) if executed.events.is_empty() => Ok(Applied::Unchanged),
            Ok(_) => Ok(Applied::Changed),
            Err(CommandError::Duplicate) => Ok(Applied::Duplicate),
            Err(CommandError::Rejected(Rejection::Unknown | Rejection::StrangeCapture { .. })) => {
                self.stray(id, standing, answered).await
            }
            Err(error) => Err(error),
        }
    }

    /// Writes down money that fits no payment.
    async fn stray(
        &self,
        id: &str,
        standing: &Standing,
        answered: Option<Answer>,
    ) -> Result<Applied, CommandError<Rejection>> {
        let mut commit = Commit {
            answered,
            ..Commit::default()
        };
        if let Standing::Captured(capture) = standing {
            let Capture { reference, .. } = capture;
            tracing::error!(
                payment_id = id,
                reference,
                "the provider took money that fits no payment as it stands; see the view `strays`"
            );
            let (provider, now) = (self.provider.name(), self.ctx.clock.now());
            commit
                .views
                .push(StrayRow::of(provider, id, capture, now).write()?);
        }
        self.keep(id, commit).await
    }

    /// Writes what is no change of a payment.
    async fn keep(&self, id: &str, commit: Commit) -> Result<Applied, CommandError<Rejection>> {
        if commit.is_empty() {
            return Ok(Applied::Unchanged);
        }
        let stream = outcry_service::decider::stream::<Payment>(id);
        match self.ctx.store.commit(commit).await {
            Ok(()) => Ok(Applied::Unchanged),
            Err(CommitError::Duplicate(_)) => Ok(Applied::Duplicate),
            Err(CommitError::Conflict(_)) => Err(CommandError::Conflict { stream }),
            Err(CommitError::Invalid(source)) => Err(CommandError::Invalid { stream, source }),
            Err(CommitError::Store(source)) => Err(CommandError::Store { stream, source }),
        }
    }

    /// What led to something that the provider or the time brought about.
    pub(crate) fn cause(&self) -> Cause {
        let actor = format!("provider:{}", self.provider.name());
        Cause::root(self.ctx.clock.new_id(), actor)
    }

    /// When a payment was started; now when there is none.
    async fn created(&self, id: &str) -> Result<SystemTime, StoreError> {
        let row = views::payment(self.ctx.store.as_ref(), id).await?;
        let now = || self.ctx.clock.now();
        Ok(row.map_or_else(now, |row| outcry_store::timer::time_of(row.created_ns)))
    }
}

/// The provider's answer, unless it takes too long.
pub(crate) async fn in_time<T>(
    answer: impl Future<Output = Result<T, Unanswered>>,
) -> Result<T, Unanswered> {
    let waited = tokio::time::timeout(ANSWER_WAIT, answer).await;
    waited.unwrap_or_else(|_| Err(Unanswered(format!("nothing came within {ANSWER_WAIT:?}"))))
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
