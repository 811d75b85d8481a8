//! Stories of the runtime: real SQLite files, the embedded broker, toy services with real events.

#![expect(
    clippy::unwrap_used,
    reason = "a story that cannot go on is a failed test"
)]

mod answers;
mod call_records;
mod commands;
mod dead_letters;
mod delivery;
mod drain;
mod gate;
mod handover;
mod interrupted;
mod lanes;
mod obstacles;
mod poison;
mod relay;
mod relays;
mod replicas;
mod runs;
mod status;
mod timers;
mod toys;
mod versions;
