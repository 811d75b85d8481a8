//! Writes the files of `contracts/`, for `cargo xtask contract`.
//!
//! `lock` writes the lock, unless that hides a breaking change; `golden` adds the golden events that are
//! missing and touches none that are there; `parity` writes the parity cases.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};

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
        _ => Err("usage: contract lock|golden|parity".to_owned()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("contract: {problem}");
            ExitCode::FAILURE
        }
    }
}

/// The folder of the contract's files.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts")
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), String> {
    let problem = |error| format!("cannot write {}: {error}", path.display());
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(problem)?;
    }
    fs::write(path, bytes).map_err(problem)
}

fn write_lock() -> Result<(), String> {
    let path = folder().join("lock.json");
    let shape = Shape::of(descriptors::pool());
    if path.exists() {
        report(&changes_since(&path, &shape)?)?;
    }
    let text = lock::render(&shape).map_err(|error| error.to_string())?;
    write(&path, text.as_bytes())?;
    println!(
        "lock written: {} messages, {} enums, {} services",
        shape.messages.len(),
        shape.enums.len(),
        shape.services.len()
    );
    Ok(())
}

fn changes_since(path: &Path, shape: &Shape) -> Result<Vec<Change>, String> {
    let problem = |error: String| format!("cannot read {}: {error}", path.display());
    let text = fs::read_to_string(path).map_err(|error| problem(error.to_string()))?;
    let old = lock::parse(&text).map_err(|error| problem(error.to_string()))?;
    Ok(compare(&old, shape))
}

/// Prints what somebody should know; fails if something breaks.
fn report(changes: &[Change]) -> Result<(), String> {
    for change in changes {
        println!("{}: {change}", change.verdict);
    }
    let breaking = changes
        .iter()
        .filter(|change| change.verdict == Verdict::Breaking)
        .count();
    match breaking {
        0 => Ok(()),
        count => Err(format!(
            "{count} breaking changes: leave what is published as it is, and make a new major version"
        )),
    }
}

fn write_golden() -> Result<(), String> {
    let (mut written, mut kept) = (0, 0);
    for event in EVENTS {
        let folder = folder()
            .join("golden")
            .join(event.topic)
            .join(format!("v{}", event.schema_version));
        let present = golden_events(&folder)?;
        let missing = golden::missing(event, &present).map_err(|error| error.to_string())?;
        kept += present.len();
        written += missing.len();
        for case in missing {
            let json = golden::to_json(&case.bytes).map_err(|error| error.to_string())?;
            write(&folder.join(format!("{}.binpb", case.name)), &case.bytes)?;
            write(&folder.join(format!("{}.json", case.name)), json.as_bytes())?;
        }
    }
    println!("golden events: {written} written, {kept} there already and left alone");
    Ok(())
}

/// The golden events of a folder, by name; none if it is not there.
fn golden_events(folder: &Path) -> Result<BTreeMap<String, Vec<u8>>, String> {
    let mut events = BTreeMap::new();
    if !folder.exists() {
        return Ok(events);
    }
    let problem = |error| format!("cannot read {}: {error}", folder.display());
    for entry in fs::read_dir(folder).map_err(problem)? {
        let path = entry.map_err(problem)?.path();
        if let (Some(name), Some("binpb")) = (
            path.file_stem().and_then(OsStr::to_str),
            path.extension().and_then(OsStr::to_str),
        ) {
            events.insert(name.to_owned(), fs::read(&path).map_err(problem)?);
        }
    }
    Ok(events)
}

fn write_parity() -> Result<(), String> {
    let cases = parity::cases();
    let text = parity::render(&cases).map_err(|error| error.to_string())?;
    write(&folder().join("parity.json"), text.as_bytes())?;
    println!("parity cases: {} written", cases.len());
    Ok(())
}
