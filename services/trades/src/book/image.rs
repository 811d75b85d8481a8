//! A book as it can be kept: everything of it, without the events that led there.

use std::collections::{BTreeSet, HashMap};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Book;
use super::command::{Session, Side};
use super::instrument::Rules;
use super::ladder::Ladder;
use super::order::Order;
use super::triggers::Triggers;

/// A book without its orders.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BookHead {
    arrivals: u64,
    venue_seq: u64,
    last_price: Option<i64>,
    session: Session,
    incoming: Option<Uuid>,
}

/// One order and where it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    arrival: u64,
    post: Post,
    order: Order,
}

/// Where an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Post {
    /// In the book.
    Book,
    /// Waiting for its stop price.
    Asleep,
    /// Waiting for its turn, as its stop price was reached.
    Woken,
}

impl Standing {
    /// Which order.
    pub fn order_id(&self) -> Uuid {
        self.order.order_id
    }
}

impl Book {
    /// Everything the book is, under whatever rules: its head and its orders.
    pub fn image(&self) -> (BookHead, Vec<Standing>) {
        let head = BookHead {
            arrivals: self.arrivals,
            venue_seq: self.venue_seq,
            last_price: self.last_price,
            session: self.session,
            incoming: self.incoming,
        };
        let mut orders = Vec::with_capacity(self.len());
        let mut note = |post, (arrival, order): (u64, &Order)| {
            orders.push(Standing {
                arrival,
                post,
                order: order.clone(),
            });
        };
        for side in [Side::Buy, Side::Sell] {
            let ladder = self.ladder(side);
            ladder.standings().for_each(|at| note(Post::Book, at));
            let asleep = self.triggers.standings(side);
            asleep.for_each(|at| note(Post::Asleep, at));
        }
        self.triggers.woken().for_each(|at| note(Post::Woken, at));
        (head, orders)
    }

    /// The book an image was made of, provided these are the rules it had.
    pub fn restore(
        rules: Rules,
        head: BookHead,
        orders: impl IntoIterator<Item = Standing>,
    ) -> Book {
        let mut book = Book {
            rules,
            bids: Ladder::new(Side::Buy),
            asks: Ladder::new(Side::Sell),
            places: HashMap::new(),
            triggers: Triggers::default(),
            expiries: BTreeSet::new(),
            arrivals: head.arrivals,
            venue_seq: head.venue_seq,
            last_price: head.last_price,
            session: head.session,
            incoming: head.incoming,
        };
        for standing in orders {
            let Standing {
                arrival,
                post,
                order,
            } = standing;
            book.note_expiry(&order);
            match post {
                Post::Book => book.stand(order, arrival),
                // Nobody's price is reached by none.
                Post::Asleep => book.triggers.insert(order, arrival, None),
                Post::Woken => book.triggers.insert_woken(order, arrival),
            }
        }
        book
    }
}
