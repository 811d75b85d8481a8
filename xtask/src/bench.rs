//! The benchmark: Outcry beside its peers, on servers of its own.

use std::path::{Path, PathBuf};

use crate::{run, servers};

/// Where the report of a full run belongs, in the project's folder.
const REPORT: &str = "docs/benchmarks.md";

/// Builds the platform and the benchmark as releases, and runs the benchmark; it builds the peers.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    if let Some(why) = servers::ensure()? {
        return Err(format!(
            "the benchmark needs PostgreSQL and RabbitMQ: {why}"
        ));
    }
    // Together: for one of them alone dependencies would be built with other features.
    let build = [
        "build",
        "--release",
        "--package",
        "outcry",
        "--package",
        "outcry-bench",
    ];
    run::cargo("release build", &build)?;
    let folder = releases()?;
    let report = report_of(arguments, &folder);
    let mut all = vec!["all"];
    all.extend(arguments.iter().map(String::as_str));
    if let Some(report) = report.as_deref().and_then(Path::to_str) {
        all.extend(["--report", report]);
    }
    run::program("benchmark", &folder.join("outcry-bench"), &all)
}

/// Where cargo has put what it has built: beside the folder of this program.
fn releases() -> Result<PathBuf, String> {
    let program = std::env::current_exe()
        .map_err(|error| format!("cannot tell where cargo puts programs: {error}"))?;
    let target = program.ancestors().nth(2).unwrap_or(Path::new("."));
    Ok(target.join("release"))
}

/// Where the report goes when nobody says so: that of a whole run to the documents, any other beside
/// the programs.
fn report_of(arguments: &[String], folder: &Path) -> Option<PathBuf> {
    let says = |name: &str| {
        let mut all = arguments.iter();
        all.any(|one| one == name || one.starts_with(&format!("{name}=")))
    };
    if says("--report") || says("--help") {
        return None;
    }
    let is_whole = !says("--quick") && !says("--only");
    Some(if is_whole {
        REPORT.into()
    } else {
        folder.join("benchmarks.md")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_runs_report_goes_to_the_documents() {
        let folder = Path::new("release");
        let report = |arguments: &[&str]| {
            let arguments: Vec<_> = arguments.iter().map(|one| (*one).to_owned()).collect();
            report_of(&arguments, folder)
        };
        assert_eq!(report(&[]), Some(REPORT.into()));
        let beside = Some(folder.join("benchmarks.md"));
        assert_eq!(report(&["--quick"]), beside);
        assert_eq!(report(&["--only", "outbox"]), beside);
        assert_eq!(report(&["--report", "mine.md"]), None);
        assert_eq!(report(&["--quick", "--report=mine.md"]), None);
    }
}
