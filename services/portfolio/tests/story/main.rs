//! The portfolio on a running platform: what funds says becomes positions, lots and profit.

#![expect(clippy::unwrap_used, reason = "a story that cannot go on fails there")]

mod house;
mod portfolios;
mod streams;

use outcry_contracts::portfolio::v1 as wire;
use outcry_events::Amount;
use tonic::Code;

use crate::house::{BUYER, House, Match, SELLER};

fn acme(number: u32, quantity: i64, price: i32) -> Match {
    Match {
        number,
        symbol: "ACME",
        quantity,
        price,
        buyer: BUYER,
        seller: SELLER,
        buyer_portfolio: String::new(),
        seller_portfolio: String::new(),
    }
}

fn amount(money: Option<outcry_contracts::types::v1::Money>) -> String {
    Amount::from_required(money.as_ref()).unwrap().to_string()
}

#[tokio::test]
async fn a_purchase_shows_up_with_cost_lot_and_profit_on_both_sides() {
    let house = House::open().await;
    house.issued(SELLER, "ACME", 50).await;
    house.settled(acme(1, 10, 20)).await;
    house.settled(acme(2, 5, 30)).await;
    house.caught_up().await;

    let bought = house.positions(BUYER).await.remove(0);
    assert_eq!((bought.symbol.as_str(), bought.quantity), ("ACME", 15));
    assert_eq!(amount(bought.cost), "350.02");
    assert_eq!(amount(bought.last_price), "30.00");
    assert_eq!(amount(bought.market_value), "450.00");
    assert_eq!(amount(bought.unrealised_profit), "99.98");
    assert_eq!(amount(bought.realised_profit), "0.00");

    let asked = wire::ListLotsRequest {
        user_id: String::new(),
        symbol: "ACME".to_owned(),
        ..Default::default()
    };
    let lots = house.user(BUYER).list_lots(asked).await.unwrap();
    let lots: Vec<_> = lots
        .into_inner()
        .lots
        .into_iter()
        .map(|lot| (lot.reference, lot.quantity, amount(lot.cost)))
        .collect();
    let lot =
        |reference: &str, quantity, cost: &str| (reference.to_owned(), quantity, cost.to_owned());
    assert_eq!(
        lots,
        [lot("ACME-1", 10, "200.01"), lot("ACME-2", 5, "150.01")]
    );

    let asked = wire::GetProfitRequest {
        user_id: SELLER.to_owned(),
        ..Default::default()
    };
    let profit = house.admin().get_profit(asked).await.unwrap().into_inner();
    assert_eq!(amount(profit.realised), "349.98");
    assert_eq!(amount(profit.unrealised), "1050.00");
    assert_eq!(amount(profit.fees), "0.02");
}

#[tokio::test]
async fn customers_see_their_own_portfolio_only_and_operators_every_one_there_is() {
    let house = House::open().await;
    house.registered(BUYER).await;
    house.caught_up().await;
    let of = |id: &str| wire::ListPositionsRequest {
        user_id: id.to_owned(),
        ..Default::default()
    };
    let others = house.user(BUYER).list_positions(of(SELLER)).await;
    assert_eq!(others.unwrap_err().code(), Code::PermissionDenied);
    let lots = wire::ListLotsRequest {
        user_id: SELLER.to_owned(),
        symbol: "ACME".to_owned(),
        ..Default::default()
    };
    let others = house.user(BUYER).list_lots(lots).await;
    assert_eq!(others.unwrap_err().code(), Code::PermissionDenied);
    let empty = house.admin().list_positions(of(BUYER)).await.unwrap();
    assert_eq!(empty.into_inner().positions, []);
    let nobody = house.admin().list_positions(of(SELLER)).await;
    assert_eq!(nobody.unwrap_err().code(), Code::NotFound);
    assert_eq!(house.positions(SELLER).await, []);
}

#[tokio::test]
async fn a_sale_takes_what_was_issued_just_before_it_under_another_key() {
    let house = House::open().await;
    let rounds = 20;
    for number in 1..=rounds {
        house.issued(SELLER, "ACME", 10).await;
        house.settled(acme(number, 10, 20)).await;
    }
    house.caught_up().await;
    let sold = house.positions(SELLER).await.remove(0);
    assert_eq!(sold.quantity, 0);
    let each = 199_9900;
    let expected = Amount::from_raw(each * i64::from(rounds)).unwrap();
    assert_eq!(amount(sold.realised_profit), expected.to_string());
    assert_eq!(house.kept().await, house.told().await);
}

#[tokio::test]
async fn a_sale_that_comes_before_its_shares_is_not_held_up() {
    let house = House::open().await;
    let issue = house.new_id();
    house.settled(acme(1, 10, 20)).await;
    house.caught_up().await;
    let sold = house.positions(SELLER).await.remove(0);
    assert_eq!(
        (sold.quantity, amount(sold.realised_profit)),
        (0, "199.99".to_owned())
    );
    house.issued_as(issue, SELLER, "ACME", 15).await;
    house.caught_up().await;
    let sold = house.positions(SELLER).await.remove(0);
    assert_eq!(
        (sold.quantity, amount(sold.realised_profit)),
        (5, "199.99".to_owned())
    );
    assert_eq!(house.kept().await, house.told().await);
    assert_eq!(house.retried(), 0, "nothing had to wait");
}

#[tokio::test]
async fn what_is_kept_does_not_depend_on_the_order_events_come_in() {
    let house = House::open().await;
    let rounds = 12;
    let ids: Vec<_> = (0..=2 * rounds).map(|_| house.new_id()).collect();
    // Every id once, far from where it belongs.
    for place in 0..ids.len() {
        let place = place * 7 % ids.len();
        let number = u32::try_from(place).unwrap();
        let price = 20 + i32::try_from(place).unwrap();
        match place % 4 {
            0 => house.issued_as(ids[place], SELLER, "ACME", 20).await,
            1 | 2 => house.settled_as(ids[place], acme(number, 9, price)).await,
            _ => {
                let back = Match {
                    buyer: SELLER,
                    seller: BUYER,
                    ..acme(number, 8, price)
                };
                house.settled_as(ids[place], back).await
            }
        };
    }
    house.caught_up().await;
    let kept = house.kept().await;
    assert_eq!(kept, house.told().await);
    assert!(
        kept.holdings
            .values()
            .all(|one| one.position.total.uncovered == 0)
    );
    let last = house.positions(BUYER).await.remove(0).last_price;
    assert_eq!(
        amount(last),
        format!("{}.00", 20 + 23),
        "the price of the latest id"
    );
    assert_eq!(house.retried(), 0, "nothing had to wait");
}

#[tokio::test]
async fn what_is_kept_is_what_the_events_say_also_after_a_crash() {
    let house = House::open().await;
    for symbol in ["ACME", "BOLT", "CORK"] {
        house.issued(SELLER, symbol, 1000).await;
    }
    let trade = async |house: &House, numbers: std::ops::Range<u32>| {
        for number in numbers {
            for symbol in ["ACME", "BOLT", "CORK"] {
                let back = number % 3 == 2;
                let (buyer, seller) = if back {
                    (SELLER, BUYER)
                } else {
                    (BUYER, SELLER)
                };
                let told = Match {
                    number,
                    symbol,
                    quantity: if back { 9 } else { 7 + i64::from(number % 4) },
                    price: 20 + i32::try_from(number % 5).unwrap(),
                    buyer,
                    seller,
                    buyer_portfolio: String::new(),
                    seller_portfolio: String::new(),
                };
                house.settled(told).await;
            }
            house.issued(BUYER, "ACME", 1).await;
        }
    };
    trade(&house, 3..15).await;
    let house = house.crash().await;
    trade(&house, 15..23).await;
    house.caught_up().await;
    let kept = house.kept().await;
    assert_eq!(kept.holdings.len(), 6);
    assert!(
        kept.holdings
            .values()
            .all(|one| one.position.is_conserved())
    );
    assert_eq!(kept, house.told().await);
}
