//! What orders asks of the funds service.

use std::time::Duration;

use outcry_contracts::funds::v1::funds_service_client::FundsServiceClient;
use outcry_contracts::funds::v1::{LockFundsRequest, ReleaseFundsRequest, ReleaseReason};
use outcry_contracts::orders::v1::RejectReason;
use outcry_events::Cause;
use outcry_mesh::{Channel, correlate};
use outcry_service::Context;
use tonic::{Request, Status};
use tonic_types::StatusExt;

use crate::domain::Refused;
use crate::pretrade::Lock;

/// How long one answer is waited for. Three such calls fit into the deadline of a command, and an
/// answer that comes later is not lost: the order is carried on by its timer.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(2);

/// Tries of a lock that waits for settlements, and the wait between them: fills are settled within
/// milliseconds, and the caller is waiting.
const SETTLEMENT_ATTEMPTS: u32 = 10;
const SETTLEMENT_WAIT: Duration = Duration::from_millis(50);

/// Longest message of a refusal, in characters: what the event's rule allows.
const MESSAGE_MAX: usize = 256;

/// What is to be locked for an order.
#[derive(Debug)]
pub(crate) struct Ask<'a> {
    pub(crate) order_id: &'a str,
    pub(crate) user_id: &'a str,
    /// 0 for the first lock, then the number of the change.
    pub(crate) revision: u32,
    pub(crate) lock: &'a Lock,
    /// Shares filled, which the lock leaves out.
    pub(crate) cumulative_quantity: i64,
}

/// What became of it.
#[derive(Debug)]
pub(crate) enum Locking {
    /// It is locked, now or before.
    Locked,
    /// It is not, for a reason of the business.
    Refused(Refused),
    /// Nobody knows: ask again.
    Unknown(Status),
}

/// Sets aside what an order needs. Repeatable by order and revision.
pub(crate) async fn lock(ctx: &Context, cause: &Cause, ask: &Ask<'_>) -> Locking {
    let message = LockFundsRequest {
        order_id: ask.order_id.to_owned(),
        user_id: ask.user_id.to_owned(),
        revision: ask.revision,
        amount: Some(ask.lock.to_message()),
        cumulative_quantity: ask.cumulative_quantity,
    };
    match client(ctx).lock_funds(outgoing(message, cause)).await {
        Ok(_) => Locking::Locked,
        Err(status) => match refusal(&status) {
            Some(refused) => Locking::Refused(refused),
            None => Locking::Unknown(status),
        },
    }
}

/// The same for an order that has fills: waits a little until they are settled.
pub(crate) async fn lock_settled(ctx: &Context, cause: &Cause, ask: &Ask<'_>) -> Locking {
    let mut attempt = 1;
    loop {
        match lock(ctx, cause, ask).await {
            Locking::Unknown(status)
                if attempt < SETTLEMENT_ATTEMPTS && waits_for_settlement(&status) =>
            {
                attempt += 1;
                tokio::time::sleep(SETTLEMENT_WAIT).await;
            }
            locking => return locking,
        }
    }
}

/// Gives up on an order before it went to the venue: nothing stays or can become locked for it.
///
/// # Errors
/// It is not known whether that was done: ask again.
pub(crate) async fn give_up(
    ctx: &Context,
    cause: &Cause,
    order_id: &str,
    user_id: &str,
) -> Result<(), Status> {
    let message = ReleaseFundsRequest {
        order_id: order_id.to_owned(),
        user_id: user_id.to_owned(),
        reason: ReleaseReason::Rejected.into(),
    };
    client(ctx).release_funds(outgoing(message, cause)).await?;
    Ok(())
}

/// Whether custody only waits for fills to be settled.
fn waits_for_settlement(status: &Status) -> bool {
    status
        .get_details_error_info()
        .is_some_and(|info| info.reason == "SETTLEMENT_BEHIND")
}

fn client(ctx: &Context) -> FundsServiceClient<Channel> {
    FundsServiceClient::new(ctx.channel("funds"))
}

/// A request in the order's flow that is not waited for longer than [`CALL_TIMEOUT`].
pub(crate) fn outgoing<T>(message: T, cause: &Cause) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(CALL_TIMEOUT);
    correlate(&mut request, cause);
    request
}

/// The business reason of a status; none when trying again may have another outcome.
fn refusal(status: &Status) -> Option<Refused> {
    let info = status.get_details_error_info()?;
    let reason = match info.reason.as_str() {
        "INSUFFICIENT_FUNDS" => RejectReason::InsufficientFunds,
        "INSUFFICIENT_HOLDINGS" => RejectReason::InsufficientHoldings,
        "USER_NOT_ACTIVE" => RejectReason::UserNotActive,
        // An order that custody has given up on was given up because it could not be checked.
        "ACCOUNT_NOT_READY" | "ORDER_ENDED" => RejectReason::AccountNotReady,
        "TOO_LARGE" => RejectReason::ValueLimit,
        _ => return None,
    };
    Some(Refused {
        reason,
        message: status.message().chars().take(MESSAGE_MAX).collect(),
    })
}

#[cfg(test)]
mod tests {
    use outcry_mesh::refusal::with_reason;
    use tonic::Code;

    use super::*;

    #[test]
    fn refusals_of_the_business_are_told_from_all_else() {
        let reason = |reason: &str| {
            let status = with_reason(Code::FailedPrecondition, reason, "3.00 is available");
            refusal(&status).map(|refused| refused.reason)
        };
        assert_eq!(
            reason("INSUFFICIENT_FUNDS"),
            Some(RejectReason::InsufficientFunds)
        );
        assert_eq!(
            reason("INSUFFICIENT_HOLDINGS"),
            Some(RejectReason::InsufficientHoldings)
        );
        assert_eq!(reason("SETTLEMENT_BEHIND"), None);
        assert!(refusal(&Status::unavailable("away")).is_none());
    }
}
