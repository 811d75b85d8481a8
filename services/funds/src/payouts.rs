//! Payouts on their way: sent to the provider by timer, asked about until it tells.
//!
//! The payments service keeps what the provider knows; both calls may be repeated. Whatever fails
//! here leaves the amount locked and is tried again later.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use outcry_contracts::payments::v1::payment_service_client::PaymentServiceClient;
use outcry_contracts::payments::v1::{GetPayoutRequest, PayoutStatus, SendPayoutRequest};
use outcry_events::Cause;
use outcry_mesh::{Channel, correlate};
use outcry_service::{Fault, TimerHandler};
use outcry_store::{Commit, Timer};
use tonic::{Request, Status};
use tracing::{info, warn};

use crate::desk::{Desk, Ended};
use crate::documents::{self, Booking, Kept};
use crate::domain::withdrawal::{Heard, Step};
use crate::domain::{Stage, Withdrawal};
use crate::reactions::ACTOR;

/// How long one answer is waited for. A later one is not lost: the question is asked again.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// First part of a timer's id; the payout's id follows.
const PAYOUT: &str = "payout";

/// Fires the timers of payouts.
pub(crate) struct Payouts {
    desk: Arc<Desk>,
}

/// The timer that brings a payout on.
pub(crate) fn timer_of(withdrawal_id: &str) -> String {
    format!("{PAYOUT}/{withdrawal_id}")
}

// === impl Payouts ===

impl Payouts {
    pub(crate) fn new(desk: Arc<Desk>) -> Payouts {
        Payouts { desk }
    }

    async fn bring_on(&self, kept: Kept<Withdrawal>) -> Result<Commit, Fault> {
        let ctx = self.desk.ctx();
        let user_id = &kept.document.user_id;
        let account = documents::account(ctx.store.as_ref(), user_id).await?;
        let Some(account) = account else {
            return Err(Fault::park("the user of a payout has no account"));
        };
        let answer = match kept.document.next(account.document.standing) {
            Step::Nothing => return Err(Fault::discard("the payout is over")),
            Step::Begin => return self.begin(kept),
            Step::GiveUp => {
                let why = "the user was suspended or left before it was sent".to_owned();
                return self.end(&kept, Ended::GivenUp(why)).await;
            }
            Step::Send => self.send(&kept.document).await,
            Step::Ask => match self.ask(&kept.document).await {
                // It cannot have been lost, but sending it again cannot pay it twice either.
                Ok((PayoutStatus::Unknown, _)) => self.send(&kept.document).await,
                answer => answer,
            },
        };
        let (status, message) = match answer {
            Ok(answer) => answer,
            Err(status) => {
                let payout = kept.document.withdrawal_id.as_str();
                warn!(payout, code = ?status.code(), "nothing is known about a payout; asking again");
                (PayoutStatus::Unspecified, String::new())
            }
        };
        match Heard::of(status) {
            Heard::Paid => self.end(&kept, Ended::Paid).await,
            Heard::Refused => self.end(&kept, Ended::Refused(message)).await,
            Heard::Open => self.wait(kept, true),
            Heard::Nothing => self.wait(kept, false),
        }
    }

    /// Writes down that the provider may hear of the payout from now on, before it can.
    fn begin(&self, kept: Kept<Withdrawal>) -> Result<Commit, Fault> {
        let mut booking = Booking::new(self.desk.ctx());
        let now_ns = booking.now_ns();
        let payout = kept.document.in_stage(Stage::Sending, now_ns);
        booking.withdrawal(kept.version, &payout)?;
        booking.timer(timer_of(&payout.withdrawal_id), Duration::ZERO);
        Ok(booking.commit())
    }

    /// Asks again later; the provider has the payout for certain when `sent`.
    fn wait(&self, kept: Kept<Withdrawal>, sent: bool) -> Result<Commit, Fault> {
        let mut booking = Booking::new(self.desk.ctx());
        let now_ns = booking.now_ns();
        let payout = match kept.document.stage {
            Stage::Sending if sent => kept.document.in_stage(Stage::Sent, now_ns),
            _ => kept.document.asked_again(),
        };
        booking.withdrawal(kept.version, &payout)?;
        booking.timer(timer_of(&payout.withdrawal_id), payout.wait());
        Ok(booking.commit())
    }

    async fn end(&self, kept: &Kept<Withdrawal>, ended: Ended) -> Result<Commit, Fault> {
        let payout = kept.document.withdrawal_id.as_str();
        self.desk.end_withdrawal(payout, &ended).await?;
        info!(payout, paid = ended == Ended::Paid, "a payout has ended");
        Ok(Commit::default())
    }

    async fn send(&self, payout: &Withdrawal) -> Result<(PayoutStatus, String), Status> {
        let message = SendPayoutRequest {
            payout_id: payout.withdrawal_id.clone(),
            user_id: payout.user_id.clone(),
            amount: Some(payout.amount.to_money()),
            destination_last4: payout.destination_last4.clone(),
        };
        let sent = self
            .payments()
            .send_payout(outgoing(message, payout))
            .await?;
        let sent = sent.into_inner();
        Ok((sent.status(), sent.message))
    }

    async fn ask(&self, payout: &Withdrawal) -> Result<(PayoutStatus, String), Status> {
        let message = GetPayoutRequest {
            payout_id: payout.withdrawal_id.clone(),
        };
        let found = self
            .payments()
            .get_payout(outgoing(message, payout))
            .await?;
        let found = found.into_inner();
        Ok((found.status(), found.message))
    }

    fn payments(&self) -> PaymentServiceClient<Channel> {
        PaymentServiceClient::new(self.desk.ctx().channel("payments"))
    }
}

#[async_trait]
impl TimerHandler for Payouts {
    async fn fire(&self, timer: &Timer) -> Result<Commit, Fault> {
        let strange = || Fault::discard(format!("timer {} is none of ours", timer.id));
        let (kind, id) = timer.id.split_once('/').ok_or_else(strange)?;
        if kind != PAYOUT {
            return Err(strange());
        }
        let store = self.desk.ctx().store.as_ref();
        match documents::withdrawal(store, id).await? {
            Some(kept) => self.bring_on(kept).await,
            None => Err(Fault::discard("there is no such payout")),
        }
    }
}

/// A request in the payout's flow that is not waited for longer than [`CALL_TIMEOUT`].
fn outgoing<T>(message: T, payout: &Withdrawal) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(CALL_TIMEOUT);
    let cause = Cause {
        correlation_id: payout.flow.correlation_id,
        causation_id: Some(payout.flow.event_id),
        actor: ACTOR.to_owned(),
        traceparent: payout.flow.traceparent.clone(),
    };
    correlate(&mut request, &cause);
    request
}
