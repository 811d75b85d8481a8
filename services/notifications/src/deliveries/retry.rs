//! Trying again what was given up.

use outcry_contracts::notifications::v1::DeliveryStatus;
use outcry_mesh::{Role, User, refusal};
use outcry_service::{Context, store_failure};
use outcry_store::{Commit, CommitError};
use tonic::{Code, Status};

use super::{DeliveryRow, delivery, look_after, queue};
use crate::sorting::{conflict, unavailable};

/// Tries of a change while the delivery changes.
const ATTEMPTS: usize = 10;

/// Has a delivery tried again, by its owner or an administrator. One that is pending stays so.
pub(crate) async fn retry(
    ctx: &Context,
    by: &User,
    delivery_id: &str,
) -> Result<DeliveryRow, Status> {
    for _ in 0..ATTEMPTS {
        let found = delivery(ctx.store.as_ref(), delivery_id).await;
        let found = found.map_err(store_failure)?;
        // Others' deliveries are not there for customers.
        let (row, version) = found
            .filter(|(row, _)| row.user_id == by.id || by.has(Role::Admin))
            .ok_or_else(unknown)?;
        match row.status() {
            DeliveryStatus::Dead => {}
            DeliveryStatus::Delivered => return Err(delivered()),
            DeliveryStatus::Pending | DeliveryStatus::Unspecified => return Ok(row),
        }
        let now = ctx.clock.now();
        let row = row.again(now);
        let commit = Commit {
            views: vec![
                row.write(version).map_err(store_failure)?,
                queue(&row).map_err(store_failure)?,
            ],
            timers: vec![look_after(&row.user_id, row.kind(), now)],
            ..Commit::default()
        };
        match ctx.store.commit(commit).await {
            Ok(()) => return Ok(row),
            Err(CommitError::Conflict(_)) => {}
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(error, "writing a delivery failed");
                return Err(unavailable());
            }
        }
    }
    Err(conflict())
}

fn unknown() -> Status {
    refusal::with_reason(
        Code::NotFound,
        "NO_SUCH_DELIVERY",
        "there is no such delivery",
    )
}

fn delivered() -> Status {
    refusal::with_reason(
        Code::FailedPrecondition,
        "DELIVERED",
        "the delivery has arrived; there is nothing to try again",
    )
}
