//! Payouts: reserved, and ended as the provider says.

use std::time::Duration;

use outcry_events::Cause;
use outcry_store::Answer;

use super::{ATTEMPTS, Desk, DeskError, Tried, overtaken, store_failed};
use crate::documents::{self, Booking, Kept};
use crate::domain::withdrawal::{Flow, Payout, Withdrawal, post, reserve, void};
use crate::domain::{Account, Breach, Rejection, Slot, Stage};
use crate::payouts;
use crate::reactions::ACTOR;

/// How a payout ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It was paid.
    Paid,
    /// It was not and will not be, for the provider's reason in words.
    Refused(String),
    /// It was not sent and must not be any more, for a reason in words.
    GivenUp(String),
}

impl Desk {
    /// Locks the amount of a payout and has it sent at once. What `answer` makes of the payout and
    /// the account after it goes into the same commit.
    pub(crate) async fn withdraw<Reply>(
        &self,
        payout: &Payout,
        cause: &Cause,
        answer: impl Fn(&Withdrawal, &Account) -> (Reply, Option<Answer>),
    ) -> Result<Reply, DeskError> {
        let _turn = self.turn(&payout.user_id).await;
        let withdrawal_id = self.ctx.clock.new_id().to_string();
        for attempt in 1..=ATTEMPTS {
            let ((withdrawal, after), mut commit) =
                self.try_withdraw(payout, &withdrawal_id, cause).await?;
            let (reply, answered) = answer(&withdrawal, &after);
            commit.answered = answered;
            if self.committed(&payout.user_id, commit, attempt).await? {
                return Ok(reply);
            }
        }
        Err(overtaken(&payout.user_id))
    }

    async fn try_withdraw(
        &self,
        payout: &Payout,
        id: &str,
        cause: &Cause,
    ) -> Tried<(Withdrawal, Account)> {
        let account = self.account(&payout.user_id).await?;
        let reserved = reserve(account.document, id, payout)?;
        let mut booking = Booking::new(&self.ctx);
        let booked = reserved.booked;
        let locked = booking.account(account.version, &booked.account, &booked.event, cause)?;
        let now_ns = booking.now_ns();
        let withdrawal = Withdrawal {
            withdrawal_id: id.to_owned(),
            user_id: payout.user_id.clone(),
            amount: payout.amount,
            destination_last4: payout.destination_last4.clone(),
            stage: Stage::Requested,
            message: String::new(),
            requested_ns: now_ns,
            updated_ns: now_ns,
            asked: 0,
            flow: Flow {
                correlation_id: cause.correlation_id,
                event_id: locked.id(),
                traceparent: cause.traceparent.clone(),
            },
        };
        booking.slot(0, &Slot::Lock(reserved.lock))?;
        booking.withdrawal(0, &withdrawal)?;
        booking.timer(payouts::timer_of(id), Duration::ZERO);
        Ok(((withdrawal, booked.account), booking.commit()))
    }

    /// Ends a payout: uses its lock or gives it back. One that is over stays as it is.
    pub(crate) async fn end_withdrawal(&self, id: &str, ended: &Ended) -> Result<(), DeskError> {
        let store = self.ctx.store.as_ref();
        for attempt in 1..=ATTEMPTS {
            let kept = documents::withdrawal(store, id).await;
            let Some(kept) = kept.map_err(|source| store_failed(id, source))? else {
                return Ok(());
            };
            if kept.document.is_over() {
                return Ok(());
            }
            // Somebody else has begun to send it: the provider decides now.
            if matches!(ended, Ended::GivenUp(_)) && kept.document.stage != Stage::Requested {
                return Err(overtaken(id));
            }
            let user_id = kept.document.user_id.clone();
            let _turn = self.turn(&user_id).await;
            let ((), commit) = self.try_end(kept, ended).await?;
            if self.committed(&user_id, commit, attempt).await? {
                return Ok(());
            }
        }
        Err(overtaken(id))
    }

    async fn try_end(&self, kept: Kept<Withdrawal>, ended: &Ended) -> Tried<()> {
        let payout = kept.document;
        let id = &payout.withdrawal_id;
        let (account, slot) = self.account_and_slot(&payout.user_id, id).await?;
        let Some(Kept {
            document: Slot::Lock(lock),
            version,
        }) = slot
        else {
            return Err(Rejection::from(Breach::LockMisfit {
                lock_id: id.clone(),
                why: "nothing is locked for the payout",
            })
            .into());
        };
        let reserved = match ended {
            Ended::Paid => post(account.document, lock, &payout),
            Ended::Refused(_) | Ended::GivenUp(_) => void(account.document, lock, &payout),
        };
        let reserved = reserved.map_err(Rejection::from)?;
        let mut booking = Booking::new(&self.ctx);
        let cause = Cause {
            correlation_id: payout.flow.correlation_id,
            causation_id: Some(payout.flow.event_id),
            actor: ACTOR.to_owned(),
            traceparent: payout.flow.traceparent.clone(),
        };
        let booked = &reserved.booked;
        booking.account(account.version, &booked.account, &booked.event, &cause)?;
        booking.slot(version, &Slot::Lock(reserved.lock))?;
        let now_ns = booking.now_ns();
        let payout = match ended {
            Ended::Paid => payout.in_stage(Stage::Done, now_ns),
            Ended::Refused(why) | Ended::GivenUp(why) => payout.refused(why, now_ns),
        };
        booking.withdrawal(kept.version, &payout)?;
        Ok(((), booking.commit()))
    }
}
