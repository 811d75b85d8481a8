//! The book of a symbol, as it changes.

use std::collections::BTreeMap;
use std::sync::Arc;

use outcry_contracts::trades::v1::{BookLevel, GetBookResponse, StreamBookResponse};
use outcry_events::{Amount, Cause};
use outcry_store::Store;
use tonic::Status;

use super::{Bell, Listener};
use crate::venue::{Venue, VenueError};

/// Looks in a row that may fail, as while a symbol moves, before the stream is given up: each
/// waits for the desk itself.
const FAILURES_MAX: u32 = 10;

/// The book of a symbol as it was after commits: every state that is sent is one that was, none
/// is older than the one before, and the last one comes.
pub(crate) struct BookFeed {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) venue: Venue,
    pub(crate) symbol: String,
    pub(crate) depth: i32,
    /// Venue sequence of what the listener has; 0 for nothing.
    pub(crate) after: u64,
    pub(crate) cause: Cause,
}

impl BookFeed {
    /// Sends the book and what changes in it; why it ends, or nothing when nobody listens any
    /// more.
    pub(crate) async fn run(self, listener: Listener<StreamBookResponse>) -> Option<Status> {
        let mut bell = Bell {
            commits: self.store.commits(),
            news: self.venue.news(),
        };
        let mut known: Option<GetBookResponse> = None;
        let mut failures = 0;
        loop {
            bell.hush();
            let looked = self
                .venue
                .book(&self.symbol, self.depth, self.cause.clone());
            match looked.await {
                Ok(book) => {
                    failures = 0;
                    let reply = match &known {
                        Some(known) => change(known, &book),
                        None => Some(self.first(&book)),
                    };
                    if let Some(reply) = reply {
                        if listener.send(Ok(reply)).await.is_err() {
                            return None;
                        }
                        known = Some(book);
                    }
                }
                Err(error) => {
                    failures += 1;
                    if failures == FAILURES_MAX || is_lasting(&error) {
                        return Some(error.into());
                    }
                }
            }
            if !bell.wait(&listener).await {
                return None;
            }
        }
    }

    /// What a listener is sent first: the book, or, if it has it, only how the market stands.
    fn first(&self, book: &GetBookResponse) -> StreamBookResponse {
        let has_it = self.after > 0 && self.after == book.venue_sequence;
        match has_it {
            true => message(false, book, Vec::new(), Vec::new()),
            false => message(true, book, book.bids.clone(), book.asks.clone()),
        }
    }
}

/// Whether looking again does not help.
fn is_lasting(error: &VenueError) -> bool {
    match error {
        VenueError::UnknownSymbol(_)
        | VenueError::NoEffect(_)
        | VenueError::BookBroken(_)
        | VenueError::Broken => true,
        VenueError::Store(_)
        | VenueError::Unavailable
        | VenueError::Moving(_)
        | VenueError::Passed(_) => false,
    }
}

/// What makes one book the other; `None` if nothing has changed, or the other is older.
fn change(known: &GetBookResponse, book: &GetBookResponse) -> Option<StreamBookResponse> {
    if book.venue_sequence < known.venue_sequence || book == known {
        return None;
    }
    let mut bids = changed(&known.bids, &book.bids);
    bids.reverse();
    let asks = changed(&known.asks, &book.asks);
    Some(message(false, book, bids, asks))
}

/// The levels that are not as they were, by price from the lowest; those that are gone have no
/// quantity.
fn changed(known: &[BookLevel], levels: &[BookLevel]) -> Vec<BookLevel> {
    let mut by_price: BTreeMap<i64, BookLevel> = BTreeMap::new();
    for level in known {
        let gone = BookLevel {
            price: level.price.clone(),
            ..BookLevel::default()
        };
        by_price.insert(price(level), gone);
    }
    for level in levels {
        by_price.insert(price(level), level.clone());
    }
    for level in known {
        if by_price.get(&price(level)) == Some(level) {
            by_price.remove(&price(level));
        }
    }
    by_price.into_values().collect()
}

/// In ten-thousandths. Every level has a price.
fn price(level: &BookLevel) -> i64 {
    Amount::from_required(level.price.as_ref()).map_or(0, Amount::raw)
}

fn message(
    snapshot: bool,
    book: &GetBookResponse,
    bids: Vec<BookLevel>,
    asks: Vec<BookLevel>,
) -> StreamBookResponse {
    StreamBookResponse {
        snapshot,
        bids,
        asks,
        last_price: book.last_price.clone(),
        venue_sequence: book.venue_sequence,
        session: book.session,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trade::amount;

    fn level((cents, quantity): (i64, i64)) -> BookLevel {
        BookLevel {
            price: Some(amount(cents * 100).to_money()),
            quantity,
            orders: 1,
        }
    }

    fn book(venue_sequence: u64, bids: &[(i64, i64)], asks: &[(i64, i64)]) -> GetBookResponse {
        GetBookResponse {
            bids: bids.iter().copied().map(level).collect(),
            asks: asks.iter().copied().map(level).collect(),
            venue_sequence,
            ..GetBookResponse::default()
        }
    }

    fn levels(side: &[BookLevel]) -> Vec<(i64, i64)> {
        side.iter()
            .map(|level| (price(level) / 100, level.quantity))
            .collect()
    }

    #[test]
    fn a_change_names_what_is_new_other_and_gone_with_the_best_first() {
        let known = book(7, &[(99, 10), (98, 20), (97, 30)], &[(101, 5), (102, 6)]);
        let next = book(9, &[(100, 1), (99, 10), (97, 31)], &[(102, 6)]);
        let change = change(&known, &next).unwrap();
        assert!(!change.snapshot);
        assert_eq!(change.venue_sequence, 9);
        assert_eq!(levels(&change.bids), [(100, 1), (98, 0), (97, 31)]);
        assert_eq!(levels(&change.asks), [(101, 0)]);
    }

    #[test]
    fn nothing_is_said_of_a_book_that_is_the_same_or_older() {
        let known = book(7, &[(99, 10)], &[]);
        assert_eq!(change(&known, &known.clone()), None);
        assert_eq!(change(&known, &book(6, &[(99, 11)], &[])), None);
        // Something happened that the levels do not show.
        assert!(change(&known, &book(8, &[(99, 10)], &[])).is_some());
    }
}
