//! Some of the lots of a holding: those a movement changes.

use outcry_store::{Scan, Store, StoreError, ViewRow};
use uuid::Uuid;

use super::{open_lots, sold_lots};
use crate::domain::{Holding, Lot, Moved, Position};

/// Which lots movements can change.
///
/// In a holding at rest every lot older than the newest one that gave shares is sold completely.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sides {
    /// The oldest that have shares left: they give the shares of a sale.
    pub open: bool,
    /// The newest that gave shares: they get shares back from a lot that comes late.
    pub sold: bool,
}

/// A holding with some of its lots.
pub(crate) struct Window {
    pub holding: Holding,
    open: Page,
    sold: Page,
}

/// Lots read from one side.
#[derive(Default)]
struct Page {
    lots: Vec<Uuid>,
    /// There can be more of them.
    is_full: bool,
}

// === impl Sides ===

impl Sides {
    /// Those that `moved` can change. A holding that another event is not finished with is not at
    /// rest, and neither is one that a lot comes to late.
    pub(crate) fn of(position: &Position, moved: &[Moved]) -> Sides {
        let opened = moved.iter().filter_map(|one| one.movement.opened_by());
        let is_late = opened.into_iter().any(|id| Some(id) < position.sold_into);
        let sold = is_late || !position.unfinished.is_empty();
        let sells = moved.iter().any(|one| one.movement.opened_by().is_none());
        Sides {
            open: sold || sells,
            sold,
        }
    }
}

// === impl Window ===

impl Window {
    /// Reads up to `width` lots from each of the sides asked for.
    pub(crate) async fn read(
        store: &dyn Store,
        position: Position,
        sides: Sides,
        width: usize,
    ) -> Result<Window, StoreError> {
        let (user_id, symbol) = (position.user_id.clone(), position.symbol.clone());
        let mut window = Window {
            holding: Holding {
                position,
                lots: [].into(),
            },
            open: Page::default(),
            sold: Page::default(),
        };
        if sides.open {
            let scan = open_lots(&user_id, &symbol).limit(width);
            window.open = window.add(store, &scan).await?;
        }
        if sides.sold {
            let scan = sold_lots(&user_id, &symbol).limit(width);
            window.sold = window.add(store, &scan).await?;
        }
        Ok(window)
    }

    async fn add(&mut self, store: &dyn Store, scan: &Scan) -> Result<Page, StoreError> {
        let rows = store.scan(scan).await?;
        let lots = rows.iter().map(ViewRow::decode);
        let lots = lots.collect::<Result<Vec<Lot>, StoreError>>()?;
        let page = Page {
            is_full: lots.len() >= scan.limit,
            lots: lots.iter().map(|lot| lot.opened_by).collect(),
        };
        self.holding
            .lots
            .extend(lots.into_iter().map(|lot| (lot.opened_by, lot)));
        Ok(page)
    }

    /// Whether `after`, which is this holding arranged, is right whatever lots there are beside
    /// these: none of them is older than one with shares left, or newer than one that gave some.
    pub(crate) fn suffices(&self, after: &Holding) -> bool {
        self.open.holds_one(after, Lot::is_open) && self.sold.holds_one(after, |lot| lot.sold() > 0)
    }
}

// === impl Page ===

impl Page {
    fn holds_one(&self, after: &Holding, is_still: impl Fn(&Lot) -> bool) -> bool {
        let mut lots = self.lots.iter().filter_map(|id| after.lots.get(id));
        !self.is_full || lots.any(is_still)
    }
}
