//! Books and tapes as they change.

use std::collections::BTreeMap;
use std::time::Duration;

use outcry_contracts::trades::v1::{
    BookLevel, GetBookResponse, SessionState, StreamBookRequest, StreamBookResponse,
    StreamTapeRequest, StreamTapeResponse,
};
use outcry_events::Amount;
use outcry_service::testing::Caller;
use tokio::time::timeout;
use tonic::{Code, Streaming};

use crate::floor::{ACME, Floor};
use crate::order::{buy, sell};

/// How long a message of a stream may take; it takes a fraction of a second.
const MESSAGE_MAX: Duration = Duration::from_secs(30);

/// A book put together from what a stream says.
#[derive(Debug, Default, PartialEq)]
pub struct Mirror {
    bids: BTreeMap<i64, (i64, i32)>,
    asks: BTreeMap<i64, (i64, i32)>,
    pub venue_sequence: u64,
    session: i32,
}

impl Mirror {
    pub fn take(&mut self, message: &StreamBookResponse) {
        assert!(message.venue_sequence >= self.venue_sequence);
        if message.snapshot {
            (self.bids, self.asks) = Default::default();
        }
        put(&mut self.bids, &message.bids);
        put(&mut self.asks, &message.asks);
        self.venue_sequence = message.venue_sequence;
        self.session = message.session;
    }

    pub fn of(book: &GetBookResponse) -> Mirror {
        let mut mirror = Mirror {
            venue_sequence: book.venue_sequence,
            session: book.session,
            ..Mirror::default()
        };
        put(&mut mirror.bids, &book.bids);
        put(&mut mirror.asks, &book.asks);
        mirror
    }
}

fn put(side: &mut BTreeMap<i64, (i64, i32)>, levels: &[BookLevel]) {
    for level in levels {
        let price = Amount::from_required(level.price.as_ref()).unwrap().raw();
        match level.quantity {
            0 => side.remove(&price),
            quantity => side.insert(price, (quantity, level.orders)),
        };
    }
}

pub async fn next<T>(stream: &mut Streaming<T>) -> Option<T> {
    let message = timeout(MESSAGE_MAX, stream.message()).await;
    message.unwrap().unwrap()
}

/// Reads a stream until its book is this one.
async fn until(stream: &mut Streaming<StreamBookResponse>, mirror: &mut Mirror, book: &Mirror) {
    while mirror != book {
        mirror.take(&next(stream).await.unwrap());
    }
}

async fn book_stream(floor: &Floor, after: u64) -> Streaming<StreamBookResponse> {
    let request = StreamBookRequest {
        symbol: ACME.into(),
        depth: 100,
        after_venue_sequence: after,
    };
    let response = floor.as_anybody().stream_book(request).await;
    response.unwrap().into_inner()
}

async fn tape_stream(floor: &Floor, after: u64) -> Streaming<StreamTapeResponse> {
    let request = StreamTapeRequest {
        symbol: ACME.into(),
        after_venue_sequence: after,
    };
    let response = floor.as_anybody().stream_tape(request).await;
    response.unwrap().into_inner()
}

async fn sequences(stream: &mut Streaming<StreamTapeResponse>, count: usize) -> Vec<u64> {
    let mut seen = Vec::new();
    for _ in 0..count {
        let message = next(stream).await.unwrap();
        seen.push(message.execution.unwrap().venue_sequence);
    }
    seen
}

#[tokio::test]
async fn a_book_stream_begins_with_the_book_and_goes_on_with_its_changes() {
    let folder = tempfile::tempdir().unwrap();
    let floor = Floor::open(folder.path()).await;
    floor.submit(&sell(1, 10, "10.00")).await;
    let mut stream = book_stream(&floor, 0).await;
    let first = next(&mut stream).await.unwrap();
    assert!(first.snapshot);
    let mut mirror = Mirror::default();
    mirror.take(&first);
    assert_eq!(mirror, Mirror::of(&floor.book().await));

    floor.submit(&buy(2, 4, "10.00")).await;
    let change = next(&mut stream).await.unwrap();
    assert!(!change.snapshot);
    assert_eq!((change.bids.len(), change.asks.len()), (0, 1));
    assert_eq!(change.asks[0].quantity, 6);
    assert_eq!(change.venue_sequence, 3);
    mirror.take(&change);
    for number in 10..30 {
        floor
            .submit(&sell(number, 5, &format!("10.{number}")))
            .await;
        floor
            .submit(&buy(number + 100, 3, &format!("9.{number}")))
            .await;
    }
    floor.submit(&buy(50, 40, "10.14")).await;
    let book = Mirror::of(&floor.book().await);
    until(&mut stream, &mut mirror, &book).await;
    // A session is no decision of the book, and is told all the same.
    floor.set_session(1, SessionState::Halted).await;
    let halted = Mirror::of(&floor.book().await);
    until(&mut stream, &mut mirror, &halted).await;
    drop(stream);
    floor.platform.stop().await;
}

#[tokio::test]
async fn a_book_stream_resumes_without_the_book_when_nothing_has_changed() {
    let folder = tempfile::tempdir().unwrap();
    let floor = Floor::open(folder.path()).await;
    floor.submit(&sell(1, 10, "10.00")).await;
    let seen = floor.book().await;
    let floor = floor.crash().await;
    let mut stream = book_stream(&floor, seen.venue_sequence).await;
    let first = next(&mut stream).await.unwrap();
    assert!(!first.snapshot && first.asks.is_empty());
    let mut mirror = Mirror::of(&seen);
    floor.submit(&sell(2, 5, "10.01")).await;
    let book = Mirror::of(&floor.book().await);
    until(&mut stream, &mut mirror, &book).await;

    // Who has missed something, or has another book, gets it whole.
    for after in [seen.venue_sequence, 1_000] {
        let mut stream = book_stream(&floor, after).await;
        let first = next(&mut stream).await.unwrap();
        assert!(first.snapshot);
        assert_eq!(first.asks.len(), 2);
    }
    drop(stream);
    floor.platform.stop().await;
}

#[tokio::test]
async fn a_tape_stream_resumes_without_gap_or_double() {
    let folder = tempfile::tempdir().unwrap();
    let floor = Floor::open(folder.path()).await;
    floor.submit(&sell(1, 1_000, "10.00")).await;
    for number in 2..12 {
        floor.submit(&buy(number, 1, "10.00")).await;
    }
    // The maker is the first decision; each taker is placed and then matched.
    let all: Vec<u64> = (1..=20).map(|number| 2 * number + 1).collect();
    let mut stream = tape_stream(&floor, 0).await;
    assert_eq!(sequences(&mut stream, 10).await, all[..10]);
    floor.submit(&buy(12, 1, "10.00")).await;
    assert_eq!(sequences(&mut stream, 1).await, all[10..11]);
    drop(stream);

    let floor = floor.crash().await;
    let mut early = tape_stream(&floor, all[3]).await;
    let mut between = tape_stream(&floor, all[3] + 1).await;
    assert_eq!(sequences(&mut early, 7).await, all[4..11]);
    assert_eq!(sequences(&mut between, 7).await, all[4..11]);
    for number in 13..22 {
        floor.submit(&buy(number, 1, "10.00")).await;
    }
    let execution = next(&mut early).await.unwrap().execution.unwrap();
    assert_eq!(execution.venue_sequence, all[11]);
    assert!(execution.maker_order_id.is_empty());
    assert_eq!(sequences(&mut early, 8).await, all[12..]);
    assert_eq!(sequences(&mut between, 9).await, all[11..]);
    drop((early, between));
    floor.platform.stop().await;
}

#[tokio::test]
async fn streams_of_unknown_symbols_are_refused_and_open_ones_end_when_the_venue_stops() {
    let folder = tempfile::tempdir().unwrap();
    let floor = Floor::open(folder.path()).await;
    let mut anybody: outcry_contracts::trades::v1::trade_service_client::TradeServiceClient<
        Caller,
    > = floor.as_anybody();
    let unknown = StreamBookRequest {
        symbol: "ZETA".into(),
        ..StreamBookRequest::default()
    };
    let refused = anybody.stream_book(unknown).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    let mut book = book_stream(&floor, 0).await;
    let mut tape = tape_stream(&floor, 0).await;
    assert!(next(&mut book).await.unwrap().snapshot);
    let (_, ended) = tokio::join!(floor.platform.stop(), async {
        let book = timeout(MESSAGE_MAX, book.message()).await.unwrap();
        let tape = timeout(MESSAGE_MAX, tape.message()).await.unwrap();
        [book.unwrap_err().code(), tape.unwrap_err().code()]
    });
    assert_eq!(ended, [Code::Unavailable, Code::Unavailable]);
}
