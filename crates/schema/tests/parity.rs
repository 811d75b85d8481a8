//! The parity file is what our validators say, and covers every rule there is.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use outcry_events::descriptors;
use outcry_schema::parity::{self, Case, Subject};
use prost_reflect::Kind;

/// The rule of the contract that a violation is of: `terms.limit_price.units` of a request is a
/// field of `Money`.
fn subject(type_name: &str, path: &str, rule: &str) -> Subject {
    let mut message = descriptors::pool().get_message_by_name(type_name).unwrap();
    let mut parts = path.split('.').peekable();
    while let Some(part) = parts.next() {
        let name = part.split('[').next().unwrap();
        let Some(field) = message.get_field_by_name(name) else {
            let mut oneofs = message.oneofs();
            let oneof = oneofs.find(|oneof| oneof.name() == name).unwrap();
            return (oneof.full_name().to_owned(), rule.to_owned());
        };
        match (parts.peek(), field.kind()) {
            (None, _) => return (field.full_name().to_owned(), rule.to_owned()),
            (Some(_), Kind::Message(nested)) => message = nested,
            (Some(_), other) => panic!("{path} of {type_name}: {other:?} has no fields"),
        }
    }
    panic!("{type_name}: an empty path");
}

/// The rules that cases break, with how many other rules the case breaks at least.
fn broken(cases: &[Case]) -> BTreeMap<Subject, usize> {
    let mut broken = BTreeMap::new();
    for case in cases {
        for violation in &case.violations {
            let subject = subject(&case.type_name, &violation.field, &violation.rule);
            let others = case.violations.len() - 1;
            let least = broken.entry(subject).or_insert(others);
            *least = others.min(*least);
        }
    }
    broken
}

#[test]
fn the_parity_file_is_what_the_validators_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts/parity.json");
    let written = fs::read_to_string(&path).unwrap();
    let cases = parity::cases();
    assert!(
        written == parity::render(&cases).unwrap(),
        "contracts/parity.json is not that of the contract; write it with `cargo xtask contract parity`"
    );
    let violations = cases.iter().map(|case| case.violations.len());
    println!(
        "parity: {} cases, {} violations",
        cases.len(),
        violations.sum::<usize>()
    );
}

#[test]
fn every_rule_of_events_and_important_requests_is_broken_alone() {
    let subjects = parity::subjects();
    let broken = broken(&parity::cases());
    let missing: BTreeSet<&Subject> = subjects
        .iter()
        .filter(|subject| broken.get(subject) != Some(&0))
        .collect();
    assert!(missing.is_empty(), "never broken alone: {missing:#?}");
    let unknown: BTreeSet<&Subject> = broken
        .keys()
        .filter(|subject| !subjects.contains(*subject))
        .collect();
    assert!(unknown.is_empty(), "no rules of the contract: {unknown:#?}");
    let ids: BTreeSet<&str> = subjects.iter().map(|(_, id)| id.as_str()).collect();
    println!(
        "parity: {} rules of fields, under {} ids, each broken alone",
        subjects.len(),
        ids.len()
    );
}
