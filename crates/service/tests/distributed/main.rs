//! Stories of the runtime in several processes: a real PostgreSQL, a real RabbitMQ, and replicas
//! that are killed by the system.

#![expect(
    clippy::unwrap_used,
    reason = "a story that cannot go on is a failed test"
)]

mod journal;
mod outbox;
mod place;
mod poison;
mod relays;
mod replica;
