//! Parked events and audit entries as the contract has them.

use std::time::SystemTime;

use outcry_contracts::operations::v1 as api;
use outcry_events::json::{self, Personal};
use outcry_store::{AuditAction, AuditEntry, Parked};
use prost_types::Timestamp;

/// One parked event in a listing.
pub(super) fn dead_letter(row: Parked) -> api::DeadLetter {
    api::DeadLetter {
        group: row.group,
        position: row.position,
        key: row.key,
        event_id: row.event_id.to_string(),
        topic: row.topic,
        reason: row.reason,
        attempts: row.attempts,
        parked_at: Some(timestamp(row.parked_at)),
        redrive_requested: row.redrive_requested,
    }
}

/// One parked event with its content.
pub(super) fn shown(row: Parked) -> api::GetDeadLetterResponse {
    let json = match outcry_events::SealedEvent::open(row.bytes.clone()) {
        Ok(event) => json::event(&event, Personal::Hidden).to_string(),
        Err(_) => String::new(),
    };
    api::GetDeadLetterResponse {
        body: row.bytes.to_vec(),
        json,
        headers: row.headers.iter().cloned().collect(),
        dead_letter: Some(dead_letter(row)),
    }
}

/// One thing that was done.
pub(super) fn action(entry: AuditEntry) -> api::DeadLetterAction {
    api::DeadLetterAction {
        group: entry.group,
        position: entry.parked_position,
        key: entry.key,
        event_id: entry.event_id.map(|id| id.to_string()).unwrap_or_default(),
        action: verb(entry.action).to_owned(),
        actor: entry.asked.by,
        reason: entry.asked.why,
        at: Some(timestamp(entry.asked.at)),
    }
}

/// The contract's word for an action where it has one; the others keep the store's.
fn verb(action: AuditAction) -> &'static str {
    match action {
        AuditAction::RedriveRequested => "redrive",
        AuditAction::Discarded => "discard",
        AuditAction::RedriveCancelled | AuditAction::Redriven | AuditAction::RedriveFailed => {
            action.name()
        }
    }
}

/// Times here come from a store, which keeps the years 1677 to 2262 only: all of them fit.
fn timestamp(at: SystemTime) -> Timestamp {
    Timestamp::from(at)
}
