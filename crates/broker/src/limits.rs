//! How large anything may be.

/// Bytes of one message's body. Above the largest event, below what AMQP brokers refuse.
pub const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Bytes of one routing text: topic, partition key, id. What an AMQP short string holds.
pub const TEXT_BYTES_MAX: usize = 255;

/// Partitions of one group. Each is consumed on its own, so more than any machine has cores.
pub const PARTITIONS_MAX: u32 = 256;

/// Unsettled deliveries of one partition.
pub const PREFETCH_MAX: usize = 10_000;
