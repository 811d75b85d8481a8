//! The tables of one service, and how a commit goes into them.

use outcry_sqlite::Schema;
use outcry_sqlite::rusqlite::Connection;

use super::answers::Answers;
use super::events::Events;
use super::inbox::Inbox;
use super::parking::Parking;
use super::timers::Timers;
use super::views::{Found, Views};
use crate::commit::{Commit, Handled};
use crate::error::{CommitError, Conflict, Duplicate, StoreError};
use crate::parking::ParkWrite;

/// Steps that lead to the tables of this version; `@` stands for the service.
const STEPS: [&str; 2] = [
    "
    CREATE TABLE @_events (
        position      INTEGER PRIMARY KEY,
        stream        TEXT NOT NULL,
        sequence      INTEGER NOT NULL,
        partition_key TEXT NOT NULL,
        recorded_at   INTEGER NOT NULL,
        bytes         BLOB NOT NULL,
        UNIQUE (stream, sequence)
    ) STRICT;
    CREATE INDEX @_events_by_key ON @_events (partition_key, position);

    -- Events the broker has not confirmed yet. A small table of its own, so that confirming does
    -- not write the events again.
    CREATE TABLE @_unsent (position INTEGER PRIMARY KEY) STRICT;

    CREATE TABLE @_handled (
        consumer_group TEXT NOT NULL,
        event_id       BLOB NOT NULL,
        at             INTEGER NOT NULL,
        PRIMARY KEY (consumer_group, event_id)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX @_handled_by_age ON @_handled (at);

    CREATE TABLE @_answers (
        id           INTEGER PRIMARY KEY,
        principal    TEXT NOT NULL,
        method       TEXT NOT NULL,
        request_id   TEXT NOT NULL,
        request_hash BLOB NOT NULL,
        at           INTEGER NOT NULL,
        response     BLOB NOT NULL,
        UNIQUE (principal, method, request_id)
    ) STRICT;
    CREATE INDEX @_answers_by_age ON @_answers (at);

    -- `orders` is what @_view_orders holds for the row, as a JSON list of pairs.
    CREATE TABLE @_views (
        id      INTEGER PRIMARY KEY,
        view    TEXT NOT NULL,
        key     TEXT NOT NULL,
        version INTEGER NOT NULL,
        orders  TEXT NOT NULL,
        body    BLOB NOT NULL,
        UNIQUE (view, key)
    ) STRICT;
    CREATE TABLE @_view_orders (
        view     TEXT NOT NULL,
        name     TEXT NOT NULL,
        sort_key TEXT NOT NULL,
        key      TEXT NOT NULL,
        PRIMARY KEY (view, name, sort_key, key)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE @_timers (
        id      TEXT PRIMARY KEY NOT NULL,
        due     INTEGER NOT NULL,
        payload BLOB NOT NULL
    ) STRICT;
    CREATE INDEX @_timers_by_due ON @_timers (due, id);

    -- AUTOINCREMENT: the place of a row that has gone is not given to another one.
    CREATE TABLE @_parked (
        position       INTEGER PRIMARY KEY AUTOINCREMENT,
        consumer_group TEXT NOT NULL,
        key            TEXT NOT NULL,
        event_id       BLOB NOT NULL,
        topic          TEXT NOT NULL,
        attempts       INTEGER NOT NULL,
        parked_at      INTEGER NOT NULL,
        reason         TEXT NOT NULL,
        headers        TEXT NOT NULL,
        bytes          BLOB NOT NULL,
        UNIQUE (consumer_group, event_id)
    ) STRICT;
    CREATE INDEX @_parked_by_key ON @_parked (consumer_group, key, position);

    CREATE TABLE @_redrives (
        id             INTEGER PRIMARY KEY,
        consumer_group TEXT NOT NULL,
        key            TEXT NOT NULL,
        only_position  INTEGER,
        per_second     INTEGER NOT NULL,
        asked_by       TEXT NOT NULL,
        why            TEXT NOT NULL,
        at             INTEGER NOT NULL,
        UNIQUE (consumer_group, key)
    ) STRICT;

    CREATE TABLE @_parking_audit (
        position        INTEGER PRIMARY KEY,
        action          TEXT NOT NULL,
        consumer_group  TEXT NOT NULL,
        key             TEXT NOT NULL,
        parked_position INTEGER NOT NULL,
        event_id        BLOB,
        topic           TEXT NOT NULL,
        asked_by        TEXT NOT NULL,
        why             TEXT NOT NULL,
        at              INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX @_parking_audit_by_group ON @_parking_audit (consumer_group, position);
",
    // Events from before have no slot of their own; one process relays all slots together, so
    // their order does not depend on it.
    "ALTER TABLE @_unsent ADD COLUMN slot INTEGER NOT NULL DEFAULT 0;",
];

/// The tables of one service, each with the statements that use it.
#[derive(Debug)]
pub(super) struct Tables {
    pub(super) events: Events,
    pub(super) inbox: Inbox,
    pub(super) answers: Answers,
    pub(super) views: Views,
    pub(super) timers: Timers,
    pub(super) parking: Parking,
}

/// `sql` with the service's name in the place of every `@`.
pub(super) fn named(service: &str, sql: &str) -> String {
    sql.replace('@', service)
}

/// The tables of `service`, step by step.
pub(super) fn schema(service: &str) -> Result<Schema, StoreError> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if !service.starts_with(|c: char| c.is_ascii_lowercase()) || !service.chars().all(plain) {
        return Err(StoreError::Tables {
            service: service.to_owned(),
            source: "tables can only be named after a plain name".into(),
        });
    }
    Ok(Schema {
        namespace: format!("store/{service}"),
        steps: STEPS.iter().map(|step| named(service, step)).collect(),
    })
}

// === impl Tables ===

impl Tables {
    pub(super) fn of(service: &str) -> Self {
        Self {
            events: Events::of(service),
            inbox: Inbox::of(service),
            answers: Answers::of(service),
            views: Views::of(service),
            timers: Timers::of(service),
            parking: Parking::of(service),
        }
    }

    /// Applies a commit. Unless it parks or unparks something it is refused, if it is, before anything is written; on
    /// any other error the caller undoes what was applied so far.
    pub(super) fn apply(
        &self,
        connection: &Connection,
        commit: &Commit,
    ) -> Result<(), CommitError> {
        let found = self.judge(connection, commit)?;
        for append in &commit.appends {
            self.events.append(connection, append)?;
        }
        if let Some(handled) = &commit.handled {
            self.inbox
                .insert(connection, &handled.group, handled.event_id, handled.at)?;
        }
        if let Some(answer) = &commit.answered {
            self.answers.insert(connection, answer)?;
        }
        for (write, found) in commit.views.iter().zip(found) {
            self.views.write(connection, write, found)?;
        }
        for write in &commit.timers {
            self.timers.write(connection, write)?;
        }
        for write in &commit.parked {
            self.parking
                .write(connection, write, commit.handled.as_ref(), &self.inbox)?;
        }
        Ok(())
    }

    /// Refuses what does not fit to what is there; otherwise says what is there of every row that is written.
    fn judge(&self, connection: &Connection, commit: &Commit) -> Result<Vec<Found>, CommitError> {
        self.refuse_duplicates(connection, commit)?;
        self.events.judge(connection, &commit.appends)?;
        if let Some(handled) = &commit.handled {
            self.refuse_parked(connection, handled, &commit.parked)?;
        }
        let found = self.views.judge(connection, &commit.views)?;
        self.timers.judge(connection, &commit.timers)?;
        Ok(found)
    }

    /// What has been done already is found before anything that has changed because of it.
    fn refuse_duplicates(
        &self,
        connection: &Connection,
        commit: &Commit,
    ) -> Result<(), CommitError> {
        if let Some(handled) = &commit.handled {
            self.inbox
                .refuse_handled(connection, &handled.group, handled.event_id)?;
        }
        if let Some(answer) = &commit.answered
            && self.answers.contains(connection, answer)?
        {
            return Err(CommitError::Duplicate(Duplicate::Answered {
                principal: answer.principal.clone(),
                method: answer.method.clone(),
                request_id: answer.request_id.clone(),
            }));
        }
        for write in &commit.parked {
            if let ParkWrite::Park(event) | ParkWrite::ParkBehind(event) = write {
                self.inbox
                    .refuse_handled(connection, &event.group, event.event_id)?;
                self.parking.refuse_parked(connection, event)?;
            }
        }
        Ok(())
    }

    /// Refuses to handle an event that would overtake parked ones of its key.
    fn refuse_parked(
        &self,
        connection: &Connection,
        handled: &Handled,
        parked: &[ParkWrite],
    ) -> Result<(), CommitError> {
        let first = self
            .parking
            .first(connection, &handled.group, &handled.key)?;
        // Whether it is the right row is judged when it is unparked.
        let unparks = |first| {
            parked.iter().any(
                |write| matches!(write, ParkWrite::Unpark { position, .. } if *position == first),
            )
        };
        match first.filter(|first| !unparks(*first)) {
            Some(first) => Err(CommitError::Conflict(Conflict::KeyParked {
                group: handled.group.clone(),
                key: handled.key.clone(),
                first,
            })),
            None => Ok(()),
        }
    }
}
