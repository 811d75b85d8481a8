//! Payments and reports: their transitions.

use std::collections::{BTreeMap, HashMap};

use outcry_contracts::payments::v1::PaymentStatus;
use outcry_contracts::reports::v1::ReportStatus;
use outcry_contracts::types::v1::Money;
use serde_json::Value;

use super::step;
use crate::fact::Fact;
use crate::finding::Findings;
use crate::history::History;

/// A payment as its events tell it.
#[derive(Default)]
struct Payment {
    status: Option<PaymentStatus>,
    /// What it was made with.
    amount: Option<Money>,
}

/// Follows every payment; where each stands.
pub(super) fn payments(history: &History, findings: &mut Findings) -> BTreeMap<String, i32> {
    use PaymentStatus::{Expired, Failed, Pending, Success};
    let mut payments: HashMap<&str, Payment> = HashMap::new();
    for recorded in history.of("payments") {
        let (to, late, amount) = match &recorded.fact {
            Fact::PaymentCreated(created) => (Pending, false, &created.amount),
            Fact::PaymentSuccess(success) => (Success, success.late, &success.amount),
            Fact::PaymentFailed(failed) => (Failed, false, &failed.amount),
            Fact::PaymentExpired(expired) => (Expired, false, &expired.amount),
            _ => continue,
        };
        let event = &recorded.event;
        let id = event.aggregate_id();
        let payment = payments.entry(id).or_default();
        // A payment that failed or ran out may still be captured, late, once.
        let ended = payment.status == Some(Success);
        let next = next(payment.status, to, late);
        payment.status = step(id, event.topic(), payment.status, next, ended, findings);
        let agreed = payment
            .amount
            .get_or_insert_with(|| amount.clone().unwrap_or_default());
        let same = amount.as_ref() == Some(agreed);
        findings.expect("I15", same, id, || {
            format!("{} has another amount than it was made with", event.topic())
        });
    }
    payments
        .into_iter()
        .map(|(id, payment)| (id.to_owned(), payment.status.unwrap_or_default().into()))
        .collect()
}

fn next(now: Option<PaymentStatus>, to: PaymentStatus, late: bool) -> Option<PaymentStatus> {
    use PaymentStatus::{Expired, Failed, Pending, Success, Unspecified};
    let allowed = match (now, to) {
        (None, Pending) | (Some(Pending), Failed | Expired) => true,
        (Some(Pending), Success) => !late,
        (Some(Failed | Expired), Success) => late,
        (None | Some(Unspecified | Pending | Success | Failed | Expired), _) => false,
    };
    allowed.then_some(to)
}

/// Follows every report; where each stands.
pub(super) fn reports(history: &History, findings: &mut Findings) -> BTreeMap<String, i32> {
    use ReportStatus::{Completed, Failed, Requested};
    let mut reports: HashMap<&str, Option<ReportStatus>> = HashMap::new();
    for recorded in history.of("reports") {
        let to = match &recorded.fact {
            Fact::ReportRequested(_) => Requested,
            Fact::ReportCompleted(_) => Completed,
            Fact::ReportFailed(_) => Failed,
            _ => continue,
        };
        let event = &recorded.event;
        let id = event.aggregate_id();
        let now = reports.entry(id).or_default();
        let allowed = match to {
            Requested => now.is_none(),
            _ => *now == Some(Requested),
        };
        let ended = matches!(now, Some(Completed | Failed));
        let next = allowed.then_some(to);
        *now = step(id, event.topic(), *now, next, ended, findings);
    }
    reports
        .into_iter()
        .map(|(id, status)| (id.to_owned(), status.unwrap_or_default().into()))
        .collect()
}

/// That a report is being made, and that its content is kept no longer, is in its row alone.
pub(super) fn check_reports(
    told: &BTreeMap<String, i32>,
    rows: &BTreeMap<String, Value>,
    findings: &mut Findings,
) {
    use ReportStatus::{Completed, Expired, Requested, Running};
    let as_told = |row: &Value| {
        let mut row = row.clone();
        let status = row["status"]
            .as_i64()
            .and_then(|status| i32::try_from(status).ok());
        match status.map(ReportStatus::try_from) {
            Some(Ok(Running)) => row["status"] = i32::from(Requested).into(),
            Some(Ok(Expired)) => row["status"] = i32::from(Completed).into(),
            _ => {}
        }
        row
    };
    let rows = rows.iter().map(|(id, row)| (id.clone(), as_told(row)));
    super::check_statuses(told, &rows.collect(), findings);
}
