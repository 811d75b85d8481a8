//! The contract as data: exports for people and tools, the lock, and what a change of it breaks. No IO.
//!
//! Owns: the files of `outcry schema export`, `contracts/lock.json` and the judgement of
//! `outcry schema check`. Knows no service: who consumes what is told by the caller.
//!
//! Rooms, in reading order:
//! - [`export`] – every file that is exported, by name

pub mod export;
