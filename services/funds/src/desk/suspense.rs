//! What becomes of money in suspense.

use outcry_events::Cause;
use outcry_store::Answer;

use super::{ATTEMPTS, Desk, DeskError, Tried, overtaken, store_failed};
use crate::documents::{self, Booking, version};
use crate::domain::suspense::resolve;
use crate::domain::{Account, Outcome, Rejection, SuspenseItem};

impl Desk {
    /// Decides about what is in suspense of a payment: about the capture that came in first of
    /// those that are open. What `answer` makes of the decided item goes into the same commit.
    pub(crate) async fn resolve<Reply>(
        &self,
        payment_id: &str,
        (outcome, note): (Outcome, &str),
        cause: &Cause,
        answer: impl Fn(&SuspenseItem) -> (Reply, Option<Answer>),
    ) -> Result<Reply, DeskError> {
        for attempt in 1..=ATTEMPTS {
            let (item, mut commit) = self.try_resolve(payment_id, outcome, note, cause).await?;
            let (reply, answered) = answer(&item);
            commit.answered = answered;
            if self.committed(&item.user_id, commit, attempt).await? {
                return Ok(reply);
            }
        }
        Err(overtaken(payment_id))
    }

    async fn try_resolve(
        &self,
        payment_id: &str,
        outcome: Outcome,
        note: &str,
        cause: &Cause,
    ) -> Tried<SuspenseItem> {
        let store = self.ctx.store.as_ref();
        let items = documents::suspense_of(store, payment_id).await;
        let items = items.map_err(|source| store_failed(payment_id, source))?;
        if items.is_empty() {
            return Err(Rejection::NoSuchSuspense.into());
        }
        let open = items
            .into_iter()
            .find(|kept| kept.document.outcome.is_none());
        let open = open.ok_or(Rejection::SuspenseResolved)?;
        let mut item = open.document;
        let known = documents::account(store, &item.user_id).await;
        let known = known.map_err(|source| store_failed(&item.user_id, source))?;
        let account_version = version(known.as_ref());
        // Whoever has paid is a user: money opens the account when it comes before that news.
        let account = known.map_or_else(|| Account::open(&item.user_id), |kept| kept.document);
        let booked = resolve(account, &item, outcome, note)?;
        item.outcome = Some(outcome);
        let mut booking = Booking::new(&self.ctx);
        booking.suspense(open.version, &item)?;
        booking.account(account_version, &booked.account, &booked.event, cause)?;
        Ok((item, booking.commit()))
    }
}
