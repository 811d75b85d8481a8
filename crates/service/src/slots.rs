//! Slots of a service's own: work that one replica at a time does.

use async_trait::async_trait;
use outcry_store::Lease;
use tokio_util::sync::CancellationToken;

/// A pool of slots that the replicas of a service share, and what holding one of them means.
///
/// Each slot is held by one replica at a time. Who holds one now is known to the store
/// ([`Store::holder`]), together with the address where that replica is reached.
///
/// [`Store::holder`]: outcry_store::Store::holder
#[async_trait]
pub trait Slots: Send + Sync + 'static {
    /// Name of the pool, unique within the service. The runtime's own names are taken: `relay`,
    /// `timers`, `retention`, and whatever begins with `group/` or `redrive/`.
    fn pool(&self) -> &'static str;

    /// How many slots it has: the same in all replicas.
    fn count(&self) -> u32;

    /// Does the work of one slot for as long as it is held, and returns soon after `stop`: when
    /// what was begun is done, for the slot goes to another replica only then.
    ///
    /// Every commit made for the slot carries [`Lease::fence`]. One that is refused with
    /// [`Conflict::Fenced`] means that another replica has the slot: return, and keep nothing of
    /// what was not committed. Returning unasked, or panicking, gives the slot back; it is got
    /// again by somebody, in another epoch, after a wait when that happens over and over.
    ///
    /// [`Conflict::Fenced`]: outcry_store::Conflict::Fenced
    async fn hold(&self, lease: Lease, stop: CancellationToken);
}
