//! I19: the journals that reports are made of hold every event their group has handled, as it was
//! published, once for each user it is about, in an unbroken order of arrival.

use std::collections::{HashMap, HashSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use uuid::Uuid;

use crate::error::{AuditError, Outcome};
use crate::finding::Findings;
use crate::history::History;
use crate::stores::{Rows, Stores};

/// A row of a journal, under `<user>/<position>`.
#[derive(Deserialize)]
struct Entry {
    position: u64,
    event_id: Uuid,
    /// The event's bytes as published, in base64.
    bytes: String,
}

/// What is in journals: users by event.
type Noted<'a> = HashMap<Uuid, HashSet<&'a str>>;

pub async fn check(history: &History, stores: &Stores, findings: &mut Findings) -> Outcome<()> {
    let journal = stores.view("reports", "journal").await?;
    let heads = stores.view("reports", "heads").await?;
    let (Some(journal), Some(heads)) = (journal, heads) else {
        return Ok(());
    };
    let noted = check_entries(history, &journal, &heads, findings)?;
    let topics = topics(history, &noted);
    for recorded in &history.events {
        let event = &recorded.event;
        let users = noted.get(&event.id());
        let subjects = event.subjects().unwrap_or_default();
        let missing = |user: &&String| !users.is_some_and(|users| users.contains(user.as_str()));
        let missing = subjects.iter().find(missing);
        match missing {
            None => findings.expect("I19", true, event.id(), String::new),
            Some(user) if stores.handled("reports", event).await? => {
                findings.expect("I19", false, event.id(), || {
                    format!(
                        "reports handled {} without a note for {user}",
                        event.topic()
                    )
                });
            }
            // Of some topics reports keeps nothing.
            Some(_) if topics.contains(event.topic()) => findings.wait_for("reports"),
            Some(_) => {}
        }
    }
    Ok(())
}

/// Topics that journals have any event of.
fn topics<'a>(history: &'a History, noted: &Noted<'_>) -> HashSet<&'a str> {
    let noted = noted.keys().filter_map(|id| history.event(*id));
    noted.map(|recorded| recorded.event.topic()).collect()
}

/// Each journal is numbered 1, 2, 3 … to its head, and each entry is an event as it was published.
fn check_entries<'a>(
    history: &History,
    journal: &'a Rows,
    heads: &Rows,
    findings: &mut Findings,
) -> Outcome<Noted<'a>> {
    let mut noted = Noted::new();
    let mut ends: HashMap<&str, u64> = HashMap::new();
    for (key, row) in journal {
        let entry: Entry =
            serde_json::from_value(row.clone()).map_err(|source| AuditError::Row {
                service: "reports",
                view: "journal",
                key: key.clone(),
                source,
            })?;
        let user = key.split_once('/').map_or(key.as_str(), |(user, _)| user);
        let end = ends.entry(user).or_default();
        let (found, expected) = (entry.position, *end + 1);
        *end = found;
        findings.expect("I19", found == expected, key, || {
            format!("entry {found} stands where {expected} should")
        });
        let users = noted.entry(entry.event_id).or_default();
        findings.expect("I19", users.insert(user), key, || {
            format!("event {} is noted twice", entry.event_id)
        });
        let event = history.event(entry.event_id).map(|one| &one.event);
        let bytes = STANDARD.decode(&entry.bytes).ok();
        let same = event.map(|event| event.bytes().as_ref()) == bytes.as_deref();
        findings.expect("I19", event.is_some() && same, key, || match event {
            Some(_) => "it is not what was published".to_owned(),
            None => "its event is in no store".to_owned(),
        });
    }
    for (user, end) in ends {
        let head = heads.get(user).and_then(|head| head["position"].as_u64());
        findings.expect("I19", head == Some(end), user, || {
            format!("the journal ends at {end}, its head says {head:?}")
        });
    }
    Ok(noted)
}

#[cfg(test)]
mod tests;
