//! An order as its terms and events make it.

use std::time::SystemTime;

use outcry_contracts::orders::v1::{OrderType, Side, TimeInForce};
use outcry_contracts::trades::v1::TradeCreatedEvent;

/// Where an order is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Post {
    /// Not there yet, or not any more.
    #[default]
    Nowhere,
    /// Beside the book, until a trade at its stop price or beyond.
    Waits,
    /// In the book.
    Book,
}

/// An order the venue received.
#[derive(Default)]
pub(super) struct Order<'a> {
    pub(super) order_id: &'a str,
    pub(super) owner: &'a str,
    pub(super) side: Side,
    pub(super) post: Post,
    /// In ten-thousandths: limit or collar.
    pub(super) price: i128,
    /// In ten-thousandths; of one that waits or did.
    pub(super) stop: i128,
    /// Somebody traded at the stop price or beyond since it waits, or just before.
    pub(super) is_reached: bool,
    /// Total shares wanted.
    pub(super) quantity: i64,
    pub(super) executed: i64,
    /// Number of its arrival where it stands.
    pub(super) arrival: u64,
    /// What does not fill at once must not rest.
    pub(super) is_immediate: bool,
    /// All at once or nothing.
    pub(super) is_whole: bool,
    pub(super) post_only: bool,
    pub(super) expires_at: Option<SystemTime>,
    /// The market allowed it to take when it came in.
    pub(super) may_take: bool,
}

// === impl Order ===

impl<'a> Order<'a> {
    pub(super) fn created(created: &'a TradeCreatedEvent) -> Self {
        let Some(terms) = &created.terms else {
            return Self::default();
        };
        let immediate = [TimeInForce::Ioc, TimeInForce::Fok].contains(&terms.time_in_force());
        let market = [OrderType::Market, OrderType::Stop].contains(&terms.r#type());
        Self {
            owner: &created.user_id,
            side: terms.side(),
            quantity: terms.quantity,
            is_immediate: immediate || market,
            is_whole: terms.time_in_force() == TimeInForce::Fok,
            post_only: terms.post_only,
            expires_at: terms.expires_at.and_then(|at| at.try_into().ok()),
            ..Self::default()
        }
    }

    pub(super) fn leaves(&self) -> i64 {
        self.quantity - self.executed
    }

    pub(super) fn is_due(&self, at: SystemTime) -> bool {
        self.expires_at.is_some_and(|expires_at| expires_at <= at)
    }
}
