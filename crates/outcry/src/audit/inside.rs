//! The audit that administrators start in the console: the same as the command's, on a snapshot of the
//! data, inside the one process that runs all services.

use std::collections::BTreeMap;
use std::sync::Arc;

use outcry_audit::{AuditReport, STEPS};
use outcry_contracts::operations::v1 as api;
use outcry_gateway::{Examine, Step};
use tokio::runtime::Handle;

use super::snapshot::Snapshot;
use crate::config::Config;

/// Breaches that are shown at most: the first ones tell what is wrong, and the command names more.
const BREACHES_SHOWN_MAX: usize = 200;

/// Kinds of things under way that are shown at most; there are some twenty.
const PENDING_SHOWN_MAX: usize = 100;

/// Steps of which the snapshot is the first.
const ALL_STEPS: u32 = STEPS + 1;

type Tell = dyn Fn(Step) + Send + Sync;

/// How the platform with this configuration is examined.
pub fn examiner(config: &Config) -> Examine {
    let config = Arc::new(config.clone());
    Arc::new(move |tell| {
        let config = Arc::clone(&config);
        Box::pin(async move {
            // Long arithmetic would keep the services' tasks from this runtime's threads.
            let (runtime, examining) = (Handle::current(), config);
            let examined = tokio::task::spawn_blocking(move || {
                runtime.block_on(examine(&examining, tell.as_ref()))
            });
            let examined = examined.await.map_err(|error| error.to_string())?;
            examined.map_err(|error| format!("{error:#}"))
        })
    })
}

async fn examine(config: &Config, tell: &Tell) -> anyhow::Result<api::AuditReport> {
    tell(Step {
        done: 0,
        of: ALL_STEPS,
        name: "holding the data still",
    });
    let snapshot = Snapshot::take(config).await?;
    let outcome = outcry_audit::examine_telling(&snapshot.stores, |done, name| {
        tell(Step {
            done: done + 1,
            of: ALL_STEPS,
            name,
        });
    })
    .await;
    snapshot.discard().await;
    let (history, findings) = outcome?;
    Ok(shown(&AuditReport::new(&history, &findings)))
}

/// A report as the contract has it; its times are whoever's who asked for it.
fn shown(report: &AuditReport) -> api::AuditReport {
    let mut broken: BTreeMap<&str, u64> = BTreeMap::new();
    for breach in &report.breaches {
        *broken.entry(breach.invariant).or_default() += 1;
    }
    let mut invariants: Vec<_> = report.checked.iter().collect();
    invariants.sort_by(|(one, _), (other, _)| place(one).cmp(&place(other)));
    let breaches = report.breaches.iter().take(BREACHES_SHOWN_MAX);
    let pending = report.pending.iter().take(PENDING_SHOWN_MAX);
    api::AuditReport {
        started_at: None,
        ended_at: None,
        events: report.events as u64,
        invariants: invariants
            .into_iter()
            .map(|(name, checks)| api::InvariantReport {
                name: (*name).to_owned(),
                checks: *checks,
                breaches: broken.get(name).copied().unwrap_or(0),
            })
            .collect(),
        breaches: breaches
            .map(|breach| api::InvariantBreach {
                invariant: breach.invariant.to_owned(),
                subject: breach.subject.clone(),
                what: breach.what.clone(),
            })
            .collect(),
        pending: pending
            .map(|(what, count)| api::AuditPending {
                what: what.clone(),
                count: *count,
            })
            .collect(),
    }
}

/// Where an invariant stands among the others: by its number, and those without one at the end.
fn place(name: &str) -> (u32, &str) {
    let number = name.strip_prefix('I').and_then(|rest| rest.parse().ok());
    (number.unwrap_or(u32::MAX), name)
}

#[cfg(test)]
mod tests {
    use outcry_audit::Breach;

    use super::*;

    #[test]
    fn invariants_are_shown_by_their_numbers_with_their_breaches() {
        let breach = |invariant, subject: String| Breach {
            invariant,
            subject,
            what: "is wrong".to_owned(),
        };
        let report = AuditReport {
            events: 9,
            topics: Vec::new(),
            checked: [("I10", 4), ("I2", 3), ("delivery", 1)].into(),
            breaches: (0..BREACHES_SHOWN_MAX + 1)
                .map(|number| breach("I10", number.to_string()))
                .collect(),
            pending: [("archiving".to_owned(), 2)].into(),
        };
        let shown = shown(&report);
        let invariants = shown.invariants.iter();
        let invariants: Vec<_> = invariants
            .map(|one| (one.name.as_str(), one.checks, one.breaches))
            .collect();
        assert_eq!(
            invariants,
            [("I2", 3, 0), ("I10", 4, 201), ("delivery", 1, 0)]
        );
        assert_eq!(shown.breaches.len(), BREACHES_SHOWN_MAX);
        assert_eq!(shown.pending[0].count, 2);
    }
}
