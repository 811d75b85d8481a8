//! An order and a venue that do anything at any time: the order only ever moves as the table of its
//! life allows, and once everything is delivered it stands where the venue does.

use std::collections::VecDeque;
use std::time::UNIX_EPOCH;

use outcry_contracts::orders::v1::{CancelReason, OrderStatus};
use outcry_contracts::trades::v1::TradeStatus;
use outcry_service::Decider;
use proptest::prelude::*;
use uuid::Uuid;

use super::document::Birth;
use super::{
    Document, OrderRow, Progress, Replacing, RequestKey, VenueState, settled_status, status,
};
use crate::domain::lifecycle::{self, Step};
use crate::domain::samples::{dollars, fill, place, replace, take_off, validate};
use crate::domain::{Command, Order, OrderEvent, Phase};

const QUANTITY: i64 = 10;

/// The venue: what it decides is the truth.
#[derive(Debug)]
struct Venue {
    quantity: i64,
    filled: i64,
    revision: u32,
    /// The last revision that somebody asked for.
    asked: u32,
    off: Option<CancelReason>,
    fills: u32,
    /// Facts on their way to the order.
    facts: VecDeque<Fact>,
    /// Facts that have arrived, which may arrive again.
    told: Vec<Fact>,
}

/// What the venue tells.
#[derive(Clone, Debug)]
enum Fact {
    /// A fill, or that the order is off.
    Happened(Command),
    /// How the order stands, after a change of it.
    Placed { revision: u32, quantity: i64 },
}

/// The order service's side.
#[derive(Debug)]
struct Book {
    order: Order,
    row: OrderRow,
    /// Every status it was shown in.
    shown: Vec<OrderStatus>,
}

/// What happens next.
#[derive(Clone, Debug)]
enum Happening {
    /// The venue fills so many shares.
    Fill(i64),
    /// The venue takes it off by itself.
    TakeOff(CancelReason),
    /// It loses so many shares because it met another order of its user.
    Decrement(i64),
    /// The user wishes to cancel.
    WishCancel,
    /// The user wishes another quantity.
    WishReplace(i64),
    /// The venue is asked about what is wished; the answer arrives or is lost.
    Ask { arrives: bool },
    /// An answer from a while ago arrives at last: how the venue stood at its beginning.
    LateAcknowledgement,
    /// The next fact arrives.
    Deliver,
    /// A fact arrives once more.
    Redeliver(usize),
}

// === impl Venue ===

impl Venue {
    fn open() -> Self {
        Self {
            quantity: QUANTITY,
            filled: 0,
            revision: 0,
            asked: 0,
            off: None,
            fills: 0,
            facts: VecDeque::new(),
            told: Vec::new(),
        }
    }

    fn is_open(&self) -> bool {
        self.off.is_none() && self.filled < self.quantity
    }

    fn fill(&mut self, wanted: i64) {
        let last = wanted.min(self.quantity - self.filled);
        if !self.is_open() || last == 0 {
            return;
        }
        self.filled += last;
        self.fills += 1;
        let filled = fill(self.fills, last, self.filled, self.quantity);
        self.facts.push_back(Fact::Happened(filled));
    }

    fn take_off(&mut self, reason: CancelReason) {
        if self.is_open() {
            self.off = Some(reason);
            let unfilled = self.quantity - self.filled;
            let off = take_off(self.filled, unfilled, reason);
            self.facts.push_back(Fact::Happened(off));
        }
    }

    /// It meets another order of its user: both lose shares.
    fn decrement(&mut self, lost: i64) {
        if self.is_open() && lost < self.quantity - self.filled {
            self.quantity -= lost;
            self.revision += 1;
            self.tell_placed();
        }
    }

    fn tell_placed(&mut self) {
        self.facts.push_back(Fact::Placed {
            revision: self.revision,
            quantity: self.quantity,
        });
    }

    /// Whether it accepts, now or before.
    fn replace(&mut self, revision: u32, quantity: i64) -> bool {
        if revision <= self.asked {
            return true;
        }
        if revision <= self.revision || !self.is_open() {
            return false;
        }
        self.revision = revision;
        self.asked = revision;
        self.quantity = quantity.max(self.filled);
        self.tell_placed();
        true
    }

    fn state(&self) -> VenueState {
        let status = match self.off {
            Some(_) => TradeStatus::Cancelled,
            None if self.filled == self.quantity => TradeStatus::Filled,
            None if self.filled > 0 => TradeStatus::PartiallyFilled,
            None => TradeStatus::Placed,
        };
        VenueState {
            status: status.into(),
            revision: self.revision,
            cumulative_quantity: self.filled,
            cancel_reason: self.off.unwrap_or_default().into(),
            ..VenueState::default()
        }
    }

    /// The status an order must have in the end.
    fn status(&self) -> OrderStatus {
        match self.off {
            Some(CancelReason::Expired) => OrderStatus::Expired,
            Some(_) => OrderStatus::Cancelled,
            None if self.filled == self.quantity => OrderStatus::Filled,
            None if self.filled > 0 => OrderStatus::PartiallyFilled,
            None => OrderStatus::Open,
        }
    }
}

// === impl Book ===

impl Book {
    /// An order that was validated and submitted; the acknowledgement is on its way.
    fn open() -> Self {
        let mut book = Self {
            order: Order::default(),
            row: OrderRow {
                order: Document::default(),
                progress: Progress::default(),
            },
            shown: vec![OrderStatus::Unspecified],
        };
        for command in [place(QUANTITY), validate()] {
            let taken = book.apply(&command, |_| {});
            assert!(taken, "the beginning of every order");
        }
        book
    }

    /// Whether the order takes the command; one it refuses changes nothing.
    fn apply(&mut self, command: &Command, turn: impl Fn(&mut Progress)) -> bool {
        let Ok(events) = self.order.decide(command) else {
            return false;
        };
        let mut progress = self.row.progress.clone();
        turn(&mut progress);
        let was_final = self.order.phase.is_final();
        assert!(!was_final || events.is_empty(), "{command:?} after the end");
        let order = events
            .iter()
            .fold(self.order.clone(), |order, event: &OrderEvent| {
                order.evolve(event)
            });
        let born = Birth {
            at: 0,
            correlation_id: Uuid::nil(),
        };
        let document = Document::of(&order, born, UNIX_EPOCH);
        self.order = order;
        if document.is_final() {
            progress = Progress::ended(&progress);
        }
        self.moves(OrderRow {
            order: document,
            progress,
        });
        true
    }

    fn note(&mut self, turn: impl Fn(&mut Progress)) {
        if !self.row.order.is_final() {
            let mut row = self.row.clone();
            turn(&mut row.progress);
            self.moves(row);
        }
    }

    /// Every move is one of the table's.
    fn moves(&mut self, row: OrderRow) {
        let (from, to) = (settled_status(&self.row), settled_status(&row));
        assert!(lifecycle::leads(from, to), "{from:?} -> {to:?}");
        self.row = row;
        let now = status(&self.row);
        if lifecycle::is_final(*self.shown.last().unwrap()) {
            assert_eq!(self.shown.last(), Some(&now), "nothing after the end");
        }
        if self.shown.last() != Some(&now) {
            self.shown.push(now);
        }
    }

    fn wish_cancel(&mut self) {
        self.note(|progress| progress.wish_cancel(CancelReason::User));
    }

    fn wish_replace(&mut self, quantity: i64) {
        if !lifecycle::allows(status(&self.row), Step::AskReplace) {
            return;
        }
        let revision = self.row.progress.last_revision.max(self.row.order.revision) + 1;
        self.note(|progress| {
            progress.last_revision = revision;
            progress.replacing = Some(Replacing {
                request: RequestKey::default(),
                revision,
                quantity,
                limit_price: dollars(11).raw(),
                stop_price: None,
                is_applied: false,
            });
        });
    }

    /// Asks the venue about what is wished; it decides even when its answer is lost.
    fn ask(&mut self, venue: &mut Venue, arrives: bool) {
        if let Some(new) = self.row.progress.replacing.clone() {
            let accepted = venue.replace(new.revision, new.quantity);
            if !arrives {
                return;
            }
            let said = venue.state();
            let turn = |progress: &mut Progress| {
                progress.end_replace(new.revision);
                progress.hear(said.clone());
            };
            if accepted {
                let quantity = new.quantity.max(venue.filled);
                self.apply(&replace(new.revision, quantity), turn);
            } else {
                self.note(turn);
            }
        }
        if self.row.progress.cancelling.is_some() {
            venue.take_off(CancelReason::User);
            if arrives {
                let said = venue.state();
                self.note(|progress| progress.answer_cancel(said.clone()));
            }
        }
    }

    /// Whether a fact was taken.
    fn take(&mut self, fact: &Fact) -> bool {
        let (revision, quantity) = match fact {
            Fact::Happened(command) => return self.apply(command, |_| {}),
            Fact::Placed { revision, quantity } => (*revision, *quantity),
        };
        if self.row.order.is_final() || revision <= self.order.revision {
            return true;
        }
        let filled = self.order.cumulative;
        let turn = |progress: &mut Progress| {
            progress.changed(revision, quantity, filled);
        };
        self.apply(&replace(revision, quantity), turn)
    }

    /// Whether the next fact was taken; one that waits for another stays where it is.
    fn deliver(&mut self, venue: &mut Venue) -> bool {
        let Some(fact) = venue.facts.front().cloned() else {
            return false;
        };
        if !self.take(&fact) {
            return false;
        }
        venue.facts.pop_front();
        venue.told.push(fact);
        true
    }
}

fn happening() -> impl Strategy<Value = Happening> {
    let reasons = [
        CancelReason::Ioc,
        CancelReason::Fok,
        CancelReason::SelfTrade,
        CancelReason::Halt,
        CancelReason::Expired,
        CancelReason::UserSuspended,
    ];
    prop_oneof![
        4 => (1..6_i64).prop_map(Happening::Fill),
        1 => proptest::sample::select(reasons.to_vec()).prop_map(Happening::TakeOff),
        2 => (1..4_i64).prop_map(Happening::Decrement),
        1 => Just(Happening::WishCancel),
        3 => (1..15_i64).prop_map(Happening::WishReplace),
        4 => proptest::bool::ANY.prop_map(|arrives| Happening::Ask { arrives }),
        1 => Just(Happening::LateAcknowledgement),
        6 => Just(Happening::Deliver),
        2 => (0..8_usize).prop_map(Happening::Redeliver),
    ]
}

proptest! {
    #[test]
    fn whatever_happens_an_order_moves_as_the_table_says_and_ends_where_the_venue_does(
        happenings in proptest::collection::vec(happening(), 0..60)
    ) {
        let (mut venue, mut book) = (Venue::open(), Book::open());
        let acknowledged = venue.state();
        for happening in happenings {
            match happening {
                Happening::Fill(shares) => venue.fill(shares),
                Happening::TakeOff(reason) => venue.take_off(reason),
                Happening::Decrement(lost) => venue.decrement(lost),
                Happening::WishCancel => book.wish_cancel(),
                Happening::WishReplace(quantity) => book.wish_replace(quantity),
                Happening::Ask { arrives } => book.ask(&mut venue, arrives),
                Happening::LateAcknowledgement => {
                    book.note(|progress| progress.hear(acknowledged.clone()));
                }
                Happening::Deliver => {
                    book.deliver(&mut venue);
                }
                Happening::Redeliver(which) => {
                    // Of facts that were handled the inbox keeps those away that are not numbered.
                    if let Some(fact @ Fact::Happened(_)) = venue.told.get(which).cloned() {
                        let before = book.row.clone();
                        book.take(&fact);
                        prop_assert_eq!(&book.row, &before, "{:?} again", fact);
                    }
                }
            }
            prop_assert!(book.order.cumulative <= venue.filled);
        }
        // The timers ask about what is still wished, and every fact arrives.
        book.note(|progress| progress.hear(acknowledged.clone()));
        book.ask(&mut venue, true);
        while book.deliver(&mut venue) {}
        prop_assert!(venue.facts.is_empty(), "{:?} waits for ever", venue.facts);
        prop_assert_eq!(status(&book.row), venue.status(), "shown as {:?}", book.shown);
        prop_assert_eq!(book.order.cumulative, venue.filled);
        prop_assert_eq!(book.order.terms.quantity, venue.quantity);
        prop_assert_eq!(book.order.phase.is_final(), !venue.is_open());
        prop_assert!(book.order.phase != Phase::Rejected);
    }
}
