//! What operators decide and verify: suspense, reversals, accounts against their events.

use futures::future::join_all;
use outcry_contracts::funds::v1 as wire;
use outcry_contracts::funds::v1::SuspenseOutcome;
use outcry_contracts::orders::v1::Side;
use outcry_contracts::payments::v1::PayoutStatus;
use outcry_contracts::types::v1::Money;
use outcry_events::money::Amount;
use outcry_funds::documents::ACCOUNTS;
use outcry_service::testing::{eventually, found};
use tonic::{Code, Status};
use uuid::Uuid;

use crate::TAKEN;
use crate::bank::Manner;
use crate::house::{House, cash, reason, shares};

fn money(units: i32) -> Money {
    Amount::from_units(units).to_money()
}

fn resolve(payment: &str, outcome: SuspenseOutcome) -> wire::ResolveSuspenseRequest {
    wire::ResolveSuspenseRequest {
        request_id: Uuid::now_v7().to_string(),
        payment_id: payment.to_owned(),
        outcome: outcome.into(),
        reason: "the bank confirmed it".to_owned(),
    }
}

fn reverse(event_id: String) -> wire::ReverseTransactionRequest {
    wire::ReverseTransactionRequest {
        request_id: Uuid::now_v7().to_string(),
        event_id,
        reason: "in error".to_owned(),
    }
}

async fn suspense(house: &House, open_only: bool) -> Vec<wire::SuspenseItem> {
    let asked = wire::ListSuspenseRequest {
        page: None,
        open_only,
    };
    let listed = house.admin().list_suspense(asked).await.unwrap();
    listed.into_inner().items
}

/// Movements of a user, newest first.
async fn movements(house: &House, user_id: &str) -> Vec<wire::Transaction> {
    let own = wire::ListTransactionsRequest::default();
    let listed = house.user(user_id).list_transactions(own).await.unwrap();
    listed.into_inner().transactions
}

async fn verified(house: &House, user_id: &str) -> wire::VerifyAccountResponse {
    let asked = wire::VerifyAccountRequest {
        user_id: user_id.to_owned(),
    };
    let verified = house.admin().verify_account(asked).await;
    verified.unwrap().into_inner()
}

#[tokio::test]
async fn money_that_cannot_be_credited_waits_for_a_decision_and_is_credited_once() {
    let house = House::open().await;
    let ann = house.customer(0, 0).await;
    let payment = Uuid::now_v7().to_string();
    let nothing = Uuid::now_v7().to_string();
    let declined = house.outside.failed(&nothing, &ann, None, "").await;
    house.handled(&declined).await;
    assert!(
        suspense(&house, false).await.is_empty(),
        "nothing was taken"
    );
    let failed = house
        .outside
        .failed(&payment, &ann, Some(money(30)), "capture-1");
    house.handled(&failed.await).await;
    let items = suspense(&house, true).await;
    assert_eq!(items.len(), 1);
    assert_eq!(items[0].payment_id, payment);
    assert_eq!(items[0].amount, Some(money(30)));
    assert_eq!(items[0].message, "not what was asked for");
    assert_eq!(house.holds(&ann).await.0, 0);

    // The right capture of the same payment comes late: it is credited like any other.
    house
        .outside
        .captured(&payment, &ann, 40, "capture-2")
        .await;
    house.eventually_available(&ann, 40).await;

    let credit = resolve(&payment, SuspenseOutcome::Credit);
    let decided = house
        .admin()
        .resolve_suspense(credit.clone())
        .await
        .unwrap();
    let item = decided.into_inner().item.unwrap();
    assert_eq!(item.outcome(), SuspenseOutcome::Credit);
    assert_eq!(house.holds(&ann).await.0, 70);
    let again = house.admin().resolve_suspense(credit).await.unwrap();
    assert_eq!(again.into_inner().item, Some(item.clone()));
    let other = resolve(&payment, SuspenseOutcome::Refund);
    let refused = house.admin().resolve_suspense(other).await.unwrap_err();
    assert_eq!(
        (refused.code(), reason(&refused).as_str()),
        (Code::FailedPrecondition, "SUSPENSE_RESOLVED")
    );
    let unknown = resolve(&nothing, SuspenseOutcome::Credit);
    let refused = house.admin().resolve_suspense(unknown).await.unwrap_err();
    assert_eq!(reason(&refused), "NO_SUCH_SUSPENSE");
    assert!(suspense(&house, true).await.is_empty());
    assert_eq!(suspense(&house, false).await, [item]);
    let said = house.said("funds.deposited").await;
    let credited: wire::FundsDepositedEvent = said[1].payload().unwrap();
    assert_eq!(credited.method(), wire::DepositMethod::Suspense);
    assert_eq!(credited.reference, payment);
    assert_eq!(credited.note, "the bank confirmed it");
    assert!(verified(&house, &ann).await.intact);
    house.check().await;
    house.platform.stop().await;
}

#[tokio::test]
async fn refunded_money_never_touches_the_account_and_each_capture_is_decided_on_its_own() {
    let house = House::open().await;
    let ann = house.customer(5, 0).await;
    let payment = Uuid::now_v7().to_string();
    let euros = Money {
        currency_code: "EUR".to_owned(),
        ..money(40)
    };
    house
        .outside
        .failed(&payment, &ann, Some(euros.clone()), "capture-1")
        .await;
    let second = house
        .outside
        .failed(&payment, &ann, Some(money(7)), "capture-2");
    house.handled(&second.await).await;

    let credit = resolve(&payment, SuspenseOutcome::Credit);
    let refused = house.admin().resolve_suspense(credit).await.unwrap_err();
    assert_eq!(reason(&refused), "OTHER_CURRENCY");
    let mut decided = Vec::new();
    for outcome in [SuspenseOutcome::Refund, SuspenseOutcome::Refund] {
        let asked = resolve(&payment, outcome);
        let item = house.admin().resolve_suspense(asked).await.unwrap();
        decided.push(item.into_inner().item.unwrap().amount);
    }
    assert_eq!(decided, [Some(euros), Some(money(7))], "the oldest first");
    assert_eq!(house.holds(&ann).await.0, 5);
    let withdrawn = house.said("funds.withdrawn").await;
    assert_eq!(withdrawn.len(), 2);
    for event in withdrawn {
        let refund: wire::FundsWithdrawnEvent = event.payload().unwrap();
        assert_eq!(refund.method(), wire::WithdrawalMethod::SuspenseRefund);
        assert_eq!(refund.available, Some(cash(5)));
    }
    assert!(verified(&house, &ann).await.intact);
    house.check().await;

    // A capture that was kept in suspense is not credited a second time under another name.
    let twice = house
        .outside
        .captured(&payment, &ann, 40, "capture-2")
        .await;
    let why = house.parked(&twice).await;
    assert!(why.contains("capture-2"), "{why}");
    assert_eq!(house.holds(&ann).await.0, 5);
    house.platform.stop().await;
}

#[tokio::test]
async fn a_deposit_is_taken_back_by_a_withdrawal_as_far_as_it_is_there_and_once() {
    let house = House::open().await;
    let ann = house.customer(100, 3).await;
    let buy = house.outside.order(&ann, Side::Buy);
    house.lock(&buy, cash(1)).await.unwrap();
    let listed = movements(&house, &ann).await;
    let [locked, issued, paid] = listed.as_slice() else {
        panic!("{listed:?}");
    };
    let refusal = async |event_id: String| -> Status {
        let refused = house.admin().reverse_transaction(reverse(event_id)).await;
        refused.unwrap_err()
    };
    let short = refusal(paid.event_id.clone()).await;
    assert_eq!(reason(&short), "INSUFFICIENT_FUNDS");
    assert!(
        short.message().contains("99.00 USD is available"),
        "{short:?}"
    );
    assert_eq!(
        reason(&refusal(locked.event_id.clone()).await),
        "NOT_REVERSIBLE"
    );
    let unknown = refusal(Uuid::now_v7().to_string()).await;
    assert_eq!(
        (unknown.code(), reason(&unknown).as_str()),
        (Code::NotFound, "NO_SUCH_TRANSACTION")
    );

    let asked = reverse(issued.event_id.to_uppercase());
    let reversed = house
        .admin()
        .reverse_transaction(asked.clone())
        .await
        .unwrap();
    let reversal = reversed.into_inner().transaction.unwrap();
    assert_eq!(reversal.r#type, "funds.withdrawn");
    assert_eq!(reversal.changes, [shares(-3)]);
    assert_eq!(movements(&house, &ann).await[0], reversal);
    let again = house.admin().reverse_transaction(asked).await.unwrap();
    assert_eq!(again.into_inner().transaction, Some(reversal.clone()));
    let twice = refusal(issued.event_id.clone()).await;
    assert_eq!(reason(&twice), "ALREADY_REVERSED");
    assert_eq!(reason(&refusal(reversal.event_id).await), "NOT_REVERSIBLE");
    let withdrawn = house.said("funds.withdrawn").await;
    let fact: wire::FundsWithdrawnEvent = withdrawn[0].payload().unwrap();
    assert_eq!(fact.method(), wire::WithdrawalMethod::Reversal);
    assert_eq!(fact.reverses_event_id, issued.event_id);
    assert_eq!(
        (fact.destination_last4.as_str(), fact.note.as_str()),
        ("0000", "in error")
    );
    assert_eq!(house.holds(&ann).await, (99, 0));
    assert!(verified(&house, &ann).await.intact);
    house.check().await;
    house.platform.stop().await;
}

#[tokio::test]
async fn a_payout_taken_back_is_available_again() {
    let house = House::open().await;
    house.bank.behaves(Manner::AtOnce);
    let ann = house.customer(100, 0).await;
    let asked = wire::WithdrawRequest {
        request_id: Uuid::now_v7().to_string(),
        amount: Some(money(30)),
        destination_last4: "1234".to_owned(),
    };
    let id = house.user(&ann).withdraw(asked).await.unwrap();
    let id = id.into_inner().withdrawal_id;
    let payout = found("it is paid", async || {
        let listed = movements(&house, &ann).await.into_iter();
        listed
            .into_iter()
            .find(|one| one.r#type == "funds.withdrawn")
    })
    .await;
    let mut admin = house.admin();
    let reversed = admin.reverse_transaction(reverse(payout.event_id.clone()));
    let back = reversed.await.unwrap().into_inner().transaction.unwrap();
    assert_eq!(
        (back.r#type.as_str(), back.reference),
        ("funds.deposited", id.clone())
    );
    assert_eq!(back.changes, [cash(30)]);
    let twice = house
        .admin()
        .reverse_transaction(reverse(payout.event_id))
        .await;
    assert_eq!(reason(&twice.unwrap_err()), "ALREADY_REVERSED");
    assert_eq!(house.holds(&ann).await.0, 100);
    house
        .bank
        .decides(&id, PayoutStatus::Refused, "much too late");
    house.check().await;
    house.platform.stop().await;
}

#[tokio::test]
async fn an_account_is_rebuilt_from_its_events_reported_and_left_alone() {
    let house = House::open().await;
    let (ann, bob) = (house.customer(1000, 0).await, house.customer(0, 50).await);
    let mut buy = house.outside.order(&ann, Side::Buy);
    buy.portfolio_id = Uuid::now_v7().to_string();
    let sell = house.outside.order(&bob, Side::Sell);
    house.lock(&buy, cash(210)).await.unwrap();
    house.lock(&sell, shares(10)).await.unwrap();
    house.outside.matched(&buy, &sell, TAKEN).await;
    house.eventually_holds(&ann, 790, 10).await;
    house.outside.suspended(&bob).await;
    eventually("the suspension is known", async || {
        let asked = wire::ListAccountsRequest::default();
        let listed = house.admin().list_accounts(asked).await.unwrap();
        let accounts = listed.into_inner().accounts;
        let suspended: Vec<&str> = accounts
            .iter()
            .filter(|account| account.suspended)
            .map(|account| account.user_id.as_str())
            .collect();
        assert_eq!(accounts.len(), 2);
        assert!(accounts.is_sorted_by_key(|account| account.user_id.clone()));
        suspended == [bob.as_str()]
    })
    .await;
    let settled = house.said("funds.settled").await;
    let fact: wire::FundsSettledEvent = settled[0].payload().unwrap();
    assert_eq!(fact.buyer_portfolio_id, buy.portfolio_id);
    assert_eq!(fact.seller_portfolio_id, "");

    let intact = verified(&house, &ann).await;
    assert_eq!((intact.intact, intact.events), (true, 3));
    assert!(verified(&house, &bob).await.intact);
    let mut account = house.account(&ann).await.unwrap();
    let cash_kept = account.balances.values_mut().last().unwrap();
    cash_kept.available += 1;
    house.rewrite(ACCOUNTS, &ann, &account).await;
    let found = verified(&house, &ann).await;
    assert!(!found.intact);
    let difference = &found.differences[0];
    assert_eq!(
        difference.by_events.as_ref().unwrap().available,
        Some(cash(790))
    );
    assert_ne!(difference.held, difference.by_events);
    assert_eq!(
        house.account(&ann).await.unwrap(),
        account,
        "left as it was"
    );
    let nobody = wire::VerifyAccountRequest {
        user_id: Uuid::now_v7().to_string(),
    };
    let refused = house.admin().verify_account(nobody).await.unwrap_err();
    assert_eq!(reason(&refused), "ACCOUNT_NOT_READY");
    house.platform.stop().await;
}

#[tokio::test]
async fn a_revision_that_needs_less_gives_the_surplus_back_once() {
    let house = House::open().await;
    let ann = house.customer(1000, 0).await;
    let buy = house.outside.order(&ann, Side::Buy);
    house.lock(&buy, cash(500)).await.unwrap();
    for _ in 0..2 {
        let lock = house.lock_again(&buy, 1, cash(200)).await.unwrap();
        assert_eq!(lock.remaining, Some(cash(200)));
        assert_eq!(lock.released, Some(cash(300)));
    }
    let late = house.lock_again(&buy, 0, cash(500)).await.unwrap();
    assert_eq!(
        late.remaining,
        Some(cash(200)),
        "an older revision changes nothing"
    );
    assert_eq!(house.holds(&ann).await.0, 800);
    let released = house.said("funds.released").await;
    assert_eq!(released.len(), 1);
    assert_eq!(released[0].correlation_id(), buy.flow);
    let fact: wire::FundsReleasedEvent = released[0].payload().unwrap();
    assert_eq!(fact.reason(), wire::ReleaseReason::Replaced);
    assert_eq!(fact.remaining, Some(cash(200)));
    house.check().await;
    house.platform.stop().await;
}

#[tokio::test]
async fn of_several_operators_who_decide_at_once_one_does() {
    let house = House::open().await;
    let ann = house.customer(100, 0).await;
    let payment = Uuid::now_v7().to_string();
    let failed = house
        .outside
        .failed(&payment, &ann, Some(money(30)), "capture-1");
    house.handled(&failed.await).await;
    let outcomes = [SuspenseOutcome::Credit, SuspenseOutcome::Refund];
    let decided = join_all(outcomes.iter().cycle().take(6).map(|outcome| {
        let (mut admin, asked) = (house.admin(), resolve(&payment, *outcome));
        async move { admin.resolve_suspense(asked).await }
    }))
    .await;
    assert_eq!(decided.iter().filter(|decided| decided.is_ok()).count(), 1);
    for refused in decided.into_iter().filter_map(Result::err) {
        assert_eq!(reason(&refused), "SUSPENSE_RESOLVED");
    }
    let listed = movements(&house, &ann).await;
    let paid = listed.last().unwrap().event_id.clone();
    let reversed = join_all((0..6).map(|_| {
        let (mut admin, asked) = (house.admin(), reverse(paid.clone()));
        async move { admin.reverse_transaction(asked).await }
    }))
    .await;
    assert_eq!(reversed.iter().filter(|one| one.is_ok()).count(), 1);
    for refused in reversed.into_iter().filter_map(Result::err) {
        assert_eq!(reason(&refused), "ALREADY_REVERSED");
    }
    assert!(verified(&house, &ann).await.intact);
    house.check().await;
    house.platform.stop().await;
}
