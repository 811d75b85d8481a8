//! The journal by kind, reference and time, and accounts by kind.

use std::time::Duration;

use outcry_contracts::ledger::v1 as wire;
use outcry_contracts::ledger::v1::TransactionKind;
use outcry_contracts::types::v1::PageRequest;
use outcry_ledger::books::{BALANCES, Balance};
use outcry_service::Clock;
use outcry_store::{Commit, ViewWrite};
use tonic::Code;

use crate::house::{BUY, BUYER, House, SELLER};

/// Numbers of all transactions that a request finds, read in pages of this size.
async fn numbers(house: &House, asked: &wire::ListTransactionsRequest, size: i32) -> Vec<u64> {
    let mut asked = asked.clone();
    let (mut found, mut token) = (Vec::new(), String::new());
    loop {
        asked.page = Some(PageRequest { size, token });
        let listed = house
            .admin()
            .list_transactions(asked.clone())
            .await
            .unwrap();
        let listed = listed.into_inner();
        found.extend(listed.transactions.iter().map(|one| one.number));
        token = listed.page.unwrap().next_token;
        if token.is_empty() {
            return found;
        }
    }
}

#[tokio::test]
async fn transactions_are_listed_by_kind_reference_and_time_page_by_page() {
    let house = House::open().await;
    let start = house.clock.now();
    house.a_trade().await;
    let minute = |minutes: u64| Some((start + Duration::from_secs(60 * minutes)).into());
    let all = wire::ListTransactionsRequest::default;
    let of_kind = |kind: TransactionKind| wire::ListTransactionsRequest {
        kind: kind.into(),
        ..all()
    };
    let of_order = wire::ListTransactionsRequest {
        reference: BUY.to_owned(),
        ..all()
    };
    let between = wire::ListTransactionsRequest {
        from: minute(1),
        to: minute(3),
        ..all()
    };
    let locks_since = wire::ListTransactionsRequest {
        from: minute(3),
        ..of_kind(TransactionKind::Lock)
    };
    let locks_before = wire::ListTransactionsRequest {
        to: minute(3),
        ..of_kind(TransactionKind::Lock)
    };
    let wrong_kind = wire::ListTransactionsRequest {
        kind: TransactionKind::Settlement.into(),
        ..of_order.clone()
    };
    let never = wire::ListTransactionsRequest {
        from: minute(60),
        ..all()
    };
    for (asked, expected) in [
        (all(), vec![1, 2, 3, 4, 5]),
        (of_kind(TransactionKind::Lock), vec![3, 4]),
        (of_kind(TransactionKind::Reversal), vec![]),
        (of_order, vec![3]),
        (wrong_kind, vec![]),
        (between, vec![2, 3]),
        (locks_since, vec![4]),
        (locks_before, vec![3]),
        (never, vec![]),
    ] {
        for size in [1, 2, 50] {
            assert_eq!(numbers(&house, &asked, size).await, expected, "{asked:?}");
        }
    }
    let listed = house.user(BUYER).list_transactions(all()).await;
    assert_eq!(listed.unwrap_err().code(), Code::PermissionDenied);
    house.platform.stop().await;
}

#[tokio::test]
async fn an_account_is_counted_and_summed_by_kind_and_its_sums_are_its_balance() {
    let house = House::open().await;
    house.a_trade().await;
    let locked = format!("u:{BUYER}:USD:locked");
    let asked = wire::SummarizeAccountRequest {
        account: locked.clone(),
    };
    let summary = house.user(BUYER).summarize_account(asked.clone()).await;
    let summary = summary.unwrap().into_inner();
    let kinds: Vec<_> = summary
        .kinds
        .iter()
        .map(|one| (one.kind(), one.entries, one.sum / 10_000))
        .collect();
    assert_eq!(
        kinds,
        [
            (TransactionKind::Lock, 1, 210),
            (TransactionKind::Settlement, 2, -202)
        ]
    );
    assert_eq!((summary.balance, summary.asset.as_str()), (80_000, "USD"));
    let refused = house.user(SELLER).summarize_account(asked).await;
    assert_eq!(refused.unwrap_err().code(), Code::PermissionDenied);

    let of_kind = wire::ListEntriesRequest {
        page: None,
        account: locked.clone(),
        kind: TransactionKind::Settlement.into(),
    };
    let listed = house.user(BUYER).list_entries(of_kind).await.unwrap();
    let listed = listed.into_inner().entries;
    let amounts: Vec<i64> = listed.iter().map(|entry| entry.amount / 10_000).collect();
    assert_eq!(amounts, [-2, -200], "newest first, and no lock");

    // Sums that are not those of the entries are found.
    let row = house.ctx.store.view(BALANCES, &locked).await.unwrap();
    let mut kept: Balance = row.unwrap().decode().unwrap();
    kept.summary.count(TransactionKind::Release.into(), 0);
    let commit = Commit {
        views: vec![ViewWrite::put(BALANCES, locked.clone(), &kept).unwrap()],
        ..Commit::default()
    };
    house.ctx.store.commit(commit).await.unwrap();
    let verified = house.verified().await;
    assert!(
        !verified.intact && verified.problem.contains(&locked),
        "{verified:?}"
    );
    house.platform.stop().await;
}
