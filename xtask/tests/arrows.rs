//! Which crate may know which: the arrows of ARCHITECTURE.md, held.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Services that there are at least: fewer would mean that they were not found.
const SERVICES_MIN: usize = 10;

/// The packages of the services: each has a folder.
fn services() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../services");
    let services: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .map(|name| format!("outcry-{name}"))
        .collect();
    assert!(services.len() >= SERVICES_MIN, "{services:?}");
    services
}

/// Normal and build dependencies between the project's own packages.
fn arrows() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--no-deps",
            "--offline",
        ])
        .output()
        .unwrap();
    assert!(output.status.success(), "cargo metadata failed");
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let own: BTreeSet<String> = packages
        .iter()
        .map(|package| package["name"].as_str().unwrap().to_owned())
        .collect();
    packages
        .iter()
        .map(|package| {
            let dependencies = package["dependencies"].as_array().unwrap();
            let names = dependencies
                .iter()
                .filter(|dependency| dependency["kind"].as_str() != Some("dev"))
                .map(|dependency| dependency["name"].as_str().unwrap().to_owned())
                .filter(|name| own.contains(name))
                .collect();
            (package["name"].as_str().unwrap().to_owned(), names)
        })
        .collect()
}

/// What the library crates may depend on, directly.
fn allowed() -> BTreeMap<&'static str, Vec<&'static str>> {
    BTreeMap::from([
        ("outcry-contracts", vec![]),
        ("outcry-sqlite", vec![]),
        ("outcry-events", vec!["outcry-contracts"]),
        (
            "outcry-store",
            vec!["outcry-contracts", "outcry-events", "outcry-sqlite"],
        ),
        (
            "outcry-broker",
            vec!["outcry-contracts", "outcry-events", "outcry-sqlite"],
        ),
        (
            "outcry-audit",
            vec!["outcry-contracts", "outcry-events", "outcry-store"],
        ),
        ("outcry-mesh", vec!["outcry-contracts", "outcry-events"]),
        ("outcry-servers", vec![]),
        ("xtask", vec![]),
    ])
}

#[test]
fn library_crates_know_only_what_is_below_them() {
    let arrows = arrows();
    for (package, may) in allowed() {
        for dependency in &arrows[package] {
            assert!(
                may.contains(&dependency.as_str()),
                "{package} must not depend on {dependency}"
            );
        }
    }
}

#[test]
fn services_meet_in_the_contract_and_never_depend_on_each_other() {
    let arrows = arrows();
    let services = services();
    for service in &services {
        for other in &services {
            assert!(
                !arrows[service].contains(other),
                "{service} must not depend on {other}"
            );
        }
    }
}

#[test]
fn nothing_depends_on_measurements() {
    for (package, dependencies) in arrows() {
        assert!(
            !dependencies.contains("outcry-bench"),
            "{package} must not depend on outcry-bench"
        );
    }
}

#[test]
fn only_the_binary_knows_the_services() {
    let services = services();
    for (package, dependencies) in arrows() {
        // Measurements may look at anything; nothing depends on them.
        // A simulation runs them all, as the binary does.
        if ["outcry", "outcry-bench", "outcry-simulation"].contains(&package.as_str()) {
            continue;
        }
        for service in &services {
            assert!(
                !dependencies.contains(service),
                "{package} must not depend on {service}"
            );
        }
    }
}
