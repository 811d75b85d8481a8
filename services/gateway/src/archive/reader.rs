//! Reading the archive from a position on: out of memory where it reaches back, out of the store where not.

use std::sync::Arc;

use outcry_events::topic::topic_matches;
use outcry_store::{Scan, ViewRow};

use super::{
    Archive, ArchiveError, BY_PARTITION_KEY, BY_SUBJECT, Entry, PAGE, VIEW, entry_of, position_of,
};

/// Which events a reader gets.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    /// Topic patterns; none means all.
    pub(crate) topics: Vec<String>,
    /// Only events with this partition key.
    pub(crate) partition_key: Option<String>,
    /// Only events about this user.
    pub(crate) subject: Option<String>,
}

/// Reads on from a position.
pub(crate) struct Reader {
    archive: Archive,
    filter: Filter,
    after: u64,
    place: Place,
}

/// Where a reader stands in one of the view's other orders.
#[derive(Debug)]
enum Place {
    /// To be found by the position.
    Unknown,
    /// Behind the row with this cursor; at the beginning without.
    Behind(Option<String>),
}

impl Filter {
    /// Whether a reader gets the event.
    pub(crate) fn passes(&self, entry: &Entry) -> bool {
        let event = &entry.event;
        (self.topics.is_empty()
            || self
                .topics
                .iter()
                .any(|pattern| topic_matches(pattern, event.topic())))
            && self
                .partition_key
                .as_deref()
                .is_none_or(|key| key == event.partition_key())
            && self
                .subject
                .as_ref()
                .is_none_or(|user| entry.subjects.contains(user))
    }

    /// The narrowest order of the view that holds all events that pass.
    fn order(&self) -> Option<(&'static str, String)> {
        let narrowed = |index, value: &String| (index, format!("{value}/"));
        match (&self.subject, &self.partition_key) {
            (Some(user), _) => Some(narrowed(BY_SUBJECT, user)),
            (None, Some(key)) => Some(narrowed(BY_PARTITION_KEY, key)),
            (None, None) => None,
        }
    }
}

impl Reader {
    pub(crate) fn new(archive: Archive, filter: Filter, after: u64) -> Reader {
        Reader {
            archive,
            filter,
            after,
            place: Place::Unknown,
        }
    }

    /// The position read up to; everything up to it has been given out.
    pub(crate) fn after(&self) -> u64 {
        self.after
    }

    /// The next events up to `end`, oldest first. None may be left although the result is empty:
    /// ask until [`Reader::after`] has reached `end`.
    pub(crate) async fn next(&mut self, end: u64) -> Result<Vec<Arc<Entry>>, ArchiveError> {
        if self.after >= end {
            return Ok(Vec::new());
        }
        let page = match self.archive.shared.tail.recent_after(self.after, PAGE) {
            Some(recent) => self.remembered(recent, end),
            None => match self.filter.order() {
                Some((index, prefix)) => self.indexed(index, prefix, end).await?,
                None => self.stored(end).await?,
            },
        };
        Ok(page
            .into_iter()
            .filter(|entry| self.filter.passes(entry))
            .collect())
    }

    fn remembered(&mut self, mut recent: Vec<Arc<Entry>>, end: u64) -> Vec<Arc<Entry>> {
        self.place = Place::Unknown;
        let full = recent.len() == PAGE;
        recent.retain(|entry| entry.position <= end);
        self.after = match recent.last() {
            Some(last) if full => last.position,
            _ => end,
        };
        recent
    }

    async fn stored(&mut self, end: u64) -> Result<Vec<Arc<Entry>>, ArchiveError> {
        let (page, reached) = self.archive.page(self.after, end).await?;
        self.after = reached;
        Ok(page)
    }

    /// One page in another order.
    async fn indexed(
        &mut self,
        index: &'static str,
        prefix: String,
        end: u64,
    ) -> Result<Vec<Arc<Entry>>, ArchiveError> {
        let scan = Scan::new(VIEW).index(index).prefix(prefix).limit(PAGE);
        let cursor = match std::mem::replace(&mut self.place, Place::Unknown) {
            Place::Behind(cursor) => cursor,
            Place::Unknown => self.find_place(&scan).await?,
        };
        let rows = self.archive.store.scan(&scan.after(cursor)).await?;
        let mut page = Vec::with_capacity(rows.len());
        for row in &rows {
            if position_of(row)? > end {
                break;
            }
            page.push(Arc::new(entry_of(row)?));
        }
        match rows.last() {
            Some(last) if rows.len() == PAGE && page.len() == PAGE => {
                self.after = position_of(last)?;
                self.place = Place::Behind(Some(last.cursor.clone()));
            }
            _ => self.after = end,
        }
        Ok(page)
    }

    /// The place behind the position, found from the newest row back: a reader that comes back
    /// has missed little.
    async fn find_place(&self, order: &Scan) -> Result<Option<String>, ArchiveError> {
        if self.after == 0 {
            return Ok(None);
        }
        let mut cursor = None;
        loop {
            let rows = self
                .archive
                .store
                .scan(&order.clone().reverse().after(cursor))
                .await?;
            for row in &rows {
                if position_of(row)? <= self.after {
                    return Ok(Some(row.cursor.clone()));
                }
            }
            match rows.last() {
                Some(ViewRow { cursor: last, .. }) if rows.len() == PAGE => {
                    cursor = Some(last.clone())
                }
                _ => return Ok(None),
            }
        }
    }
}
