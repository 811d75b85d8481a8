//! The pools of a service: everything that only one of its replicas may do at a time.

use std::sync::Arc;

use outcry_broker::Broker;
use outcry_store::limits::RELAY_SLOTS;

use super::parts::Shifts;
use crate::consumer::Consumer;
use crate::context::Context;
use crate::relay::RelayShare;
use crate::retention;
use crate::slots::Slots;
use crate::tenant::Pool;
use crate::timer::{TimerHandler, Timers};

const RELAY: &str = "relay";
const TIMERS: &str = "timers";
const RETENTION: &str = "retention";
const GROUP: &str = "group/";
const REDRIVE: &str = "redrive/";

/// Whether a pool of a service's own would be taken for one of the runtime's.
pub(super) fn is_taken(pool: &str) -> bool {
    [RELAY, TIMERS, RETENTION].contains(&pool)
        || [GROUP, REDRIVE].iter().any(|kind| pool.starts_with(kind))
}

/// Shares of the outbox.
pub(super) fn relay(share: RelayShare, shifts: &Shifts) -> Pool {
    Pool::new(RELAY, RELAY_SLOTS, &shifts.relay, move |tenure| {
        let share = share.clone();
        async move { share.hold(tenure.lease.slot, &tenure.stop).await }
    })
}

/// The partitions of a consumer group.
pub(super) fn partitions(
    consumer: &Arc<Consumer>,
    broker: &Arc<dyn Broker>,
    shifts: &Shifts,
) -> Pool {
    let spec = consumer.spec();
    let name = format!("{GROUP}{}", spec.name);
    let (consumer, broker) = (Arc::clone(consumer), Arc::clone(broker));
    Pool::new(name, spec.partitions, &shifts.consumers, move |tenure| {
        Arc::clone(&consumer).consume(Arc::clone(&broker), tenure)
    })
}

/// The redrives of a consumer group.
pub(super) fn redrives(consumer: &Arc<Consumer>, shifts: &Shifts) -> Pool {
    let name = format!("{REDRIVE}{}", consumer.spec().name);
    let consumer = Arc::clone(consumer);
    Pool::new(name, 1, &shifts.redrivers, move |tenure| {
        Arc::clone(&consumer).redrive(tenure)
    })
}

/// The timers.
pub(super) fn timers(ctx: &Context, handler: Arc<dyn TimerHandler>, shifts: &Shifts) -> Pool {
    let ctx = ctx.clone();
    Pool::new(TIMERS, 1, &shifts.timers, move |tenure| {
        Timers::new(ctx.clone(), Arc::clone(&handler), tenure).run()
    })
}

/// Forgetting what is old.
pub(super) fn retention(ctx: &Context, shifts: &Shifts) -> Pool {
    let ctx = ctx.clone();
    Pool::new(RETENTION, 1, &shifts.tasks, move |tenure| {
        retention::forget(ctx.clone(), tenure.stop)
    })
}

/// Slots of the service's own.
pub(super) fn own(slots: Arc<dyn Slots>, shifts: &Shifts) -> Pool {
    Pool::new(slots.pool(), slots.count(), &shifts.own, move |tenure| {
        let slots = Arc::clone(&slots);
        async move { slots.hold(tenure.lease, tenure.stop).await }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_the_runtimes_own_pools_are_taken() {
        for pool in ["relay", "timers", "retention", "group/funds", "redrive/"] {
            assert!(is_taken(pool), "{pool}");
        }
        assert!(!is_taken("symbols") && !is_taken("relays"));
    }
}
