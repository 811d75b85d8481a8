//! How large anything may be. A store refuses more, so that no single write holds up all others
//! and no single read fills the memory.

use std::time::Duration;

pub use outcry_events::sealed::EVENT_BYTES_MAX;

/// Bytes of one view row. Room for a rendered report.
pub const VIEW_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Bytes of one stored answer: what a gRPC message may have.
pub const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Bytes of one timer's payload: a few ids.
pub const TIMER_BYTES_MAX: usize = 64 * 1024;

/// Bytes of one parked event, headers included: whatever a broker delivers.
pub const PARKED_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Bytes of a name or key: stream, view key, sort key, timer id, partition key.
pub const KEY_BYTES_MAX: usize = 1024;

/// Bytes of a reason or other text for people.
pub const TEXT_BYTES_MAX: usize = 8 * 1024;

/// Events in one commit.
pub const COMMIT_EVENTS_MAX: usize = 1024;

/// View, timer and parking writes in one commit, together.
pub const COMMIT_WRITES_MAX: usize = 10_000;

/// How long a member keeps a slot without renewing it. Long enough to outlast a pause of the
/// process or a slow database, short enough that others take over within seconds.
pub const LEASE_TTL: Duration = Duration::from_secs(5);

/// Slots the unsent events of a service are spread over: relays share them.
pub const RELAY_SLOTS: u32 = 8;

/// Slots of one pool.
pub const POOL_SLOTS_MAX: u32 = 1024;

/// Sort keys of one view row.
pub const ROW_INDEXES_MAX: usize = 64;

/// Rows one read gives at most, whatever limit it asks for.
pub const PAGE_MAX: usize = 20_000;
