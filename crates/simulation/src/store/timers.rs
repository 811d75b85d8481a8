//! Things to do at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use outcry_store::{CommitError, Conflict, Timer, TimerWrite};

/// Timers by id, and their ids by when they are due.
#[derive(Clone, Default)]
pub(super) struct Timers {
    timers: BTreeMap<String, Timer>,
    by_due: BTreeSet<(SystemTime, String)>,
    /// What was there before each change.
    undo: Vec<(String, Option<Timer>)>,
}

// === impl Timers ===

impl Timers {
    pub(super) fn write(&mut self, write: TimerWrite) -> Result<(), CommitError> {
        match write {
            TimerWrite::Set(timer) => self.change(timer.id.clone(), Some(timer)),
            TimerWrite::Clear { id } => self.change(id, None),
            TimerWrite::Fired { id, due } => {
                if self.timers.get(&id).is_none_or(|timer| timer.due != due) {
                    return Err(CommitError::Conflict(Conflict::Timer { id }));
                }
                self.change(id, None);
            }
        }
        Ok(())
    }

    pub(super) fn keep(&mut self) {
        self.undo.clear();
    }

    pub(super) fn undo(&mut self) {
        while let Some((id, before)) = self.undo.pop() {
            self.replace(id, before);
        }
    }

    /// The longest due first.
    pub(super) fn due(&self, now: SystemTime, limit: usize) -> Vec<Timer> {
        let due = self.by_due.iter().take_while(|(due, _)| *due <= now);
        due.take(limit).filter_map(|(_, id)| self.get(id)).collect()
    }

    pub(super) fn next(&self) -> Option<SystemTime> {
        self.by_due.first().map(|(due, _)| *due)
    }

    pub(super) fn all(&self) -> Vec<Timer> {
        let all = self.by_due.iter();
        all.filter_map(|(_, id)| self.get(id)).collect()
    }

    fn get(&self, id: &str) -> Option<Timer> {
        self.timers.get(id).cloned()
    }

    fn change(&mut self, id: String, timer: Option<Timer>) {
        let before = self.replace(id.clone(), timer);
        self.undo.push((id, before));
    }

    /// Sets or clears a timer; gives what was there.
    fn replace(&mut self, id: String, timer: Option<Timer>) -> Option<Timer> {
        let before = self.timers.remove(&id);
        if let Some(before) = &before {
            self.by_due.remove(&(before.due, id.clone()));
        }
        if let Some(timer) = timer {
            self.by_due.insert((timer.due, id.clone()));
            self.timers.insert(id, timer);
        }
        before
    }
}
