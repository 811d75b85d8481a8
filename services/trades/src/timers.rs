//! Expiry: when an order's time comes, its desk is woken.

use async_trait::async_trait;
use outcry_events::Cause;
use outcry_service::{Context, Fault, TimerHandler};
use outcry_store::{Commit, Timer};

use crate::trade::VENUE;
use crate::venue::{Venue, VenueError};

/// Wakes desks.
pub(crate) struct Alarm {
    pub(crate) ctx: Context,
    pub(crate) venue: Venue,
}

#[async_trait]
impl TimerHandler for Alarm {
    /// The desk commits by itself; the timer is cleared by the empty commit. Each expiry has a
    /// timer of its own, so none that is set meanwhile is lost.
    async fn fire(&self, timer: &Timer) -> Result<Commit, Fault> {
        let symbol = std::str::from_utf8(&timer.payload)
            .map_err(|_| Fault::discard("a timer without a symbol"))?;
        let cause = Cause::root(self.ctx.clock.new_id(), VENUE);
        match self.venue.wake(symbol, cause).await {
            Ok(()) => Ok(Commit::default()),
            Err(VenueError::UnknownSymbol(_)) => {
                Err(Fault::discard(format!("{symbol} has no orders any more")))
            }
            Err(error) => Err(error.into()),
        }
    }
}
