//! Payouts as funds asks for them.

use std::time::Duration;

use outcry_contracts::payments::v1::PayoutStatus::{Paid, Pending, Refused, Unknown};
use outcry_contracts::payments::v1::{GetPayoutRequest, PayoutStatus, SendPayoutRequest};
use outcry_events::Amount;
use outcry_payments::views::{PAYOUTS, PayoutRow};
use outcry_service::Clock;
use outcry_service::testing::eventually;
use tonic::{Code, Status};

use crate::rig::{OTHER, Rig, USER};

fn payout(id: &str, amount: &str) -> SendPayoutRequest {
    let amount: Amount = amount.parse().unwrap();
    SendPayoutRequest {
        payout_id: id.to_owned(),
        user_id: USER.to_owned(),
        amount: Some(amount.to_money()),
        destination_last4: "1234".to_owned(),
    }
}

async fn send(rig: &Rig, payout: SendPayoutRequest) -> Result<PayoutStatus, Status> {
    let reply = rig.service("funds").send_payout(payout).await?;
    Ok(reply.into_inner().status())
}

async fn status(rig: &Rig, id: &str) -> PayoutStatus {
    let request = GetPayoutRequest {
        payout_id: id.to_owned(),
    };
    let reply = rig.service("funds").get_payout(request).await.unwrap();
    reply.into_inner().status()
}

/// How a payout's row stands, which nobody asks the provider for.
async fn kept(rig: &Rig, id: &str) -> i32 {
    let row = rig.ctx.store.view(PAYOUTS, id).await.unwrap().unwrap();
    row.decode::<PayoutRow>().unwrap().status
}

#[tokio::test]
async fn a_payout_is_paid_once_per_id_and_another_one_under_the_id_is_refused() {
    let rig = Rig::start().await;
    let id = rig.clock.new_id().to_string();
    assert_eq!(status(&rig, &id).await, Unknown);
    let asked = payout(&id, "50.00");
    assert_eq!(send(&rig, asked.clone()).await.unwrap(), Paid);
    assert_eq!(send(&rig, asked.clone()).await.unwrap(), Paid);
    assert_eq!(status(&rig, &id).await, Paid);
    let more = payout(&id, "51.00");
    let somebody_elses = SendPayoutRequest {
        user_id: OTHER.to_owned(),
        ..asked.clone()
    };
    let nothing = payout(&rig.clock.new_id().to_string(), "0.00");
    let nowhere = SendPayoutRequest {
        destination_last4: "12".to_owned(),
        ..asked
    };
    for wrong in [more, somebody_elses, nothing, nowhere] {
        let refused = send(&rig, wrong).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
    }
    rig.platform.stop().await;
}

#[tokio::test]
async fn a_payout_can_be_refused_paid_later_or_lost_on_the_way_and_is_never_unknown_after() {
    let rig = Rig::start().await;
    let start = rig.clock.now();
    for (amount, sent, soon, later) in [
        ("5.13", Refused, Refused, Refused),
        ("5.14", Pending, Pending, Refused),
        ("5.17", Pending, Pending, Paid),
        ("5.11", Pending, Paid, Paid),
        ("5.24", Pending, Pending, Paid),
    ] {
        rig.clock.set(start);
        let id = rig.clock.new_id().to_string();
        assert_eq!(
            send(&rig, payout(&id, amount)).await.unwrap(),
            sent,
            "{amount}"
        );
        assert_eq!(status(&rig, &id).await, soon, "{amount}");
        rig.clock.advance(Duration::from_secs(2));
        assert_eq!(status(&rig, &id).await, later, "{amount}");
    }
    rig.platform.stop().await;
}

#[tokio::test]
async fn a_payout_whose_answer_is_lost_is_followed_across_a_crash_to_its_end() {
    let rig = Rig::start().await;
    let ids = ["5.24", "6.17", "7.11"].map(|amount| (rig.clock.new_id().to_string(), amount));
    for (id, amount) in &ids {
        assert_eq!(send(&rig, payout(id, amount)).await.unwrap(), Pending);
    }
    let rig = rig.crashed().await;
    for (id, _) in &ids {
        assert_eq!(kept(&rig, id).await, Pending as i32);
    }
    rig.clock.advance(Duration::from_secs(3));
    for (id, _) in &ids {
        eventually("the payout ends without a question", async || {
            kept(&rig, id).await == Paid as i32
        })
        .await;
    }
    rig.platform.stop().await;
}

#[tokio::test]
async fn a_payout_asked_for_many_times_at_once_has_one_end() {
    let rig = Rig::start().await;
    let id = rig.clock.new_id().to_string();
    let asked = (0..16).map(|_| send(&rig, payout(&id, "50.00")));
    for answer in futures::future::join_all(asked).await {
        assert_eq!(answer.unwrap(), Paid);
    }
    rig.platform.stop().await;
}

#[tokio::test]
async fn only_funds_asks_for_payouts() {
    let rig = Rig::start().await;
    let id = rig.clock.new_id().to_string();
    let refused = rig
        .client(USER)
        .send_payout(payout(&id, "50.00"))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    rig.platform.stop().await;
}
