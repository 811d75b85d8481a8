//! What payments and payouts do at a time.

use async_trait::async_trait;
use outcry_service::{Fault, TimerHandler};
use outcry_store::{Commit, Timer, TimerWrite};
use tonic::Code;

use crate::desk::{Desk, EXPIRE, PROVIDER, SUBMIT, in_time};
use crate::payouts::{self, PAYOUT};
use crate::provider::Post;
use crate::reconcile::{self, RECONCILE};
use crate::views::{self, PaymentRow};
use crate::webhook::Webhook;

/// Fires the timers of payments and payouts.
pub(crate) struct Timers {
    pub(crate) desk: Desk,
}

#[async_trait]
impl TimerHandler for Timers {
    async fn fire(&self, timer: &Timer) -> Result<Commit, Fault> {
        let none_of_ours = || Fault::discard(format!("timer {} is none of ours", timer.id));
        let (kind, id) = timer.id.split_once('/').ok_or_else(none_of_ours)?;
        match kind {
            SUBMIT => self.submit(id).await,
            EXPIRE => self.expire(id).await,
            PROVIDER => self.post(id, timer).await,
            RECONCILE => reconcile::fire(&self.desk, timer).await,
            PAYOUT => payouts::fire(&self.desk, id, timer).await,
            _ => Err(none_of_ours()),
        }
    }
}

// === impl Timers ===

impl Timers {
    async fn row(&self, payment_id: &str) -> Result<PaymentRow, Fault> {
        let store = self.desk.ctx.store.as_ref();
        let row = views::payment(store, payment_id).await?;
        row.ok_or_else(|| Fault::discard("there is no such payment"))
    }

    /// Tells the provider of a payment, until it has heard or the payment has ended: nobody is to
    /// be asked for money that is not wanted any more.
    async fn submit(&self, payment_id: &str) -> Result<Commit, Fault> {
        let desk = &self.desk;
        let row = self.row(payment_id).await?;
        if !row.is_pending() {
            return Ok(Commit::default());
        }
        let charge = row.charge();
        let standing = in_time(desk.provider.create(&charge))
            .await
            .map_err(Fault::retry)?;
        let cause = desk.cause();
        desk.apply(payment_id, &standing, &cause, None).await?;
        let mut commit = Commit::default();
        let first = desk.provider.posts(&charge).into_iter().next();
        let first = first.map(|post| delivery(payment_id, 0, &post));
        commit.timers.extend(first.map(TimerWrite::Set));
        Ok(commit)
    }

    /// Ends a payment's time, unless the provider says that it has captured it.
    async fn expire(&self, payment_id: &str) -> Result<Commit, Fault> {
        let row = self.row(payment_id).await?;
        // Without an answer it expires all the same: a capture still counts, as a late one.
        if let Ok(standing) = self.desk.ask(&row).await {
            let cause = self.desk.cause();
            self.desk.apply(payment_id, &standing, &cause, None).await?;
        }
        let mut commit = self.desk.expire(payment_id).await?;
        // Cleared by name: a capture just now has cleared it already.
        let id = format!("{EXPIRE}/{payment_id}");
        commit.timers.push(TimerWrite::Clear { id });
        Ok(commit)
    }

    /// Delivers a webhook of the built-in provider and sets the next one. What cannot be stored
    /// comes again; what is refused is lost, as it is with a provider that gives up.
    async fn post(&self, payment_id: &str, timer: &Timer) -> Result<Commit, Fault> {
        let desk = &self.desk;
        let posts = desk.provider.posts(&self.row(payment_id).await?.charge());
        let number = std::str::from_utf8(&timer.payload)
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or(0);
        let Some(post) = posts.get(number) else {
            return Ok(Commit::default());
        };
        let signature = desk.secrets.sign(&post.body, desk.ctx.clock.now());
        let webhook = Webhook {
            provider: desk.provider.name(),
            body: &post.body,
            signature: signature.as_deref().unwrap_or_default(),
        };
        if let Err(refused) = webhook.receive(desk, &desk.cause()).await {
            if matches!(refused.code(), Code::Unavailable) {
                return Err(Fault::retry(refused));
            }
            tracing::warn!(
                payment_id,
                reason = refused.message(),
                "a webhook of the sandbox is lost"
            );
        }
        let mut commit = Commit::default();
        let next = posts.get(number + 1);
        let next = next.map(|post| delivery(payment_id, number + 1, post));
        commit.timers.extend(next.map(TimerWrite::Set));
        Ok(commit)
    }
}

/// The timer at which webhook number `number` of a payment is delivered.
fn delivery(payment_id: &str, number: usize, post: &Post) -> Timer {
    Timer {
        id: format!("{PROVIDER}/{payment_id}"),
        due: post.at,
        payload: number.to_string().into_bytes(),
    }
}
