//! The contract is the one that was committed, or the lock says what has changed.
//!
//! `OUTCRY_LOCK_BEFORE` names the lock of the revision that a change began from, as `cargo xtask test`
//! says it: a lock that is written in the same change, or removed, hides nothing from that one.

#![expect(clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::path::Path;
use std::{env, fs};

use outcry_events::descriptors;
use outcry_schema::change::Change;
use outcry_schema::compare::compare;
use outcry_schema::lock;
use outcry_schema::shape::Shape;

/// The file with the lock of the base revision.
const BEFORE: &str = "OUTCRY_LOCK_BEFORE";

/// Changes of what a lock holds are additions.
fn nothing_breaks(lock: &str, shape: &Shape) {
    let locked = lock::parse(lock).expect("a lock");
    let breaking: Vec<String> = compare(&locked, shape)
        .iter()
        .filter(|change| change.is_breaking())
        .map(Change::to_string)
        .collect();
    assert!(
        breaking.is_empty(),
        "the contract breaks what was published; make a new major version instead:\n{}",
        breaking.join("\n")
    );
}

#[test]
fn the_contract_keeps_what_the_base_revision_had_locked() {
    let Some(before) = env::var_os(BEFORE) else {
        println!("not compared: {BEFORE} names no lock");
        return;
    };
    let shape = Shape::of(descriptors::pool());
    nothing_breaks(&fs::read_to_string(before).unwrap(), &shape);
}

#[test]
fn the_lock_is_that_of_the_contract() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts/lock.json");
    let written = fs::read_to_string(&path).unwrap();
    let shape = Shape::of(descriptors::pool());
    nothing_breaks(&written, &shape);
    assert!(
        written == lock::render(&shape).unwrap(),
        "contracts/lock.json is not the lock of the contract; write it with `cargo xtask contract lock`"
    );
    let fields = shape.messages.values().map(|message| message.fields.len());
    println!(
        "lock: {} messages with {} fields, {} enums, {} services",
        shape.messages.len(),
        fields.sum::<usize>(),
        shape.enums.len(),
        shape.services.len()
    );
}
