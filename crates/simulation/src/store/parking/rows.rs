//! The parked events themselves.

use std::collections::{BTreeMap, BTreeSet};

use outcry_store::{CommitError, Duplicate, Parked, ParkedEvent, ParkedFilter};
use uuid::Uuid;

/// Rows by position, and their positions by group and key and by event.
#[derive(Clone, Default)]
pub(super) struct Rows {
    rows: BTreeMap<u64, Parked>,
    keys: BTreeMap<String, BTreeMap<String, BTreeSet<u64>>>,
    events: BTreeMap<(Uuid, String), u64>,
    /// The newest position; the place of a row that has gone is not given to another one.
    last: u64,
    /// The same, before the commit.
    kept: u64,
    /// What was there before each change.
    undo: Vec<(u64, Option<Parked>)>,
}

// === impl Rows ===

impl Rows {
    pub(super) fn insert(&mut self, event: ParkedEvent) -> Result<(), CommitError> {
        // The same event twice in one commit.
        self.refuse_parked(&event)?;
        self.last += 1;
        let row = Parked {
            position: self.last,
            group: event.group,
            key: event.key,
            event_id: event.event_id,
            topic: event.topic,
            bytes: event.bytes,
            headers: event.headers,
            reason: event.reason,
            attempts: event.attempts,
            parked_at: event.parked_at,
            redrive_requested: false,
        };
        self.change(self.last, Some(row));
        Ok(())
    }

    pub(super) fn refuse_parked(&self, event: &ParkedEvent) -> Result<(), CommitError> {
        match self.events.get(&(event.event_id, event.group.clone())) {
            None => Ok(()),
            Some(position) => Err(CommitError::Duplicate(Duplicate::Parked {
                group: event.group.clone(),
                event_id: event.event_id,
                position: *position,
            })),
        }
    }

    pub(super) fn get(&self, position: u64) -> Option<&Parked> {
        self.rows.get(&position)
    }

    pub(super) fn remove(&mut self, position: u64) {
        self.change(position, None);
    }

    pub(super) fn fail(&mut self, position: u64, reason: String, attempts: u32) {
        if let Some(row) = self.rows.get(&position) {
            let row = Parked {
                reason,
                attempts: row.attempts.saturating_add(attempts),
                ..row.clone()
            };
            self.change(position, Some(row));
        }
    }

    /// Of one row of the key, or of all.
    pub(super) fn reset_attempts(&mut self, group: &str, key: &str, only: Option<u64>) {
        let positions: Vec<_> = match only {
            Some(position) => vec![position],
            None => self.of_key(group, key).collect(),
        };
        for position in positions {
            if let Some(row) = self.rows.get(&position) {
                let row = Parked {
                    attempts: 0,
                    ..row.clone()
                };
                self.change(position, Some(row));
            }
        }
    }

    pub(super) fn first(&self, group: &str, key: &str) -> Option<u64> {
        self.of_key(group, key).next()
    }

    pub(super) fn keys(&self, group: &str) -> Vec<(String, u64)> {
        let keys = self.keys.get(group).into_iter().flatten();
        keys.map(|(key, rows)| (key.clone(), rows.len() as u64))
            .collect()
    }

    pub(super) fn list(&self, filter: &ParkedFilter, limit: usize) -> Vec<Parked> {
        let is_wanted = |row: &&Parked| {
            let wants = |wanted: &Option<String>, found: &str| {
                wanted.as_deref().is_none_or(|wanted| wanted == found)
            };
            row.position > filter.after
                && wants(&filter.group, &row.group)
                && wants(&filter.key, &row.key)
                && wants(&filter.topic, &row.topic)
                && filter.event_id.is_none_or(|wanted| wanted == row.event_id)
                && filter.position.is_none_or(|wanted| wanted == row.position)
        };
        let take = |rows: &mut dyn Iterator<Item = &Parked>| {
            rows.filter(is_wanted).take(limit).cloned().collect()
        };
        let at = |position: &u64| self.rows.get(position);
        if let Some(position) = filter.position {
            return take(&mut self.rows.get(&position).into_iter());
        }
        if let Some(event_id) = filter.event_id {
            let of_event = self.events.range((event_id, String::new())..);
            let of_event = of_event.take_while(|((found, _), _)| *found == event_id);
            let positions: BTreeSet<u64> = of_event.map(|(_, position)| *position).collect();
            return take(&mut positions.iter().filter_map(at));
        }
        let behind = filter.after.saturating_add(1)..;
        if let (Some(group), Some(key)) = (&filter.group, &filter.key) {
            let positions = self.keys.get(group).and_then(|keys| keys.get(key));
            let positions = positions
                .into_iter()
                .flat_map(|rows| rows.range(behind.clone()));
            return take(&mut positions.filter_map(at));
        }
        take(&mut self.rows.range(behind).map(|(_, row)| row))
    }

    pub(super) fn keep(&mut self) {
        self.undo.clear();
        self.kept = self.last;
    }

    pub(super) fn undo(&mut self) {
        while let Some((position, before)) = self.undo.pop() {
            self.replace(position, before);
        }
        self.last = self.kept;
    }

    fn of_key(&self, group: &str, key: &str) -> impl Iterator<Item = u64> {
        let rows = self.keys.get(group).and_then(|keys| keys.get(key));
        rows.into_iter().flatten().copied()
    }

    fn change(&mut self, position: u64, row: Option<Parked>) {
        let before = self.replace(position, row);
        self.undo.push((position, before));
    }

    fn replace(&mut self, position: u64, row: Option<Parked>) -> Option<Parked> {
        let before = self.rows.remove(&position);
        if let Some(before) = &before {
            self.events.remove(&(before.event_id, before.group.clone()));
            self.drop_place(before);
        }
        if let Some(row) = row {
            self.events
                .insert((row.event_id, row.group.clone()), position);
            let keys = self.keys.entry(row.group.clone()).or_default();
            keys.entry(row.key.clone()).or_default().insert(position);
            self.rows.insert(position, row);
        }
        before
    }

    /// A key without rows is not parked, so nothing may be left of it.
    fn drop_place(&mut self, row: &Parked) {
        let Some(keys) = self.keys.get_mut(&row.group) else {
            return;
        };
        if let Some(rows) = keys.get_mut(&row.key) {
            rows.remove(&row.position);
            if rows.is_empty() {
                keys.remove(&row.key);
            }
        }
    }
}
