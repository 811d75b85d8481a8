//! Payments and reports: their transitions.

use std::collections::BTreeMap;

use outcry_contracts::payments::v1::{
    PaymentCreatedEvent, PaymentExpiredEvent, PaymentFailedEvent, PaymentStatus,
    PaymentSuccessEvent,
};
use outcry_contracts::reports::v1::{
    ReportCompletedEvent, ReportFailedEvent, ReportRequestedEvent, ReportStatus,
};
use outcry_contracts::types::v1::Money;
use outcry_events::SealedEvent;

use super::step;
use crate::error::Outcome;
use crate::finding::Findings;
use crate::history::History;

/// Follows every payment; where each stands.
///
/// # Errors
/// An event cannot be read.
pub(super) fn payments(
    history: &History,
    findings: &mut Findings,
) -> Outcome<BTreeMap<String, i32>> {
    let mut payments: BTreeMap<String, (Option<PaymentStatus>, Option<Money>)> = BTreeMap::new();
    for recorded in &history.events {
        let event = &recorded.event;
        let Some(fact) = fact(event)? else { continue };
        let id = event.aggregate_id();
        let (status, amount) = payments.entry(id.to_owned()).or_default();
        // A payment that failed or ran out may still be captured, late, once.
        let ended = *status == Some(PaymentStatus::Success);
        let next = next(*status, &fact);
        *status = step(id, event.topic(), *status, next, ended, findings);
        let agreed = amount.get_or_insert_with(|| fact.amount.clone());
        findings.expect("I15", *agreed == fact.amount, id, || {
            format!("{} has another amount than it was made with", event.topic())
        });
    }
    Ok(payments
        .into_iter()
        .map(|(id, (status, _))| (id, status.unwrap_or_default().into()))
        .collect())
}

/// What a payment's event says.
struct Fact {
    to: PaymentStatus,
    late: bool,
    amount: Money,
}

fn fact(event: &SealedEvent) -> Outcome<Option<Fact>> {
    let (to, late, amount) = if event.is::<PaymentCreatedEvent>() {
        let created: PaymentCreatedEvent = event.payload()?;
        (PaymentStatus::Pending, false, created.amount)
    } else if event.is::<PaymentSuccessEvent>() {
        let success: PaymentSuccessEvent = event.payload()?;
        (PaymentStatus::Success, success.late, success.amount)
    } else if event.is::<PaymentFailedEvent>() {
        let failed: PaymentFailedEvent = event.payload()?;
        (PaymentStatus::Failed, false, failed.amount)
    } else if event.is::<PaymentExpiredEvent>() {
        let expired: PaymentExpiredEvent = event.payload()?;
        (PaymentStatus::Expired, false, expired.amount)
    } else {
        return Ok(None);
    };
    let amount = amount.unwrap_or_default();
    Ok(Some(Fact { to, late, amount }))
}

fn next(now: Option<PaymentStatus>, fact: &Fact) -> Option<PaymentStatus> {
    use PaymentStatus::{Expired, Failed, Pending, Success, Unspecified};
    let allowed = match (now, fact.to) {
        (None, Pending) | (Some(Pending), Failed | Expired) => true,
        (Some(Pending), Success) => !fact.late,
        (Some(Failed | Expired), Success) => fact.late,
        (None | Some(Unspecified | Pending | Success | Failed | Expired), _) => false,
    };
    allowed.then_some(fact.to)
}

/// Follows every report; where each stands.
pub(super) fn reports(history: &History, findings: &mut Findings) -> BTreeMap<String, i32> {
    use ReportStatus::{Completed, Failed, Requested};
    let mut reports: BTreeMap<String, Option<ReportStatus>> = BTreeMap::new();
    for recorded in &history.events {
        let event = &recorded.event;
        let to = if event.is::<ReportRequestedEvent>() {
            Requested
        } else if event.is::<ReportCompletedEvent>() {
            Completed
        } else if event.is::<ReportFailedEvent>() {
            Failed
        } else {
            continue;
        };
        let id = event.aggregate_id();
        let now = reports.entry(id.to_owned()).or_default();
        let allowed = match to {
            Requested => now.is_none(),
            _ => *now == Some(Requested),
        };
        let ended = matches!(now, Some(Completed | Failed));
        *now = step(
            id,
            event.topic(),
            *now,
            allowed.then_some(to),
            ended,
            findings,
        );
    }
    reports
        .into_iter()
        .map(|(id, status)| (id, status.unwrap_or_default().into()))
        .collect()
}
