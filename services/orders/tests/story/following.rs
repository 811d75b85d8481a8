//! Following one's orders: numbers without gaps, from where one left off, as it happens.

use std::collections::BTreeMap;
use std::time::Duration;

use outcry_contracts::orders::v1::*;
use outcry_orders::updates::{CountRow, NEW_UPDATES, UPDATE_COUNTS, UPDATES, UPDATES_KEPT};
use outcry_service::testing::found;
use outcry_store::{Commit, Scan, ViewWrite};
use tokio::time::timeout;
use tonic::{Code, Streaming};
use tonic_types::StatusExt;

use super::house::{House, buy, cancel, place, replace};

/// Far longer than any update takes.
const PATIENCE: Duration = Duration::from_secs(30);

type Updates = Streaming<StreamOrderUpdatesResponse>;

async fn follow(house: &House, user: &str, after_sequence: u64, symbol: &str) -> Updates {
    let request = StreamOrderUpdatesRequest {
        after_sequence,
        symbol: symbol.to_owned(),
    };
    let answer = house.user(user).stream_order_updates(request).await;
    answer.unwrap().into_inner()
}

/// The next so many.
async fn next(updates: &mut Updates, many: usize) -> Vec<StreamOrderUpdatesResponse> {
    let mut taken = Vec::new();
    while taken.len() < many {
        let update = timeout(PATIENCE, updates.message()).await;
        let update = update.unwrap_or_else(|_| panic!("nothing comes after {taken:#?}"));
        taken.push(update.unwrap().expect("one more update"));
    }
    taken
}

fn sequences(updates: &[StreamOrderUpdatesResponse]) -> Vec<u64> {
    updates.iter().map(|update| update.sequence).collect()
}

#[tokio::test]
async fn every_change_is_sent_as_it_happens_and_again_from_any_place() {
    let house = House::open().await;
    let user = house.customer().await;
    house.venue.tell_placed();
    let mut live = follow(&house, &user, 0, "").await;
    let order = house.place(&user, place(buy(10, "10"))).await.unwrap();
    let begun = next(&mut live, 3).await;
    house.venue.fill(&order.order_id, 4, 10).await;
    let filled = next(&mut live, 1).await;
    house
        .replace(&user, replace(&order, 8, "10"))
        .await
        .unwrap();
    let replaced = next(&mut live, 1).await;
    house.cancel(&user, cancel(&order)).await.unwrap();
    let cancelled = next(&mut live, 1).await;

    let all = [begun, filled, replaced, cancelled].concat();
    assert_eq!(sequences(&all), [1, 2, 3, 4, 5, 6]);
    let told: Vec<_> = all
        .iter()
        .map(|update| {
            let order = update.order.as_ref().unwrap();
            (update.topic.as_str(), order.cumulative_quantity)
        })
        .collect();
    assert_eq!(
        told,
        [
            ("order.created", 0),
            ("order.validated", 0),
            ("trade.placed", 0),
            ("order.filled", 4),
            ("order.replaced", 4),
            ("order.cancelled", 4),
        ]
    );
    let status = |at: usize| all[at].order.as_ref().unwrap().status();
    assert_eq!(
        [status(0), status(2), status(3), status(5)],
        [
            OrderStatus::New,
            OrderStatus::Open,
            OrderStatus::PartiallyFilled,
            OrderStatus::Cancelled
        ]
    );
    let events = house.events(&order).await;
    assert_eq!(all[0].event_id, events[0].id().to_string());

    let mut resumed = follow(&house, &user, 4, "").await;
    assert_eq!(next(&mut resumed, 2).await, all[4..]);
}

#[tokio::test]
async fn changes_made_at_the_same_time_are_numbered_once_and_in_the_order_of_each_order() {
    let house = House::open().await;
    let user = house.customer().await;
    let mut followers = Vec::new();
    for _ in 0..3 {
        followers.push(follow(&house, &user, 0, "").await);
    }
    let many = (0..20).map(|_| house.place(&user, place(buy(1, "10"))));
    let placed = futures::future::join_all(many).await;
    assert!(placed.iter().all(Result::is_ok));
    let mut seen = Vec::new();
    for follower in &mut followers {
        seen.push(next(follower, 40).await);
    }
    assert_eq!(sequences(&seen[0]), (1..=40).collect::<Vec<_>>());
    assert!(seen.iter().all(|one| *one == seen[0]));
    let mut of_order: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for update in &seen[0] {
        let order_id = update.order.as_ref().unwrap().order_id.clone();
        of_order.entry(order_id).or_default().push(&update.topic);
    }
    assert_eq!(of_order.len(), 20);
    for topics in of_order.values() {
        assert_eq!(*topics, ["order.created", "order.validated"]);
    }
}

#[tokio::test]
async fn a_follower_sees_own_orders_of_the_symbol_asked_for_and_no_others() {
    let house = House::open().await;
    let (user, other) = (house.customer().await, house.customer().await);
    let mut beta = buy(1, "10");
    beta.symbol = "BETA".to_owned();
    house.place(&user, place(buy(1, "10"))).await.unwrap();
    house.place(&other, place(beta.clone())).await.unwrap();
    let order = house.place(&user, place(beta)).await.unwrap();
    let mut updates = follow(&house, &user, 0, "BETA").await;
    let seen = next(&mut updates, 2).await;
    // The numbers are those of all changes.
    assert_eq!(sequences(&seen), [3, 4]);
    assert!(
        seen.iter()
            .all(|update| update.order.as_ref().unwrap().order_id == order.order_id)
    );
}

#[tokio::test]
async fn nobody_resumes_from_a_number_that_was_never_given() {
    let house = House::open().await;
    let user = house.customer().await;
    house.place(&user, place(buy(1, "10"))).await.unwrap();
    let request = StreamOrderUpdatesRequest {
        after_sequence: 3,
        ..StreamOrderUpdatesRequest::default()
    };
    let answer = house.user(&user).stream_order_updates(request).await;
    let refused = answer.unwrap_err();
    assert_eq!(refused.code(), Code::OutOfRange);
    let info = refused.get_details_error_info().unwrap();
    assert_eq!(info.metadata["last"], "2");
}

#[tokio::test]
async fn changes_are_numbered_without_a_follower_and_the_oldest_are_let_go() {
    let house = House::open().await;
    let user = house.customer().await;
    let store = &house.orders.store;
    // A user who has had many changes already.
    let count = CountRow {
        last: UPDATES_KEPT + 5,
        gone: 5,
    };
    let commit = Commit {
        views: vec![ViewWrite::put(UPDATE_COUNTS, &user, &count).unwrap()],
        ..Commit::default()
    };
    store.commit(commit).await.unwrap();
    house.place(&user, place(buy(1, "10"))).await.unwrap();
    house.time_passes();
    let numbered = async || {
        let row = store.view(UPDATE_COUNTS, &user).await.unwrap().unwrap();
        let count: CountRow = row.decode().unwrap();
        (count.last == UPDATES_KEPT + 7).then_some(count)
    };
    let count = found("the timer has numbered the changes", numbered).await;
    assert_eq!(count.gone, 7);
    let left = async |view| store.scan(&Scan::new(view)).await.unwrap().len();
    assert_eq!((left(NEW_UPDATES).await, left(UPDATES).await), (0, 2));
    // Whoever asks for what is gone gets what is left.
    let mut updates = follow(&house, &user, 0, "").await;
    let seen = next(&mut updates, 2).await;
    assert_eq!(sequences(&seen), [UPDATES_KEPT + 6, UPDATES_KEPT + 7]);
}

#[tokio::test]
async fn a_follower_goes_on_after_a_crash_where_it_was() {
    let house = House::open().await;
    let user = house.customer().await;
    let order = house.place(&user, place(buy(10, "10"))).await.unwrap();
    let mut updates = follow(&house, &user, 0, "").await;
    let before = next(&mut updates, 2).await;
    let house = house.crash().await;
    house.venue.fill(&order.order_id, 10, 10).await;
    let last = before.last().unwrap().sequence;
    let mut updates = follow(&house, &user, last, "").await;
    let after = next(&mut updates, 1).await;
    assert_eq!(sequences(&after), [3]);
    assert_eq!(after[0].topic, "order.filled");
}

#[tokio::test]
async fn a_stream_ends_well_when_the_service_stops() {
    let house = House::open().await;
    let user = house.customer().await;
    house.place(&user, place(buy(1, "10"))).await.unwrap();
    let mut updates = follow(&house, &user, 0, "").await;
    next(&mut updates, 2).await;
    let stopping = tokio::spawn(house.stop());
    assert_eq!(updates.message().await.unwrap(), None);
    stopping.await.unwrap();
}
