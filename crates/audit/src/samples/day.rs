//! A day after the sale: fills in part, a replacement, a cancellation, a stop order, payouts, a
//! reversal and money in suspense.

use outcry_contracts::funds::v1::{
    DepositMethod, FundsDepositedEvent, FundsLockedEvent, FundsReleasedEvent, FundsWithdrawnEvent,
    LockPurpose, ReleaseReason, WithdrawalMethod,
};
use outcry_contracts::orders::v1::CancelReason;
use outcry_contracts::payments::v1::{PaymentCreatedEvent, PaymentFailedEvent, PaymentFailure};
use outcry_contracts::users::v1::{UserStatus, UserStatusChangedEvent};

use super::order::{Fill, Order, settled};
use super::{ALICE, BOB, Script, at, cash, id, money, sale, shares};

/// Bob's order that is filled in part, made smaller and cancelled.
pub const REPLACED: u128 = 7;
/// Alice's order that fills part of it.
pub const PARTIAL: u128 = 8;
/// Alice's stop order.
pub const STOP: u128 = 9;
/// Bob's bid.
pub const BID: u128 = 10;
/// Alice's order that meets it and wakes the stop order.
pub const WAKER: u128 = 11;
/// Alice's payout, which is taken back.
pub const PAYOUT: u128 = 12;
/// Alice's payout that is refused.
pub const REFUSED: u128 = 13;
/// Alice's payment of which another amount was captured.
pub const MISFIT: u128 = 14;

/// Everything.
pub fn day() -> Script {
    let script = sale().and(partial()).and(stop()).and(payouts());
    let paid_out = script.event_id::<FundsWithdrawnEvent>(0).to_string();
    let reversal = FundsDepositedEvent {
        method: DepositMethod::Reversal.into(),
        reference: id(PAYOUT),
        reverses_event_id: paid_out,
        note: "came back".to_owned(),
        ..deposited(cash(1_000_000), cash(4_973_000))
    };
    script.then(reversal).and(suspense()).then(status(
        BOB,
        UserStatus::Active,
        UserStatus::Suspended,
    ))
}

/// Bob offers five shares, Alice takes two; Bob wants to sell four only, and then none.
pub fn partial() -> Script {
    let offer = Order::sell(BOB, REPLACED, 5, 1_000_000);
    let take = Order::buy(ALICE, PARTIAL, 2, 1_000_000);
    let fill = Fill::of(6, 2, 1_000_000);
    let (bought, sold) = (fill.taker(2_000), fill.maker(1_000).leaving(3));
    let mut fewer = offer.placed(7);
    (fewer.quantity, fewer.leaves_quantity) = (4, 2);
    (fewer.revision, fewer.kept_priority) = (1, true);
    Script::default()
        .and(offer.opened(shares(5)))
        .then(offer.placed(4))
        .and(take.opened(cash(2_004_000)))
        .then(take.placed(5))
        .then(take.executed(bought))
        .then(offer.executed(sold))
        .then(take.filled(bought))
        .then(offer.filled(sold))
        .then(settled(&take, bought, &offer, sold))
        .then(take.released(cash(2_000), cash(0), ReleaseReason::Filled))
        .then(take.closed(2, 1_000_000))
        .then(fewer)
        .then(offer.replaced(4, 2, true))
        .then(offer.released(shares(1), shares(2), ReleaseReason::Replaced))
        .then(offer.taken_off(8, 2, 2, CancelReason::User))
        .then(offer.cancelled(2, 2, CancelReason::User))
        .then(offer.released(shares(2), shares(0), ReleaseReason::Cancelled))
}

/// Alice's stop order is woken by a trade at 94.00 and finds nobody.
fn stop() -> Script {
    let stop = Order::sell(ALICE, STOP, 1, 900_000).stop(950_000);
    let bid = Order::buy(BOB, BID, 1, 940_000);
    let waker = Order::sell(ALICE, WAKER, 1, 940_000);
    let fill = Fill::of(12, 1, 940_000);
    let (sold, bought) = (fill.taker(1_000), fill.maker(0));
    Script::default()
        .and(stop.opened(shares(1)))
        .then(stop.waits(9))
        .and(bid.opened(cash(941_000)))
        .then(bid.placed(10))
        .and(waker.opened(shares(1)))
        .then(waker.placed(11))
        .then(waker.executed(sold))
        .then(bid.executed(bought))
        .then(stop.placed(13))
        .then(stop.taken_off(14, 0, 1, CancelReason::NoLiquidity))
        .then(stop.cancelled(0, 1, CancelReason::NoLiquidity))
        .then(stop.released(shares(1), shares(0), ReleaseReason::Cancelled))
        .then(waker.filled(sold))
        .then(bid.filled(bought))
        .then(settled(&bid, bought, &waker, sold))
        .then(bid.released(cash(1_000), cash(0), ReleaseReason::Filled))
        .then(waker.closed(1, 940_000))
        .then(bid.closed(1, 940_000))
}

/// Alice has 497.30 by now. A hundred are paid out; of another hundred the bank wants to know nothing.
fn payouts() -> Script {
    let locked = |withdrawal, remaining| FundsLockedEvent {
        user_id: id(ALICE),
        lock_id: id(withdrawal),
        purpose: LockPurpose::Withdrawal.into(),
        amount: cash(1_000_000),
        remaining,
        revision: 0,
    };
    Script::default()
        .then(locked(PAYOUT, cash(1_000_000)))
        .then(FundsWithdrawnEvent {
            user_id: id(ALICE),
            withdrawal_id: id(PAYOUT),
            amount: cash(1_000_000),
            available: cash(3_973_000),
            destination_last4: "1234".to_owned(),
            method: WithdrawalMethod::Payout.into(),
            ..Default::default()
        })
        .then(locked(REFUSED, cash(1_000_000)))
        .then(FundsReleasedEvent {
            user_id: id(ALICE),
            lock_id: id(REFUSED),
            purpose: LockPurpose::Withdrawal.into(),
            amount: cash(1_000_000),
            remaining: cash(0),
            reason: ReleaseReason::WithdrawalFailed.into(),
        })
}

/// Of Alice's payment of 10.00 only 5.00 were captured; an operator credits them.
fn suspense() -> Script {
    Script::default()
        .then(PaymentCreatedEvent {
            payment_id: id(MISFIT),
            user_id: id(ALICE),
            amount: money(100_000),
            provider: "samples".to_owned(),
            expires_at: Some(at(1_000_000).into()),
        })
        .then(PaymentFailedEvent {
            payment_id: id(MISFIT),
            user_id: id(ALICE),
            amount: money(100_000),
            reason: PaymentFailure::AmountMismatch.into(),
            message: "another amount".to_owned(),
            captured: money(50_000),
            provider_reference: "p-2".to_owned(),
        })
        .then(FundsDepositedEvent {
            method: DepositMethod::Suspense.into(),
            reference: id(MISFIT),
            note: "it was hers".to_owned(),
            ..deposited(cash(50_000), cash(5_023_000))
        })
}

fn deposited(
    amount: Option<outcry_contracts::types::v1::AssetAmount>,
    available: Option<outcry_contracts::types::v1::AssetAmount>,
) -> FundsDepositedEvent {
    FundsDepositedEvent {
        user_id: id(ALICE),
        amount,
        available,
        ..Default::default()
    }
}

pub fn status(user: u128, old: UserStatus, new: UserStatus) -> UserStatusChangedEvent {
    UserStatusChangedEvent {
        user_id: id(user),
        old_status: old.into(),
        new_status: new.into(),
        reason: "samples".to_owned(),
        token_epoch: 1,
    }
}
