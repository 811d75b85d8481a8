//! The slots a relay publishes: they come and go while it runs.

use std::sync::Arc;

use outcry_store::RelaySlots;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

/// Which slots of the outbox are this relay's. All clones are one.
#[derive(Clone, Debug, Default)]
pub(crate) struct RelayShare {
    slots: Arc<watch::Sender<Slots>>,
    added: Arc<Notify>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Slots {
    held: RelaySlots,
    /// Those that events in flight may belong to.
    in_flight: RelaySlots,
}

/// A slot that is held; dropped, it is not published any more.
struct Held<'a> {
    share: &'a RelayShare,
    slot: u32,
}

/// Events of some slots are in flight until this is dropped.
pub(super) struct InFlight<'a> {
    share: &'a RelayShare,
    pub(super) slots: RelaySlots,
}

// === impl RelayShare ===

impl RelayShare {
    /// Has `slot` published until `stop`, and comes back when nothing of it is in flight any more.
    pub(crate) async fn hold(&self, slot: u32, stop: &CancellationToken) {
        self.slots
            .send_modify(|slots| slots.held = slots.held.with(slot));
        let held = Held { share: self, slot };
        self.added.notify_one();
        stop.cancelled().await;
        drop(held);
        let mut slots = self.slots.subscribe();
        // Fails only when the sender is gone, which `self` keeps.
        let _ = slots.wait_for(|slots| !slots.in_flight.has(slot)).await;
    }

    /// The slots to publish now, which count as in flight from here on.
    pub(super) fn take_off(&self) -> InFlight<'_> {
        let mut taken = RelaySlots::NONE;
        self.slots.send_modify(|slots| {
            slots.in_flight = slots.held;
            taken = slots.held;
        });
        InFlight {
            share: self,
            slots: taken,
        }
    }

    /// Waits until a slot has been added since the last wait.
    pub(super) async fn added(&self) {
        self.added.notified().await;
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let slot = self.slot;
        self.share
            .slots
            .send_modify(|slots| slots.held = slots.held.without(slot));
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.share
            .slots
            .send_modify(|slots| slots.in_flight = RelaySlots::NONE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_slot_goes_when_nothing_of_it_is_in_flight_any_more() {
        let share = RelayShare::default();
        let stop = CancellationToken::new();
        let mut holding = Box::pin(share.hold(3, &stop));
        assert!(futures::poll!(holding.as_mut()).is_pending());
        share.added().await;
        let in_flight = share.take_off();
        assert!(in_flight.slots.has(3));
        stop.cancel();
        assert!(futures::poll!(holding.as_mut()).is_pending());
        drop(in_flight);
        holding.await;
        assert!(share.take_off().slots.is_empty());
    }

    #[tokio::test]
    async fn a_slot_whose_work_is_broken_off_is_not_published_any_more() {
        let share = RelayShare::default();
        let stop = CancellationToken::new();
        let mut holding = Box::pin(share.hold(3, &stop));
        assert!(futures::poll!(holding.as_mut()).is_pending());
        drop(holding);
        assert!(share.take_off().slots.is_empty());
    }
}
