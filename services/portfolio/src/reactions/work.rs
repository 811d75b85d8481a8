//! One step of following: a position, the rows of it that are at hand, and what becomes of them.

use outcry_service::Fault;
use outcry_store::{Commit, Store, StoreError, ViewWrite};
use uuid::Uuid;

use crate::domain::{Holding, Lot, Movement, Sale, Take};
use crate::views;

/// How far a step went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// There is nothing more to do.
    Done,
    /// What was done goes into a commit of its own, and the next step follows.
    More,
}

/// How much one step does: it reads and writes, and all of it fits into one commit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Width {
    /// Rows read at a time.
    pub(super) page: usize,
    /// Takes after which a step ends.
    pub(super) takes: usize,
}

/// A step.
pub(super) struct Work<'a> {
    store: &'a dyn Store,
    key: String,
    width: Width,
    version: u64,
    before: Holding,
    pub(super) after: Holding,
}

/// How covering one sale went.
enum Covered {
    Wholly,
    /// There may be more lots than were read.
    MoreLots,
    /// No lot is open any more.
    NoLots,
}

// === impl Work ===

impl<'a> Work<'a> {
    pub(super) async fn begin(
        store: &'a dyn Store,
        (user_id, symbol): (&str, &str),
        width: Width,
    ) -> Result<Work<'a>, StoreError> {
        let (position, version) = views::position(store, user_id, symbol).await?;
        let before = Holding::of(position);
        Ok(Work {
            store,
            key: views::position_key(user_id, symbol),
            width,
            version,
            after: before.clone(),
            before,
        })
    }

    /// Whether the position is at rest and this event comes after all others.
    pub(super) fn is_usual(&self, event_id: Uuid) -> bool {
        let position = &self.before.position;
        position.rewind.is_none()
            && position.total.uncovered == 0
            && position.newest.is_none_or(|newest| newest < event_id)
    }

    /// Counts a movement that was not counted before; whether it was not.
    pub(super) async fn count(&mut self, movement: &Movement) -> Result<bool, Fault> {
        let is_known = match movement {
            Movement::Acquired { lot, .. } => self.has_lot(lot.opened_by).await?,
            Movement::Disposed { sale, .. } => self.has_sale(sale.event_id).await?,
        };
        if is_known {
            return Ok(false);
        }
        let first_early = views::first_early(self.store, &self.key).await?;
        self.after.count(movement, first_early)?;
        Ok(true)
    }

    /// Gives back what sales from this one on took.
    pub(super) async fn undo(&mut self, from: Uuid) -> Result<Step, Fault> {
        let scan = views::takes(&self.key).limit(self.width.page);
        let takes: Vec<Take> = views::read(self.store, &scan).await?;
        let is_full = takes.len() >= self.width.page;
        let mut later = true;
        for take in takes {
            if take.sale < from {
                later = false;
                break;
            }
            self.has_lot(take.lot).await?;
            self.has_sale(take.sale).await?;
            let place = (take.sale, take.lot);
            self.before.takes.insert(place, take.clone());
            self.after.takes.insert(place, take);
            self.after.undo(place.0, place.1)?;
        }
        if later && is_full {
            return Ok(Step::More);
        }
        self.after.position.rewind = None;
        Ok(Step::More)
    }

    /// Lets lots give to the sales that wait, the oldest sale first.
    pub(super) async fn cover(&mut self) -> Result<Step, Fault> {
        let scan = views::waiting_sales(&self.key).limit(self.width.page);
        let waiting: Vec<Sale> = views::read(self.store, &scan).await?;
        let is_full = waiting.len() >= self.width.page;
        for sale in waiting {
            let id = sale.event_id;
            self.before.sales.insert(id, sale.clone());
            self.after.sales.insert(id, sale);
            match self.cover_one(id).await? {
                Covered::Wholly if self.after.takes.len() < self.width.takes => {}
                Covered::Wholly | Covered::MoreLots => return Ok(Step::More),
                Covered::NoLots => return Ok(Step::Done),
            }
        }
        Ok(if is_full { Step::More } else { Step::Done })
    }

    /// Lets lots give to a sale that is newer than all others.
    pub(super) async fn cover_newest(&mut self, sale: Uuid) -> Result<Step, Fault> {
        Ok(match self.cover_one(sale).await? {
            Covered::Wholly | Covered::NoLots => Step::Done,
            Covered::MoreLots => Step::More,
        })
    }

    async fn cover_one(&mut self, id: Uuid) -> Result<Covered, Fault> {
        let Some(sale) = self.after.sales.get(&id).cloned() else {
            return Ok(Covered::Wholly);
        };
        if let Some(lot) = sale.of_lot {
            self.has_lot(lot).await?;
        }
        let (own, own_is_full) = self.open_lots(Some(sale.portfolio_id)).await?;
        let all_are_older = own.iter().all(|lot| *lot <= id);
        self.after.cover(id, sale.first(own))?;
        if self.is_covered(id) {
            return Ok(Covered::Wholly);
        }
        if own_is_full && all_are_older {
            return Ok(Covered::MoreLots);
        }
        let (all, is_full) = self.open_lots(None).await?;
        self.after.cover(id, all)?;
        Ok(if self.is_covered(id) {
            Covered::Wholly
        } else if is_full {
            Covered::MoreLots
        } else {
            Covered::NoLots
        })
    }

    fn is_covered(&self, sale: Uuid) -> bool {
        let sale = self.after.sales.get(&sale);
        sale.is_none_or(|sale| sale.uncovered == 0)
    }

    /// The first lots that were open before this step, and whether there may be more.
    async fn open_lots(&mut self, portfolio: Option<Uuid>) -> Result<(Vec<Uuid>, bool), Fault> {
        let position = &self.before.position;
        let scan = views::open_lots(&position.user_id, &position.symbol, portfolio);
        let lots: Vec<Lot> = views::read(self.store, &scan.limit(self.width.page)).await?;
        let is_full = lots.len() >= self.width.page;
        let ids = lots.iter().map(|lot| lot.opened_by).collect();
        for lot in lots {
            self.keep_lot(lot);
        }
        Ok((ids, is_full))
    }

    /// Whether there is such a lot; it is at hand from now on.
    async fn has_lot(&mut self, id: Uuid) -> Result<bool, StoreError> {
        if !self.after.lots.contains_key(&id) {
            let Some(lot) = views::lot(self.store, &self.key, id).await? else {
                return Ok(false);
            };
            self.keep_lot(lot);
        }
        Ok(true)
    }

    /// A lot as it was before this step, unless the step has it already.
    fn keep_lot(&mut self, lot: Lot) {
        let id = lot.opened_by;
        if !self.after.lots.contains_key(&id) {
            self.before.lots.insert(id, lot.clone());
            self.after.lots.insert(id, lot);
        }
    }

    /// Whether there is such a sale; it is at hand from now on.
    async fn has_sale(&mut self, id: Uuid) -> Result<bool, StoreError> {
        if !self.after.sales.contains_key(&id) {
            let Some(sale) = views::sale(self.store, &self.key, id).await? else {
                return Ok(false);
            };
            self.before.sales.insert(id, sale.clone());
            self.after.sales.insert(id, sale);
        }
        Ok(true)
    }

    /// What is to be written.
    pub(super) fn writes(&self, now_ns: i64) -> Result<Vec<ViewWrite>, StoreError> {
        views::changes(&self.before, self.version, &self.after, now_ns)
    }

    /// The same as a commit of its own.
    pub(super) fn commit(&self, now_ns: i64) -> Result<Commit, StoreError> {
        Ok(Commit {
            views: self.writes(now_ns)?,
            ..Commit::default()
        })
    }
}
