//! I17: what a provider captured is credited once, as it was captured, and nothing else is; what did
//! not fit a payment goes through suspense. And I6: a movement is taken back once, by its mirror
//! image.

use std::collections::{HashMap, HashSet};

use outcry_contracts::funds::v1::{
    DepositMethod, FundsDepositedEvent, FundsWithdrawnEvent, WithdrawalMethod,
};
use outcry_contracts::payments::v1::{PaymentFailedEvent, PaymentSuccessEvent};
use outcry_contracts::types::v1::asset_amount::Asset;
use outcry_contracts::types::v1::{AssetAmount, Money};
use uuid::Uuid;

use crate::fact::Fact;
use crate::finding::Findings;
use crate::history::History;

/// How often a user has an amount in suspense: currency, units, nanos.
type Suspense<'a> = HashMap<(&'a str, &'a str, i64, i32), u64>;

pub fn check(history: &History, findings: &mut Findings) {
    check_captures(history, findings);
    check_credits(history, findings);
    check_suspense(history, findings);
    check_reversals(history, findings);
}

/// A capture counts once: for its payment, or as one that does not fit.
fn check_captures(history: &History, findings: &mut Findings) {
    let captured = history.of("payments").filter_map(|recorded| {
        let (payment, reference) = match &recorded.fact {
            Fact::PaymentSuccess(success) => (&success.payment_id, &success.provider_reference),
            Fact::PaymentFailed(failed) if failed.captured.is_some() => {
                (&failed.payment_id, &failed.provider_reference)
            }
            _ => return None,
        };
        (!reference.is_empty()).then_some((payment, reference))
    });
    let mut counted = HashSet::new();
    for (payment, reference) in captured {
        findings.expect("I17", counted.insert((payment, reference)), payment, || {
            format!("capture {reference} counts twice")
        });
    }
}

fn check_credits(history: &History, findings: &mut Findings) {
    let captured: HashMap<&str, &PaymentSuccessEvent> = history
        .all::<PaymentSuccessEvent>()
        .map(|(_, success)| (success.payment_id.as_str(), success))
        .collect();
    let mut credited = HashSet::new();
    for (_, deposited) in history.all::<FundsDepositedEvent>() {
        if deposited.method() != DepositMethod::Payment {
            continue;
        }
        let payment = deposited.reference.as_str();
        findings.expect("I17", credited.insert(payment), payment, || {
            "it is credited twice".to_owned()
        });
        let success = captured.get(payment);
        let as_captured = success.is_some_and(|success| {
            success.user_id == deposited.user_id
                && cash(deposited.amount.as_ref()) == success.amount.as_ref()
        });
        findings.expect("I17", as_captured, payment, || match success {
            Some(_) => "another user or amount is credited than captured".to_owned(),
            None => "it is credited, but was never captured".to_owned(),
        });
    }
}

/// What is credited from suspense or paid back is there, each time once.
fn check_suspense(history: &History, findings: &mut Findings) {
    let mut suspense = Suspense::new();
    for (_, failed) in history.all::<PaymentFailedEvent>() {
        if let Some(key) = place(&failed.user_id, failed.captured.as_ref()) {
            *suspense.entry(key).or_default() += 1;
        }
    }
    let resolved = history.of("funds").filter_map(|recorded| {
        let (user, amount) = match &recorded.fact {
            Fact::FundsDeposited(credit) if credit.method() == DepositMethod::Suspense => {
                (&credit.user_id, &credit.amount)
            }
            Fact::FundsWithdrawn(refund) if refund.method() == WithdrawalMethod::SuspenseRefund => {
                (&refund.user_id, &refund.amount)
            }
            _ => return None,
        };
        Some((recorded.event.id(), place(user, cash(amount.as_ref()))))
    });
    for (id, key) in resolved {
        let left = key.and_then(|key| suspense.get_mut(&key));
        let is_there = left.is_some_and(|left| match left.checked_sub(1) {
            Some(rest) => {
                *left = rest;
                true
            }
            None => false,
        });
        findings.expect("I17", is_there, id, || {
            "it takes from suspense what is not in there for the user".to_owned()
        });
    }
}

fn check_reversals(history: &History, findings: &mut Findings) {
    let mut reversed = HashSet::new();
    for recorded in history.of("funds") {
        let (reverses, user, amount, is_reversal) = match &recorded.fact {
            Fact::FundsDeposited(event) => (
                &event.reverses_event_id,
                &event.user_id,
                &event.amount,
                event.method() == DepositMethod::Reversal,
            ),
            Fact::FundsWithdrawn(event) => (
                &event.reverses_event_id,
                &event.user_id,
                &event.amount,
                event.method() == WithdrawalMethod::Reversal,
            ),
            _ => continue,
        };
        let id = recorded.event.id();
        findings.expect("I6", is_reversal != reverses.is_empty(), id, || {
            "it takes something back and does not say what, or the other way round".to_owned()
        });
        if !is_reversal || reverses.is_empty() {
            continue;
        }
        findings.expect("I6", reversed.insert(reverses), reverses, || {
            "it is taken back twice".to_owned()
        });
        let before = Uuid::try_parse(reverses).ok();
        let before = before.and_then(|before| history.event(before));
        let is_mirror = before.is_some_and(|before| match (&before.fact, &recorded.fact) {
            (Fact::FundsDeposited(came), Fact::FundsWithdrawn(_)) => {
                came.method() != DepositMethod::Reversal && mirrors(came, user, amount)
            }
            (Fact::FundsWithdrawn(left), Fact::FundsDeposited(_)) => {
                is_payout(left) && (&left.user_id, &left.amount) == (user, amount)
            }
            _ => false,
        });
        findings.expect("I6", is_mirror, id, || {
            format!("it is no mirror image of {reverses}")
        });
    }
}

fn mirrors(came: &FundsDepositedEvent, user: &str, amount: &Option<AssetAmount>) -> bool {
    came.user_id == user && came.amount == *amount
}

fn is_payout(left: &FundsWithdrawnEvent) -> bool {
    let paid_out = [WithdrawalMethod::Unspecified, WithdrawalMethod::Payout];
    paid_out.contains(&left.method())
}

fn place<'a>(user: &'a str, money: Option<&'a Money>) -> Option<(&'a str, &'a str, i64, i32)> {
    let money = money?;
    Some((user, &money.currency_code, money.units, money.nanos))
}

fn cash(amount: Option<&AssetAmount>) -> Option<&Money> {
    match amount?.asset.as_ref()? {
        Asset::Cash(money) => Some(money),
        Asset::Shares(_) => None,
    }
}

#[cfg(test)]
mod tests;
