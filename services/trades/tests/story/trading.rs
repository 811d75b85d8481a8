//! Orders meeting, leaving and changing.

use outcry_contracts::orders::v1::{CancelReason, TimeInForce};
use outcry_contracts::trades::v1::{
    FailureReason, HaltSymbolRequest, Liquidity, ResumeSymbolRequest, TradeExecutedEvent,
    TradePlacedEvent, TradeStatus,
};
use outcry_events::Amount;
use tonic::Code;

use crate::floor::{ACME, Floor, money};
use crate::order::{buy, sell};

fn amount(money: Option<&outcry_contracts::types::v1::Money>) -> Amount {
    Amount::from_required(money).unwrap()
}

#[tokio::test]
async fn two_orders_meet_at_the_resting_price() {
    let folder = tempfile::tempdir().unwrap();
    let floor = Floor::open(folder.path()).await;
    let (maker, taker) = (sell(1, 100, "10.00"), buy(2, 60, "10.05"));

    let resting = floor.submit(&maker).await;
    assert_eq!(resting.status(), TradeStatus::Placed);
    assert_eq!(
        floor.levels().await,
        [vec![], vec!["100 @ 10.00".to_owned()]]
    );

    let filled = floor.submit(&taker).await;
    assert_eq!(filled.status(), TradeStatus::Filled);
    assert_eq!(amount(filled.average_price.as_ref()), money("10.00"));
    // 600.00 at ten basis points, and at five for the maker.
    assert_eq!(amount(filled.fees.as_ref()), money("0.60"));
    let resting = floor.trade(&maker).await.unwrap();
    assert_eq!(resting.status(), TradeStatus::PartiallyFilled);
    assert_eq!(
        (resting.cumulative_quantity, resting.leaves_quantity),
        (60, 40)
    );
    assert_eq!(amount(resting.fees.as_ref()), money("0.30"));
    assert_eq!(
        floor.levels().await,
        [vec![], vec!["40 @ 10.00".to_owned()]]
    );

    assert_eq!(
        floor.story_of(&maker).await,
        ["created", "placed", "executed"]
    );
    assert_eq!(
        floor.story_of(&taker).await,
        ["created", "placed", "executed"]
    );
    let events = floor.events().await;
    let sides: Vec<TradeExecutedEvent> = events.iter().filter_map(|e| e.payload().ok()).collect();
    assert_eq!(sides[0].liquidity(), Liquidity::Taker);
    assert_eq!(sides[1].liquidity(), Liquidity::Maker);
    assert_eq!(sides[0].match_id, "ACME-3");
    assert_eq!(sides[1].match_id, "ACME-3");
    assert_eq!(sides[0].execution_id, "ACME-3-B");
    assert_eq!(sides[1].execution_id, "ACME-3-S");
    floor.platform.stop().await;
}

#[tokio::test]
async fn every_event_belongs_to_the_flow_of_its_order_and_follows_from_it() {
    let folder = tempfile::tempdir().unwrap();
    let floor = Floor::open(folder.path()).await;
    let (maker, taker) = (sell(1, 100, "10.00"), buy(2, 60, "10.05"));
    floor.submit(&maker).await;
    floor.submit(&taker).await;

    let events = floor.events().await;
    for order in [&maker, &taker] {
        let own: Vec<_> = events
            .iter()
            .filter(|e| e.correlation_id() == order.flow)
            .collect();
        assert_eq!(own.len(), 3);
        assert_eq!(own[0].causation_id(), Some(order.validated_id()));
        assert_eq!(own[1].causation_id(), Some(own[0].id()));
        assert_eq!(own[2].causation_id(), Some(own[1].id()));
        let sequences: Vec<_> = own.iter().map(|event| event.sequence()).collect();
        assert_eq!(sequences, [1, 2, 3]);
    }
    // Whoever took the maker's order is not the maker's business.
    let maker_fill = events.last().unwrap();
    assert_eq!(maker_fill.correlation_id(), maker.flow);
    assert_eq!(maker_fill.envelope().actor, "service:trades");
    floor.platform.stop().await;
}

#[tokio::test]
async fn a_large_order_goes_through_the_book_in_several_commits() {
    let folder = tempfile::tempdir().unwrap();
    let floor = Floor::open(folder.path()).await;
    for number in 0..450 {
        floor.submit(&sell(number, 1, "10.00")).await;
    }
    let filled = floor.submit(&buy(999, 451, "10.00")).await;
    assert_eq!(filled.cumulative_quantity, 450);
    assert_eq!(filled.status(), TradeStatus::PartiallyFilled);
    assert_eq!(floor.levels().await, [vec!["1 @ 10.00".to_owned()], vec![]]);
    let before = floor.book().await;
    let floor = floor.restart().await;
    assert_eq!(floor.book().await, before);
    floor.platform.stop().await;
}

#[tokio::test]
async fn a_cancelled_order_leaves_the_book_once() {
    let folder = tempfile::tempdir().unwrap();
    let floor = Floor::open(folder.path()).await;
    let order = buy(1, 100, "10.00");
    floor.submit(&order).await;
    for _ in 0..2 {
        let response = floor.cancel(&order).await;
        assert!(response.cancelled);
        let trade = response.trade.unwrap();
        assert_eq!(trade.status(), TradeStatus::Cancelled);
        assert_eq!(trade.cancel_reason(), CancelReason::User);
    }
    assert_eq!(floor.levels().await, [Vec::<String>::new(), vec![]]);
    assert_eq!(
        floor.story_of(&order).await,
        ["created", "placed", "cancelled"]
    );
    floor.platform.stop().await;
}

#[tokio::test]
async fn a_filled_order_cannot_be_cancelled_nor_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let floor = Floor::open(folder.path()).await;
    let (maker, taker) = (sell(1, 10, "10.00"), buy(2, 10, "10.00"));
    floor.submit(&maker).await;
    floor.submit(&taker).await;
    let response = floor.cancel(&maker).await;
    assert!(!response.cancelled);
    assert_eq!(response.trade.unwrap().status(), TradeStatus::Filled);
    let response = floor.replace(&maker, 1, 20, "10.00").await.unwrap();
    assert!(!response.replaced);
    floor.platform.stop().await;
}

#[tokio::test]
async fn only_the_owner_is_obeyed() {
    let folder = tempfile::tempdir().unwrap();
    let floor = Floor::open(folder.path()).await;
    let order = buy(1, 100, "10.00");
    floor.submit(&order).await;
    let thief = order.clone().owned_by(&buy(2, 1, "1.00"));
    assert_eq!(
        floor.try_cancel(&thief).await.unwrap_err().code(),
        Code::NotFound
    );
    let refused = floor.replace(&thief, 1, 50, "10.00").await;
    assert_eq!(refused.unwrap_err().code(), Code::NotFound);
    assert_eq!(
        floor.trade(&order).await.unwrap().status(),
        TradeStatus::Placed
    );
    floor.platform.stop().await;
}

#[tokio::test]
async fn an_order_cancelled_before_it_comes_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let floor = Floor::open(folder.path()).await;
    let (order, other) = (buy(1, 100, "10.00"), buy(2, 100, "10.00"));
    for order in [&order, &other] {
        let response = floor.cancel(order).await;
        assert_eq!(response.trade, None);
        assert!(!response.cancelled);
    }
    let refused = floor.submit(&order).await;
    assert_eq!(refused.status(), TradeStatus::Failed);
    assert_eq!(
        refused.failure_reason(),
        FailureReason::CancelledBeforeVenue
    );
    assert_eq!(floor.story_of(&order).await, ["created", "failed"]);
    // The mark outlives the process.
    let floor = floor.restart().await;
    let refused = floor.submit(&other).await;
    assert_eq!(
        refused.failure_reason(),
        FailureReason::CancelledBeforeVenue
    );
    assert_eq!(floor.levels().await, [Vec::<String>::new(), vec![]]);
    floor.platform.stop().await;
}

#[tokio::test]
async fn a_replaced_order_keeps_or_loses_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let floor = Floor::open(folder.path()).await;
    let (first, second) = (sell(1, 100, "10.00"), sell(2, 100, "10.00"));
    floor.submit(&first).await;
    floor.submit(&second).await;
    let kept = floor.replace(&first, 1, 80, "10.00").await.unwrap();
    assert!(kept.replaced && kept.kept_priority);
    let repeated = floor.replace(&first, 1, 80, "10.00").await.unwrap();
    assert_eq!(repeated, kept);
    floor.submit(&buy(3, 10, "10.00")).await;
    assert_eq!(floor.trade(&first).await.unwrap().cumulative_quantity, 10);

    let lost = floor.replace(&first, 2, 90, "10.00").await.unwrap();
    assert!(lost.replaced && !lost.kept_priority);
    floor.submit(&buy(4, 10, "10.00")).await;
    assert_eq!(floor.trade(&first).await.unwrap().cumulative_quantity, 10);
    assert_eq!(floor.trade(&second).await.unwrap().cumulative_quantity, 10);

    let crossing = buy(5, 30, "9.00");
    floor.submit(&crossing).await;
    let traded = floor.replace(&crossing, 1, 30, "10.00").await.unwrap();
    assert_eq!(traded.trade.unwrap().status(), TradeStatus::Filled);
    assert_eq!(
        floor.story_of(&crossing).await,
        ["created", "placed", "placed", "executed"]
    );
    floor.platform.stop().await;
}

#[tokio::test]
async fn new_terms_that_are_not_acceptable_leave_the_order_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let floor = Floor::open(folder.path()).await;
    let order = buy(1, 100, "10.00").post_only();
    floor.submit(&order).await;
    floor.submit(&sell(2, 100, "10.10")).await;
    for (price, reason) in [
        ("10.10", "WOULD_TAKE"),
        ("9.999", "BAD_TICK"),
        ("99999.00", "VALUE_LIMIT"),
    ] {
        let refused = floor.replace(&order, 1, 100, price).await.unwrap_err();
        assert_eq!(refused.code(), Code::FailedPrecondition);
        let details = tonic_types::StatusExt::get_details_error_info(&refused).unwrap();
        assert_eq!(details.reason, reason);
    }
    assert_eq!(floor.trade(&order).await.unwrap().revision, 0);
    floor.platform.stop().await;
}

#[tokio::test]
async fn what_cannot_rest_is_cancelled_with_its_reason() {
    let folder = tempfile::tempdir().unwrap();
    let floor = Floor::open(folder.path()).await;
    let makers = [
        sell(1, 10, "10.00"),
        sell(2, 10, "10.00"),
        sell(3, 10, "10.00"),
    ];
    let ioc = buy(4, 15, "9.99").tif(TimeInForce::Ioc);
    for maker in &makers {
        floor.submit(maker).await;
    }
    let fok = floor
        .submit(&buy(5, 31, "10.00").tif(TimeInForce::Fok))
        .await;
    assert_eq!(
        (fok.cumulative_quantity, fok.cancel_reason()),
        (0, CancelReason::Fok)
    );
    let ioc = floor.submit(&ioc).await;
    assert_eq!(
        (ioc.cumulative_quantity, ioc.cancel_reason()),
        (0, CancelReason::Ioc)
    );
    let market = floor.submit(&buy(6, 20, "10.50").market()).await;
    assert_eq!(market.status(), TradeStatus::Filled);
    let own = floor.submit(&buy(7, 5, "10.00").owned_by(&makers[2])).await;
    assert_eq!(
        (own.cumulative_quantity, own.cancel_reason()),
        (0, CancelReason::SelfTrade)
    );
    let market = floor.submit(&buy(8, 20, "10.50").market()).await;
    assert_eq!(
        (market.cumulative_quantity, market.cancel_reason()),
        (10, CancelReason::NoLiquidity)
    );
    let nobody = floor.submit(&buy(9, 20, "10.50").market()).await;
    assert_eq!(nobody.failure_reason(), FailureReason::NoLiquidity);
    floor.platform.stop().await;
}

#[tokio::test]
async fn orders_the_venue_cannot_take_fail_with_their_reason() {
    let folder = tempfile::tempdir().unwrap();
    let floor = Floor::open(folder.path()).await;
    floor.submit(&sell(1, 10, "10.00")).await;
    let unknown = floor.submit(&buy(2, 10, "10.00").symbol("NOPE")).await;
    assert_eq!(unknown.failure_reason(), FailureReason::UnknownSymbol);
    assert_eq!(
        floor.submit(&buy(2, 10, "10.00").symbol("NOPE")).await,
        unknown
    );
    let off_tick = floor.submit(&buy(3, 10, "9.995")).await;
    assert_eq!(off_tick.failure_reason(), FailureReason::BadTerms);
    assert!(off_tick.message.contains("tick"));
    let would_take = floor.submit(&buy(4, 10, "10.00").post_only()).await;
    assert_eq!(would_take.failure_reason(), FailureReason::WouldTake);
    floor.platform.stop().await;
}

#[tokio::test]
async fn a_halted_symbol_lets_orders_leave_only_also_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let floor = Floor::open(folder.path()).await;
    let resting = sell(1, 10, "10.00");
    floor.submit(&resting).await;
    let halt = HaltSymbolRequest {
        symbol: ACME.into(),
        reason: "news".into(),
    };
    let user = floor.as_user(resting.owner).halt_symbol(halt.clone()).await;
    assert_eq!(user.unwrap_err().code(), Code::PermissionDenied);
    floor.as_admin().halt_symbol(halt).await.unwrap();
    let floor = floor.restart().await;
    assert!(floor.book().await.halted);
    let refused = floor.submit(&buy(2, 10, "10.00")).await;
    assert_eq!(refused.failure_reason(), FailureReason::SymbolHalted);
    assert!(floor.cancel(&resting).await.cancelled);
    let resume = ResumeSymbolRequest {
        symbol: ACME.into(),
    };
    floor.as_admin().resume_symbol(resume).await.unwrap();
    assert_eq!(
        floor.submit(&buy(3, 10, "10.00")).await.status(),
        TradeStatus::Placed
    );
    floor.platform.stop().await;
}

#[tokio::test]
async fn decisions_of_a_symbol_are_numbered_without_gaps() {
    let folder = tempfile::tempdir().unwrap();
    let floor = Floor::open(folder.path()).await;
    let order = sell(1, 100, "10.00");
    floor.submit(&order).await;
    floor.submit(&buy(2, 30, "10.00")).await;
    floor.replace(&order, 1, 90, "10.00").await.unwrap();
    floor.submit(&buy(3, 30, "9.00").symbol("BETA")).await;
    floor.cancel(&order).await;
    let mut numbers = Vec::new();
    for event in floor
        .events()
        .await
        .iter()
        .filter(|e| e.partition_key() == ACME)
    {
        if let Ok(placed) = event.payload::<TradePlacedEvent>() {
            numbers.push(placed.venue_sequence);
        } else if let Ok(executed) = event.payload::<TradeExecutedEvent>() {
            numbers.push(executed.venue_sequence);
        } else if let Ok(cancelled) =
            event.payload::<outcry_contracts::trades::v1::TradeCancelledEvent>()
        {
            numbers.push(cancelled.venue_sequence);
        }
    }
    assert_eq!(numbers, [1, 2, 3, 3, 4, 5]);
    assert_eq!(floor.book().await.venue_sequence, 5);
    floor.platform.stop().await;
}
