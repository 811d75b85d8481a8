//! The whole projection from events alone: what the views must be equal to.

use std::collections::BTreeMap;

use outcry_events::SealedEvent;

use crate::domain::{FactError, Holding, MoveError, Price, movements, price};

/// Everything the service keeps, by user and symbol, and by symbol.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Portfolios {
    /// Positions with all their open lots.
    pub holdings: BTreeMap<(String, String), Holding>,
    /// Last prices.
    pub prices: BTreeMap<String, Price>,
}

/// Why events do not add up to portfolios.
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
    /// An event moves what is not there.
    #[error("event {event_id}")]
    Move {
        /// Which.
        event_id: uuid::Uuid,
        /// Why.
        #[source]
        source: MoveError,
    },
}

/// What the portfolios are after `events`, which are those of funds in the order they were
/// committed; events about something else are passed over.
///
/// # Errors
/// [`RebuildError`] names the first event that does not fit.
pub fn rebuild<'a>(
    events: impl IntoIterator<Item = &'a SealedEvent>,
) -> Result<Portfolios, RebuildError> {
    let mut portfolios = Portfolios::default();
    for event in events {
        portfolios.follow(event)?;
    }
    Ok(portfolios)
}

// === impl Portfolios ===

impl Portfolios {
    /// Takes in one event.
    ///
    /// # Errors
    /// [`RebuildError`]; holdings moved by an earlier part of the event stay moved.
    pub fn follow(&mut self, event: &SealedEvent) -> Result<(), RebuildError> {
        let event_id = event.id();
        let unreadable = |source| RebuildError::Fact { event_id, source };
        for moved in movements(event).map_err(unreadable)? {
            let key = (moved.user_id, moved.symbol);
            let holding = match self.holdings.get(&key) {
                Some(holding) => holding.after(&moved.movement),
                None => Holding::empty(&key.0, &key.1).after(&moved.movement),
            };
            let holding = holding.map_err(|source| RebuildError::Move { event_id, source })?;
            self.holdings.insert(key, holding);
        }
        if let Some(price) = price(event).map_err(unreadable)? {
            self.prices.insert(price.symbol.clone(), price);
        }
        Ok(())
    }
}
