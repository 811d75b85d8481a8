//! What goes over one connection: counted, and stopped when streams are reset without end.

use std::io::IoSlice;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::time::Instant;

use super::bounds::Bounds;
use super::frames::{Frames, RST_STREAM, calm_down};

/// The counts of a connection, for those who look at it from outside.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(super) bytes_in: AtomicU64,
    pub(super) bytes_out: AtomicU64,
    pub(super) resets: AtomicU64,
    /// Whether it ended for its resets.
    pub(super) flooded: AtomicBool,
}

/// Watches the bytes of one connection.
#[derive(Debug)]
pub(crate) struct Traffic {
    counts: Arc<Counts>,
    incoming: Frames,
    outgoing: Frames,
    resets: Allowance,
    last_stream: u32,
}

/// Streams were reset too often.
#[derive(Debug, thiserror::Error)]
#[error("the peer resets streams too often")]
pub(crate) struct Flood;

impl Traffic {
    pub(crate) fn new(bounds: &Bounds, counts: Arc<Counts>) -> Traffic {
        Traffic {
            counts,
            incoming: Frames::of_a_client(),
            outgoing: Frames::of_a_server(),
            resets: Allowance::new(
                bounds.resets_at_once_max,
                bounds.resets_per_second_max,
                Instant::now(),
            ),
            last_stream: 0,
        }
    }

    /// Bytes came from the peer.
    ///
    /// # Errors
    /// [`Flood`]: nothing more should be read.
    pub(crate) fn came(&mut self, bytes: &[u8]) -> Result<(), Flood> {
        self.counts
            .bytes_in
            .fetch_add(bytes.len() as u64, Ordering::Relaxed);
        let (mut resets, mut last_stream) = (0, self.last_stream);
        self.incoming.read(bytes, |head| {
            last_stream = last_stream.max(head.stream);
            resets += u32::from(head.kind == RST_STREAM);
        });
        self.last_stream = last_stream;
        if resets == 0 {
            return Ok(());
        }
        self.counts
            .resets
            .fetch_add(resets.into(), Ordering::Relaxed);
        if self.resets.take(resets, Instant::now()) {
            return Ok(());
        }
        self.counts.flooded.store(true, Ordering::Relaxed);
        Err(Flood)
    }

    /// The first `count` bytes of these went to the peer.
    pub(crate) fn went(&mut self, slices: &[IoSlice<'_>], mut count: usize) {
        self.counts
            .bytes_out
            .fetch_add(count as u64, Ordering::Relaxed);
        if !self.incoming.has_begun() {
            return;
        }
        for slice in slices {
            let part = slice.len().min(count);
            self.outgoing.read(&slice[..part], |_| ());
            count -= part;
        }
    }

    /// What there is to say at the end, where it can still be said.
    pub(crate) fn last_words(&self) -> Vec<u8> {
        if self.counts.flooded.load(Ordering::Relaxed) && self.outgoing.is_between() {
            calm_down(self.last_stream)
        } else {
            Vec::new()
        }
    }
}

/// So many at once, and so many a second.
#[derive(Debug)]
struct Allowance {
    left: u32,
    at_once: u32,
    per_second: u32,
    filled: Instant,
}

impl Allowance {
    fn new(at_once: u32, per_second: u32, now: Instant) -> Allowance {
        Allowance {
            left: at_once,
            at_once,
            per_second,
            filled: now,
        }
    }

    fn take(&mut self, count: u32, now: Instant) -> bool {
        let since = now.saturating_duration_since(self.filled);
        let earned = since.as_secs_f64() * f64::from(self.per_second);
        if earned >= 1.0 {
            // Beyond the largest number it is the largest number, and parts of one are lost: only
            // somebody who resets on and on notices.
            self.left = self.left.saturating_add(earned as u32).min(self.at_once);
            self.filled = now;
        }
        match self.left.checked_sub(count) {
            Some(left) => {
                self.left = left;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn as_many_as_are_allowed_at_once_then_as_many_as_come_back() {
        let start = Instant::now();
        let mut allowance = Allowance::new(10, 100, start);
        assert!(allowance.take(10, start));
        assert!(!allowance.take(1, start));
        let later = start + Duration::from_millis(50);
        assert!(allowance.take(5, later));
        assert!(!allowance.take(1, later));
        // No more than the whole is ever saved up.
        let much_later = start + Duration::from_secs(3600);
        assert!(!allowance.take(11, much_later));
        assert!(allowance.take(10, much_later));
    }

    #[test]
    fn a_flood_is_noticed_where_it_begins_and_named_to_the_peer() {
        let bounds = Bounds {
            resets_at_once_max: 3,
            resets_per_second_max: 0,
            ..Bounds::of_peers()
        };
        let counts = Arc::new(Counts::default());
        let mut traffic = Traffic::new(&bounds, Arc::clone(&counts));
        traffic.came(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
        let reset = [0, 0, 4, RST_STREAM, 0, 0, 0, 0, 9, 0, 0, 0, 8];
        for _ in 0..3 {
            traffic.came(&reset).unwrap();
        }
        assert!(traffic.last_words().is_empty());
        traffic.came(&reset).unwrap_err();
        assert_eq!(traffic.last_words(), calm_down(9));
        assert_eq!(counts.resets.load(Ordering::Relaxed), 4);
        assert_eq!(counts.bytes_in.load(Ordering::Relaxed), 24 + 4 * 13);
    }

    #[test]
    fn nothing_is_said_in_the_middle_of_a_frame() {
        let bounds = Bounds {
            resets_at_once_max: 0,
            resets_per_second_max: 0,
            ..Bounds::of_peers()
        };
        let mut traffic = Traffic::new(&bounds, Arc::default());
        traffic.came(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
        let settings = [0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 1];
        traffic.went(
            &[IoSlice::new(&settings[..4]), IoSlice::new(&settings[4..])],
            12,
        );
        let reset = [0, 0, 4, RST_STREAM, 0, 0, 0, 0, 1, 0, 0, 0, 8];
        traffic.came(&reset).unwrap_err();
        assert!(traffic.last_words().is_empty());
        traffic.went(&[IoSlice::new(&settings[12..])], 3);
        assert_eq!(traffic.last_words(), calm_down(1));
    }
}
