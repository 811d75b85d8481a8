//! Changing orders: what more is needed is locked first, and the venue decides.

use outcry_contracts::orders::v1::*;
use outcry_contracts::types::v1::asset_amount::Asset;
use outcry_service::testing::found;
use tonic::Code;
use tonic_types::StatusExt;

use super::custody::Manner;
use super::house::{House, amount, buy, cancel, place, replace, stop};

#[tokio::test]
async fn more_is_locked_before_the_venue_is_asked() {
    let house = House::open().await;
    let user = house.customer().await;
    let order = house.place(&user, place(buy(100, "10"))).await.unwrap();
    house.venue.fill(&order.order_id, 40, 10).await;
    house.until(&order, "order.filled").await;
    let request = replace(&order, 200, "11");
    let answer = house.replace(&user, request.clone()).await.unwrap();
    assert_eq!(answer.status(), OrderStatus::PartiallyFilled);
    assert_eq!((answer.revision, answer.leaves_quantity), (1, 160));
    assert_eq!(
        answer.terms.as_ref().unwrap().limit_price,
        Some(amount("11").to_money())
    );
    let asked = house.custody.asked(&order.order_id);
    assert_eq!((asked[1].revision, asked[1].cumulative_quantity), (1, 40));
    // 160 × 11 and ten basis points.
    let cash = Asset::Cash(amount("1761.76").to_money());
    assert_eq!(asked[1].amount.as_ref().unwrap().asset, Some(cash));
    // Repeated: nothing happens twice.
    assert_eq!(house.replace(&user, request).await.unwrap(), answer);
    house.venue.fill(&order.order_id, 160, 11).await;
    let filled = house.until_status(&order, OrderStatus::Filled).await;
    assert_eq!(filled.cumulative_quantity, 200);
    let topics = house.topics(&order).await;
    assert_eq!(
        topics
            .iter()
            .filter(|topic| *topic == "order.replaced")
            .count(),
        1
    );
}

#[tokio::test]
async fn what_is_needed_less_goes_back_once_the_venue_has_agreed() {
    let house = House::open().await;
    let user = house.customer().await;
    let order = house.place(&user, place(buy(100, "10"))).await.unwrap();
    house.venue.fill(&order.order_id, 20, 10).await;
    house.until(&order, "order.filled").await;
    // The fill is not settled at first: what it uses is still locked.
    house.custody.next([Manner::Refuse("SETTLEMENT_BEHIND")]);
    let answer = house
        .replace(&user, replace(&order, 60, "10"))
        .await
        .unwrap();
    assert_eq!((answer.leaves_quantity, answer.revision), (40, 1));
    let asked = house.custody.asked(&order.order_id);
    assert_eq!(asked.len(), 3);
    assert_eq!((asked[2].revision, asked[2].cumulative_quantity), (1, 20));
    // 40 × 10 and ten basis points.
    let cash = Asset::Cash(amount("400.40").to_money());
    assert_eq!(asked[2].amount.as_ref().unwrap().asset, Some(cash));
    // The same terms again are no change.
    let same = house
        .replace(&user, replace(&order, 60, "10"))
        .await
        .unwrap();
    assert_eq!(same.revision, 1);
    assert_eq!(house.custody.asked(&order.order_id).len(), 3);
}

#[tokio::test]
async fn what_is_needed_less_goes_back_even_after_a_crash() {
    let house = House::open().await;
    let user = house.customer().await;
    let order = house.place(&user, place(buy(100, "10"))).await.unwrap();
    house.custody.next([Manner::Silent]);
    let answer = house
        .replace(&user, replace(&order, 60, "10"))
        .await
        .unwrap();
    assert_eq!((answer.status(), answer.revision), (OrderStatus::Open, 1));
    let house = house.crash().await;
    house.time_passes();
    let told = async || (house.custody.asked(&order.order_id).len() == 3).then_some(());
    found("custody is told", told).await;
    let lock = house.custody.locked(&order.order_id).unwrap();
    let cash = Asset::Cash(amount("600.60").to_money());
    assert_eq!(lock.asset, Some(cash));
}

#[tokio::test]
async fn a_change_whose_answer_was_lost_is_learnt_from_the_venues_news() {
    let house = House::open().await;
    let user = house.customer().await;
    let order = house.place(&user, place(buy(100, "10"))).await.unwrap();
    house.venue.next("replace", [Manner::AnswerLost]);
    house
        .replace(&user, replace(&order, 150, "10"))
        .await
        .unwrap();
    house.venue.publish_placed(&order.order_id).await;
    house.venue.fill(&order.order_id, 120, 10).await;
    // Nobody had to wait for a timer; who asked still brings the change to its end.
    let filled = house.until(&order, "order.filled").await;
    assert_eq!(
        (filled.status(), filled.leaves_quantity),
        (OrderStatus::PendingReplace, 30)
    );
    house.time_passes();
    let order = house
        .until_status(&order, OrderStatus::PartiallyFilled)
        .await;
    assert_eq!(order.revision, 1);
    let topics = house.topics(&order).await;
    assert_eq!(
        topics[1..],
        ["order.validated", "order.replaced", "order.filled"]
    );
}

#[tokio::test]
async fn the_stop_of_a_waiting_order_can_be_moved_with_its_collar() {
    let house = House::open().await;
    let user = house.customer().await;
    let order = house.place(&user, place(stop(Side::Buy, 10, "100"))).await;
    let order = order.unwrap();
    let request = |stop: &str| ReplaceOrderRequest {
        limit_price: None,
        stop_price: Some(amount(stop).to_money()),
        ..replace(&order, 10, "1")
    };
    let answer = house.replace(&user, request("110")).await.unwrap();
    let terms = answer.terms.as_ref().unwrap();
    assert_eq!(
        (&terms.limit_price, &terms.stop_price),
        (&None, &Some(amount("110").to_money()))
    );
    // 115.50 is the new collar: 10 × 115.50 and ten basis points.
    let asked = &house.custody.asked(&order.order_id)[1];
    let cash = Asset::Cash(amount("1156.155").to_money());
    assert_eq!(asked.amount.as_ref().unwrap().asset, Some(cash));
    let told = &house.venue.replaced(&order.order_id)[0];
    assert_eq!(
        (&told.limit_price, &told.stop_price),
        (
            &Some(amount("115.5").to_money()),
            &Some(amount("110").to_money())
        )
    );
    let replaced: OrderReplacedEvent = house.events(&order).await[2].payload().unwrap();
    assert_eq!(replaced.stop_price, Some(amount("110").to_money()));

    let limited = replace(&order, 10, "100");
    let refused = house.replace(&user, limited).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    house.venue.wake(&order.order_id).await;
    house.until_order(&order, |order| order.triggered).await;
    let late = house.replace(&user, request("120")).await.unwrap_err();
    let info = late.get_details_error_info().unwrap();
    assert_eq!(info.reason, "STOP_TRIGGERED");
}

#[tokio::test]
async fn without_the_funds_or_the_venues_consent_the_order_stays_as_it_is() {
    let house = House::open().await;
    let user = house.customer().await;
    let order = house.place(&user, place(buy(100, "10"))).await.unwrap();
    house.custody.next([Manner::Refuse("INSUFFICIENT_FUNDS")]);
    let refused = house
        .replace(&user, replace(&order, 200, "10"))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    let info = refused.get_details_error_info().unwrap();
    assert_eq!(info.reason, "INSUFFICIENT_FUNDS");
    assert_eq!(house.order(&order).await.status(), OrderStatus::Open);

    house.venue.next("replace", [Manner::Refuse("PRICE_BAND")]);
    let refused = house
        .replace(&user, replace(&order, 200, "10"))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert_eq!(house.order(&order).await.status(), OrderStatus::Open);
    // Each try has a number of its own.
    let answer = house
        .replace(&user, replace(&order, 300, "10"))
        .await
        .unwrap();
    // What had been locked for the second try went back under a number of its own.
    assert_eq!(answer.revision, 4);
    let revisions: Vec<_> = house
        .custody
        .asked(&order.order_id)
        .iter()
        .map(|asked| asked.revision)
        .collect();
    assert_eq!(revisions, [0, 1, 2, 3, 4]);
}

#[tokio::test]
async fn a_lost_answer_leaves_the_change_pending_and_a_fill_under_it_waits() {
    let house = House::open().await;
    let user = house.customer().await;
    let order = house.place(&user, place(buy(100, "10"))).await.unwrap();
    house.venue.next("replace", [Manner::AnswerLost]);
    let answer = house
        .replace(&user, replace(&order, 200, "10"))
        .await
        .unwrap();
    assert_eq!(answer.status(), OrderStatus::PendingReplace);
    let busy = house
        .replace(&user, replace(&order, 300, "10"))
        .await
        .unwrap_err();
    assert_eq!(
        busy.get_details_error_info().unwrap().reason,
        "REPLACE_PENDING"
    );
    // The venue fills under terms that orders does not know to be accepted yet.
    house.venue.fill(&order.order_id, 150, 10).await;
    house.time_passes();
    let order = house.until(&order, "order.filled").await;
    assert_eq!(
        (order.cumulative_quantity, order.leaves_quantity),
        (150, 50)
    );
    assert_eq!(order.status(), OrderStatus::PartiallyFilled);
    assert_eq!(
        house.topics(&order).await,
        [
            "order.created",
            "order.validated",
            "order.replaced",
            "order.filled"
        ]
    );
}

#[tokio::test]
async fn a_change_that_its_timer_finished_is_not_made_again_by_its_request() {
    let house = House::open().await;
    let user = house.customer().await;
    let order = house.place(&user, place(buy(100, "10"))).await.unwrap();
    house.venue.next("replace", [Manner::AnswerLost]);
    let request = replace(&order, 200, "10");
    house.replace(&user, request.clone()).await.unwrap();
    house.time_passes();
    house.until(&order, "order.replaced").await;
    house
        .replace(&user, replace(&order, 300, "10"))
        .await
        .unwrap();
    let repeated = house.replace(&user, request).await.unwrap();
    assert_eq!(
        (repeated.terms.unwrap().quantity, repeated.revision),
        (300, 2)
    );
}

#[tokio::test]
async fn a_change_in_the_middle_of_a_crash_is_carried_on() {
    let house = House::open().await;
    let user = house.customer().await;
    let order = house.place(&user, place(buy(100, "10"))).await.unwrap();
    house.venue.next("replace", [Manner::AnswerLost]);
    let request = replace(&order, 200, "10");
    house.replace(&user, request.clone()).await.unwrap();
    let house = house.crash().await;
    // The repeated request goes on where the first one stopped.
    let answer = house.replace(&user, request).await.unwrap();
    assert_eq!((answer.status(), answer.revision), (OrderStatus::Open, 1));
}

#[tokio::test]
async fn reducing_an_order_to_what_is_filled_makes_it_a_filled_one() {
    let house = House::open().await;
    let user = house.customer().await;
    let order = house.place(&user, place(buy(100, "10"))).await.unwrap();
    house.venue.fill(&order.order_id, 40, 10).await;
    house.until(&order, "order.filled").await;
    let answer = house
        .replace(&user, replace(&order, 30, "10"))
        .await
        .unwrap();
    assert_eq!(answer.status(), OrderStatus::Filled);
    assert_eq!(answer.cancel_reason(), CancelReason::Unspecified);
    assert_eq!(
        (answer.cumulative_quantity, answer.terms.unwrap().quantity),
        (40, 40)
    );
}

#[tokio::test]
async fn only_an_open_limit_order_of_ones_own_can_be_changed() {
    let house = House::open().await;
    let (user, other) = (house.customer().await, house.customer().await);
    let order = house.place(&user, place(buy(100, "10"))).await.unwrap();
    let code = async |user: &str, request| house.replace(user, request).await.unwrap_err().code();
    assert_eq!(
        code(&other, replace(&order, 50, "10")).await,
        Code::NotFound
    );
    assert_eq!(
        code(&user, replace(&order, 50, "10.001")).await,
        Code::InvalidArgument
    );
    assert_eq!(
        code(&user, replace(&order, 50, "0")).await,
        Code::InvalidArgument
    );
    house.cancel(&user, cancel(&order)).await.unwrap();
    house.until(&order, "order.cancelled").await;
    assert_eq!(
        code(&user, replace(&order, 50, "10")).await,
        Code::FailedPrecondition
    );
}

#[tokio::test]
async fn shares_that_an_order_lost_to_another_of_its_user_are_wanted_no_more() {
    let house = House::open().await;
    let user = house.customer().await;
    let order = house.place(&user, place(buy(100, "10"))).await.unwrap();
    house.venue.fill(&order.order_id, 20, 10).await;
    house.venue.decrement(&order.order_id, 30).await;
    let smaller = house.until(&order, "order.replaced").await;
    assert_eq!(
        (smaller.terms.unwrap().quantity, smaller.leaves_quantity),
        (70, 50)
    );
    // 50 × 10 and ten basis points are still needed.
    let cash = Asset::Cash(amount("500.50").to_money());
    let told = async || {
        let lock = house.custody.locked(&order.order_id).unwrap();
        (lock.asset == Some(cash.clone())).then_some(())
    };
    found("what was lost is given back", told).await;
    // The order can still be changed, and filled.
    let answer = house.replace(&user, replace(&order, 80, "10")).await;
    assert_eq!(answer.unwrap().leaves_quantity, 60);
    house.venue.fill(&order.order_id, 60, 10).await;
    let order = house.until_status(&order, OrderStatus::Filled).await;
    assert_eq!(order.cumulative_quantity, 80);
}

#[tokio::test]
async fn a_refused_change_gives_back_what_was_locked_for_it() {
    let house = House::open().await;
    let user = house.customer().await;
    let order = house.place(&user, place(buy(100, "10"))).await.unwrap();
    house.venue.next("replace", [Manner::Refuse("PRICE_BAND")]);
    // The first call locks more; the second one, which gives it back, gets no answer.
    house.custody.next([Manner::Well, Manner::Silent]);
    house
        .replace(&user, replace(&order, 200, "10"))
        .await
        .unwrap_err();
    let locked = || house.custody.locked(&order.order_id).unwrap().asset;
    let cash = |text| Some(Asset::Cash(amount(text).to_money()));
    assert_eq!(locked(), cash("2002"));
    let house = house.crash().await;
    house.time_passes();
    let told = async || {
        let lock = house.custody.locked(&order.order_id).unwrap();
        (lock.asset == cash("1001")).then_some(())
    };
    found("the timer gives it back", told).await;
    assert_eq!(house.order(&order).await.status(), OrderStatus::Open);
}

#[tokio::test]
async fn a_market_order_and_an_order_on_its_way_cannot_be_changed() {
    let house = House::open().await;
    let user = house.customer().await;
    house.venue.quotes(Some(amount("99")), Some(amount("100")));
    let market = OrderTerms {
        r#type: OrderType::Market.into(),
        limit_price: None,
        ..buy(10, "1")
    };
    let market = house.place(&user, place(market)).await.unwrap();
    house.venue.next("submit", [Manner::Silent]);
    let on_its_way = house.place(&user, place(buy(10, "10"))).await.unwrap();
    let reason = async |request| {
        let refused = house.replace(&user, request).await.unwrap_err();
        assert_eq!(refused.code(), Code::FailedPrecondition);
        refused.get_details_error_info().unwrap().reason
    };
    let larger = ReplaceOrderRequest {
        limit_price: None,
        ..replace(&market, 20, "1")
    };
    assert_eq!(reason(larger).await, "NOT_A_RESTING_ORDER");
    assert_eq!(reason(replace(&on_its_way, 20, "10")).await, "NOT_AT_VENUE");
}
