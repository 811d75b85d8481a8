//! What has been done: events handled, requests answered. Both are forgotten by age.

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use outcry_store::{Answer, CommitError, Duplicate};
use uuid::Uuid;

/// Which events a group has handled, and when.
#[derive(Clone, Default)]
pub(super) struct HandledMarks {
    groups: BTreeMap<String, BTreeMap<Uuid, SystemTime>>,
    by_age: BTreeSet<(SystemTime, Uuid, String)>,
    undo: Vec<(String, Uuid)>,
}

/// Which requests have been answered, and how.
#[derive(Clone, Default)]
pub(super) struct Answers {
    requests: BTreeMap<Request, Answer>,
    by_age: BTreeSet<(SystemTime, Request)>,
    undo: Vec<Request>,
}

/// Request id, principal and method: what is most telling apart comes first.
type Request = (String, String, String);

// === impl HandledMarks ===

impl HandledMarks {
    pub(super) fn contains(&self, group: &str, event_id: Uuid) -> bool {
        self.groups
            .get(group)
            .is_some_and(|events| events.contains_key(&event_id))
    }

    pub(super) fn refuse_handled(&self, group: &str, event_id: Uuid) -> Result<(), CommitError> {
        if self.contains(group, event_id) {
            return Err(CommitError::Duplicate(Duplicate::Handled {
                group: group.to_owned(),
                event_id,
            }));
        }
        Ok(())
    }

    /// Marks an event that is not marked yet; a mark that is there stays.
    pub(super) fn insert(&mut self, group: &str, event_id: Uuid, at: SystemTime) {
        if self.contains(group, event_id) {
            return;
        }
        match self.groups.get_mut(group) {
            Some(events) => {
                events.insert(event_id, at);
            }
            None => {
                let events = BTreeMap::from([(event_id, at)]);
                self.groups.insert(group.to_owned(), events);
            }
        }
        self.by_age.insert((at, event_id, group.to_owned()));
        self.undo.push((group.to_owned(), event_id));
    }

    pub(super) fn keep(&mut self) {
        self.undo.clear();
    }

    pub(super) fn undo(&mut self) {
        while let Some((group, event_id)) = self.undo.pop() {
            let events = self.groups.get_mut(&group);
            if let Some(at) = events.and_then(|events| events.remove(&event_id)) {
                self.by_age.remove(&(at, event_id, group));
            }
        }
    }

    pub(super) fn forget(&mut self, before: SystemTime, limit: usize) -> u64 {
        let mut forgotten = 0;
        while forgotten < limit as u64
            && self.by_age.first().is_some_and(|(at, ..)| *at < before)
            && let Some((_, event_id, group)) = self.by_age.pop_first()
        {
            if let Some(events) = self.groups.get_mut(&group) {
                events.remove(&event_id);
            }
            forgotten += 1;
        }
        forgotten
    }

    pub(super) fn of_group(&self, group: &str) -> Vec<Uuid> {
        let events = self.groups.get(group);
        events.map_or_else(Vec::new, |events| events.keys().copied().collect())
    }
}

// === impl Answers ===

impl Answers {
    pub(super) fn find(&self, principal: &str, method: &str, request_id: &str) -> Option<&Answer> {
        self.requests.get(&request(principal, method, request_id))
    }

    /// Keeps the answer to a request that has none yet.
    pub(super) fn insert(&mut self, answer: Answer) {
        let request = request(&answer.principal, &answer.method, &answer.request_id);
        self.by_age.insert((answer.at, request.clone()));
        self.undo.push(request.clone());
        self.requests.insert(request, answer);
    }

    pub(super) fn keep(&mut self) {
        self.undo.clear();
    }

    pub(super) fn undo(&mut self) {
        while let Some(request) = self.undo.pop() {
            if let Some(answer) = self.requests.remove(&request) {
                self.by_age.remove(&(answer.at, request));
            }
        }
    }

    pub(super) fn forget(&mut self, before: SystemTime, limit: usize) -> u64 {
        let mut forgotten = 0;
        while forgotten < limit as u64
            && self.by_age.first().is_some_and(|(at, _)| *at < before)
            && let Some((_, request)) = self.by_age.pop_first()
        {
            self.requests.remove(&request);
            forgotten += 1;
        }
        forgotten
    }
}

fn request(principal: &str, method: &str, request_id: &str) -> Request {
    (
        request_id.to_owned(),
        principal.to_owned(),
        method.to_owned(),
    )
}
