//! `outcry audit calls`: who was refused what, and who called what that may have changed something.

use std::process::ExitCode;
use std::time::{Duration, UNIX_EPOCH};

use outcry_audit::CallRecord;
use serde_json::{Value, json};
use tonic::Code;

use super::snapshot::Snapshot;
use crate::arguments::AuditCalls;
use crate::config::Config;
use crate::output::Output;
use crate::text;

/// Kinds of records that stand for refused calls.
const REFUSED: [&str; 2] = ["denial", "further"];

/// `outcry audit calls`
///
/// # Errors
/// The data cannot be read.
pub async fn run(asked: AuditCalls, out: Output) -> anyhow::Result<ExitCode> {
    let config = Config::load(&asked.settings)?;
    let snapshot = Snapshot::take(&config).await?;
    let since_ns = asked.since.map(jiff::Timestamp::as_nanosecond);
    let wanted = |record: &CallRecord| {
        asked.user.as_ref().is_none_or(|user| record.user == *user)
            && since_ns.is_none_or(|since| i128::from(record.at_ns) >= since)
            && (!asked.denied || REFUSED.contains(&record.kind.as_str()))
    };
    let records = outcry_audit::recorded_calls(&snapshot.stores, wanted).await;
    snapshot.discard().await;
    let records = records?;
    if out.is_json() {
        let shown: Vec<Value> = records.iter().map(as_json).collect();
        out.document(&json!(shown))?;
    } else {
        let rows: Vec<Vec<String>> = records.into_iter().map(row).collect();
        let headings = [
            "AT", "SERVICE", "KIND", "METHOD", "CALLER", "USER", "CODE", "REASON", "COUNT",
        ];
        out.table(&headings, &rows)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn as_json(record: &CallRecord) -> Value {
    let mut shown = json!(record);
    shown["at"] = json!(at(record));
    shown["code"] = json!(code(record));
    shown
}

fn row(record: CallRecord) -> Vec<String> {
    vec![
        at(&record),
        record.service.to_owned(),
        record.kind.clone(),
        // The service says in which package it is.
        record
            .method
            .rsplit('/')
            .next()
            .unwrap_or_default()
            .to_owned(),
        record.caller.clone(),
        record.user.clone(),
        code(&record),
        record.reason.clone(),
        record.count.to_string(),
    ]
}

fn at(record: &CallRecord) -> String {
    let since = Duration::from_nanos(u64::try_from(record.at_ns).unwrap_or_default());
    text::system_time(UNIX_EPOCH + since)
}

/// The code's name; none for records that are about no call.
fn code(record: &CallRecord) -> String {
    if record.count == 0 {
        return String::new();
    }
    format!("{:?}", Code::from_i32(record.code))
}
