//! Running programs in the project's folder, one step after the other.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// The project's folder: the one above this package.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap_or(Path::new("."))
        .to_owned()
}

/// Runs cargo, the one that runs this.
pub(crate) fn cargo(step: &str, arguments: &[&str]) -> Result<(), String> {
    cargo_with(step, arguments, &[])
}

/// The same with more variables in its environment.
pub(crate) fn cargo_with(
    step: &str,
    arguments: &[&str],
    variables: &[(&str, &str)],
) -> Result<(), String> {
    run(step, &cargo_program(), arguments, variables)
}

/// The cargo that runs this.
pub(crate) fn cargo_program() -> PathBuf {
    std::env::var_os("CARGO").map_or_else(|| "cargo".into(), PathBuf::from)
}

/// Runs a program as one step: its output goes to the terminal, its failure ends the task.
pub(crate) fn program(step: &str, program: &Path, arguments: &[&str]) -> Result<(), String> {
    run(step, program, arguments, &[])
}

fn run(
    step: &str,
    program: &Path,
    arguments: &[&str],
    variables: &[(&str, &str)],
) -> Result<(), String> {
    let line = format!("{} {}", program.display(), arguments.join(" "));
    println!("== {step}: {line}");
    let start = Instant::now();
    let status = command(program)
        .args(arguments)
        .envs(variables.iter().copied())
        .status()
        .map_err(|error| format!("{step}: cannot run {line}: {error}"))?;
    if !status.success() {
        return Err(format!(
            "{step} failed ({status}); run it alone with: {line}"
        ));
    }
    println!("== {step}: passed in {} s", start.elapsed().as_secs());
    Ok(())
}

/// A program in the project's folder, without what cargo has told this one of its own package: build
/// scripts look at that, and would run once more whenever cargo is called without it, with all that
/// depends on them built anew.
pub(crate) fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    let of_this_package = |name: &str| {
        let mut prefixes = ["CARGO_MANIFEST_", "CARGO_PKG_"].iter();
        prefixes.any(|prefix| name.starts_with(prefix))
    };
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(of_this_package) {
            command.env_remove(name);
        }
    }
    // A clean machine builds everything once: what helps the build after that, or a debugger, only costs this one.
    let is_set = |name: &str| std::env::var_os(name).is_some();
    for (name, value) in [
        ("CARGO_INCREMENTAL", "0"),
        ("CARGO_PROFILE_DEV_DEBUG", "false"),
    ] {
        if is_set("CI") && !is_set(name) {
            command.env(name, value);
        }
    }
    command.current_dir(root());
    command
}

/// Runs a program quietly and says whether it went well.
pub(crate) fn succeeds(program: &str, arguments: &[&str]) -> bool {
    Command::new(program)
        .args(arguments)
        .current_dir(root())
        .output()
        .is_ok_and(|output| output.status.success())
}

/// What git prints; none if it fails, as for a branch that is not there.
pub(crate) fn git(arguments: &[&str]) -> Result<Option<String>, String> {
    let output = Command::new("git")
        .args(arguments)
        .current_dir(root())
        .output()
        .map_err(|error| format!("cannot run git: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(output.status.success().then_some(text))
}

/// Builds the contract's example, and with it `more`, of what `cargo test --workspace` has built, and
/// says in which folder they are: that of this program. For a package alone dependencies would be
/// built anew with fewer features, and the contract with them.
pub(crate) fn built(step: &str, more: &[&str]) -> Result<PathBuf, String> {
    let whole = ["build", "--quiet", "--workspace", "--example", "contract"];
    cargo(step, &[&whole[..], more].concat())?;
    let program = std::env::current_exe()
        .map_err(|error| format!("cannot tell where cargo puts programs: {error}"))?;
    Ok(program.parent().unwrap_or(Path::new(".")).to_owned())
}

/// What a program prints, line by line.
pub(crate) fn printed(program: &Path, arguments: &[&str]) -> Result<Vec<String>, String> {
    let line = format!("{} {}", program.display(), arguments.join(" "));
    let output = command(program)
        .args(arguments)
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cannot run {line}: {error}"))?;
    if !output.status.success() {
        return Err(format!("{line} failed ({})", output.status));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().map(str::to_owned).collect())
}

/// The commit a change is compared with: where it left `main`, or the commit before it when it is
/// on `main` itself or there is no such branch.
pub(crate) fn base_revision() -> Result<Option<String>, String> {
    let commit = |arguments: &[&str]| -> Result<Option<String>, String> {
        let printed = git(arguments)?.map(|text| text.trim().to_owned());
        Ok(printed.filter(|commit| !commit.is_empty()))
    };
    let head = commit(&["rev-parse", "--verify", "--quiet", "HEAD"])?;
    let left_main = commit(&["merge-base", "HEAD", "origin/main"])?;
    let before = commit(&["rev-parse", "--verify", "--quiet", "HEAD~1"])?;
    let candidates = [left_main.filter(|left| Some(left) != head.as_ref()), before];
    let has_contract = |commit: &String| {
        let tree = format!("{commit}:proto/outcry/orders/v1/events.proto");
        succeeds("git", &["cat-file", "-e", &tree])
    };
    Ok(candidates.into_iter().flatten().find(has_contract))
}
