//! I16, I17 and I19: what funds keeps of payouts and of money in suspense is where its events lead.

use std::collections::{BTreeMap, HashMap};

use outcry_contracts::funds::v1::{DepositMethod, LockPurpose, WithdrawalMethod};
use outcry_contracts::payments::v1::PaymentFailedEvent;
use outcry_events::SealedEvent;

use crate::error::Outcome;
use crate::fact::Fact;
use crate::finding::Findings;
use crate::history::History;
use crate::stores::{Rows, Stores};

/// How far a payout has come, as events tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Its amount is locked.
    Open,
    Done,
    Void,
}

pub async fn check(history: &History, stores: &Stores, findings: &mut Findings) -> Outcome<()> {
    let told = follow(history, findings);
    if let Some(rows) = stores.view("funds", "withdrawals").await? {
        check_rows(&told, &rows, findings);
    }
    let Some(rows) = stores.view("funds", "suspense").await? else {
        return Ok(());
    };
    check_resolved(history, &rows, findings);
    for (event, wants) in missing(history, &rows) {
        if stores.handled("funds", event).await? {
            findings.expect("I17", false, event.aggregate_id(), || {
                format!("{wants} captures that did not fit are not in suspense")
            });
        } else {
            findings.wait_for("funds");
        }
    }
    Ok(())
}

/// Every payout; each ends once.
fn follow<'a>(history: &'a History, findings: &mut Findings) -> BTreeMap<&'a str, Stage> {
    let mut payouts = BTreeMap::new();
    for recorded in history.of("funds") {
        let (id, to) = match &recorded.fact {
            Fact::FundsLocked(locked) if locked.purpose() == LockPurpose::Withdrawal => {
                (&locked.lock_id, Stage::Open)
            }
            Fact::FundsReleased(back) if back.purpose() == LockPurpose::Withdrawal => {
                (&back.lock_id, Stage::Void)
            }
            Fact::FundsWithdrawn(gone) if is_payout(gone.method()) => {
                (&gone.withdrawal_id, Stage::Done)
            }
            _ => continue,
        };
        let now = payouts.insert(id.as_str(), to);
        let ended = matches!(now, Some(Stage::Done | Stage::Void));
        findings.expect("I16", !ended, id, || {
            format!("the payout was {now:?} and became {to:?}")
        });
        let allowed = ended || now.is_some() == (to != Stage::Open);
        findings.expect("I15", allowed, id, || {
            format!("the payout became {to:?} when it was {now:?}")
        });
    }
    payouts
}

fn is_payout(method: WithdrawalMethod) -> bool {
    matches!(
        method,
        WithdrawalMethod::Unspecified | WithdrawalMethod::Payout
    )
}

fn check_rows(told: &BTreeMap<&str, Stage>, rows: &Rows, findings: &mut Findings) {
    for (id, stage) in told {
        let kept = rows.get(*id).and_then(|row| row["stage"].as_str());
        let same = match stage {
            Stage::Open => matches!(kept, Some("requested" | "sending" | "sent")),
            Stage::Done => kept == Some("done"),
            Stage::Void => kept == Some("void"),
        };
        findings.expect("I19", same, id, || {
            format!("its events lead to {stage:?}, it is kept as {kept:?}")
        });
    }
    for id in rows.keys() {
        findings.expect("I19", told.contains_key(id.as_str()), id, || {
            "it is kept, but nothing was locked for it".to_owned()
        });
    }
}

/// As many items are decided as events tell of.
fn check_resolved(history: &History, rows: &Rows, findings: &mut Findings) {
    let (mut credited, mut refunded) = (0, 0);
    for recorded in history.of("funds") {
        match &recorded.fact {
            Fact::FundsDeposited(event) if event.method() == DepositMethod::Suspense => {
                credited += 1;
            }
            Fact::FundsWithdrawn(event) if event.method() == WithdrawalMethod::SuspenseRefund => {
                refunded += 1;
            }
            _ => {}
        }
    }
    for (outcome, told) in [("credit", credited), ("refund", refunded)] {
        let kept = rows.values().filter(|row| row["outcome"] == outcome);
        let kept = kept.count();
        findings.expect("I19", kept == told, "suspense", || {
            format!("{kept} items are kept as {outcome}, {told} events say so")
        });
    }
}

/// Payments of which not every capture that did not fit is in suspense, with their last such
/// event and how many are missing.
fn missing<'a>(history: &'a History, rows: &Rows) -> Vec<(&'a SealedEvent, usize)> {
    let mut kept: HashMap<&str, usize> = HashMap::new();
    for payment in rows.values().filter_map(|row| row["payment_id"].as_str()) {
        *kept.entry(payment).or_default() += 1;
    }
    let mut captured: BTreeMap<&str, (&SealedEvent, usize)> = BTreeMap::new();
    for (event, failed) in history.all::<PaymentFailedEvent>() {
        if failed.captured.is_some() {
            let of_payment = captured.entry(&failed.payment_id).or_insert((event, 0));
            *of_payment = (event, of_payment.1 + 1);
        }
    }
    let missing = captured.into_iter().filter_map(|(payment, (event, told))| {
        let kept = kept.get(payment).copied().unwrap_or_default();
        (kept < told).then_some((event, told - kept))
    });
    missing.collect()
}

#[cfg(test)]
mod tests;
