//! The whole projection from events alone: what the views must be equal to.

use std::collections::BTreeMap;

use outcry_events::SealedEvent;

use crate::domain::{FactError, Holding, Price, TooLarge, movements, price};

/// Everything the service keeps, by user and symbol, and by symbol.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holdings {
    /// Positions with all their lots, sales and takes.
    pub holdings: BTreeMap<(String, String), Holding>,
    /// Last prices.
    pub prices: BTreeMap<String, Price>,
}

/// Why events do not add up to holdings.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// An event cannot be read.
    #[error("event {event_id}")]
    Fact {
        /// Which.
        event_id: uuid::Uuid,
        /// Why.
        #[source]
        source: FactError,
    },
    /// The movements of a holding add up to too much.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
}

/// What is held after `events`, which are those of funds in any order; events about something else
/// are passed over. When rows were last written is not told by events, and left at 0.
///
/// # Errors
/// [`RebuildError`] names the first event or symbol that does not fit.
pub fn rebuild<'a>(
    events: impl IntoIterator<Item = &'a SealedEvent>,
) -> Result<Holdings, RebuildError> {
    let mut held = Holdings::default();
    for event in events {
        held.count(event)?;
    }
    for holding in held.holdings.values_mut() {
        // Nothing was taken so far: there is nothing to undo, whatever order they came in.
        holding.position.rewind = None;
        holding.arrange()?;
    }
    Ok(held)
}

// === impl Holdings ===

impl Holdings {
    fn count(&mut self, event: &SealedEvent) -> Result<(), RebuildError> {
        let event_id = event.id();
        let unreadable = |source| RebuildError::Fact { event_id, source };
        for moved in movements(event).map_err(unreadable)? {
            let holding = Holding::empty(&moved.user_id, &moved.symbol);
            let key = (moved.user_id, moved.symbol);
            let holding = self.holdings.entry(key).or_insert(holding);
            holding.count(&moved.movement, None)?;
        }
        if let Some(price) = price(event).map_err(unreadable)? {
            match self.prices.get(&price.symbol) {
                Some(last) if !price.is_after(last) => {}
                _ => {
                    self.prices.insert(price.symbol.clone(), price);
                }
            }
        }
        Ok(())
    }
}
