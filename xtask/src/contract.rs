//! The contract's files: written by a command, and held against those of the base revision.

use std::fs;
use std::path::PathBuf;

use clap::Subcommand;

use crate::{run, tools};

/// Tells the tests where buf is, so that they can say what it finds.
pub(crate) const BUF: &str = "OUTCRY_BUF";
/// Tells the tests where the lock of the base revision is, which they compare the contract with.
pub(crate) const LOCK_BEFORE: &str = "OUTCRY_LOCK_BEFORE";
/// The lock, from the project's folder.
const LOCK: &str = "contracts/lock.json";
/// The golden events.
const GOLDEN: &str = "contracts/golden";

/// `cargo xtask contract …`
#[derive(Subcommand)]
pub(crate) enum Contract {
    /// Writes the lock anew, unless the contract breaks what was locked.
    Lock,
    /// Adds the golden events that are missing; never touches one that is there.
    Golden,
    /// Writes the cases that validators of other languages are compared with.
    Parity,
    /// Lints the contract, and compares it with that of the base revision.
    Check,
}

/// Writes one of the files, or checks them.
pub(crate) fn run(task: Contract) -> Result<(), String> {
    match task {
        Contract::Lock => example("contract lock", "lock"),
        Contract::Golden => example("golden events", "golden"),
        Contract::Parity => example("parity cases", "parity"),
        Contract::Check => check().map(|_| ()),
    }
}

/// What the tests of the contract are told.
pub(crate) struct Checked {
    /// buf, if it can be had.
    pub(crate) buf: Option<PathBuf>,
    /// The lock of the base revision, if that has one.
    pub(crate) lock_before: Option<PathBuf>,
}

/// Lints the contract and compares it and its files with those of the base revision.
pub(crate) fn check() -> Result<Checked, String> {
    let base = run::base_revision()?;
    let buf = tools::buf()?;
    match &buf {
        Some(buf) => {
            run::program("contract lint", buf, &["lint"])?;
            let format = ["format", "--diff", "--exit-code", "--path", "proto/outcry"];
            run::program("contract format", buf, &format)?;
            if let Some(revision) = &base {
                let against = format!(".git#ref={revision}");
                let breaking = ["breaking", "--against", &against];
                run::program("contract compatibility", buf, &breaking)?;
            }
        }
        // A machine with nothing but Rust cannot get buf; continuous integration must have it.
        None => {
            eprintln!("xtask: buf lint and buf breaking are NOT run: they need python3, go or npm");
        }
    }
    let mut lock_before = None;
    if let Some(revision) = &base {
        lock_before = lock_of(revision)?;
        golden_since(revision)?;
    }
    Ok(Checked { buf, lock_before })
}

/// The lock of a revision, as a file; `None` if it has none.
fn lock_of(revision: &str) -> Result<Option<PathBuf>, String> {
    let before = format!("{revision}:{LOCK}");
    if !run::succeeds("git", &["cat-file", "-e", &before]) {
        println!("xtask: {revision} has no {LOCK}: nothing to compare the contract with");
        return Ok(None);
    }
    let lock = run::git(&["show", &before])?
        .ok_or_else(|| format!("cannot read {before}; run it alone with: git show {before}"))?;
    let old = run::root().join("target/contract-lock-before.json");
    let problem = |error| format!("cannot write {}: {error}", old.display());
    fs::create_dir_all(run::root().join("target")).map_err(problem)?;
    fs::write(&old, lock).map_err(problem)?;
    Ok(Some(old))
}

/// Golden events are only added.
fn golden_since(revision: &str) -> Result<(), String> {
    let arguments = [
        "diff",
        "--name-only",
        "--no-renames",
        "--diff-filter=a",
        revision,
        "--",
        GOLDEN,
    ];
    let changed =
        run::git(&arguments)?.ok_or_else(|| format!("cannot compare {GOLDEN} with {revision}"))?;
    golden_untouched(&changed)
}

fn golden_untouched(changed: &str) -> Result<(), String> {
    if changed.trim().is_empty() {
        return Ok(());
    }
    Err(format!(
        "golden events are written once, but these are changed or removed: take them back with `git checkout`\n{}",
        changed.trim_end()
    ))
}

fn example(step: &str, file: &str) -> Result<(), String> {
    let programs = run::built("the contract", &[])?;
    run::program(step, &programs.join("examples/contract"), &[file])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_golden_event_is_named() {
        assert_eq!(golden_untouched("\n"), Ok(()));
        let refused = golden_untouched("contracts/golden/order.filled/v1/minimal.json\n");
        assert!(
            refused
                .unwrap_err()
                .contains("order.filled/v1/minimal.json")
        );
    }
}
