//! Orders that wait for a price or for a time, and orders that meet those of their owner.

use std::time::Duration;

use outcry_contracts::orders::v1::{CancelReason, SelfTradePrevention, TimeInForce};
use outcry_contracts::trades::v1::{
    FailureReason, TradeExecutedEvent, TradePlacedEvent, TradeStatus,
};
use outcry_events::Amount;
use outcry_service::Clock;
use tonic_types::StatusExt;
use uuid::Uuid;

use crate::floor::{Floor, config, money};
use crate::order::{Order, buy, sell};

/// Makes 10.00 the last price.
async fn trade_at_ten(floor: &Floor) {
    floor.submit(&sell(901, 1, "10.00")).await;
    floor.submit(&buy(902, 1, "10.00")).await;
}

fn placements(order: &Order, all: &[TradePlacedEvent]) -> Vec<(TradeStatus, u32, i64)> {
    let own = |event: &&TradePlacedEvent| event.order_id == order.id.to_string();
    all.iter()
        .filter(own)
        .map(|event| (event.status(), event.revision, event.quantity))
        .collect()
}

#[tokio::test]
async fn a_stop_order_waits_is_woken_and_trades_within_its_protection() {
    let folder = tempfile::tempdir().unwrap();
    let floor = Floor::open(folder.path()).await;
    trade_at_ten(&floor).await;
    let portfolio = Uuid::from_u128(0xf0);
    let stop = buy(1, 30, "10.50")
        .market()
        .stop("10.20")
        .of_portfolio(portfolio);
    let waiting = floor.submit(&stop).await;
    assert_eq!(waiting.status(), TradeStatus::TriggerPending);
    let terms = waiting.terms.unwrap();
    let stop_price = Amount::from_required(terms.stop_price.as_ref()).unwrap();
    assert_eq!(stop_price, money("10.20"));
    assert_eq!(floor.levels().await, [Vec::<String>::new(), vec![]]);

    // It waits through a crash.
    let floor = floor.crash().await;
    for ask in [
        sell(2, 5, "10.20"),
        sell(3, 10, "10.30"),
        sell(4, 50, "10.60"),
    ] {
        floor.submit(&ask).await;
    }
    floor.submit(&buy(5, 5, "10.20")).await;
    let woken = floor.trade(&stop).await.unwrap();
    assert_eq!(woken.status(), TradeStatus::Cancelled);
    assert_eq!(woken.cancel_reason(), CancelReason::NoLiquidity);
    assert_eq!(woken.cumulative_quantity, 10);
    assert_eq!(
        floor.story_of(&stop).await,
        ["created", "placed", "placed", "executed", "cancelled"]
    );
    let placed: Vec<TradePlacedEvent> = floor.told().await;
    assert_eq!(
        placements(&stop, &placed),
        [
            (TradeStatus::TriggerPending, 0, 30),
            (TradeStatus::Placed, 0, 30)
        ]
    );
    let fills: Vec<TradeExecutedEvent> = floor.told().await;
    for fill in fills {
        let expected = match fill.order_id == stop.id.to_string() {
            true => portfolio.to_string(),
            false => String::new(),
        };
        assert_eq!(fill.portfolio_id, expected);
    }
    // What woke it is another order's flow; its own events stay in its own.
    let flows = floor.events().await.into_iter();
    let own: Vec<_> = flows
        .filter(|event| event.correlation_id() == stop.flow)
        .collect();
    assert_eq!(own.len(), 5);
    for pair in own.windows(2) {
        assert_eq!(pair[1].causation_id(), Some(pair[0].id()));
    }
    floor.platform.stop().await;
}

#[tokio::test]
async fn a_waiting_stop_order_takes_new_terms_and_can_leave() {
    let folder = tempfile::tempdir().unwrap();
    let floor = Floor::open(folder.path()).await;
    trade_at_ten(&floor).await;
    let (stop, other) = (
        sell(1, 30, "9.50").stop("9.80"),
        sell(2, 10, "9.50").stop("9.70"),
    );
    floor.submit(&stop).await;
    floor.submit(&other).await;
    let mut orders = floor.as_orders();
    for _ in 0..2 {
        let changed = orders
            .replace_trade(stop.stop_replacement(1, 20, "9.40", "9.60"))
            .await;
        let changed = changed.unwrap().into_inner();
        assert!(changed.replaced && !changed.kept_priority);
        let trade = changed.trade.unwrap();
        assert_eq!(trade.status(), TradeStatus::TriggerPending);
        assert_eq!(trade.leaves_quantity, 20);
        let terms = trade.terms.unwrap();
        let prices = [&terms.limit_price, &terms.stop_price]
            .map(|price| Amount::from_required(price.as_ref()).unwrap());
        assert_eq!(prices, [money("9.40"), money("9.60")]);
    }
    let kept = floor.replace(&stop, 2, 15, "9.45").await.unwrap();
    assert!(kept.replaced && kept.kept_priority);

    let floor = floor.restart().await;
    assert!(floor.cancel(&other).await.cancelled);
    // Not the old price but the new one wakes it.
    floor.submit(&buy(3, 1, "9.70")).await;
    floor.submit(&sell(4, 1, "9.70")).await;
    let waits = floor.trade(&stop).await.unwrap();
    assert_eq!(waits.status(), TradeStatus::TriggerPending);
    floor.submit(&buy(5, 1, "9.60")).await;
    floor.submit(&sell(6, 1, "9.60")).await;
    let rests = floor.trade(&stop).await.unwrap();
    assert_eq!((rests.status(), rests.revision), (TradeStatus::Placed, 2));
    assert_eq!(floor.levels().await, [vec![], vec!["15 @ 9.45".to_owned()]]);
    let refused = floor
        .as_orders()
        .replace_trade(stop.stop_replacement(3, 20, "9.40", "9.60"))
        .await
        .unwrap_err();
    let reason = refused.get_details_error_info().unwrap().reason;
    assert_eq!(reason, "NOT_WAITING");
    floor.platform.stop().await;
}

#[tokio::test]
async fn stops_that_wake_each_other_all_go_in_one_request() {
    let folder = tempfile::tempdir().unwrap();
    let floor = Floor::open(folder.path()).await;
    trade_at_ten(&floor).await;
    for number in 0..6 {
        let cents = 1_001 + i64::try_from(number).unwrap();
        let price = format!("{}.{:02}", cents / 100, cents % 100);
        floor.submit(&sell(10 + number, 1, &price)).await;
        let stop = buy(20 + number, 1, "11.00").market().stop(&price);
        floor.submit(&stop).await;
    }
    let last_stop = buy(25, 1, "11.00");
    floor.submit(&buy(30, 1, "10.01")).await;
    let last = floor.trade(&last_stop).await.unwrap();
    assert_eq!(last.status(), TradeStatus::Cancelled);
    assert_eq!(floor.levels().await, [Vec::<String>::new(), vec![]]);
    let floor = floor.crash().await;
    assert_eq!(floor.levels().await, [Vec::<String>::new(), vec![]]);
    floor.platform.stop().await;
}

#[tokio::test]
async fn an_order_meets_its_owners_as_it_chose() {
    let folder = tempfile::tempdir().unwrap();
    let floor = Floor::open(folder.path()).await;
    let maker = sell(1, 30, "10.00");
    floor.submit(&maker).await;
    let taker = buy(2, 10, "10.00")
        .owned_by(&maker)
        .prevents(SelfTradePrevention::Decrement);
    let gone = floor.submit(&taker).await;
    assert_eq!(gone.status(), TradeStatus::Cancelled);
    assert_eq!(gone.cancel_reason(), CancelReason::SelfTrade);
    let less = floor.trade(&maker).await.unwrap();
    assert_eq!(less.status(), TradeStatus::Placed);
    // The venue counts what it takes from an order as a change of its own.
    assert_eq!((less.leaves_quantity, less.revision), (20, 1));
    assert_eq!(less.terms.unwrap().quantity, 20);

    let floor = floor.restart().await;
    assert_eq!(
        floor.levels().await,
        [vec![], vec!["20 @ 10.00".to_owned()]]
    );
    let raced = floor.replace(&maker, 1, 25, "10.00").await.unwrap_err();
    let reason = raced.get_details_error_info().unwrap().reason;
    assert_eq!(reason, "REVISION_TAKEN");
    for _ in 0..2 {
        let changed = floor.replace(&maker, 2, 25, "10.00").await.unwrap();
        assert!(changed.replaced && !changed.kept_priority);
        assert_eq!(changed.trade.unwrap().leaves_quantity, 25);
    }
    // One that loses some of itself on its way in, and then trades.
    let other = buy(7, 5, "9.00");
    floor.submit(&other).await;
    let cheap = buy(8, 3, "9.00").owned_by(&maker);
    floor.submit(&cheap).await;
    let down = sell(9, 10, "9.00")
        .owned_by(&maker)
        .prevents(SelfTradePrevention::Decrement);
    let down = floor.submit(&down).await;
    assert_eq!(down.status(), TradeStatus::PartiallyFilled);
    assert_eq!((down.cumulative_quantity, down.leaves_quantity), (5, 2));
    assert_eq!((down.terms.unwrap().quantity, down.revision), (7, 1));
    let raised = sell(9, 10, "9.00").owned_by(&maker);
    assert!(floor.cancel(&raised).await.cancelled);
    let over = buy(3, 10, "10.00")
        .owned_by(&maker)
        .prevents(SelfTradePrevention::CancelOldest);
    assert_eq!(floor.submit(&over).await.status(), TradeStatus::Placed);
    let oldest = floor.trade(&maker).await.unwrap();
    assert_eq!(oldest.cancel_reason(), CancelReason::SelfTrade);
    let both = sell(4, 10, "10.00")
        .owned_by(&maker)
        .prevents(SelfTradePrevention::CancelBoth);
    assert_eq!(floor.submit(&both).await.status(), TradeStatus::Cancelled);
    assert_eq!(floor.levels().await, [Vec::<String>::new(), vec![]]);
    floor.platform.stop().await;
}

#[tokio::test]
async fn a_good_till_date_order_leaves_at_its_time_and_fills_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let floor = Floor::open(folder.path()).await;
    trade_at_ten(&floor).await;
    let soon = floor.clock.now() + Duration::from_secs(60);
    let (resting, waiting) = (
        sell(1, 10, "10.00").until(soon),
        buy(2, 10, "11.00").stop("10.50").until(soon),
    );
    floor.submit(&resting).await;
    floor.submit(&waiting).await;
    let floor = floor.restart().await;
    floor.advance(59);
    floor.submit(&buy(3, 1, "10.00")).await;
    assert_eq!(floor.trade(&resting).await.unwrap().cumulative_quantity, 1);
    // At its very time, whether the timer or the next order comes first.
    floor.advance(1);
    let late = buy(4, 1, "10.00").tif(TimeInForce::Ioc);
    assert_eq!(floor.submit(&late).await.cumulative_quantity, 0);
    for order in [&resting, &waiting] {
        let gone = floor.trade(order).await.unwrap();
        assert_eq!(gone.cancel_reason(), CancelReason::Expired);
    }
    let past = buy(5, 1, "10.00").until(soon);
    let refused = floor.submit(&past).await;
    assert_eq!(refused.failure_reason(), FailureReason::AlreadyExpired);
    floor.platform.stop().await;
}

#[tokio::test]
async fn terms_that_do_not_fit_each_other_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config();
    config.instruments[0].band_bps = Some(500);
    config.instruments[0].listing_price = Some(money("10.00"));
    config.instruments[0].max_order_quantity = 1_000;
    let floor = Floor::open_with(folder.path(), config).await;
    let far = floor.submit(&buy(1, 10, "10.51")).await;
    assert_eq!(far.failure_reason(), FailureReason::PriceBand);
    let large = floor.submit(&buy(2, 1_001, "10.00")).await;
    assert_eq!(large.failure_reason(), FailureReason::BadTerms);
    let impatient = floor
        .submit(&buy(3, 10, "10.00").stop("10.00").tif(TimeInForce::Gtd))
        .await;
    assert_eq!(impatient.failure_reason(), FailureReason::BadTerms);
    floor.platform.stop().await;
}
