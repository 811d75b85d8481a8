//! Denials: some are written one by one, the rest is counted, so that whoever is refused without end
//! fills no disk.

use std::collections::BTreeMap;

use super::chain::Entry;

/// How long denials are counted together.
pub(super) const WINDOW_NS: i64 = 60_000_000_000;

/// Denials of one sort that are written one by one in a window: enough to see who it is.
const ALIKE_MAX: u64 = 5;

/// Denials that are written one by one in a window, whatever their sort.
const ALONE_MAX: u64 = 100;

/// Sorts that are counted apart in a window; the rest is counted as one.
const SORTS_MAX: usize = 128;

/// Method, caller, code and reason.
type Sort = (String, String, i32, String);

/// Denials that are not written yet.
#[derive(Debug, Default)]
pub(super) struct Denials {
    /// When the window began, by the first denial in it.
    since_ns: Option<i64>,
    /// To be written one by one.
    alone: Vec<Entry>,
    alone_of_window: u64,
    sorts: BTreeMap<Sort, Count>,
}

#[derive(Debug, Default)]
struct Count {
    alone: u64,
    further: u64,
}

// === impl Denials ===

impl Denials {
    /// Notes a denial; whether it is to be written by itself.
    pub(super) fn note(&mut self, entry: Entry) -> bool {
        self.since_ns.get_or_insert(entry.at_ns());
        let mut sort = entry.sort();
        if !self.sorts.contains_key(&sort) && self.sorts.len() >= SORTS_MAX {
            sort = Sort::default();
        }
        let count = self.sorts.entry(sort).or_default();
        if count.alone >= ALIKE_MAX || self.alone_of_window >= ALONE_MAX {
            count.further += 1;
            return false;
        }
        count.alone += 1;
        self.alone_of_window += 1;
        self.alone.push(entry);
        true
    }

    /// What is to be written by now: the single ones, and the counts of a window that is over.
    pub(super) fn due(&mut self, now_ns: i64) -> Vec<Entry> {
        let is_over = self
            .since_ns
            .is_some_and(|since| now_ns.saturating_sub(since) >= WINDOW_NS);
        if is_over {
            return self.all(now_ns);
        }
        std::mem::take(&mut self.alone)
    }

    /// All that is not written, whether its window is over or not.
    pub(super) fn all(&mut self, now_ns: i64) -> Vec<Entry> {
        let window = std::mem::take(self);
        let counts = window.sorts.into_iter();
        let further = counts
            .filter(|(_, count)| count.further > 0)
            .map(|(sort, count)| Entry::further(now_ns, sort, count.further));
        window.alone.into_iter().chain(further).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use outcry_mesh::{Ending, RecordedCall};
    use tonic::Code;
    use uuid::Uuid;

    use super::*;

    fn denial(method: &str, second: u64) -> Entry {
        let call = RecordedCall {
            method: method.to_owned(),
            caller: "edge".to_owned(),
            user: String::new(),
            correlation_id: Uuid::nil(),
        };
        let ending = Ending {
            code: Code::Unauthenticated,
            reason: "NOT_SIGNED_IN".to_owned(),
        };
        Entry::denial(
            SystemTime::UNIX_EPOCH + Duration::from_secs(second),
            call,
            ending,
        )
    }

    #[test]
    fn a_flood_of_one_sort_is_a_few_records_and_a_count() {
        let mut denials = Denials::default();
        let alone = (0..1_000_000).filter(|_| denials.note(denial("/a", 0)));
        assert_eq!(alone.count() as u64, ALIKE_MAX);
        assert_eq!(denials.due(1).len() as u64, ALIKE_MAX);
        assert_eq!(denials.due(WINDOW_NS - 1), []);
        let [further] = &denials.due(WINDOW_NS)[..] else {
            panic!("one count");
        };
        let sort = denial("/a", 0).sort();
        let expected = Entry::further(WINDOW_NS, sort, 1_000_000 - ALIKE_MAX);
        assert_eq!(*further, expected);
        // The next window begins anew.
        assert!(denials.note(denial("/a", 61)));
    }

    #[test]
    fn a_flood_of_many_sorts_is_bounded_too_and_nobody_is_left_out() {
        let mut denials = Denials::default();
        const FLOOD: u64 = 10_000;
        for number in 0..FLOOD {
            denials.note(denial(&format!("/{number}"), 0));
        }
        let written = denials.all(5);
        assert!(written.len() as u64 <= ALONE_MAX + SORTS_MAX as u64 + 1);
        let counted: u64 = written.iter().map(Entry::count).sum();
        assert_eq!(counted, FLOOD);
    }
}
