//! The newest part of the log, in memory.

use std::collections::VecDeque;
use std::sync::Arc;

use super::groups::Wanted;
use crate::message::Message;
use outcry_events::key::key_hash;

/// Messages kept. Enough that groups which keep up never read the file.
const TAIL_MESSAGES: usize = 8192;

/// Bytes of bodies and headers kept.
const TAIL_BYTES: usize = 32 * 1024 * 1024;

/// Messages read at once by one partition: what it holds beside its unsettled deliveries.
pub(super) const READ_MESSAGES: usize = 64;

/// Bytes read at once by one partition; one message is always read.
pub(super) const READ_BYTES: usize = 4 * 1024 * 1024;

/// A message and its place in the log.
pub(super) type Placed = (u64, Arc<Message>);

/// The newest messages, without gaps up to the end of the log.
#[derive(Debug)]
pub(super) struct Tail {
    entries: VecDeque<Entry>,
    bytes: usize,
    /// Everything behind this position is here.
    after: u64,
}

#[derive(Debug)]
struct Entry {
    position: u64,
    key_hash: u64,
    message: Arc<Message>,
}

/// What a partition finds behind a position.
#[derive(Debug)]
pub(super) enum Found {
    /// These, and nothing else up to the position.
    Messages(Vec<Placed>, u64),
    /// Some of it is only in the file. Everything behind the given position is here.
    Older(u64),
}

// === impl Tail ===

impl Tail {
    /// The tail of a log that ends at `end`, with nothing in it yet.
    pub(super) fn after(end: u64) -> Self {
        Self {
            entries: VecDeque::new(),
            bytes: 0,
            after: end,
        }
    }

    pub(super) fn end(&self) -> u64 {
        self.entries
            .back()
            .map_or(self.after, |entry| entry.position)
    }

    /// Adds the message behind all others.
    pub(super) fn push(&mut self, position: u64, message: Arc<Message>) {
        self.bytes += weight(&message);
        self.entries.push_back(Entry {
            position,
            key_hash: key_hash(&message.partition_key),
            message,
        });
        while self.entries.len() > TAIL_MESSAGES || self.bytes > TAIL_BYTES {
            let Some(oldest) = self.entries.pop_front() else {
                return;
            };
            self.bytes -= weight(&oldest.message);
            self.after = oldest.position;
        }
    }

    /// The first messages behind `after` that are wanted.
    pub(super) fn read(&self, after: u64, wanted: &Wanted<'_>) -> Found {
        if after < self.after {
            return Found::Older(self.after);
        }
        let mut found = Vec::new();
        let mut bytes = 0;
        for entry in self.behind(after) {
            if wanted.fits(entry.key_hash, &entry.message.topic) {
                bytes += weight(&entry.message);
                found.push((entry.position, Arc::clone(&entry.message)));
                if found.len() >= READ_MESSAGES || bytes >= READ_BYTES {
                    return Found::Messages(found, entry.position);
                }
            }
        }
        Found::Messages(found, self.end())
    }

    /// Calls `see` with place, key's hash and topic of everything behind `after`; false when some of
    /// it is not here any more.
    pub(super) fn each_behind(&self, after: u64, mut see: impl FnMut(u64, u64, &str)) -> bool {
        for entry in self.behind(after) {
            see(entry.position, entry.key_hash, &entry.message.topic);
        }
        after >= self.after
    }

    fn behind(&self, after: u64) -> impl Iterator<Item = &Entry> {
        let first = self
            .entries
            .partition_point(|entry| entry.position <= after);
        self.entries.range(first..)
    }
}

/// Roughly the memory of a message.
pub(super) fn weight(message: &Message) -> usize {
    let headers: usize = message
        .headers
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    message.body.len() + headers
}
