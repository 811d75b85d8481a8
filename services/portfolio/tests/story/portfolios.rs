//! Several portfolios of one user: which there are, and what is in each.

use outcry_contracts::portfolio::v1 as wire;
use outcry_contracts::portfolio::v1::PortfolioStatus;
use outcry_portfolio::domain::{PORTFOLIOS_MAX, main_portfolio};
use outcry_store::limits::LEASE_TTL;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::acme;
use crate::house::{BUYER, House, Match, SELLER};

fn reason(status: &Status) -> String {
    let info = status.get_details_error_info();
    info.map(|info| info.reason).unwrap_or_default()
}

fn main_of(user: &str) -> String {
    main_portfolio(user).to_string()
}

async fn listed(house: &House, user: &str) -> Vec<wire::Portfolio> {
    let asked = wire::ListPortfoliosRequest::default();
    let listed = house.user(user).list_portfolios(asked).await.unwrap();
    listed.into_inner().portfolios
}

async fn archive(house: &House, portfolio_id: &str) -> Result<wire::Portfolio, Status> {
    let archive = wire::ArchivePortfolioRequest {
        request_id: house.new_id().to_string(),
        portfolio_id: portfolio_id.to_owned(),
    };
    let archived = house.user(BUYER).archive_portfolio(archive).await?;
    Ok(archived.into_inner().portfolio.unwrap())
}

async fn make_default(house: &House, portfolio_id: &str) -> Result<wire::Portfolio, Status> {
    let set = wire::SetDefaultPortfolioRequest {
        request_id: house.new_id().to_string(),
        portfolio_id: portfolio_id.to_owned(),
    };
    let set = house.user(BUYER).set_default_portfolio(set).await?;
    Ok(set.into_inner().portfolio.unwrap())
}

#[tokio::test]
async fn everybody_has_a_main_portfolio_before_and_after_their_registration_is_known() {
    let house = House::open().await;
    let before = listed(&house, BUYER).await.remove(0);
    assert!(before.is_main && before.is_default);
    assert_eq!(
        (before.portfolio_id.clone(), before.created_at),
        (main_of(BUYER), None)
    );
    assert!(house.takes_orders(BUYER, &before.portfolio_id).await);
    let other = house.created(BUYER, "Retirement").await;
    house.registered(BUYER).await;
    house.caught_up().await;
    let all = listed(&house, BUYER).await;
    assert_eq!(all.len(), 2);
    assert_eq!(all[0].portfolio_id, before.portfolio_id);
    assert!(all[0].created_at.is_some());
    assert_eq!(all[1], other);
}

#[tokio::test]
async fn portfolios_are_made_renamed_made_the_default_archived_and_opened_again() {
    let house = House::open().await;
    let mut buyer = house.user(BUYER);
    let create = wire::CreatePortfolioRequest {
        request_id: house.new_id().to_string(),
        name: "Retirement".to_owned(),
    };
    let created = buyer
        .create_portfolio(create.clone())
        .await
        .unwrap()
        .into_inner();
    let again = buyer.create_portfolio(create).await.unwrap().into_inner();
    assert_eq!(again, created, "a repeated request makes no second one");
    let id = created.portfolio.unwrap().portfolio_id;
    assert_eq!(listed(&house, BUYER).await.len(), 2);

    let rename = wire::UpdatePortfolioRequest {
        request_id: house.new_id().to_string(),
        portfolio_id: id.clone(),
        name: "Old age".to_owned(),
    };
    let renamed = buyer.update_portfolio(rename).await.unwrap().into_inner();
    assert_eq!(renamed.portfolio.unwrap().name, "Old age");

    assert!(make_default(&house, &id).await.unwrap().is_default);
    let default = buyer
        .get_portfolio(wire::GetPortfolioRequest::default())
        .await;
    assert_eq!(
        default
            .unwrap()
            .into_inner()
            .portfolio
            .unwrap()
            .portfolio_id,
        id
    );
    assert_eq!(listed(&house, BUYER).await[0].portfolio_id, id);
    let refused = archive(&house, &id).await.unwrap_err();
    assert_eq!(reason(&refused), "PORTFOLIO_IS_DEFAULT");
    let refused = archive(&house, &main_of(BUYER)).await.unwrap_err();
    assert_eq!(reason(&refused), "PORTFOLIO_IS_MAIN");

    make_default(&house, &main_of(BUYER)).await.unwrap();
    let archived = archive(&house, &id).await.unwrap();
    assert_eq!(archived.status(), PortfolioStatus::Archived);
    assert!(!house.takes_orders(BUYER, &id).await);
    let refused = make_default(&house, &id).await.unwrap_err();
    assert_eq!(reason(&refused), "PORTFOLIO_ARCHIVED");
    let active = wire::ListPortfoliosRequest {
        active_only: true,
        ..wire::ListPortfoliosRequest::default()
    };
    let active = buyer.list_portfolios(active).await.unwrap().into_inner();
    assert_eq!(active.portfolios.len(), 1);

    let house = house.crash().await;
    let reactivate = wire::ReactivatePortfolioRequest {
        request_id: house.new_id().to_string(),
        portfolio_id: id.clone(),
    };
    let active = house
        .user(BUYER)
        .reactivate_portfolio(reactivate)
        .await
        .unwrap();
    let active = active.into_inner().portfolio.unwrap();
    assert_eq!(
        (active.status(), active.name.as_str()),
        (PortfolioStatus::Active, "Old age")
    );
    assert!(house.takes_orders(BUYER, &id).await);
}

#[tokio::test]
async fn portfolios_of_others_are_not_there_and_no_user_has_more_than_twenty() {
    let house = House::open().await;
    let id = house.created(BUYER, "Mine").await.portfolio_id;
    let get = wire::GetPortfolioRequest {
        portfolio_id: id.clone(),
    };
    let refused = house.user(SELLER).get_portfolio(get.clone()).await;
    assert_eq!(refused.unwrap_err().code(), Code::NotFound);
    let rename = wire::UpdatePortfolioRequest {
        request_id: house.new_id().to_string(),
        portfolio_id: id.clone(),
        name: "Not mine".to_owned(),
    };
    let refused = house.user(SELLER).update_portfolio(rename).await;
    assert_eq!(refused.unwrap_err().code(), Code::NotFound);
    let positions = wire::ListPositionsRequest {
        portfolio_id: id.clone(),
        ..wire::ListPositionsRequest::default()
    };
    let refused = house.user(SELLER).list_positions(positions).await;
    assert_eq!(refused.unwrap_err().code(), Code::NotFound);
    assert!(!house.takes_orders(SELLER, &id).await);
    let seen = house.admin().get_portfolio(get).await.unwrap().into_inner();
    assert_eq!(seen.portfolio.unwrap().name, "Mine");

    for _ in 2..PORTFOLIOS_MAX {
        house.created(BUYER, "More").await;
    }
    let create = wire::CreatePortfolioRequest {
        request_id: house.new_id().to_string(),
        name: "Too many".to_owned(),
    };
    let refused = house
        .user(BUYER)
        .create_portfolio(create)
        .await
        .unwrap_err();
    assert_eq!(reason(&refused), "TOO_MANY_PORTFOLIOS");
}

#[tokio::test]
async fn fills_go_to_the_portfolio_their_order_named_and_a_sale_takes_that_ones_lots_first() {
    let house = House::open().await;
    let other = house.created(BUYER, "Other").await.portfolio_id;
    house.issued(SELLER, "ACME", 100).await;
    let bought = |number, portfolio: &str, price| Match {
        buyer_portfolio: portfolio.to_owned(),
        ..acme(number, 10, price)
    };
    // Which one is the default has no say: these name none, or their own.
    make_default(&house, &other).await.unwrap();
    house.settled(bought(1, "", 10)).await;
    house.settled(bought(2, &other, 20)).await;
    house.settled(bought(3, &main_of(BUYER), 30)).await;
    let sold = |number, quantity, portfolio: &str| Match {
        buyer: SELLER,
        seller: BUYER,
        seller_portfolio: portfolio.to_owned(),
        ..acme(number, quantity, 40)
    };
    house.settled(sold(4, 15, &other)).await;
    house.caught_up().await;

    let of_other = house.positions_of(BUYER, &other).await.remove(0);
    assert_eq!(
        (of_other.quantity, of_other.portfolio_id.as_str()),
        (0, other.as_str())
    );
    // Ten of its own for 200.01, five of the main one's first lot for half of 100.01.
    let realised = crate::amount(of_other.realised_profit);
    assert_eq!(realised, "349.975");
    let of_main = house.positions_of(BUYER, &main_of(BUYER)).await.remove(0);
    assert_eq!(
        (of_main.quantity, crate::amount(of_main.cost).as_str()),
        (15, "350.015")
    );
    let all = house.positions(BUYER).await.remove(0);
    assert_eq!((all.quantity, all.portfolio_id.as_str()), (15, ""));

    let lots = wire::ListLotsRequest {
        symbol: "ACME".to_owned(),
        portfolio_id: main_of(BUYER),
        ..wire::ListLotsRequest::default()
    };
    let lots = house
        .user(BUYER)
        .list_lots(lots)
        .await
        .unwrap()
        .into_inner()
        .lots;
    let lots: Vec<_> = lots
        .into_iter()
        .map(|lot| (lot.reference, lot.quantity))
        .collect();
    assert_eq!(lots, [("ACME-1".to_owned(), 5), ("ACME-3".to_owned(), 10)]);
    let profit = wire::GetProfitRequest {
        portfolio_id: other.clone(),
        ..wire::GetProfitRequest::default()
    };
    let profit = house
        .user(BUYER)
        .get_profit(profit)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(crate::amount(profit.realised), "349.975");
    assert_eq!(crate::amount(profit.fees), "0.02");

    let refused = archive(&house, &other).await.unwrap_err();
    assert_eq!(reason(&refused), "PORTFOLIO_IS_DEFAULT");
    make_default(&house, &main_of(BUYER)).await.unwrap();
    archive(&house, &other).await.unwrap();
    assert_eq!(house.kept().await, house.told().await);
}

#[tokio::test]
async fn a_portfolio_with_shares_in_it_is_not_archived() {
    let house = House::open().await;
    let other = house.created(BUYER, "Other").await.portfolio_id;
    let bought = Match {
        buyer_portfolio: other.clone(),
        ..acme(1, 10, 20)
    };
    house.settled(bought).await;
    house.caught_up().await;
    let refused = archive(&house, &other).await.unwrap_err();
    assert_eq!(reason(&refused), "PORTFOLIO_NOT_EMPTY");
}

#[tokio::test]
async fn portfolios_and_lots_do_not_depend_on_the_order_events_come_in() {
    let house = House::open().await;
    let ids: Vec<_> = (0..24).map(|_| house.new_id()).collect();
    let other = house.created(BUYER, "Other").await.portfolio_id;
    // Every id once, far from where it belongs.
    for place in 0..ids.len() {
        let place = place * 7 % ids.len();
        let number = u32::try_from(place).unwrap();
        let portfolio = if place % 2 == 0 {
            other.clone()
        } else {
            String::new()
        };
        let told = acme(
            number,
            5 + i64::from(number % 4),
            20 + i32::try_from(place).unwrap(),
        );
        let told = if place % 3 == 2 {
            Match {
                buyer: SELLER,
                seller: BUYER,
                seller_portfolio: portfolio,
                ..told
            }
        } else {
            Match {
                buyer_portfolio: portfolio,
                ..told
            }
        };
        house.settled_as(ids[place], told).await;
    }
    house.caught_up().await;
    let kept = house.kept().await;
    assert_eq!(kept, house.told().await);
    assert!(
        kept.holdings
            .values()
            .all(|one| one.position.is_conserved())
    );
    assert_eq!(house.retried(), 0, "nothing had to wait");
}

#[tokio::test]
async fn an_issue_that_is_taken_back_leaves_nothing_behind() {
    let house = House::open().await;
    house.issued(SELLER, "ACME", 5).await;
    let mistake = house.issued(SELLER, "ACME", 50).await;
    house.taken_back(&mistake, SELLER, "ACME", 50).await;
    house.caught_up().await;
    let left = house.positions(SELLER).await.remove(0);
    assert_eq!(left.quantity, 5);
    assert_eq!(crate::amount(left.realised_profit), "0.00");
    assert_eq!(house.kept().await, house.told().await);
}

#[tokio::test]
async fn two_replicas_follow_every_event_once_and_one_goes_on_when_the_other_dies() {
    let house = House::open().await;
    let other = house.created(BUYER, "Other").await.portfolio_id;
    house.issued(SELLER, "ACME", 10_000).await;
    let replica = house.replica().await;
    let trade = async |numbers: std::ops::Range<u32>| {
        for number in numbers {
            let portfolio = if number % 2 == 0 {
                other.clone()
            } else {
                String::new()
            };
            house.issued(BUYER, "ACME", 1).await;
            let bought = Match {
                buyer_portfolio: portfolio.clone(),
                ..acme(2 * number, 7, 20)
            };
            house.settled(bought).await;
            let sold = Match {
                buyer: SELLER,
                seller: BUYER,
                seller_portfolio: portfolio,
                ..acme(2 * number + 1, 6, 21)
            };
            house.settled(sold).await;
        }
    };
    trade(0..15).await;
    replica.crash().await;
    // What it held is held until its leases run out.
    house.clock.advance(2 * LEASE_TTL);
    trade(15..30).await;
    house.caught_up().await;
    assert_eq!(house.kept().await, house.told().await);
}
