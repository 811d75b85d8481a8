//! Who sees what.

use outcry_contracts::orders::v1::Side;
use outcry_contracts::trades::v1::{
    GetTradeRequest, ListExecutionsRequest, ListInstrumentsRequest, ListTradesRequest,
};
use outcry_contracts::types::v1::PageRequest;
use tonic::Code;

use crate::floor::{ACME, Floor};
use crate::order::{buy, sell};

#[tokio::test]
async fn users_see_their_own_trades_and_operators_all() {
    let folder = tempfile::tempdir().unwrap();
    let floor = Floor::open(folder.path()).await;
    let (mine, theirs) = (buy(1, 10, "10.00"), buy(2, 10, "10.00"));
    let trade = floor.submit(&mine).await;
    let other = floor.submit(&theirs).await;
    let get = |trade_id: &str| GetTradeRequest {
        trade_id: trade_id.into(),
        ..GetTradeRequest::default()
    };
    let mut user = floor.as_user(mine.owner);
    let seen = user
        .get_trade(get(&trade.trade_id))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(seen.trade.unwrap(), trade);
    let hidden = user.get_trade(get(&other.trade_id)).await.unwrap_err();
    assert_eq!(hidden.code(), Code::NotFound);
    let mut admin = floor.as_admin();
    assert!(admin.get_trade(get(&other.trade_id)).await.is_ok());
    let list = ListTradesRequest {
        user_id: theirs.owner.to_string(),
        ..ListTradesRequest::default()
    };
    let denied = user.list_trades(list.clone()).await.unwrap_err();
    assert_eq!(denied.code(), Code::PermissionDenied);
    let seen = admin.list_trades(list).await.unwrap().into_inner();
    assert_eq!(seen.trades, [other]);
    floor.platform.stop().await;
}

#[tokio::test]
async fn trades_are_listed_newest_first_page_by_page() {
    let folder = tempfile::tempdir().unwrap();
    let floor = Floor::open(folder.path()).await;
    let owner = buy(100, 1, "1.00");
    let mut expected = Vec::new();
    for number in 0..5 {
        floor.advance(1);
        let order = buy(number, 10, "10.00").owned_by(&owner);
        expected.insert(0, floor.submit(&order).await.trade_id);
        if number == 2 {
            floor.cancel(&order).await;
        }
    }
    let mut user = floor.as_user(owner.owner);
    let mut listed = Vec::new();
    let mut token = String::new();
    loop {
        let page = Some(PageRequest { size: 2, token });
        let request = ListTradesRequest {
            page,
            ..ListTradesRequest::default()
        };
        let response = user.list_trades(request).await.unwrap().into_inner();
        listed.extend(response.trades.into_iter().map(|trade| trade.trade_id));
        token = response.page.unwrap().next_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(listed, expected);
    let open = ListTradesRequest {
        open_only: true,
        ..ListTradesRequest::default()
    };
    assert_eq!(
        user.list_trades(open)
            .await
            .unwrap()
            .into_inner()
            .trades
            .len(),
        4
    );
    let forged = ListTradesRequest {
        page: Some(PageRequest {
            size: 2,
            token: "nonsense".into(),
        }),
        ..ListTradesRequest::default()
    };
    let refused = user.list_trades(forged).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    floor.platform.stop().await;
}

#[tokio::test]
async fn the_tape_is_public_but_not_whose_orders_met() {
    let folder = tempfile::tempdir().unwrap();
    let floor = Floor::open(folder.path()).await;
    let maker = sell(1, 100, "10.00");
    floor.submit(&maker).await;
    for number in 2..17 {
        floor.submit(&buy(number, 2, "10.00")).await;
    }
    let list = |after, size, latest| ListExecutionsRequest {
        symbol: ACME.into(),
        after_venue_sequence: after,
        size,
        latest,
    };
    let mut anybody = floor.as_anybody();
    let mut numbers = async |request| {
        let response = anybody.list_executions(request).await.unwrap().into_inner();
        assert!(
            response
                .executions
                .iter()
                .all(|e| e.maker_order_id.is_empty())
        );
        assert!(
            response
                .executions
                .iter()
                .all(|e| e.taker_side() == Side::Buy)
        );
        response
            .executions
            .iter()
            .map(|e| e.venue_sequence)
            .collect::<Vec<_>>()
    };
    // Each taker is placed, then matched.
    let all: Vec<u64> = (0..15).map(|n| 3 + 2 * n).collect();
    assert_eq!(numbers(list(0, 0, false)).await, all);
    assert_eq!(numbers(list(0, 4, false)).await, all[..4]);
    assert_eq!(numbers(list(9, 4, false)).await, all[4..8]);
    assert_eq!(numbers(list(8, 4, false)).await, all[3..7]);
    assert_eq!(numbers(list(30, 0, false)).await, all[14..]);
    assert_eq!(numbers(list(31, 0, false)).await, [0; 0]);
    assert_eq!(numbers(list(0, 2, true)).await, [31, 29]);
    let mut admin = floor.as_admin();
    let response = admin
        .list_executions(list(0, 1, false))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(response.executions[0].maker_order_id, maker.id.to_string());
    let unknown = ListExecutionsRequest {
        symbol: "NOPE".into(),
        ..ListExecutionsRequest::default()
    };
    let refused = admin.list_executions(unknown).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    floor.platform.stop().await;
}

#[tokio::test]
async fn what_can_be_traded_is_public() {
    let folder = tempfile::tempdir().unwrap();
    let floor = Floor::open(folder.path()).await;
    let request = ListInstrumentsRequest {};
    let response = floor
        .as_anybody()
        .list_instruments(request)
        .await
        .unwrap()
        .into_inner();
    let symbols: Vec<_> = response
        .instruments
        .iter()
        .map(|one| one.symbol.as_str())
        .collect();
    assert_eq!(symbols, ["ACME", "BETA"]);
    floor.platform.stop().await;
}
