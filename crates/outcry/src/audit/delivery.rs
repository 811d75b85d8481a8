//! Every event was published, and the archive has what was published, once.

use std::collections::HashSet;

use anyhow::Context as _;
use outcry_store::Store;

use super::finding::Findings;
use super::history::{History, Snapshot};
use crate::services::NAMES;

pub async fn check(
    history: &History,
    snapshot: &Snapshot,
    findings: &mut Findings,
) -> anyhow::Result<()> {
    let mut unsent = HashSet::new();
    for service in NAMES {
        let store = snapshot.store(service)?;
        for stored in store.unsent(usize::MAX).await? {
            findings.wait_for(format!("publishing by {service}"));
            unsent.insert(stored.event.id());
        }
        for _ in 0..snapshot.parked(service).await? {
            findings.wait_for(format!("redrive of a dead letter of {service}"));
        }
    }
    let archived = outcry_gateway::archived(snapshot.store("gateway")?)
        .await
        .context("reading the archive")?;
    let distinct: HashSet<_> = archived.iter().collect();
    findings.expect("delivery", distinct.len() == archived.len(), "archive", || {
        "an event is archived twice".to_owned()
    });
    for recorded in &history.events {
        let id = recorded.event.id();
        if distinct.contains(&id) {
            findings.expect("delivery", true, id, String::new);
        } else if unsent.contains(&id) || !snapshot.handled("gateway", &recorded.event).await? {
            findings.wait_for("archiving");
        } else {
            findings.expect("delivery", false, id, || {
                format!("{} was handled but not archived", recorded.event.topic())
            });
        }
    }
    for id in &archived {
        findings.expect("delivery", history.event(*id).is_some(), id, || {
            "archived, but in no store".to_owned()
        });
    }
    Ok(())
}
