use std::collections::BTreeMap;

use outcry_contracts::funds::v1::{FundsLockedEvent, FundsReleasedEvent, FundsWithdrawnEvent};
use serde_json::json;

use super::*;
use crate::samples::day::{MISFIT, PAYOUT, REFUSED, day};
use crate::samples::{Script, broken, id};

const NONE: [&str; 0] = [];

fn judged(script: &Script) -> Vec<&'static str> {
    let mut findings = Findings::default();
    follow(&script.history(), &mut findings);
    broken(&findings)
}

/// The nth fact of a type that is about a payout.
fn nth_lock() -> usize {
    let history = day().history();
    let mut locks = history.all::<FundsLockedEvent>();
    let first = locks.position(|(_, lock)| lock.purpose() == LockPurpose::Withdrawal);
    first.unwrap()
}

#[test]
fn a_day_as_it_should_be_breaks_nothing() {
    assert_eq!(judged(&day()), NONE);
}

#[test]
fn i16_a_payout_that_ends_twice_is_found() {
    assert_eq!(judged(&day().again::<FundsWithdrawnEvent>(0)), ["I16"]);
    let history = day().history();
    let releases = history.all::<FundsReleasedEvent>().count();
    let script = day().again::<FundsReleasedEvent>(releases - 1);
    assert_eq!(judged(&script), ["I16"]);
    let paid = |released: &mut FundsReleasedEvent| released.lock_id = id(PAYOUT);
    assert_eq!(judged(&day().edit(releases - 1, paid)), ["I16"]);
}

#[test]
fn i15_a_payout_for_which_nothing_was_locked_is_found() {
    let script = day().without::<FundsLockedEvent>(nth_lock());
    assert_eq!(judged(&script), ["I15"]);
    assert!(script.broken().contains(&"I18"));
}

#[test]
fn i19_payouts_that_are_kept_otherwise_are_found() {
    let history = day().history();
    let told = follow(&history, &mut Findings::default());
    let judge = |rows: &[(u128, &str)]| {
        let row = |(payout, stage): &(u128, &str)| (id(*payout), json!({"stage": stage}));
        let mut findings = Findings::default();
        check_rows(&told, &rows.iter().map(row).collect(), &mut findings);
        broken(&findings)
    };
    assert_eq!(judge(&[(PAYOUT, "done"), (REFUSED, "void")]), NONE);
    assert_eq!(judge(&[(PAYOUT, "sent"), (REFUSED, "void")]), ["I19"]);
    assert_eq!(judge(&[(PAYOUT, "done"), (REFUSED, "done")]), ["I19"]);
    assert_eq!(judge(&[(PAYOUT, "done")]), ["I19"]);
    let more = [(PAYOUT, "done"), (REFUSED, "void"), (99, "requested")];
    assert_eq!(judge(&more), ["I19"]);
    let open = day().without::<FundsWithdrawnEvent>(0).history();
    let told = follow(&open, &mut Findings::default());
    assert_eq!(told[&*id(PAYOUT)], Stage::Open);
}

#[test]
fn i17_a_capture_that_is_not_in_suspense_is_found() {
    let history = day().history();
    let item = json!({"payment_id": id(MISFIT), "outcome": "credit"});
    let rows: Rows = [(format!("{}/1", id(MISFIT)), item)].into();
    assert_eq!(missing(&history, &rows).len(), 0);
    assert_eq!(missing(&history, &Rows::new()).len(), 1);
}

#[test]
fn i19_suspense_that_is_kept_otherwise_is_found() {
    let history = day().history();
    let judge = |outcome: serde_json::Value| {
        let item = json!({"payment_id": id(MISFIT), "outcome": outcome});
        let rows = BTreeMap::from([(format!("{}/1", id(MISFIT)), item)]);
        let mut findings = Findings::default();
        check_resolved(&history, &rows, &mut findings);
        broken(&findings)
    };
    assert_eq!(judge(json!("credit")), NONE);
    assert_eq!(judge(json!("refund")), ["I19"]);
    assert_eq!(judge(json!(null)), ["I19"]);
}
