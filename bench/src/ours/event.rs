//! The events that are sent: one of the contract's, as long as the peers' messages.

use std::time::SystemTime;

use anyhow::{Context as _, ensure};
use outcry_contracts::trades::v1::{FailureReason, TradeFailedEvent};
use outcry_events::{Cause, SealedEvent, Stamp, seal};
use uuid::Uuid;

use crate::load::symbol;

/// Most letters of the text that makes an event longer: the contract allows no more.
const TEXT_MAX: usize = 256;

/// Makes events.
#[derive(Debug, Clone)]
pub struct Events {
    /// In the ids of all that this process makes, so that a later process makes others.
    process: u64,
    text: String,
}

// === impl Events ===

impl Events {
    /// Events whose envelope has about so many bytes.
    pub fn of_bytes(bytes: usize) -> anyhow::Result<Self> {
        let (process, _) = Uuid::now_v7().as_u64_pair();
        let mut events = Self {
            process,
            text: String::new(),
        };
        let bare = events.event(0, 0)?.bytes().len();
        let text = bytes.saturating_sub(bare);
        ensure!(
            text <= TEXT_MAX,
            "an event can have {} bytes at most",
            bare + TEXT_MAX
        );
        events.text = "x".repeat(text);
        Ok(events)
    }

    /// The event number `id`, of a stream of its own; recorded now.
    pub fn event(&self, id: u64, key: u32) -> anyhow::Result<SealedEvent> {
        let event = TradeFailedEvent {
            trade_id: Uuid::from_u64_pair(self.process, id).to_string(),
            order_id: Uuid::from_u64_pair(1, id).to_string(),
            user_id: Uuid::from_u64_pair(2, u64::from(key)).to_string(),
            symbol: symbol(key),
            reason: FailureReason::UnknownSymbol.into(),
            message: self.text.clone(),
        };
        let now = SystemTime::now();
        let stamp = Stamp {
            event_id: Uuid::now_v7(),
            sequence: 1,
            occurred_at: now,
            recorded_at: now,
            cause: &Cause::root(Uuid::now_v7(), "service:trades"),
        };
        Ok(seal(&event, stamp)?)
    }
}

/// The number of an event.
pub fn id_of(event: &SealedEvent) -> anyhow::Result<u64> {
    let trade = Uuid::try_parse(event.aggregate_id()).context("not an event of the benchmark")?;
    Ok(trade.as_u64_pair().1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_has_the_size_that_is_asked_for_and_says_its_number() {
        let events = Events::of_bytes(512).unwrap();
        let event = events.event(17, 3).unwrap();
        assert!((505..=520).contains(&event.bytes().len()));
        assert_eq!(id_of(&event).unwrap(), 17);
        assert_eq!(event.partition_key(), symbol(3));
        assert!(Events::of_bytes(10_000).is_err());
    }
}
