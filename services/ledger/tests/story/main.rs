//! The ledger on a running platform: what funds says is booked, and the books can be trusted.

#![expect(clippy::unwrap_used, reason = "a story that cannot go on fails there")]

mod custody;
mod house;
mod listings;
mod money;

use std::collections::BTreeMap;
use std::time::Duration;

use outcry_contracts::funds::v1::DepositMethod;
use outcry_contracts::ledger::v1 as wire;
use outcry_contracts::types::v1::PageRequest;
use outcry_ledger::books::{self, BALANCES, JOURNAL};
use outcry_ledger::domain::Transaction;
use outcry_service::Clock;
use outcry_service::testing::{Platform, found};
use outcry_store::{Commit, CommitError, Scan, ViewWrite};
use tonic::Code;

use crate::house::{BUY, BUYER, House, SELL, SELLER, cash, shares};

fn account(user: &str, rest: &str) -> String {
    format!("u:{user}:{rest}")
}

fn balance_of(account: String) -> wire::GetAccountBalanceRequest {
    wire::GetAccountBalanceRequest {
        account,
        ..wire::GetAccountBalanceRequest::default()
    }
}

#[tokio::test]
async fn a_trade_is_booked_in_order_and_every_asset_sums_to_zero() {
    let house = House::open().await;
    house.a_trade().await;
    let mut admin = house.admin();
    let trial = admin.get_trial_balance(wire::GetTrialBalanceRequest {});
    let trial = trial.await.unwrap().into_inner();
    assert_eq!(trial.transaction_number, 5);
    let mut sums: BTreeMap<String, i64> = BTreeMap::new();
    for row in &trial.accounts {
        *sums.entry(row.asset.clone()).or_default() += row.balance;
    }
    assert_eq!(sums, [("ACME".to_owned(), 0), ("USD".to_owned(), 0)].into());

    let by_key = wire::GetTransactionRequest {
        number: 0,
        key: "match:ACME-1".to_owned(),
    };
    let found = admin.get_transaction(by_key).await.unwrap().into_inner();
    let settlement = found.transaction.unwrap();
    assert_eq!((settlement.number, settlement.entries.len()), (5, 8));
    assert_eq!(settlement.kind(), wire::TransactionKind::Settlement);
    let fees = balance_of("house:fees:USD".to_owned());
    assert_eq!(house.balance(fees).await, 50_000);
    assert!(house.verified().await.intact);
    house.platform.stop().await;
}

#[tokio::test]
async fn a_balance_is_known_at_every_number_and_time() {
    let house = House::open().await;
    let start = house.clock.now();
    house.a_trade().await;
    let available = account(BUYER, "USD:avail");
    for (number, minutes, units) in [(1, 0, 1000), (2, 1, 1000), (3, 2, 790), (5, 9, 790)] {
        let at_number = wire::GetAccountBalanceRequest {
            account: available.clone(),
            at_transaction_number: number,
            at: None,
        };
        assert_eq!(house.balance(at_number).await, units * 10_000);
        let at_time = wire::GetAccountBalanceRequest {
            account: available.clone(),
            at_transaction_number: 0,
            at: Some((start + Duration::from_secs(60 * minutes)).into()),
        };
        assert_eq!(house.balance(at_time).await, units * 10_000);
    }
    let before = wire::GetAccountBalanceRequest {
        account: available,
        at_transaction_number: 0,
        at: Some((start - Duration::from_secs(1)).into()),
    };
    assert_eq!(house.balance(before).await, 0);
    house.platform.stop().await;
}

#[tokio::test]
async fn the_journal_goes_on_after_a_crash_without_a_gap() {
    let house = House::open().await;
    house.a_trade().await;
    let house = house.crash().await;
    house
        .deposited(BUYER, cash(5), DepositMethod::Payment, "p-2")
        .await;
    house.booked(6).await;
    let verified = house.verified().await;
    assert_eq!((verified.intact, verified.transactions), (true, 6));
    house.platform.stop().await;
}

#[tokio::test]
async fn a_settlement_that_comes_before_the_lock_it_uses_waits_for_it() {
    let house = House::open().await;
    let (payment, issue) = (DepositMethod::Payment, DepositMethod::Issue);
    house.deposited(BUYER, cash(1000), payment, "p-1").await;
    house.deposited(SELLER, shares(50), issue, "i-1").await;
    house.locked(SELLER, SELL, shares(10)).await;
    house.booked(3).await;
    house.settled().await;
    found("the settlement waits", async || {
        let waiting = books::waiting(house.ctx.store.as_ref(), 10).await.unwrap();
        waiting.into_iter().next()
    })
    .await;
    let house = house.crash().await;
    house.locked(BUYER, BUY, cash(210)).await;
    house.booked(5).await;
    let waiting = books::waiting(house.ctx.store.as_ref(), 10).await.unwrap();
    assert_eq!(waiting, Vec::new());
    assert!(house.verified().await.intact);
    house.platform.stop().await;
}

#[tokio::test]
async fn of_two_who_book_at_once_the_slower_one_looks_again_so_that_nothing_covered_waits() {
    let house = House::open().await;
    house.a_trade().await;
    let said = house.said().await;
    let [deposit, issue, buyers_lock, sellers_lock, settlement] = said.as_slice() else {
        panic!("{said:?}");
    };
    house.platform.stop().await;

    let folder = tempfile::tempdir().unwrap();
    let platform = Platform::open(folder.path()).await;
    let ctx = platform.context(outcry_ledger::NAME).await;
    let [first, second] = [(), ()].map(|()| {
        let config = outcry_ledger::Config::default();
        outcry_ledger::service(ctx.clone(), config).unwrap()
    });
    for event in [deposit, issue, sellers_lock] {
        let commit = first.reactions[0].react(event).await.unwrap();
        ctx.store.commit(commit).await.unwrap();
    }
    let waits = second.reactions[0].react(settlement).await.unwrap();
    let covers = first.reactions[0].react(buyers_lock).await.unwrap();
    ctx.store.commit(covers).await.unwrap();
    let overtaken = ctx.store.commit(waits).await;
    assert!(matches!(overtaken, Err(CommitError::Conflict(_))));
    let booked = second.reactions[0].react(settlement).await.unwrap();
    ctx.store.commit(booked).await.unwrap();
    let waiting = books::waiting(ctx.store.as_ref(), 10).await.unwrap();
    assert_eq!(waiting, Vec::new());
    let (head, _) = books::head(ctx.store.as_ref()).await.unwrap();
    assert_eq!(head.number, 5);
    platform.stop().await;
}

#[tokio::test]
async fn a_fact_under_a_key_that_is_booked_is_parked() {
    let house = House::open().await;
    let method = DepositMethod::Payment;
    house.deposited(BUYER, cash(5), method, "p-1").await;
    house.deposited(SELLER, cash(5), method, "p-1").await;
    found("the second is parked", async || {
        let keys = house.ctx.store.parked_keys("ledger").await.unwrap();
        keys.into_iter().find(|(key, _)| key == SELLER)
    })
    .await;
    house.deposited(BUYER, cash(7), method, "p-2").await;
    house.booked(2).await;
    let usd = balance_of(account(BUYER, "USD:avail"));
    assert_eq!(house.balance(usd).await, 120_000);
    house.platform.stop().await;
}

#[tokio::test]
async fn a_changed_row_is_found() {
    let house = House::open().await;
    house.a_trade().await;
    let rows = house.ctx.store.scan(&Scan::new(JOURNAL)).await.unwrap();
    let mut third: Transaction = rows[2].decode().unwrap();
    third.entries[0].amount += 1;
    rewrite(&house, ViewWrite::put(JOURNAL, rows[2].key.clone(), &third)).await;
    let verified = house.verified().await;
    assert_eq!((verified.intact, verified.first_broken), (false, 3));

    third.entries[0].amount -= 1;
    rewrite(&house, ViewWrite::put(JOURNAL, rows[2].key.clone(), &third)).await;
    assert!(house.verified().await.intact);
    let kept = serde_json::json!({ "balance": 1, "number": 5 });
    rewrite(&house, ViewWrite::put(BALANCES, "house:fees:USD", &kept)).await;
    let verified = house.verified().await;
    assert!(!verified.intact, "{verified:?}");
    assert!(verified.problem.contains("house:fees:USD"));
    house.platform.stop().await;
}

#[tokio::test]
async fn customers_read_their_own_accounts_page_by_page_and_no_others() {
    let house = House::open().await;
    house.a_trade().await;
    let mut buyer = house.user(BUYER);
    let mut request = wire::ListEntriesRequest {
        page: Some(PageRequest {
            size: 1,
            token: String::new(),
        }),
        account: account(BUYER, "USD:locked"),
        ..Default::default()
    };
    let mut amounts = Vec::new();
    loop {
        let page = buyer
            .list_entries(request.clone())
            .await
            .unwrap()
            .into_inner();
        amounts.extend(page.entries.iter().map(|entry| entry.amount / 10_000));
        let next = page.page.unwrap().next_token;
        if next.is_empty() {
            break;
        }
        request.page = Some(PageRequest {
            size: 1,
            token: next,
        });
    }
    assert_eq!(amounts, [-2, -200, 210], "newest first");
    for other in [account(SELLER, "USD:avail"), "world:USD".to_owned()] {
        let refused = buyer.get_account_balance(balance_of(other)).await;
        assert_eq!(refused.unwrap_err().code(), Code::PermissionDenied);
    }
    let refused = buyer
        .get_account_balance(balance_of("bank".to_owned()))
        .await;
    assert_eq!(refused.unwrap_err().code(), Code::InvalidArgument);
    house.platform.stop().await;
}

async fn rewrite(house: &House, write: Result<ViewWrite, outcry_store::StoreError>) {
    let commit = Commit {
        views: vec![write.unwrap()],
        ..Commit::default()
    };
    house.ctx.store.commit(commit).await.unwrap();
}
