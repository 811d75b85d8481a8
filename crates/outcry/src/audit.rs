//! `outcry audit`: every invariant recomputed from a snapshot of the platform's data, which may run
//! meanwhile.
//!
//! - [`calls`] – the records of calls, listed
//! - [`inside`] – the same audit, run inside the platform for its administrators
//! - [`snapshot`] – the data as it was at one moment

mod calls;
mod inside;
mod snapshot;

use std::process::ExitCode;

use outcry_audit::AuditReport;

use crate::arguments::{Audit, AuditListing};
use crate::config::Config;
use crate::output::{Output, Paint};

pub use inside::examiner;
use snapshot::Snapshot;

/// `outcry audit`
///
/// # Errors
/// The data cannot be read.
pub async fn run(audit: Audit, out: Output) -> anyhow::Result<ExitCode> {
    if let Some(AuditListing::Calls(asked)) = audit.listing {
        return calls::run(asked, out).await;
    }
    let config = Config::load(&audit.settings)?;
    let waiting = out.waiting("holding the data still");
    let snapshot = Snapshot::take(&config).await?;
    waiting.set_message("recomputing every invariant");
    let outcome = outcry_audit::examine(&snapshot.stores).await;
    waiting.finish_and_clear();
    snapshot.discard().await;
    let (history, findings) = outcome?;
    let report = AuditReport::new(&history, &findings);
    if out.is_json() {
        out.document(&serde_json::to_value(&report)?)?;
    } else {
        out.text(&report.to_string())?;
        if !report.breaches.is_empty() {
            let next = "what is broken is named above: `outcry trace` shows a flow, `outcry events tail --from 0 --key` \
                        the history of one key";
            out.line(out.paint(Paint::Bad, next))?;
        }
    }
    Ok(if report.breaches.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
