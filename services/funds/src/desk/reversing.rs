//! Taking movements back.

use outcry_contracts::funds::v1::{FundsDepositedEvent, FundsWithdrawnEvent};
use outcry_contracts::{Event, funds::v1 as wire};
use outcry_events::{Cause, EventSet};
use outcry_store::Answer;

use super::{ATTEMPTS, Desk, DeskError, Tried, account_stream, overtaken, store_failed};
use crate::documents::{self, Booking};
use crate::domain::reversal::reverse;
use crate::domain::{AccountEvent, Rejection};
use crate::views::{self, Listed};

impl Desk {
    /// Takes a deposit or a payout back, once. What `answer` makes of the movement that does so
    /// goes into the same commit.
    pub(crate) async fn reverse<Reply>(
        &self,
        event_id: &str,
        note: &str,
        cause: &Cause,
        answer: impl Fn(&wire::Transaction) -> (Reply, Option<Answer>),
    ) -> Result<Reply, DeskError> {
        let listed = views::movement(self.ctx.store.as_ref(), event_id).await;
        let listed = listed.map_err(|source| store_failed(event_id, source))?;
        let listed = listed.ok_or(Rejection::NoSuchTransaction)?;
        let event = self.event(&listed).await?;
        let _turn = self.turn(&listed.user_id).await;
        for attempt in 1..=ATTEMPTS {
            let (movement, mut commit) = self.try_reverse(&listed, &event, note, cause).await?;
            let (reply, answered) = answer(&movement);
            commit.answered = answered;
            if self.committed(&listed.user_id, commit, attempt).await? {
                return Ok(reply);
            }
        }
        Err(overtaken(&listed.user_id))
    }

    async fn try_reverse(
        &self,
        listed: &Listed,
        event: &AccountEvent,
        note: &str,
        cause: &Cause,
    ) -> Tried<wire::Transaction> {
        let (user_id, event_id) = (&listed.user_id, &listed.event_id);
        let once = format!("rev:{event_id}");
        let known = documents::is_credited(self.ctx.store.as_ref(), &once).await;
        if known.map_err(|source| store_failed(user_id, source))? {
            return Err(Rejection::AlreadyReversed.into());
        }
        let account = self.account(user_id).await?;
        let booked = reverse(account.document, event, event_id, note)?;
        let mut booking = Booking::new(&self.ctx);
        booking.credited(&once, user_id)?;
        let fact = booking.account(account.version, &booked.account, &booked.event, cause)?;
        let movement = booked.event.movement().map_err(Rejection::from)?;
        let shown = Listed::of(&fact, user_id, &[movement], booked.event.reference());
        Ok((shown.to_message(), booking.commit()))
    }

    /// The event behind a listed movement, from the account's own stream.
    async fn event(&self, listed: &Listed) -> Result<AccountEvent, DeskError> {
        let topics = [FundsDepositedEvent::TOPIC, FundsWithdrawnEvent::TOPIC];
        if !topics.contains(&listed.topic.as_str()) {
            let why = "only deposits and payouts can be";
            return Err(Rejection::NotReversible { why }.into());
        }
        let stream = account_stream(&listed.user_id);
        let store = self.ctx.store.as_ref();
        let before = listed.sequence.saturating_sub(1);
        let stored = store.read_stream(&stream, before, 1).await;
        let stored = stored.map_err(|source| store_failed(&stream, source))?;
        let sealed = stored.into_iter().map(|stored| stored.event);
        let sealed = sealed
            .into_iter()
            .find(|event| event.id().to_string() == listed.event_id);
        let sealed = sealed.ok_or(Rejection::NoSuchTransaction)?;
        AccountEvent::open(&sealed).map_err(|error| {
            tracing::error!(event = listed.event_id, %error, "an event cannot be read");
            let why = "its event cannot be read";
            Rejection::NotReversible { why }.into()
        })
    }
}
