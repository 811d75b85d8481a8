//! Open requests to bring keys back: at most one per key.

use std::collections::BTreeMap;

use outcry_store::Redrive;

/// Requests by group and key, each with its place in the order of asking.
#[derive(Clone, Default)]
pub(super) struct Redrives {
    open: BTreeMap<String, BTreeMap<String, Open>>,
    last: u64,
    /// What was open before each change.
    undo: Vec<(String, String, Option<Open>)>,
}

#[derive(Clone)]
struct Open {
    place: u64,
    redrive: Redrive,
}

// === impl Redrives ===

impl Redrives {
    /// Opens a request, or widens the one of its key: a request for the whole key stays one.
    pub(super) fn open(&mut self, redrive: Redrive) {
        let (group, key) = (redrive.group.clone(), redrive.key.clone());
        let before = self.find(&group, &key);
        let (place, only) = match before {
            Some(before) => (before.place, before.redrive.only.and(redrive.only)),
            None => (self.last + 1, redrive.only),
        };
        self.last = self.last.max(place);
        let redrive = Redrive { only, ..redrive };
        self.change(group, key, Some(Open { place, redrive }));
    }

    /// Ends a key's request; whether there was one.
    pub(super) fn end(&mut self, group: &str, key: &str) -> bool {
        let is_open = self.find(group, key).is_some();
        if is_open {
            self.change(group.to_owned(), key.to_owned(), None);
        }
        is_open
    }

    pub(super) fn get(&self, group: &str, key: &str) -> Option<&Redrive> {
        self.find(group, key).map(|open| &open.redrive)
    }

    /// The oldest first.
    pub(super) fn list(&self, group: &str, limit: usize) -> Vec<Redrive> {
        let open = self.open.get(group).into_iter().flat_map(BTreeMap::values);
        let mut open: Vec<_> = open.collect();
        open.sort_unstable_by_key(|open| open.place);
        let open = open.into_iter().take(limit);
        open.map(|open| open.redrive.clone()).collect()
    }

    pub(super) fn keep(&mut self) {
        self.undo.clear();
    }

    pub(super) fn undo(&mut self) {
        while let Some((group, key, before)) = self.undo.pop() {
            self.replace(&group, key, before);
        }
    }

    fn find(&self, group: &str, key: &str) -> Option<&Open> {
        self.open.get(group)?.get(key)
    }

    fn change(&mut self, group: String, key: String, open: Option<Open>) {
        let before = self.replace(&group, key.clone(), open);
        self.undo.push((group, key, before));
    }

    fn replace(&mut self, group: &str, key: String, open: Option<Open>) -> Option<Open> {
        match open {
            Some(open) => {
                let keys = self.open.entry(group.to_owned()).or_default();
                keys.insert(key, open)
            }
            None => self.open.get_mut(group)?.remove(&key),
        }
    }
}
