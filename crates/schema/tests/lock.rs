//! The contract is the one that was committed, or the lock says what has changed.

use std::fs;
use std::path::Path;

use outcry_events::descriptors;
use outcry_schema::change::Change;
use outcry_schema::compare::compare;
use outcry_schema::lock;
use outcry_schema::shape::Shape;

#[test]
fn the_lock_is_that_of_the_contract() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts/lock.json");
    let written = fs::read_to_string(&path).unwrap();
    let shape = Shape::of(descriptors::pool());
    let breaking: Vec<String> = compare(&lock::parse(&written).unwrap(), &shape)
        .iter()
        .filter(|change| change.is_breaking())
        .map(Change::to_string)
        .collect();
    assert!(
        breaking.is_empty(),
        "the contract breaks what was published; make a new major version instead:\n{}",
        breaking.join("\n")
    );
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
