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
use crate::text;

pub use inside::examiner;
use snapshot::Snapshot;

/// `outcry audit`
///
/// # Errors
/// The data cannot be read.
pub async fn run(audit: Audit) -> anyhow::Result<ExitCode> {
    if let Some(AuditListing::Calls(asked)) = audit.listing {
        return calls::run(asked).await;
    }
    let config = Config::load(&audit.settings)?;
    let snapshot = Snapshot::take(&config).await?;
    let outcome = outcry_audit::examine(&snapshot.stores).await;
    snapshot.discard().await;
    let (history, findings) = outcome?;
    let report = AuditReport::new(&history, &findings);
    if audit.json {
        text::print_json(&serde_json::to_value(&report)?)?;
    } else {
        print!("{report}");
    }
    Ok(if report.breaches.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
