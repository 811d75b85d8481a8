//! `outcry audit`: the platform's invariants recomputed from its events alone, and compared with
//! every service's tables.
//!
//! Rooms, in reading order:
//! - [`history`] – a snapshot of the data, and every event in it
//! - [`finding`] – breaches, and what is still under way
//! - [`streams`] – I15: histories without gaps, each owned by one service
//! - [`lifecycle`] – I8, I15, I16: what happened to orders, trades, payments and reports was allowed
//! - [`matches`] – I7, I9: both sides of a match agree, with each other and with their limits
//! - [`custody`] – I1 to I6: cash and shares, recomputed and compared with accounts and ledger
//! - [`positions`] – I20: lots and profit, recomputed and compared
//! - [`effects`] – I14: every event had its effect in every consumer once, or is still on its way
//! - [`delivery`] – every event was published and archived; what is parked
//!
//! The audit reads a snapshot, so it may run beside the platform: what the snapshot catches under
//! way is counted as pending, not as a breach.

mod custody;
mod delivery;
mod effects;
mod finding;
mod history;
mod lifecycle;
mod matches;
mod positions;
mod streams;

#[cfg(test)]
mod samples;

use std::collections::BTreeMap;
use std::process::ExitCode;

use outcry_events::catalog::catalog;
use serde_json::{Value, json};

use crate::arguments::Audit;
use crate::config::Config;
use crate::text;

use finding::Findings;
use history::{History, Snapshot};

/// `outcry audit`
///
/// # Errors
/// The data cannot be read.
pub async fn run(audit: Audit) -> anyhow::Result<ExitCode> {
    let config = Config::load(&audit.settings)?;
    let snapshot = Snapshot::take(&config).await?;
    let outcome = examine(&snapshot).await;
    snapshot.discard().await;
    let (history, findings) = outcome?;
    if audit.json {
        text::print_json(&report(&history, &findings))?;
    } else {
        print!("{}", findings.lines(&history));
    }
    Ok(if findings.breaches.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn examine(snapshot: &Snapshot) -> anyhow::Result<(History, Findings)> {
    let history = History::read(snapshot).await?;
    let mut findings = Findings::default();
    streams::check(&history, &mut findings);
    lifecycle::check(&history, snapshot, &mut findings).await?;
    matches::check(&history, &mut findings)?;
    effects::check(&history, snapshot, &mut findings).await?;
    custody::check(&history, snapshot, &mut findings).await?;
    positions::check(&history, snapshot, &mut findings).await?;
    delivery::check(&history, snapshot, &mut findings).await?;
    Ok((history, findings))
}

fn report(history: &History, findings: &Findings) -> Value {
    let seen = seen(history);
    let topics: Vec<Value> = catalog()
        .events
        .iter()
        .map(|event| {
            json!({
                "topic": event.topic,
                "origin": if event.extension { "extension" } else { "record" },
                "events": seen.get(event.topic).copied().unwrap_or(0),
            })
        })
        .collect();
    json!({
        "events": history.events.len(),
        "topics": topics,
        "checked": findings.checked,
        "breaches": findings
            .breaches
            .iter()
            .map(|breach| json!({
                "invariant": breach.invariant,
                "subject": breach.subject,
                "what": breach.what,
            }))
            .collect::<Vec<_>>(),
        "pending": findings.pending,
    })
}

/// Events by topic.
fn seen(history: &History) -> BTreeMap<&str, u64> {
    let mut seen = BTreeMap::new();
    for event in &history.events {
        *seen.entry(event.event.topic()).or_default() += 1;
    }
    seen
}
