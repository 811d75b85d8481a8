//! I8, I15 and I16: what happened to orders, trades, payments and reports was allowed, the numbers
//! of orders and trades follow from their fills, nothing happened after an end; and the kept rows
//! are what the events say.
//!
//! - [`orders`], [`trades`] – with their numbers
//! - [`payments`] – payments and reports, which have none

mod orders;
mod payments;
mod trades;

use std::collections::BTreeMap;

use outcry_events::Amount;
use serde_json::Value;

use crate::error::Outcome;
use crate::finding::Findings;
use crate::history::History;
use crate::stores::Stores;

pub async fn check(history: &History, stores: &Stores, findings: &mut Findings) -> Outcome<()> {
    let told = orders::follow(history, findings)?;
    if let Some(rows) = stores.view("orders", "orders").await? {
        orders::check_rows(&told, &rows, findings);
    }
    let told = trades::follow(history, findings)?;
    if let Some(rows) = stores.view("trades", "trades").await? {
        trades::check_rows(&told, &rows, findings);
    }
    let told = payments::payments(history, findings);
    if let Some(rows) = stores.view("payments", "payments").await? {
        check_statuses(&told, &rows, findings);
    }
    let told = payments::reports(history, findings);
    if let Some(rows) = stores.view("reports", "reports").await? {
        payments::check_reports(&told, &rows, findings);
    }
    Ok(())
}

/// Judges one step of a life. `next` is where the step leads, none if it must not be taken from
/// `now`, which is none before the first step.
fn step<S: Copy + std::fmt::Debug>(
    subject: &str,
    topic: &str,
    now: Option<S>,
    next: Option<S>,
    is_final: bool,
    findings: &mut Findings,
) -> Option<S> {
    findings.expect("I16", next.is_some() || !is_final, subject, || {
        format!("{topic} after its end as {now:?}")
    });
    if !is_final {
        findings.expect("I15", next.is_some(), subject, || match now {
            Some(now) => format!("{topic} is not allowed in {now:?}"),
            None => format!("its life begins with {topic}"),
        });
    }
    next.or(now)
}

/// Where kept rows stand is where the events lead.
fn check_statuses(
    told: &BTreeMap<String, i32>,
    rows: &BTreeMap<String, Value>,
    findings: &mut Findings,
) {
    for (id, told) in told {
        let kept = rows.get(id).map(|row| &row["status"]);
        let same = kept.and_then(Value::as_i64) == Some(i64::from(*told));
        findings.expect("I15", same, id, || {
            format!("its row has status {kept:?}, its events lead to {told}")
        });
    }
    check_no_more(|id| told.contains_key(id), rows, findings);
}

/// No row is without events.
fn check_no_more(
    is_told: impl Fn(&str) -> bool,
    rows: &BTreeMap<String, Value>,
    findings: &mut Findings,
) {
    for id in rows.keys() {
        findings.expect("I15", is_told(id), id, || {
            "it has a row, but no events".to_owned()
        });
    }
}

/// Fields of a row against numbers.
fn check_fields(id: &str, row: Option<&Value>, told: &[(&str, i128)], findings: &mut Findings) {
    for (field, told) in told {
        let kept = row.map(|row| &row[*field]);
        let same = kept.and_then(Value::as_i64).map(i128::from) == Some(*told);
        findings.expect("I8", same, id, || {
            format!("its row has {field} {kept:?}, its events say {told}")
        });
    }
}

/// Sum of price × shares over shares, to the ten-thousandth, halves to the even neighbour; none
/// without shares.
fn average(notional: i128, shares: i64) -> Option<Amount> {
    let shares = i128::from(shares);
    if shares <= 0 {
        return None;
    }
    let (whole, rest) = (notional / shares, notional % shares);
    let up = 2 * rest > shares || (2 * rest == shares && whole % 2 == 1);
    Amount::from_raw(i64::try_from(whole + i128::from(up)).ok()?).ok()
}

#[cfg(test)]
mod tests;
