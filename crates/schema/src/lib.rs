//! The contract as data: exports for people and tools, the lock, and what a change of it breaks. No IO.
//!
//! Owns: the files of `outcry schema export`, `contracts/lock.json` and the judgement of
//! `outcry schema check`. Knows no service: who consumes what is told by the caller.
//!
//! Rooms, in reading order:
//! - [`export`] – every file that is exported, by name
//! - [`consumers`] – who gets which events
//! - `option` – options as they were written
//! - [`rules`] – the rules of a field as values
//! - [`example`] – a valid example of each event
//! - [`json_schema`] – JSON Schemas of events
//! - [`asyncapi`] – the AsyncAPI document
//! - [`pages`] – the catalog for people
//! - [`rule_text`] – validation rules as text
//! - [`shape`] – the contract as a plain value, and [`lock`], its committed form
//! - [`mod@compare`] – what a new contract changes of an old one: [`change`]
//! - [`published`] – exports to compare, and whom a change between them breaks
//! - [`specimen`] – valid messages made from the contract alone
//! - [`parity`] – messages and the rules they break, for validators of other languages
//! - [`golden`] – events as bytes and JSON, written once

pub mod export;

pub mod consumers;

mod option;

pub mod rules;

pub mod example;

pub mod json_schema;

pub mod asyncapi;

pub mod pages;

pub mod rule_text;

pub mod shape;

pub mod lock;

pub mod change;

pub mod compare;

mod uses;

pub mod published;

pub mod specimen;

pub mod parity;

pub mod golden;
