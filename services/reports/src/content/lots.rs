//! Which purchases the sales of a symbol disposed of.
//!
//! The rule is that of the portfolio service: in the order of the ids of events, a sale takes the
//! oldest lots of its own portfolio first, then the oldest of the others. A sale whose shares come
//! with a later event is covered by the next lots. A deposit that is taken back takes its own lot.

use std::collections::{BTreeMap, VecDeque};

use outcry_events::money::{Amount, Rounding};
use uuid::Uuid;

use super::Unmade;

/// Shares that came in together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lot {
    /// The event that opened it: the order of lots.
    pub opened_by: Uuid,
    /// When, in nanoseconds since 1970.
    pub at_ns: i64,
    /// Match or issue.
    pub reference: String,
    /// The portfolio it is in; empty for the main one.
    pub portfolio: String,
    /// Shares that came in.
    pub acquired: i64,
    /// What they cost, fees included.
    pub full_cost: Amount,
    /// Shares that are left.
    pub left: i64,
}

/// Shares that went out together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sale {
    /// The event that tells of it: the order of sales.
    pub event_id: Uuid,
    /// When, in nanoseconds since 1970.
    pub at_ns: i64,
    /// Match, or the deposit that was taken back.
    pub reference: String,
    /// The portfolio it was for; empty for the main one.
    pub portfolio: String,
    /// Shares.
    pub quantity: i64,
    /// Received for them, before the fee.
    pub received: Amount,
    /// Fee taken from that.
    pub fee: Amount,
    /// The lot that gives first: that of a deposit taken back.
    pub of_lot: Option<Uuid>,
}

/// What happens to the shares of one symbol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// They come in.
    In(Lot),
    /// They go out.
    Out(Sale),
}

/// Part of a sale that disposed of (part of) one lot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disposal {
    /// Which of the sales, from 0.
    pub sale: usize,
    /// The lot; none while it is not known.
    pub lot: Option<Uuid>,
    /// Shares.
    pub quantity: i64,
    /// What they had cost, fees included.
    pub cost: Amount,
    /// What they brought, less the fee.
    pub proceeds: Amount,
}

/// The shares of one symbol, matched.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Matched {
    /// All lots by the events that opened them.
    pub lots: BTreeMap<Uuid, Lot>,
    /// All sales in the order of their events.
    pub sales: Vec<Sale>,
    /// What they disposed of, by sale and then in the order it was taken.
    pub disposals: Vec<Disposal>,
    open: BTreeMap<String, VecDeque<Uuid>>,
    /// Sales that wait for shares, with how many.
    waiting: VecDeque<(usize, i64)>,
}

/// Matches the sales of one symbol with its lots.
///
/// # Errors
/// [`Unmade::TooLarge`].
pub fn matched(mut steps: Vec<Step>) -> Result<Matched, Unmade> {
    steps.sort_by_key(Step::order);
    let mut matched = Matched::default();
    for step in steps {
        match step {
            Step::In(lot) => matched.comes(lot)?,
            Step::Out(sale) => matched.goes(sale)?,
        }
    }
    matched.finish()
}

// === impl Matched ===

impl Matched {
    fn comes(&mut self, lot: Lot) -> Result<(), Unmade> {
        let id = lot.opened_by;
        let queue = self.open.entry(lot.portfolio.clone()).or_default();
        queue.push_back(id);
        self.lots.insert(id, lot);
        while let Some((sale, wants)) = self.waiting.pop_front() {
            let rest = wants - self.take(sale, id, wants)?;
            if rest > 0 {
                self.waiting.push_front((sale, rest));
                break;
            }
        }
        Ok(())
    }

    fn goes(&mut self, sale: Sale) -> Result<(), Unmade> {
        let number = self.sales.len();
        let (mut wants, portfolio, of_lot) = (sale.quantity, sale.portfolio.clone(), sale.of_lot);
        self.sales.push(sale);
        if let Some(lot) = of_lot.filter(|lot| self.lots.contains_key(lot)) {
            wants -= self.take(number, lot, wants)?;
        }
        while wants > 0 {
            let Some(lot) = self.next(&portfolio) else {
                self.waiting.push_back((number, wants));
                break;
            };
            wants -= self.take(number, lot, wants)?;
        }
        Ok(())
    }

    /// The lot that gives next to a sale of this portfolio.
    fn next(&mut self, portfolio: &str) -> Option<Uuid> {
        let lots = &self.lots;
        for queue in self.open.values_mut() {
            let is_empty = |id: &Uuid| lots.get(id).is_none_or(|lot| lot.left == 0);
            while queue.front().is_some_and(is_empty) {
                queue.pop_front();
            }
        }
        let own = self.open.get(portfolio).and_then(VecDeque::front);
        let oldest = || self.open.values().filter_map(VecDeque::front).min();
        own.or_else(oldest).copied()
    }

    /// Takes up to so many shares of a lot; how many it gave.
    fn take(&mut self, sale: usize, lot: Uuid, wants: i64) -> Result<i64, Unmade> {
        let Some(from) = self.lots.get_mut(&lot) else {
            return Ok(0);
        };
        let quantity = wants.min(from.left);
        if quantity > 0 {
            let before = from.cost();
            from.left -= quantity;
            let cost = before.checked_sub(from.cost()).ok_or(Unmade::TooLarge)?;
            self.disposals.push(Disposal {
                sale,
                lot: Some(lot),
                quantity,
                cost,
                proceeds: Amount::ZERO,
            });
        }
        Ok(quantity)
    }

    /// Says what is still not covered, and shares out what each sale brought.
    fn finish(mut self) -> Result<Matched, Unmade> {
        for (sale, quantity) in std::mem::take(&mut self.waiting) {
            self.disposals.push(Disposal {
                sale,
                lot: None,
                quantity,
                cost: Amount::ZERO,
                proceeds: Amount::ZERO,
            });
        }
        self.disposals.sort_by_key(|disposal| disposal.sale);
        let (mut sale, mut sold) = (usize::MAX, 0);
        for disposal in &mut self.disposals {
            if disposal.sale != sale {
                (sale, sold) = (disposal.sale, 0);
            }
            let of = self.sales.get(sale).ok_or(Unmade::TooLarge)?;
            let net = of.net()?;
            // Up to here, less what there was before: the parts add up to the whole.
            let share = |sold| net.checked_mul_div(sold, of.quantity, Rounding::Floor);
            let parts = share(sold + disposal.quantity).zip(share(sold));
            let proceeds = parts.and_then(|(after, before)| after.checked_sub(before));
            disposal.proceeds = proceeds.ok_or(Unmade::TooLarge)?;
            sold += disposal.quantity;
        }
        Ok(self)
    }

    /// The lots shares are left of, the oldest first.
    pub fn open(&self) -> impl Iterator<Item = &Lot> {
        self.lots.values().filter(|lot| lot.left > 0)
    }
}

// === impl Lot ===

impl Lot {
    /// Cost of what is left. What is lost by rounding stays with the rest.
    #[must_use]
    pub fn cost(&self) -> Amount {
        // Is there: a part is not more than the whole, and a lot has shares.
        self.full_cost
            .checked_mul_div(self.left, self.acquired, Rounding::Ceil)
            .unwrap_or_default()
    }
}

// === impl Sale ===

impl Sale {
    /// What it brought, less the fee.
    ///
    /// # Errors
    /// [`Unmade::TooLarge`].
    pub fn net(&self) -> Result<Amount, Unmade> {
        self.received.checked_sub(self.fee).ok_or(Unmade::TooLarge)
    }
}

// === impl Step ===

impl Step {
    /// Who trades with themselves buys first.
    fn order(&self) -> (Uuid, bool) {
        match self {
            Step::In(lot) => (lot.opened_by, false),
            Step::Out(sale) => (sale.event_id, true),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bought(id: u128, portfolio: &str, quantity: i64, cost: i64) -> Step {
        Step::In(Lot {
            opened_by: Uuid::from_u128(id),
            at_ns: 0,
            reference: format!("m-{id}"),
            portfolio: portfolio.to_owned(),
            acquired: quantity,
            full_cost: Amount::from_raw(cost).unwrap(),
            left: quantity,
        })
    }

    fn sold(id: u128, portfolio: &str, quantity: i64, received: i64) -> Step {
        Step::Out(Sale {
            event_id: Uuid::from_u128(id),
            at_ns: 0,
            reference: format!("m-{id}"),
            portfolio: portfolio.to_owned(),
            quantity,
            received: Amount::from_raw(received).unwrap(),
            fee: Amount::ZERO,
            of_lot: None,
        })
    }

    /// Lot, shares, cost and proceeds of each disposal.
    fn told(matched: &Matched) -> Vec<(Option<u128>, i64, i64, i64)> {
        let told = |one: &Disposal| {
            let lot = one.lot.map(|lot| lot.as_u128());
            (lot, one.quantity, one.cost.raw(), one.proceeds.raw())
        };
        matched.disposals.iter().map(told).collect()
    }

    #[test]
    fn a_sale_takes_its_own_portfolio_first_and_then_the_oldest_lots_of_the_others() {
        let steps = vec![
            bought(1, "a", 10, 100),
            bought(2, "b", 10, 200),
            bought(3, "a", 10, 300),
            sold(4, "b", 25, 1000),
        ];
        let matched = matched(steps).unwrap();
        let expected = [
            (Some(2), 10, 200, 400),
            (Some(1), 10, 100, 400),
            (Some(3), 5, 150, 200),
        ];
        assert_eq!(told(&matched), expected);
        assert_eq!(matched.open().map(|lot| lot.left).sum::<i64>(), 5);
    }

    #[test]
    fn a_sale_is_covered_by_the_next_lots_when_there_were_none() {
        let steps = vec![sold(1, "", 4, 7), bought(2, "", 3, 30), sold(3, "", 1, 5)];
        let expected = [(Some(2), 3, 30, 5), (None, 1, 0, 2), (None, 1, 0, 5)];
        assert_eq!(told(&matched(steps).unwrap()), expected);
    }

    #[test]
    fn a_deposit_taken_back_takes_its_own_lot() {
        let mut back = sold(3, "", 10, 0);
        if let Step::Out(sale) = &mut back {
            sale.of_lot = Some(Uuid::from_u128(2));
        }
        let steps = vec![bought(1, "", 10, 100), bought(2, "", 10, 0), back];
        assert_eq!(told(&matched(steps).unwrap()), [(Some(2), 10, 0, 0)]);
    }

    proptest! {
        #[test]
        fn nothing_vanishes_and_the_order_of_arrival_does_not_matter(
            (steps, shuffled) in proptest::collection::vec(
                (any::<bool>(), 0..3_usize, 1..50_i64, 0..10_000_i64), 1..40,
            ).prop_map(|steps| {
                let step = |(id, (buys, portfolio, quantity, cash)): (u128, (bool, usize, i64, i64))| {
                    let portfolio = ["a", "b", "c"][portfolio];
                    if buys { bought(id, portfolio, quantity, cash) } else { sold(id, portfolio, quantity, cash) }
                };
                (1_u128..).zip(steps).map(step).collect::<Vec<_>>()
            }).prop_flat_map(|steps| (Just(steps.clone()), Just(steps).prop_shuffle()))
        ) {
            let one = matched(steps).unwrap();
            prop_assert_eq!(&matched(shuffled).unwrap(), &one);
            for (number, sale) in one.sales.iter().enumerate() {
                let of = || one.disposals.iter().filter(|disposal| disposal.sale == number);
                prop_assert_eq!(of().map(|one| one.quantity).sum::<i64>(), sale.quantity);
                let proceeds: i64 = of().map(|one| one.proceeds.raw()).sum();
                prop_assert_eq!(proceeds, sale.received.raw());
            }
            for lot in one.lots.values() {
                let of = || one.disposals.iter().filter(|disposal| disposal.lot == Some(lot.opened_by));
                prop_assert_eq!(of().map(|one| one.quantity).sum::<i64>() + lot.left, lot.acquired);
                let cost: i64 = of().map(|one| one.cost.raw()).sum();
                prop_assert_eq!(cost + lot.cost().raw(), lot.full_cost.raw());
            }
        }
    }
}
