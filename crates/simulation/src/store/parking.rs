//! Events put aside with their keys, requests to bring them back, and who did what.

mod audit;
mod redrives;
mod rows;

use outcry_store::{
    Asked, AuditAction, AuditEntry, AuditFilter, CommitError, Conflict, Handled, InvalidCommit,
    ParkWrite, Parked, ParkedEvent, ParkedFilter, Redrive, RedriveRequest, RedriveScope,
};
use uuid::Uuid;

use self::audit::Audit;
use self::redrives::Redrives;
use self::rows::Rows;
use super::marks::HandledMarks;

#[derive(Clone, Default)]
pub(super) struct Parking {
    rows: Rows,
    redrives: Redrives,
    audit: Audit,
}

/// What a parked row, or several of them, are about.
#[derive(Clone)]
struct About {
    /// 0 for several.
    position: u64,
    group: String,
    /// Empty for a whole group.
    key: String,
    /// None for several.
    event_id: Option<Uuid>,
    /// Empty for several.
    topic: String,
}

// === impl Parking ===

impl Parking {
    /// `handled` is the mark of the same commit.
    pub(super) fn write(
        &mut self,
        write: ParkWrite,
        handled: Option<&Handled>,
        marks: &mut HandledMarks,
    ) -> Result<(), CommitError> {
        match write {
            ParkWrite::Park(event) => self.rows.insert(event),
            ParkWrite::ParkBehind(event) => {
                if self.first(&event.group, &event.key).is_none() {
                    return Err(CommitError::Conflict(Conflict::KeyFree {
                        group: event.group,
                        key: event.key,
                    }));
                }
                self.rows.insert(event)
            }
            ParkWrite::Unpark { position, at } => {
                let about = self.front(position)?;
                let is_handled = handled.is_some_and(|handled| {
                    Some(handled.event_id) == about.event_id
                        && handled.group == about.group
                        && handled.key == about.key
                });
                if !is_handled {
                    return Err(CommitError::Invalid(InvalidCommit::UnparkWithoutHandled));
                }
                let asked = self.asked(&about, String::new(), at);
                self.remove(&about);
                self.audit.note(AuditAction::Redriven, about, asked);
                Ok(())
            }
            ParkWrite::FailedAgain {
                position,
                reason,
                attempts,
                at,
            } => {
                let about = self.about(position)?;
                let asked = self.asked(&about, reason.clone(), at);
                self.rows.fail(position, reason, attempts);
                self.redrives.end(&about.group, &about.key);
                self.audit.note(AuditAction::RedriveFailed, about, asked);
                Ok(())
            }
            ParkWrite::RequestRedrive(request) => self.request(request),
            ParkWrite::CancelRedrive { group, key, asked } => {
                if self.redrives.end(&group, &key) {
                    let about = About::several(group, key);
                    self.audit.note(AuditAction::RedriveCancelled, about, asked);
                }
                Ok(())
            }
            ParkWrite::Discard { position, asked } => {
                let about = self.about(position)?;
                self.remove(&about);
                if let Some(event_id) = about.event_id {
                    marks.insert(&about.group, event_id, asked.at);
                }
                self.audit.note(AuditAction::Discarded, about, asked);
                Ok(())
            }
        }
    }

    fn request(&mut self, request: RedriveRequest) -> Result<(), CommitError> {
        let RedriveRequest {
            group,
            scope,
            per_second,
            asked,
        } = request;
        let (about, only, keys) = match scope {
            RedriveScope::Event(position) => {
                let about = self.front(position)?;
                if about.group != group {
                    return Err(not_parked(position));
                }
                let keys = vec![about.key.clone()];
                (about, Some(position), keys)
            }
            RedriveScope::Key(key) => {
                let is_parked = self.first(&group, &key).is_some();
                let keys = is_parked.then(|| key.clone()).into_iter().collect();
                (About::several(group, key), None, keys)
            }
            RedriveScope::Group => {
                let keys = self.keys(&group).into_iter().map(|(key, _)| key).collect();
                (About::several(group, String::new()), None, keys)
            }
        };
        if keys.is_empty() {
            return Ok(());
        }
        for key in keys {
            self.rows.reset_attempts(&about.group, &key, only);
            self.redrives.open(Redrive {
                group: about.group.clone(),
                key,
                only,
                per_second,
                asked: asked.clone(),
            });
        }
        self.audit.note(AuditAction::RedriveRequested, about, asked);
        Ok(())
    }

    /// What is parked at a position.
    fn about(&self, position: u64) -> Result<About, CommitError> {
        let row = self.rows.get(position);
        row.map(About::row).ok_or_else(|| not_parked(position))
    }

    /// The same, if it is the first of its key.
    fn front(&self, position: u64) -> Result<About, CommitError> {
        let about = self.about(position)?;
        match self.first(&about.group, &about.key) {
            Some(first) if first != position => Err(CommitError::Conflict(Conflict::NotFirst {
                position,
                first,
            })),
            _ => Ok(about),
        }
    }

    /// Takes a row away, and its key's request when that has nothing left to do.
    fn remove(&mut self, about: &About) {
        self.rows.remove(about.position);
        let has_more = self.first(&about.group, &about.key).is_some();
        let open = self.redrives.get(&about.group, &about.key);
        if open.is_some_and(|open| !has_more || open.only == Some(about.position)) {
            self.redrives.end(&about.group, &about.key);
        }
    }

    /// On behalf of whoever asked for the redrive.
    fn asked(&self, about: &About, why: String, at: std::time::SystemTime) -> Asked {
        let open = self.redrives.get(&about.group, &about.key);
        Asked {
            by: open.map_or_else(String::new, |open| open.asked.by.clone()),
            why,
            at,
        }
    }

    pub(super) fn refuse_parked(&self, event: &ParkedEvent) -> Result<(), CommitError> {
        self.rows.refuse_parked(event)
    }

    pub(super) fn keep(&mut self) {
        self.rows.keep();
        self.redrives.keep();
        self.audit.keep();
    }

    pub(super) fn undo(&mut self) {
        self.rows.undo();
        self.redrives.undo();
        self.audit.undo();
    }

    pub(super) fn first(&self, group: &str, key: &str) -> Option<u64> {
        self.rows.first(group, key)
    }

    pub(super) fn keys(&self, group: &str) -> Vec<(String, u64)> {
        self.rows.keys(group)
    }

    pub(super) fn list(&self, filter: &ParkedFilter, limit: usize) -> Vec<Parked> {
        let mut rows = self.rows.list(filter, limit);
        for row in &mut rows {
            let open = self.redrives.get(&row.group, &row.key);
            row.redrive_requested =
                open.is_some_and(|open| open.only.is_none_or(|only| only == row.position));
        }
        rows
    }

    pub(super) fn redrives(&self, group: &str, limit: usize) -> Vec<Redrive> {
        self.redrives.list(group, limit)
    }

    pub(super) fn audit(&self, filter: &AuditFilter, limit: usize) -> Vec<AuditEntry> {
        self.audit.list(filter, limit)
    }
}

// === impl About ===

impl About {
    fn row(row: &Parked) -> Self {
        Self {
            position: row.position,
            group: row.group.clone(),
            key: row.key.clone(),
            event_id: Some(row.event_id),
            topic: row.topic.clone(),
        }
    }

    fn several(group: String, key: String) -> Self {
        Self {
            position: 0,
            group,
            key,
            event_id: None,
            topic: String::new(),
        }
    }
}

fn not_parked(position: u64) -> CommitError {
    CommitError::Conflict(Conflict::NotParked { position })
}
