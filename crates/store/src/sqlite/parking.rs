//! Events put aside with their keys, requests to bring them back, and who did what.

mod audit;
mod redrives;
mod rows;

use outcry_sqlite::rusqlite::Connection;

use self::audit::Audit;
use self::redrives::Redrives;
use self::rows::{Head, Rows};
use super::inbox::Inbox;
use crate::commit::Handled;
use crate::error::{CommitError, Conflict, InvalidCommit, StoreError};
use crate::parking::{
    Asked, AuditAction, AuditEntry, AuditFilter, ParkWrite, Parked, ParkedEvent, ParkedFilter,
    Redrive, RedriveRequest, RedriveScope,
};

#[derive(Debug)]
pub(super) struct Parking {
    pub(super) rows: Rows,
    pub(super) redrives: Redrives,
    pub(super) audit: Audit,
}

// === impl Parking ===

impl Parking {
    pub(super) fn of(service: &str) -> Self {
        Self {
            rows: Rows::of(service),
            redrives: Redrives::of(service),
            audit: Audit::of(service),
        }
    }

    /// `handled` is the mark of the same commit.
    pub(super) fn write(
        &self,
        connection: &Connection,
        write: &ParkWrite,
        handled: Option<&Handled>,
        inbox: &Inbox,
    ) -> Result<(), CommitError> {
        match write {
            ParkWrite::Park(event) => Ok(self.rows.insert(connection, event)?),
            ParkWrite::ParkBehind(event) => {
                if self.first(connection, &event.group, &event.key)?.is_none() {
                    return Err(CommitError::Conflict(Conflict::KeyFree {
                        group: event.group.clone(),
                        key: event.key.clone(),
                    }));
                }
                Ok(self.rows.insert(connection, event)?)
            }
            ParkWrite::Unpark { position, at } => {
                let head = self.front(connection, *position)?;
                let is_handled = handled.is_some_and(|handled| {
                    handled.event_id == head.event_id
                        && handled.group == head.group
                        && handled.key == head.key
                });
                if !is_handled {
                    return Err(CommitError::Invalid(InvalidCommit::UnparkWithoutHandled));
                }
                let asked = Asked {
                    by: self.redrives.asked_by(connection, &head)?,
                    why: String::new(),
                    at: *at,
                };
                self.remove(connection, &head)?;
                Ok(self
                    .audit
                    .note(connection, AuditAction::Redriven, &head, &asked)?)
            }
            ParkWrite::FailedAgain {
                position,
                reason,
                attempts,
                at,
            } => {
                let head = self.head(connection, *position)?;
                self.rows.fail(connection, *position, reason, *attempts)?;
                let asked = Asked {
                    by: self.redrives.asked_by(connection, &head)?,
                    why: reason.clone(),
                    at: *at,
                };
                self.redrives.end(connection, &head.group, &head.key)?;
                Ok(self
                    .audit
                    .note(connection, AuditAction::RedriveFailed, &head, &asked)?)
            }
            ParkWrite::RequestRedrive(request) => self.request(connection, request),
            ParkWrite::CancelRedrive { group, key, asked } => {
                if self.redrives.end(connection, group, key)? {
                    let about = Head::key(group, key);
                    self.audit
                        .note(connection, AuditAction::RedriveCancelled, &about, asked)?;
                }
                Ok(())
            }
            ParkWrite::Discard { position, asked } => {
                let head = self.head(connection, *position)?;
                self.remove(connection, &head)?;
                inbox.insert(connection, &head.group, head.event_id, asked.at)?;
                Ok(self
                    .audit
                    .note(connection, AuditAction::Discarded, &head, asked)?)
            }
        }
    }

    fn request(
        &self,
        connection: &Connection,
        request: &RedriveRequest,
    ) -> Result<(), CommitError> {
        let group = &request.group;
        let about = match &request.scope {
            RedriveScope::Event(position) => {
                let head = self.front(connection, *position)?;
                if head.group != *group {
                    return Err(not_parked(*position));
                }
                head
            }
            RedriveScope::Key(key) => Head::key(group, key),
            RedriveScope::Group => Head::group(group),
        };
        if self.redrives.open(connection, request, &about)? {
            self.rows.reset_attempts(connection, &about)?;
            self.audit.note(
                connection,
                AuditAction::RedriveRequested,
                &about,
                &request.asked,
            )?;
        }
        Ok(())
    }

    /// A parked row.
    fn head(&self, connection: &Connection, position: u64) -> Result<Head, CommitError> {
        self.rows
            .head(connection, position)?
            .ok_or_else(|| not_parked(position))
    }

    /// A parked row that is the first of its key.
    fn front(&self, connection: &Connection, position: u64) -> Result<Head, CommitError> {
        let head = self.head(connection, position)?;
        match self.first(connection, &head.group, &head.key)? {
            Some(first) if first != position => Err(CommitError::Conflict(Conflict::NotFirst {
                position,
                first,
            })),
            _ => Ok(head),
        }
    }

    /// Takes a row away, and its key's request when that has nothing left to do.
    fn remove(&self, connection: &Connection, head: &Head) -> Result<(), StoreError> {
        self.rows.remove(connection, head.position)?;
        if self.first(connection, &head.group, &head.key)?.is_none() {
            self.redrives.end(connection, &head.group, &head.key)?;
        } else {
            self.redrives.end_single(connection, head)?;
        }
        Ok(())
    }

    /// Refuses to park what is parked.
    pub(super) fn refuse_parked(
        &self,
        connection: &Connection,
        event: &ParkedEvent,
    ) -> Result<(), CommitError> {
        self.rows.refuse_parked(connection, event)
    }

    pub(super) fn first(
        &self,
        connection: &Connection,
        group: &str,
        key: &str,
    ) -> Result<Option<u64>, StoreError> {
        self.rows.first(connection, group, key)
    }

    pub(super) fn list(
        &self,
        connection: &Connection,
        filter: &ParkedFilter,
    ) -> Result<Vec<Parked>, StoreError> {
        self.rows.list(connection, filter)
    }

    pub(super) fn keys(
        &self,
        connection: &Connection,
        group: &str,
    ) -> Result<Vec<(String, u64)>, StoreError> {
        self.rows.keys(connection, group)
    }

    pub(super) fn redrives(
        &self,
        connection: &Connection,
        group: &str,
        limit: usize,
    ) -> Result<Vec<Redrive>, StoreError> {
        self.redrives.list(connection, group, limit)
    }

    pub(super) fn audit(
        &self,
        connection: &Connection,
        filter: &AuditFilter,
    ) -> Result<Vec<AuditEntry>, StoreError> {
        self.audit.list(connection, filter)
    }
}

fn not_parked(position: u64) -> CommitError {
    CommitError::Conflict(Conflict::NotParked { position })
}
