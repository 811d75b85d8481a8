//! The documents that are followed.

use std::fs;
use std::sync::{Mutex, PoisonError};

use super::checkout::root;
use super::machine;
use super::reader::follow;

/// Newcomers take turns: a machine is small, and the packages of the clients are built in one place.
fn followed(document: &str) {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    if machine::permitted() {
        follow(document);
    }
}

#[test]
fn every_command_of_the_readme_works_as_it_says() {
    followed("README.md");
}

#[test]
fn every_command_of_the_tutorial_works_as_it_says() {
    followed("docs/tutorial.md");
}

#[test]
fn tests_are_run_by_the_command_in_the_readme() {
    let aliases = fs::read_to_string(root().join(".cargo/config.toml")).unwrap();
    assert!(aliases.contains("xtask = \"run --quiet --package xtask --\""));
    let tasks = fs::read_to_string(root().join("xtask/src/main.rs")).unwrap();
    assert!(tasks.contains("&[\"test\", \"--workspace\"]"), "all tests");
    let integration = fs::read_to_string(root().join(".ci/run")).unwrap();
    let command = integration.lines().last().unwrap();
    assert_eq!(command, "cargo xtask test", "and nothing else");
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let is_told = |line: &str| line.split('#').next().map(str::trim) == Some(command);
    assert!(readme.lines().any(is_told));
}
