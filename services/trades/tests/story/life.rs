//! Duplicates, restarts, expiry and settlement.

use outcry_contracts::orders::v1::{CancelReason, TimeInForce};
use outcry_contracts::trades::v1::{SessionState, TradeCancelledEvent, TradeStatus};
use outcry_service::testing::eventually;
use tokio::task::JoinSet;
use tonic::Code;
use tonic_types::StatusExt;

use crate::floor::{ACME, Floor, config, instrument};
use crate::order::{buy, sell};

#[tokio::test]
async fn an_order_submitted_again_is_answered_with_its_present_state() {
    let folder = tempfile::tempdir().unwrap();
    let floor = Floor::open(folder.path()).await;
    let (maker, taker) = (sell(1, 100, "10.00"), buy(2, 60, "10.00"));
    floor.submit(&maker).await;
    floor.submit(&taker).await;
    let before = floor.events().await.len();
    assert_eq!(floor.submit(&taker).await.status(), TradeStatus::Filled);
    assert_eq!(floor.submit(&maker).await.cumulative_quantity, 60);
    let floor = floor.restart().await;
    assert_eq!(floor.submit(&taker).await.status(), TradeStatus::Filled);
    assert_eq!(floor.submit(&maker).await.cumulative_quantity, 60);
    assert_eq!(floor.events().await.len(), before);
    floor.platform.stop().await;
}

#[tokio::test]
async fn the_same_order_submitted_by_many_at_once_comes_in_once() {
    let folder = tempfile::tempdir().unwrap();
    let floor = std::sync::Arc::new(Floor::open(folder.path()).await);
    floor.submit(&sell(1, 1_000, "10.00")).await;
    let order = buy(2, 60, "10.00");
    let mut callers = JoinSet::new();
    for _ in 0..16 {
        let (floor, order) = (floor.clone(), order.clone());
        callers.spawn(async move { floor.submit(&order).await });
    }
    floor.publish_validated(&order).await;
    for trade in callers.join_all().await {
        assert_eq!(trade.cumulative_quantity, 60);
    }
    assert_eq!(
        floor.story_of(&order).await,
        ["created", "placed", "executed"]
    );
    let floor = std::sync::Arc::into_inner(floor).unwrap();
    floor.platform.stop().await;
}

#[tokio::test]
async fn a_validated_order_that_nobody_submits_comes_in_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let floor = Floor::open(folder.path()).await;
    let order = buy(1, 60, "10.00");
    floor.publish_validated(&order).await;
    floor.until_status(&order, TradeStatus::Placed).await;
    let events = floor.events().await;
    assert_eq!(events[0].correlation_id(), order.flow);
    assert_eq!(events[0].causation_id(), Some(order.validated_id()));
    assert_eq!(floor.submit(&order).await.status(), TradeStatus::Placed);
    assert_eq!(floor.events().await.len(), 2);
    floor.platform.stop().await;
}

#[tokio::test]
async fn after_a_crash_trading_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let floor = Floor::open(folder.path()).await;
    let (first, second) = (sell(1, 50, "10.00"), sell(2, 50, "10.00"));
    floor.submit(&first).await;
    floor.submit(&second).await;
    floor.submit(&buy(3, 20, "10.00")).await;
    floor.submit(&buy(4, 70, "9.90")).await;
    let before = floor.book().await;

    let floor = floor.crash().await;
    assert_eq!(floor.book().await, before);
    floor.submit(&buy(5, 40, "10.00")).await;
    assert_eq!(
        floor.trade(&first).await.unwrap().status(),
        TradeStatus::Filled
    );
    assert_eq!(floor.trade(&second).await.unwrap().cumulative_quantity, 10);
    floor.platform.stop().await;
}

#[tokio::test]
async fn a_crash_under_load_loses_nothing_that_was_answered() {
    let folder = tempfile::tempdir().unwrap();
    let floor = std::sync::Arc::new(Floor::open(folder.path()).await);
    let orders: Vec<_> = (0..200)
        .map(|number| match number % 2 {
            0 => sell(number, 10, "10.00"),
            _ => buy(number, 7, "10.00"),
        })
        .collect();
    let mut callers = JoinSet::new();
    for order in orders.clone() {
        let floor = floor.clone();
        callers.spawn(async move { floor.submit(&order).await });
    }
    let mut answered = Vec::new();
    while answered.len() < 60 {
        answered.push(callers.join_next().await.unwrap().unwrap());
    }
    callers.shutdown().await;
    let floor = std::sync::Arc::into_inner(floor).unwrap().crash().await;
    for trade in answered {
        let order = orders
            .iter()
            .find(|order| order.id.to_string() == trade.order_id)
            .unwrap();
        let now = floor.trade(order).await.unwrap();
        assert!(now.cumulative_quantity >= trade.cumulative_quantity);
    }
    for order in &orders {
        floor.submit(order).await;
    }
    let mut sold = 0;
    let mut bought = 0;
    for (number, order) in orders.iter().enumerate() {
        let traded = floor.trade(order).await.unwrap().cumulative_quantity;
        *(if number % 2 == 0 {
            &mut sold
        } else {
            &mut bought
        }) += traded;
    }
    assert_eq!((sold, bought), (700, 700));
    floor.platform.stop().await;
}

#[tokio::test]
async fn day_orders_leave_when_the_session_ends_even_if_the_venue_was_down() {
    let folder = tempfile::tempdir().unwrap();
    let floor = Floor::open(folder.path()).await;
    let (day, until_cancelled) = (
        buy(1, 10, "10.00").tif(TimeInForce::Day),
        buy(2, 10, "9.00"),
    );
    floor.submit(&day).await;
    floor.submit(&until_cancelled).await;
    // Stories begin at 14:30; the session ends at 21:00.
    floor.advance(6 * 3600);
    assert_eq!(
        floor.trade(&day).await.unwrap().status(),
        TradeStatus::Placed
    );
    floor.advance(3600);
    floor.until_status(&day, TradeStatus::Cancelled).await;
    let trade = floor.trade(&day).await.unwrap();
    assert_eq!(trade.cancel_reason(), CancelReason::Expired);
    assert_eq!(
        floor.trade(&until_cancelled).await.unwrap().status(),
        TradeStatus::Placed
    );

    let next_day = buy(3, 10, "10.00").tif(TimeInForce::Day);
    floor.submit(&next_day).await;
    let floor = floor.sleep(24 * 3600).await;
    floor.until_status(&next_day, TradeStatus::Cancelled).await;
    floor.platform.stop().await;
}

#[tokio::test]
async fn a_session_that_ends_earlier_from_now_on_ends_the_orders_of_today() {
    let folder = tempfile::tempdir().unwrap();
    let floor = Floor::open(folder.path()).await;
    let order = buy(1, 10, "10.00").tif(TimeInForce::Day);
    floor.submit(&order).await;
    let mut earlier = config();
    earlier.session_end = "18:00:00".parse().unwrap();
    let floor = floor.restart_with(earlier).await;
    assert_eq!(
        floor.trade(&order).await.unwrap().status(),
        TradeStatus::Placed
    );
    floor.advance(4 * 3600);
    floor.until_status(&order, TradeStatus::Cancelled).await;
    floor.platform.stop().await;
}

#[tokio::test]
async fn many_day_orders_expire_together() {
    let folder = tempfile::tempdir().unwrap();
    let floor = std::sync::Arc::new(Floor::open(folder.path()).await);
    let mut callers = JoinSet::new();
    for number in 0..1_100 {
        let floor = floor.clone();
        let order = buy(number, 1, "10.00").tif(TimeInForce::Day);
        callers.spawn(async move { floor.submit(&order).await });
    }
    callers.join_all().await;
    floor.advance(7 * 3600);
    eventually("the book is empty", async || {
        floor.book().await.bids.is_empty()
    })
    .await;
    let floor = std::sync::Arc::into_inner(floor).unwrap();
    floor.platform.stop().await;
}

#[tokio::test]
async fn a_book_is_loaded_from_its_checkpoint_and_the_events_behind_it() {
    let folder = tempfile::tempdir().unwrap();
    let floor = std::sync::Arc::new(Floor::open(folder.path()).await);
    let mut callers = JoinSet::new();
    // Two events each: the checkpoint comes with the 2,000th.
    for number in 0..1_050 {
        let floor = floor.clone();
        let order = match number % 3 {
            0 => sell(number, 3, "10.00"),
            1 => sell(number, 2, "10.10").tif(TimeInForce::Day),
            _ => buy(number, 2, "20.00").stop("15.00"),
        };
        callers.spawn(async move { floor.submit(&order).await });
    }
    callers.join_all().await;
    let floor = std::sync::Arc::into_inner(floor).unwrap();
    eventually("the checkpoint is written", async || {
        let row = floor.store.view("checkpoints", ACME).await.unwrap();
        row.is_some()
    })
    .await;
    floor.set_session(1, SessionState::PostOnly).await;
    floor.set_session(2, SessionState::Open).await;
    floor.submit(&buy(2_000, 100, "10.00")).await;
    let before = floor.book().await;

    let floor = floor.crash().await;
    assert_eq!(floor.book().await, before);
    let floor = floor.crash().await;
    assert_eq!(floor.book().await, before);
    let stop = floor.trade(&buy(2, 2, "20.00")).await.unwrap();
    assert_eq!(stop.status(), TradeStatus::TriggerPending);
    let taken = floor.submit(&buy(2_001, 1_000, "10.00")).await;
    assert_eq!(taken.cumulative_quantity, 950);
    floor.platform.stop().await;
}

#[tokio::test]
async fn a_filled_trade_closes_when_all_of_it_is_settled() {
    let folder = tempfile::tempdir().unwrap();
    let floor = Floor::open(folder.path()).await;
    let (maker, taker, last) = (
        sell(1, 100, "10.00"),
        buy(2, 60, "10.00"),
        buy(3, 40, "10.00"),
    );
    floor.submit(&maker).await;
    floor.submit(&taker).await;
    floor.publish_settled("ACME-3", &taker, &maker, 60).await;
    floor.until_status(&taker, TradeStatus::Closed).await;
    let open = floor.trade(&maker).await.unwrap();
    assert_eq!(
        (open.status(), open.settled_quantity),
        (TradeStatus::PartiallyFilled, 60)
    );

    floor.submit(&last).await;
    assert_eq!(
        floor.trade(&maker).await.unwrap().status(),
        TradeStatus::Filled
    );
    floor.publish_settled("ACME-5", &last, &maker, 40).await;
    floor.until_status(&maker, TradeStatus::Closed).await;
    floor.until_status(&last, TradeStatus::Closed).await;
    assert_eq!(
        floor.story_of(&maker).await,
        ["created", "placed", "executed", "executed", "closed"]
    );
    let events = floor.events().await;
    let closed = events
        .iter()
        .rfind(|e| e.correlation_id() == maker.flow)
        .unwrap();
    let before = events
        .iter()
        .find(|e| e.correlation_id() == maker.flow && e.sequence() == closed.sequence() - 1);
    assert_eq!(closed.causation_id(), before.map(|event| event.id()));
    floor.platform.stop().await;
}

#[tokio::test]
async fn an_order_filled_by_asking_for_no_more_closes_too() {
    let folder = tempfile::tempdir().unwrap();
    let floor = Floor::open(folder.path()).await;
    let (early, late) = (sell(1, 100, "10.00"), sell(2, 100, "10.00"));
    let takers = [buy(3, 30, "10.00"), buy(4, 100, "10.00")];
    floor.submit(&early).await;
    floor.submit(&takers[0]).await;
    floor
        .publish_settled("ACME-3", &takers[0], &early, 30)
        .await;
    eventually("the fill is settled", async || {
        floor.trade(&early).await.unwrap().settled_quantity == 30
    })
    .await;
    let filled = floor.replace(&early, 1, 20, "10.00").await.unwrap();
    let trade = filled.trade.unwrap();
    assert_eq!(
        (trade.status(), trade.leaves_quantity),
        (TradeStatus::Closed, 0)
    );
    assert_eq!(trade.terms.unwrap().quantity, 30);

    floor.submit(&late).await;
    floor.submit(&takers[1]).await;
    assert_eq!(
        floor.trade(&late).await.unwrap().status(),
        TradeStatus::Filled
    );
    floor
        .publish_settled("ACME-7", &takers[1], &late, 100)
        .await;
    floor.until_status(&late, TradeStatus::Closed).await;
    let floor = floor.restart().await;
    assert_eq!(floor.levels().await, [Vec::<String>::new(), vec![]]);
    floor.platform.stop().await;
}

#[tokio::test]
async fn orders_of_a_symbol_that_is_configured_no_more_can_leave() {
    let folder = tempfile::tempdir().unwrap();
    let floor = Floor::open(folder.path()).await;
    let order = buy(1, 10, "10.00");
    floor.submit(&order).await;
    let mut without = config();
    without.instruments = vec![instrument("BETA")];
    let floor = floor.restart_with(without).await;
    assert!(floor.book().await.halted);
    assert!(floor.cancel(&order).await.cancelled);
    floor.platform.stop().await;
}

#[tokio::test]
async fn a_book_that_cannot_be_loaded_stops_its_symbol_only() {
    let folder = tempfile::tempdir().unwrap();
    let floor = Floor::open(folder.path()).await;
    let stray = buy(1, 10, "10.00").symbol("BETA");
    let event = TradeCancelledEvent {
        trade_id: stray.id.to_string(),
        order_id: stray.id.to_string(),
        user_id: stray.owner.to_string(),
        symbol: "BETA".into(),
        cumulative_quantity: 0,
        cancelled_quantity: 10,
        reason: CancelReason::User.into(),
        venue_sequence: 1,
    };
    floor.write_down(&event, &stray.id.to_string()).await;
    let floor = floor.restart().await;
    let refused = floor.as_orders().submit_order(stray.submission()).await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    let reason = refused.get_details_error_info().unwrap().reason;
    assert_eq!(reason, "BOOK_BROKEN");
    floor.submit(&sell(2, 10, "10.00")).await;
    floor.platform.stop().await;
}
