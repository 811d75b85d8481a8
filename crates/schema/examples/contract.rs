//! Writes the files of `contracts/`, for `cargo xtask contract`.
//!
//! `lock` writes the lock, unless that hides a breaking change; `golden` adds the golden events that are
//! missing and touches none that are there; `parity` writes the parity cases.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};

use anyhow::{Context as _, bail};
use outcry_contracts::EVENTS;
use outcry_events::descriptors;
use outcry_schema::change::{Change, Verdict};
use outcry_schema::compare::compare;
use outcry_schema::shape::Shape;
use outcry_schema::{golden, lock, parity};

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments.as_slice() {
        ["lock"] => write_lock(),
        ["golden"] => write_golden(),
        ["parity"] => write_parity(),
        _ => Err(anyhow::anyhow!("usage: contract lock|golden|parity")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("contract: {problem:#}");
            ExitCode::FAILURE
        }
    }
}

/// The folder of the contract's files.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts")
}

fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let writing = || format!("cannot write {}", path.display());
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).with_context(writing)?;
    }
    fs::write(path, bytes).with_context(writing)
}

fn write_lock() -> anyhow::Result<()> {
    let path = folder().join("lock.json");
    let shape = Shape::of(descriptors::pool());
    if path.exists() {
        report(&changes_since(&path, &shape)?)?;
    }
    let text = lock::render(&shape)?;
    write(&path, text.as_bytes())?;
    println!(
        "lock written: {} messages, {} enums, {} services",
        shape.messages.len(),
        shape.enums.len(),
        shape.services.len()
    );
    Ok(())
}

fn changes_since(path: &Path, shape: &Shape) -> anyhow::Result<Vec<Change>> {
    let reading = || format!("cannot read {}", path.display());
    let text = fs::read_to_string(path).with_context(reading)?;
    let old = lock::parse(&text).with_context(reading)?;
    Ok(compare(&old, shape))
}

/// Prints what somebody should know; fails if something breaks.
fn report(changes: &[Change]) -> anyhow::Result<()> {
    for change in changes {
        println!("{}: {change}", change.verdict);
    }
    let breaking = changes
        .iter()
        .filter(|change| change.verdict == Verdict::Breaking)
        .count();
    if breaking > 0 {
        bail!(
            "{breaking} breaking changes: leave what is published as it is, and make a new major version"
        );
    }
    Ok(())
}

fn write_golden() -> anyhow::Result<()> {
    let (mut written, mut kept) = (0, 0);
    for event in EVENTS {
        let folder = folder()
            .join("golden")
            .join(event.topic)
            .join(format!("v{}", event.schema_version));
        let present = golden_events(&folder)?;
        let missing = golden::missing(event, &present)?;
        kept += present.len();
        written += missing.len();
        for case in missing {
            let json = golden::to_json(&case.bytes)?;
            write(&folder.join(format!("{}.binpb", case.name)), &case.bytes)?;
            write(&folder.join(format!("{}.json", case.name)), json.as_bytes())?;
        }
    }
    println!("golden events: {written} written, {kept} there already and left alone");
    Ok(())
}

/// The golden events of a folder, by name; none if it is not there.
fn golden_events(folder: &Path) -> anyhow::Result<BTreeMap<String, Vec<u8>>> {
    let mut events = BTreeMap::new();
    if !folder.exists() {
        return Ok(events);
    }
    let reading = || format!("cannot read {}", folder.display());
    for entry in fs::read_dir(folder).with_context(reading)? {
        let path = entry.with_context(reading)?.path();
        if let (Some(name), Some("binpb")) = (
            path.file_stem().and_then(OsStr::to_str),
            path.extension().and_then(OsStr::to_str),
        ) {
            events.insert(name.to_owned(), fs::read(&path).with_context(reading)?);
        }
    }
    Ok(events)
}

fn write_parity() -> anyhow::Result<()> {
    let cases = parity::cases();
    let text = parity::render(&cases)?;
    write(&folder().join("parity.json"), text.as_bytes())?;
    println!("parity cases: {} written", cases.len());
    Ok(())
}
