//! Giving back what an order, after a change, does not need any more.
//!
//! Custody is told what the rest of the order needs in total, under a number of its own; told so
//! again, or after a newer number, it does nothing. What the order needs is known once every fill
//! from before the change is settled: those may have been dearer than the new terms.

use outcry_events::Cause;
use outcry_service::Context;
use tonic::Status;
use tracing::debug;

use crate::changes::{self, Along, Failed, existing};
use crate::config::Config;
use crate::custody::{self, Ask, Locking};
use crate::pretrade;
use crate::timers::Job;
use crate::views::{OrderRow, Progress, Surplus};

/// The timer that gives back.
pub(crate) fn job(order_id: &str) -> Job {
    Job::Release {
        order_id: order_id.to_owned(),
    }
}

/// Tells custody what the order still needs. An order that has ended needs nothing, and custody
/// learns that from its end. The timer is left to fire: another change may have set it anew.
///
/// # Errors
/// Custody or the store did not answer, or fills are not settled yet: go on later.
pub(crate) async fn carry_on(
    ctx: &Context,
    config: &Config,
    order_id: &str,
    cause: &Cause,
) -> Result<OrderRow, Status> {
    let row = existing(ctx, order_id).await?.row;
    let Some(surplus) = row.progress.surplus else {
        return Ok(row);
    };
    let asking = changes::next_cause(ctx, order_id, cause).await?;
    tell(ctx, config, &asking, &row, surplus).await?;
    let forget = |row: &OrderRow| -> Result<Progress, Failed> {
        let mut progress = row.progress.clone();
        progress.surplus.take_if(|one| *one == surplus);
        Ok(progress)
    };
    Ok(changes::note(ctx, order_id, forget, &Along::default()).await?)
}

async fn tell(
    ctx: &Context,
    config: &Config,
    cause: &Cause,
    row: &OrderRow,
    surplus: Surplus,
) -> Result<(), Status> {
    let order = &row.order;
    let venue = row.progress.venue.as_ref();
    let filled = order
        .cumulative_quantity
        .max(surplus.cumulative_quantity)
        .max(venue.map_or(0, |venue| venue.cumulative_quantity));
    let unfilled = order.quantity - filled;
    let Some(price) = order
        .protection()
        .filter(|_| unfilled > 0 && !order.is_final())
    else {
        return Ok(());
    };
    let Some(lock) = pretrade::lock(config, &order.terms(), price, unfilled) else {
        return Ok(());
    };
    let ask = Ask {
        order_id: &order.order_id,
        user_id: &order.user_id,
        revision: surplus.revision,
        lock: &lock,
        cumulative_quantity: filled,
    };
    match custody::lock_settled(ctx, cause, &ask).await {
        Locking::Locked => Ok(()),
        // Nothing is to be had back from an order that has ended or an account that is closed.
        Locking::Refused(refused) => {
            let reason = refused.reason.as_str_name();
            debug!(order_id = order.order_id, reason, "nothing to give back");
            Ok(())
        }
        Locking::Unknown(status) => Err(status),
    }
}
