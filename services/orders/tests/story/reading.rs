//! Reading orders: own ones, pages, filters, and what others may see.

use outcry_contracts::orders::v1::*;
use outcry_contracts::types::v1::PageRequest;
use tonic::Code;

use super::house::{House, buy, cancel, place};

fn ids(listed: &ListOrdersResponse) -> Vec<&str> {
    listed
        .orders
        .iter()
        .map(|order| order.order_id.as_str())
        .collect()
}

#[tokio::test]
async fn orders_are_listed_newest_first_page_by_page() {
    let house = House::open().await;
    let user = house.customer().await;
    let mut placed = Vec::new();
    for _ in 0..5 {
        placed.push(
            house
                .place(&user, place(buy(1, "10")))
                .await
                .unwrap()
                .order_id,
        );
    }
    placed.reverse();
    let mut token = String::new();
    let mut seen = Vec::new();
    for _ in 0..3 {
        let page = Some(PageRequest { size: 2, token });
        let request = ListOrdersRequest {
            page,
            ..ListOrdersRequest::default()
        };
        let listed = house.list(&user, request).await;
        seen.extend(ids(&listed).into_iter().map(str::to_owned));
        token = listed.page.unwrap().next_token;
    }
    assert_eq!(seen, placed);
    assert!(token.is_empty());
    let bad = ListOrdersRequest {
        page: Some(PageRequest {
            size: 2,
            token: "nonsense".to_owned(),
        }),
        ..ListOrdersRequest::default()
    };
    let refused = house.user(&user).list_orders(bad).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn listings_are_filtered_by_symbol_and_by_what_is_open() {
    let house = House::open().await;
    let user = house.customer().await;
    let mut beta = buy(1, "10");
    beta.symbol = "BETA".to_owned();
    let beta = house.place(&user, place(beta)).await.unwrap();
    let acme = house.place(&user, place(buy(1, "10"))).await.unwrap();
    let gone = house.place(&user, place(buy(1, "10"))).await.unwrap();
    house.cancel(&user, cancel(&gone)).await.unwrap();
    let list = async |symbol: &str, open_only| {
        let request = ListOrdersRequest {
            symbol: symbol.to_owned(),
            open_only,
            ..ListOrdersRequest::default()
        };
        let listed = house.list(&user, request).await;
        ids(&listed)
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let (beta, acme, gone) = (beta.order_id, acme.order_id, gone.order_id);
    assert_eq!(
        list("", false).await,
        [gone.clone(), acme.clone(), beta.clone()]
    );
    assert_eq!(list("", true).await, [acme.clone(), beta.clone()]);
    assert_eq!(list("BETA", true).await, [beta]);
    assert_eq!(list("ACME", false).await, [gone, acme]);
}

#[tokio::test]
async fn customers_see_their_own_orders_and_operators_everybodys() {
    let house = House::open().await;
    let (user, other) = (house.customer().await, house.customer().await);
    let order = house.place(&user, place(buy(1, "10"))).await.unwrap();
    let get = GetOrderRequest {
        order_id: order.order_id.clone(),
    };
    let hidden = house.user(&other).get_order(get.clone()).await.unwrap_err();
    assert_eq!(hidden.code(), Code::NotFound);
    assert!(house.admin().get_order(get).await.is_ok());
    let of_user = ListOrdersRequest {
        user_id: user.clone(),
        ..ListOrdersRequest::default()
    };
    let refused = house
        .user(&other)
        .list_orders(of_user.clone())
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    let listed = house
        .admin()
        .list_orders(of_user)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(ids(&listed), [order.order_id.as_str()]);
}
