//! The whole projection from events alone: what the views must be equal to.

use std::collections::BTreeMap;

use outcry_events::SealedEvent;

use crate::domain::{FactError, Holding, Price, TooLarge, movements, price};

/// Everything the service keeps, by user and symbol, and by symbol.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Portfolios {
    /// Positions with all their lots.
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
    /// The movements of a holding add up to too much.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
}

/// What the portfolios are after `events`, which are those of funds in any order; events about
/// something else are passed over.
///
/// # Errors
/// [`RebuildError`] names the first event or symbol that does not fit.
pub fn rebuild<'a>(
    events: impl IntoIterator<Item = &'a SealedEvent>,
) -> Result<Portfolios, RebuildError> {
    let mut portfolios = Portfolios::default();
    for event in events {
        portfolios.count(event)?;
    }
    for holding in portfolios.holdings.values_mut() {
        holding.arrange()?;
    }
    Ok(portfolios)
}

// === impl Portfolios ===

impl Portfolios {
    fn count(&mut self, event: &SealedEvent) -> Result<(), RebuildError> {
        let event_id = event.id();
        let unreadable = |source| RebuildError::Fact { event_id, source };
        for moved in movements(event).map_err(unreadable)? {
            let holding = Holding::empty(&moved.user_id, &moved.symbol);
            let key = (moved.user_id, moved.symbol);
            let holding = self.holdings.entry(key).or_insert(holding);
            holding.count(&moved.movement)?;
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
