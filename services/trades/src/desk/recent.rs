//! Orders that left the book lately.

use std::collections::{HashSet, VecDeque};

use uuid::Uuid;

/// How many are remembered. A caller looks into the store before it submits an order, so only
/// orders that finished between that look and the order's turn matter: fewer than can wait.
const REMEMBERED_MAX: usize = 16_384;

/// A bounded memory of finished orders: the longest remembered is forgotten first. Forgetting is
/// safe, as the store refuses a second trade of an order, but costs a rebuild of the book.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    known: HashSet<Uuid>,
    order: VecDeque<Uuid>,
}

impl Recent {
    /// Remembers an order.
    pub(crate) fn note(&mut self, order_id: Uuid) {
        if !self.known.insert(order_id) {
            return;
        }
        self.order.push_back(order_id);
        if self.order.len() > REMEMBERED_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }

    /// Whether the order is remembered.
    pub(crate) fn contains(&self, order_id: Uuid) -> bool {
        self.known.contains(&order_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_remembered_is_forgotten_first() {
        let id = |number: usize| Uuid::from_u128(number as u128);
        let mut recent = Recent::default();
        for number in 0..=REMEMBERED_MAX {
            recent.note(id(number));
            recent.note(id(number));
        }
        assert!(!recent.contains(id(0)));
        assert!(recent.contains(id(1)) && recent.contains(id(REMEMBERED_MAX)));
    }
}
