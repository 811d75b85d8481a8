//! Money on its way in and out: payouts, suspense, reversals; and the books against custody.

use outcry_contracts::funds::v1::{DepositMethod, WithdrawalMethod};
use outcry_contracts::ledger::v1 as wire;
use outcry_ledger::books;
use outcry_service::metrics::Numbers;
use outcry_service::testing::found;
use tonic::Code;

use crate::custody::balance;
use crate::house::{BUYER, House, PAYMENT, PAYOUT, SELLER, cash, reason, shares};
use crate::{account, balance_of};

#[tokio::test]
async fn payouts_suspense_and_reversals_are_booked_through_their_accounts() {
    let house = House::open().await;
    let deposit = house
        .deposited(BUYER, cash(100), DepositMethod::Payment, "p-1")
        .await;
    house.payout_asked(cash(60)).await;
    let paid = house
        .withdrawn(PAYOUT, cash(60), WithdrawalMethod::Payout, "")
        .await;
    house.booked(3).await;
    let by_key = wire::GetTransactionRequest {
        number: 0,
        key: format!("wd:{PAYOUT}:post"),
    };
    let found = house.admin().get_transaction(by_key).await.unwrap();
    let accounts: Vec<String> = found
        .into_inner()
        .transaction
        .unwrap()
        .entries
        .into_iter()
        .map(|entry| entry.account)
        .collect();
    let clearing = "clearing:payout:USD".to_owned();
    let world = "world:USD".to_owned();
    assert_eq!(
        accounts,
        [
            account(BUYER, "USD:locked"),
            clearing.clone(),
            clearing.clone(),
            world.clone()
        ]
    );
    house.payout_reversed(cash(60), &paid).await;
    house.payment_failed(None).await;
    house.payment_failed(Some(30)).await;
    house.payment_failed(Some(5)).await;
    house
        .deposited(BUYER, cash(30), DepositMethod::Suspense, PAYMENT)
        .await;
    let (refund, reversal) = (WithdrawalMethod::SuspenseRefund, WithdrawalMethod::Reversal);
    house.withdrawn(PAYMENT, cash(5), refund, "").await;
    let id = deposit.id().to_string();
    house.withdrawn(&id, cash(100), reversal, &id).await;
    house.booked(9).await;
    for (account, units) in [
        (account(BUYER, "USD:avail"), 30),
        (account(BUYER, "USD:locked"), 0),
        (clearing, 0),
        ("house:suspense:USD".to_owned(), 0),
        (world, -30),
    ] {
        assert_eq!(
            house.balance(balance_of(account.clone())).await,
            units * 10_000,
            "{account}"
        );
    }
    let by_key = wire::GetTransactionRequest {
        number: 0,
        key: format!("rev:{id}"),
    };
    let found = house.admin().get_transaction(by_key).await.unwrap();
    let found = found.into_inner().transaction.unwrap();
    assert_eq!(found.kind(), wire::TransactionKind::Reversal);
    assert!(house.verified().await.intact);
    house.platform.stop().await;
}

#[tokio::test]
async fn a_refused_payout_is_booked_back_under_its_own_key() {
    let house = House::open().await;
    house
        .deposited(BUYER, cash(100), DepositMethod::Payment, "p-1")
        .await;
    house.payout_asked(cash(60)).await;
    house.payout_refused(cash(60)).await;
    house.booked(3).await;
    let by_key = wire::GetTransactionRequest {
        number: 0,
        key: format!("wd:{PAYOUT}:void"),
    };
    let found = house.admin().get_transaction(by_key).await.unwrap();
    let found = found.into_inner().transaction.unwrap();
    assert_eq!(found.kind(), wire::TransactionKind::Release);
    let available = balance_of(account(BUYER, "USD:avail"));
    assert_eq!(house.balance(available).await, 1_000_000);
    house.platform.stop().await;
}

#[tokio::test]
async fn a_decision_about_suspense_that_comes_before_the_capture_waits_for_it() {
    let house = House::open().await;
    house
        .deposited(BUYER, cash(30), DepositMethod::Suspense, PAYMENT)
        .await;
    found("the credit waits", async || {
        let waiting = books::waiting(house.ctx.store.as_ref(), 10).await.unwrap();
        waiting.into_iter().next()
    })
    .await;
    house.payment_failed(Some(30)).await;
    house.booked(2).await;
    let suspense = balance_of("house:suspense:USD".to_owned());
    assert_eq!(house.balance(suspense).await, 0);
    assert!(house.verified().await.intact);
    house.platform.stop().await;
}

#[tokio::test]
async fn books_that_agree_with_custody_have_no_differences_and_others_are_listed() {
    let house = House::open().await;
    house.a_trade().await;
    let silent = house.reconciled().await.unwrap_err();
    assert_eq!(
        (silent.code(), reason(&silent).as_str()),
        (Code::Unavailable, "CUSTODY_UNAVAILABLE")
    );
    let buyer = [balance(cash(790), cash(8)), balance(shares(10), shares(0))];
    let seller = [balance(cash(197), cash(0)), balance(shares(40), shares(0))];
    let stranger = [balance(cash(0), cash(0))];
    house
        .custody
        .holds(&[(SELLER, &seller), (BUYER, &buyer), ("somebody", &stranger)]);
    let compared = house.reconciled().await.unwrap();
    assert_eq!(compared.differences, []);
    assert_eq!((compared.accounts, compared.transaction_number), (10, 5));

    let wrong = [balance(cash(791), cash(8)), balance(shares(10), shares(0))];
    house.custody.holds(&[(BUYER, &wrong)]);
    let compared = house.reconciled().await.unwrap();
    let told: Vec<(String, i64, i64)> = compared
        .differences
        .into_iter()
        .map(|one| (one.account, one.ledger, one.custody))
        .collect();
    assert_eq!(
        told,
        [
            (account(BUYER, "USD:avail"), 7_900_000, 7_910_000),
            (account(SELLER, "ACME:avail"), 40, 0),
            (account(SELLER, "USD:avail"), 1_970_000, 0),
        ]
    );
    house.platform.stop().await;
}

#[tokio::test]
async fn a_difference_that_lasts_is_shown_and_goes_when_it_is_mended() {
    let house = House::open().await;
    house.a_trade().await;
    let buyer = [balance(cash(790), cash(8)), balance(shares(10), shares(0))];
    let seller = [balance(cash(197), cash(0)), balance(shares(40), shares(0))];
    let wrong = [balance(cash(791), cash(6)), balance(shares(9), shares(0))];
    house.custody.holds(&[(SELLER, &seller), (BUYER, &buyer)]);
    let agreed = shown(&[("USD", 0.0)]);
    // Not for want of a comparison: the clock has gone on since the slot was taken.
    house.compared_again().await;
    assert_eq!(house.differs_by(), agreed);
    house.custody.holds(&[(SELLER, &seller), (BUYER, &wrong)]);
    house.compared_again().await;
    assert_eq!(house.differs_by(), agreed, "it may be on its way");
    // A dollar more and two less are three.
    house
        .comes_to_differ_by(&shown(&[("ACME", 1.0), ("USD", 3.0)]))
        .await;
    house.custody.holds(&[(SELLER, &seller), (BUYER, &buyer)]);
    house.comes_to_differ_by(&agreed).await;
    house.platform.stop().await;
    assert_eq!(
        house.ctx.metrics().own(),
        [],
        "who does not compare shows nothing"
    );
}

fn shown(numbers: &[(&str, f64)]) -> Numbers {
    let numbers = numbers.iter();
    numbers
        .map(|(asset, by)| ((*asset).to_owned(), *by))
        .collect()
}
