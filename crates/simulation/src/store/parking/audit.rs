//! Who did what about parked events.

use std::collections::BTreeMap;

use outcry_store::{Asked, AuditAction, AuditEntry, AuditFilter};

use super::About;

/// Entries in the order of doing, and the positions of each group's.
#[derive(Clone, Default)]
pub(super) struct Audit {
    /// The entry at position 1 first.
    entries: Vec<AuditEntry>,
    groups: BTreeMap<String, Vec<usize>>,
    /// How many there were before the commit.
    kept: usize,
}

// === impl Audit ===

impl Audit {
    pub(super) fn note(&mut self, action: AuditAction, about: About, asked: Asked) {
        let places = self.groups.entry(about.group.clone()).or_default();
        places.push(self.entries.len());
        self.entries.push(AuditEntry {
            position: self.entries.len() as u64 + 1,
            action,
            group: about.group,
            key: about.key,
            parked_position: about.position,
            event_id: about.event_id,
            topic: about.topic,
            asked,
        });
    }

    pub(super) fn keep(&mut self) {
        self.kept = self.entries.len();
    }

    pub(super) fn undo(&mut self) {
        while self.entries.len() > self.kept {
            let Some(entry) = self.entries.pop() else {
                return;
            };
            if let Some(places) = self.groups.get_mut(&entry.group) {
                places.pop();
            }
        }
    }

    /// Newest first.
    pub(super) fn list(&self, filter: &AuditFilter, limit: usize) -> Vec<AuditEntry> {
        let older = filter.before.map_or(usize::MAX, |before| {
            usize::try_from(before.saturating_sub(1)).unwrap_or(usize::MAX)
        });
        let Some(group) = &filter.group else {
            let entries = self.entries.iter().take(older).rev();
            return entries.take(limit).cloned().collect();
        };
        let places = self.groups.get(group).map_or(&[][..], Vec::as_slice);
        let end = places.partition_point(|place| *place < older);
        let places = places.iter().take(end).rev().take(limit);
        let entries = places.filter_map(|place| self.entries.get(*place));
        entries.cloned().collect()
    }
}
