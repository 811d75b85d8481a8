//! Payouts: reserved, sent, paid or refused, whatever happens in between.

use std::time::Duration;

use futures::future::join_all;
use outcry_contracts::funds::v1 as wire;
use outcry_contracts::payments::v1::PayoutStatus;
use outcry_events::money::Amount;
use outcry_funds::documents::WITHDRAWALS;
use outcry_funds::domain::{Stage, Standing, Withdrawal};
use outcry_service::testing::eventually;
use outcry_store::Timer;
use tonic::Code;
use uuid::Uuid;

use crate::bank::Manner;
use crate::house::{House, reason};

fn request(units: i32) -> wire::WithdrawRequest {
    wire::WithdrawRequest {
        request_id: Uuid::now_v7().to_string(),
        amount: Some(Amount::from_units(units).to_money()),
        destination_last4: "1234".to_owned(),
    }
}

async fn requested(house: &House, user_id: &str, units: i32) -> String {
    let asked = house.user(user_id).withdraw(request(units)).await.unwrap();
    let asked = asked.into_inner();
    let withdrawal = asked.withdrawal.unwrap();
    assert_eq!(withdrawal.status(), wire::WithdrawalStatus::Requested);
    assert_eq!(withdrawal.withdrawal_id, asked.withdrawal_id);
    asked.withdrawal_id
}

async fn seen(house: &House, id: &str) -> wire::Withdrawal {
    let asked = wire::GetWithdrawalRequest {
        withdrawal_id: id.to_owned(),
    };
    let found = house.admin().get_withdrawal(asked).await.unwrap();
    found.into_inner().withdrawal.unwrap()
}

/// Lets time pass until the payout is in this state.
async fn eventually_is(house: &House, id: &str, status: wire::WithdrawalStatus) {
    eventually("the payout gets there", async || {
        house.clock.advance(Duration::from_secs(1));
        seen(house, id).await.status() == status
    })
    .await;
}

async fn lock_of(house: &House, id: &str) -> wire::Lock {
    let asked = wire::GetLockRequest {
        lock_id: id.to_owned(),
    };
    let lock = house.orders().get_lock(asked).await.unwrap();
    lock.into_inner().lock.unwrap()
}

#[tokio::test]
async fn a_payout_is_locked_sent_and_gone_when_the_provider_has_paid() {
    let house = House::open().await;
    let ann = house.customer(100, 0).await;
    let id = requested(&house, &ann, 30).await;
    assert_eq!(house.holds(&ann).await.0, 70);
    eventually_is(&house, &id, wire::WithdrawalStatus::Sent).await;
    assert_eq!(
        lock_of(&house, &id).await.status(),
        wire::LockStatus::Locked
    );
    assert!(house.said("funds.withdrawn").await.is_empty());
    house.check().await;

    house.bank.decides(&id, PayoutStatus::Paid, "");
    eventually_is(&house, &id, wire::WithdrawalStatus::Done).await;
    assert_eq!(
        lock_of(&house, &id).await.status(),
        wire::LockStatus::Settled
    );
    let sent = house.bank.sent();
    assert_eq!(sent.len(), 1);
    assert_eq!(
        (sent[0].payout_id.as_str(), sent[0].user_id.as_str()),
        (id.as_str(), ann.as_str())
    );
    let (locked, withdrawn) = (
        house.said("funds.locked").await,
        house.said("funds.withdrawn").await,
    );
    assert_eq!(withdrawn.len(), 1);
    assert_eq!(withdrawn[0].correlation_id(), locked[0].correlation_id());
    assert_eq!(withdrawn[0].causation_id(), Some(locked[0].id()));
    let fact: wire::FundsWithdrawnEvent = withdrawn[0].payload().unwrap();
    assert_eq!(fact.method(), wire::WithdrawalMethod::Payout);
    assert_eq!(fact.withdrawal_id, id);
    house.check().await;

    let of_payout = wire::ListTransactionsRequest {
        reference: id.clone(),
        ..wire::ListTransactionsRequest::default()
    };
    let listed = house.user(&ann).list_transactions(of_payout).await.unwrap();
    let topics: Vec<String> = listed
        .into_inner()
        .transactions
        .into_iter()
        .map(|one| one.r#type)
        .collect();
    assert_eq!(
        topics,
        ["funds.withdrawn", "funds.locked"],
        "nothing else has its reference"
    );
    house.platform.stop().await;
}

#[tokio::test]
async fn a_payout_the_provider_refuses_is_available_again() {
    let house = House::open().await;
    let ann = house.customer(100, 0).await;
    let id = requested(&house, &ann, 30).await;
    eventually_is(&house, &id, wire::WithdrawalStatus::Sent).await;
    house
        .bank
        .decides(&id, PayoutStatus::Refused, "the account is closed");
    eventually_is(&house, &id, wire::WithdrawalStatus::Void).await;
    assert_eq!(seen(&house, &id).await.message, "the account is closed");
    assert_eq!(house.holds(&ann).await.0, 100);
    let released = house.said("funds.released").await;
    let fact: wire::FundsReleasedEvent = released[0].payload().unwrap();
    assert_eq!(fact.reason(), wire::ReleaseReason::WithdrawalFailed);
    assert_eq!(fact.purpose(), wire::LockPurpose::Withdrawal);
    let again = requested(&house, &ann, 100).await;
    house.bank.decides(&again, PayoutStatus::Paid, "");
    eventually_is(&house, &again, wire::WithdrawalStatus::Done).await;
    house.check().await;
    house.platform.stop().await;
}

#[tokio::test]
async fn as_long_as_nobody_knows_what_became_of_a_payout_it_stays_locked() {
    let house = House::open().await;
    house.bank.behaves(Manner::Silent);
    let ann = house.customer(100, 0).await;
    let id = requested(&house, &ann, 60).await;
    eventually("the provider is asked again and again", async || {
        house.clock.advance(Duration::from_secs(60));
        house.bank.sent().len() >= 3
    })
    .await;
    assert_eq!(house.bank.taken(), 0);
    let house = house.crash().await;
    house.bank.behaves(Manner::AnswerLost);
    eventually(
        "the provider has taken it, and nobody was told",
        async || {
            house.clock.advance(Duration::from_secs(60));
            house.bank.taken() == 1
        },
    )
    .await;
    assert_eq!(
        seen(&house, &id).await.status(),
        wire::WithdrawalStatus::Requested
    );
    let refused = house.user(&ann).withdraw(request(41)).await.unwrap_err();
    assert_eq!(reason(&refused), "INSUFFICIENT_FUNDS");

    let house = house.crash().await;
    house.bank.behaves(Manner::Later);
    eventually_is(&house, &id, wire::WithdrawalStatus::Sent).await;
    let asked = house.bank.asked();
    house.bank.decides(&id, PayoutStatus::Unknown, "");
    eventually("a provider that does not know is asked again", async || {
        house.clock.advance(Duration::from_secs(60));
        house.bank.asked() >= asked + 2
    })
    .await;
    assert_eq!(
        seen(&house, &id).await.status(),
        wire::WithdrawalStatus::Sent
    );
    assert_eq!(house.holds(&ann).await.0, 40);
    house.bank.decides(&id, PayoutStatus::Paid, "");
    eventually("it is paid", async || {
        house.clock.advance(Duration::from_secs(300));
        seen(&house, &id).await.status() == wire::WithdrawalStatus::Done
    })
    .await;
    assert_eq!(house.said("funds.withdrawn").await.len(), 1);
    house.check().await;
    house.platform.stop().await;
}

#[tokio::test]
async fn payouts_asked_for_at_once_never_exceed_the_balance_and_repeat_their_answers() {
    let house = House::open().await;
    house.bank.behaves(Manner::AtOnce);
    let ann = house.customer(100, 0).await;
    let asked: Vec<_> = (0..10).map(|_| request(30)).collect();
    let outcomes = join_all(asked.iter().map(|asked| {
        let mut client = house.user(&ann);
        async move { client.withdraw(asked.clone()).await }
    }))
    .await;
    let paid: Vec<_> = asked
        .iter()
        .zip(&outcomes)
        .filter_map(|(asked, outcome)| Some((asked, outcome.as_ref().ok()?)))
        .collect();
    assert_eq!(paid.len(), 3);
    for outcome in &outcomes {
        if let Err(refused) = outcome {
            assert_eq!(reason(refused), "INSUFFICIENT_FUNDS");
        }
    }
    let (first, answer) = paid[0];
    let again = house.user(&ann).withdraw(first.clone()).await.unwrap();
    assert_eq!(again.get_ref(), answer.get_ref());
    let mut other = first.clone();
    other.amount = Some(Amount::from_units(1).to_money());
    let refused = house.user(&ann).withdraw(other).await.unwrap_err();
    assert_eq!(reason(&refused), "REQUEST_ID_REUSED");
    eventually("all three are paid", async || {
        house.said("funds.withdrawn").await.len() == 3
    })
    .await;
    assert_eq!(house.bank.taken(), 3);
    assert_eq!(house.holds(&ann).await.0, 10);
    house.check().await;
    house.platform.stop().await;
}

#[tokio::test]
async fn a_suspended_user_cannot_withdraw_but_what_is_sent_is_the_providers_to_decide() {
    let house = House::open().await;
    let ann = house.customer(100, 0).await;
    let sent = requested(&house, &ann, 10).await;
    eventually_is(&house, &sent, wire::WithdrawalStatus::Sent).await;
    house.bank.behaves(Manner::Silent);
    let waiting = requested(&house, &ann, 20).await;
    eventually("it is under way", async || house.bank.sent().len() == 2).await;
    // As if its timer had not come to fire yet.
    eventually("it waits for its time", async || {
        let row = house.ctx.store.view(WITHDRAWALS, &waiting).await.unwrap();
        let mut payout: Withdrawal = row.unwrap().decode().unwrap();
        let is_waiting = payout.asked > 0;
        if is_waiting {
            payout.stage = Stage::Requested;
            house.rewrite(WITHDRAWALS, &waiting, &payout).await;
        }
        is_waiting
    })
    .await;
    house.outside.suspended(&ann).await;
    eventually("the account is suspended", async || {
        house.account(&ann).await.unwrap().standing == Standing::Suspended
    })
    .await;
    let refused = house.user(&ann).withdraw(request(1)).await.unwrap_err();
    assert_eq!(
        (refused.code(), reason(&refused).as_str()),
        (Code::FailedPrecondition, "USER_NOT_ACTIVE")
    );
    eventually_is(&house, &waiting, wire::WithdrawalStatus::Void).await;
    house.bank.behaves(Manner::Later);
    house.bank.decides(&sent, PayoutStatus::Paid, "");
    eventually_is(&house, &sent, wire::WithdrawalStatus::Done).await;
    assert_eq!(house.holds(&ann).await.0, 90);
    house.check().await;
    house.platform.stop().await;
}

#[tokio::test]
async fn customers_see_their_own_payouts_newest_first_and_operators_all() {
    let house = House::open().await;
    let (ann, bob) = (house.customer(100, 0).await, house.customer(100, 0).await);
    let (first, second) = (
        requested(&house, &ann, 1).await,
        requested(&house, &ann, 2).await,
    );
    requested(&house, &bob, 3).await;
    let ids = |listed: wire::ListWithdrawalsResponse| -> Vec<String> {
        listed
            .withdrawals
            .into_iter()
            .map(|one| one.withdrawal_id)
            .collect()
    };
    let own = wire::ListWithdrawalsRequest::default();
    let listed = house.user(&ann).list_withdrawals(own).await.unwrap();
    assert_eq!(ids(listed.into_inner()), [second, first.clone()]);
    let of_ann = wire::ListWithdrawalsRequest {
        user_id: ann.clone(),
        ..wire::ListWithdrawalsRequest::default()
    };
    let listed = house
        .admin()
        .list_withdrawals(of_ann.clone())
        .await
        .unwrap();
    assert_eq!(ids(listed.into_inner()).len(), 2);
    let refused = house.user(&bob).list_withdrawals(of_ann).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    for hidden in [first, Uuid::now_v7().to_string()] {
        let asked = wire::GetWithdrawalRequest {
            withdrawal_id: hidden,
        };
        let refused = house.user(&bob).get_withdrawal(asked).await.unwrap_err();
        assert_eq!(
            (refused.code(), reason(&refused).as_str()),
            (Code::NotFound, "NO_SUCH_WITHDRAWAL")
        );
    }
    house.platform.stop().await;
}

#[tokio::test]
async fn however_often_its_timer_fires_at_once_a_payout_leaves_once() {
    let house = House::open().await;
    house.bank.behaves(Manner::Silent);
    let ann = house.customer(100, 0).await;
    let id = requested(&house, &ann, 30).await;
    eventually("it is under way", async || !house.bank.sent().is_empty()).await;
    house.bank.behaves(Manner::AtOnce);
    let timer = Timer {
        id: format!("payout/{id}"),
        due: house.ctx.clock.now(),
        payload: Vec::new(),
    };
    let replicas = [(); 4].map(|()| {
        let config = outcry_funds::Config::default();
        outcry_funds::service(house.ctx.clone(), config).unwrap()
    });
    let fired = join_all(replicas.iter().map(|replica| {
        let handler = replica.timers.as_ref().unwrap();
        handler.fire(&timer)
    }))
    .await;
    assert!(fired.iter().any(Result::is_ok), "{fired:?}");
    assert_eq!(
        seen(&house, &id).await.status(),
        wire::WithdrawalStatus::Done
    );
    assert_eq!(house.said("funds.withdrawn").await.len(), 1);
    house.check().await;
    house.platform.stop().await;
}
