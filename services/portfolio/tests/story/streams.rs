//! Positions as they change.

use std::time::Duration;

use outcry_contracts::portfolio::v1 as wire;
use tonic::{Code, Streaming};

use crate::acme;
use crate::house::{BUYER, House, Match};

/// How long a story waits for a message.
const PATIENCE: Duration = Duration::from_secs(20);

async fn opened(house: &House, after_mark: u64) -> Streaming<wire::StreamPositionsResponse> {
    let asked = wire::StreamPositionsRequest {
        after_mark,
        ..wire::StreamPositionsRequest::default()
    };
    let stream = house.user(BUYER).stream_positions(asked).await.unwrap();
    stream.into_inner()
}

/// The next message: symbol, shares and last price, and the mark.
async fn next(stream: &mut Streaming<wire::StreamPositionsResponse>) -> (String, i64, String, u64) {
    let message = tokio::time::timeout(PATIENCE, stream.message()).await;
    let message = message.unwrap().unwrap().unwrap();
    let position = message.position.unwrap();
    let price = crate::amount(position.last_price);
    (position.symbol, position.quantity, price, message.mark)
}

fn bolt(number: u32, quantity: i64, price: i32) -> Match {
    Match {
        symbol: "BOLT",
        ..acme(number, quantity, price)
    }
}

#[tokio::test]
async fn every_position_is_sent_and_then_again_when_it_or_its_price_changes() {
    let house = House::open().await;
    house.settled(acme(1, 10, 20)).await;
    house.caught_up().await;
    let mut stream = opened(&house, 0).await;
    assert_eq!(next(&mut stream).await.1, 10);
    house.settled(acme(2, 5, 30)).await;
    // The position and the price are one commit.
    let (symbol, quantity, price, _) = next(&mut stream).await;
    assert_eq!(
        (symbol.as_str(), quantity, price.as_str()),
        ("ACME", 15, "30.00")
    );
    // Somebody else's trade changes the price only.
    let others = Match {
        buyer: crate::house::SELLER,
        ..acme(3, 1, 50)
    };
    house.settled(others).await;
    let (_, quantity, price, _) = next(&mut stream).await;
    assert_eq!((quantity, price.as_str()), (15, "50.00"));
}

#[tokio::test]
async fn a_stream_that_is_resumed_sends_what_changed_since_its_mark_and_nothing_else() {
    let house = House::open().await;
    house.settled(acme(1, 10, 20)).await;
    house.settled(bolt(1, 10, 20)).await;
    house.caught_up().await;
    house.clock.advance(Duration::from_secs(60));
    let mut stream = opened(&house, 0).await;
    let (first, second) = (next(&mut stream).await, next(&mut stream).await);
    let mark = first.3.max(second.3);
    drop(stream);
    house.clock.advance(Duration::from_secs(60));
    house.settled(bolt(2, 1, 21)).await;
    house.caught_up().await;
    house.clock.advance(Duration::from_secs(60));
    let house = house.crash().await;
    let mut stream = opened(&house, mark).await;
    let (symbol, quantity, _, mark) = next(&mut stream).await;
    assert_eq!((symbol.as_str(), quantity), ("BOLT", 11));
    drop(stream);
    let mut stream = opened(&house, mark).await;
    house.settled(acme(2, 1, 22)).await;
    let (symbol, quantity, ..) = next(&mut stream).await;
    assert_eq!(
        (symbol.as_str(), quantity),
        ("ACME", 11),
        "the other one has not changed"
    );
}

#[tokio::test]
async fn a_stream_shows_one_portfolio_and_ends_when_the_service_stops() {
    let house = House::open().await;
    let other = house.created(BUYER, "Other").await.portfolio_id;
    house.settled(acme(1, 10, 20)).await;
    house.caught_up().await;
    let asked = wire::StreamPositionsRequest {
        portfolio_id: other.clone(),
        after_mark: 0,
    };
    let stream = house.user(BUYER).stream_positions(asked).await.unwrap();
    let mut stream = stream.into_inner();
    let named = Match {
        buyer_portfolio: other.clone(),
        ..acme(2, 3, 20)
    };
    house.settled(named).await;
    assert_eq!(next(&mut stream).await.1, 3, "only what is in that one");
    let stopping = tokio::spawn(house.platform.stop());
    let ended = tokio::time::timeout(PATIENCE, stream.message())
        .await
        .unwrap();
    assert_eq!(ended.unwrap_err().code(), Code::Unavailable);
    stopping.await.unwrap();
}

#[tokio::test]
async fn a_stream_of_a_portfolio_of_somebody_else_is_refused() {
    let house = House::open().await;
    let other = house
        .created(crate::house::SELLER, "Other")
        .await
        .portfolio_id;
    let asked = wire::StreamPositionsRequest {
        portfolio_id: other,
        after_mark: 0,
    };
    let refused = house.user(BUYER).stream_positions(asked).await;
    assert_eq!(refused.unwrap_err().code(), Code::NotFound);
}
