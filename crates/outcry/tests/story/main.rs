//! Stories of the whole platform: the real binary in a folder of its own, told through its command
//! line and its public API.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a story stops at the first surprise"
)]

mod backbone;
mod chaos;
mod cluster;
mod collector;
mod command_line;
mod crashes;
mod damage;
mod dead_letters;
mod distributed;
mod domain;
mod migrations;
mod observer;
mod outcry;
mod person;
mod poison;
mod recording;
mod records;
mod refusals;
mod secrecy;
mod seen;
mod statement;
mod status;
mod tenants;
mod trading;
