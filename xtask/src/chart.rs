//! The chart's file of the contract: what the binary prints, written where the chart reads it.

use std::fs;

use crate::run;

/// The file, from the project's folder.
const FILE: &str = "helm/outcry/files/contract.yaml";

/// Writes the file anew.
pub(crate) fn write() -> Result<(), String> {
    let programs = run::built("the binary", &["--bin", "outcry"])?;
    let lines = run::printed(&programs.join("outcry"), &["schema", "services"])?;
    let file = run::root().join(FILE);
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    fs::write(&file, text).map_err(|error| format!("cannot write {}: {error}", file.display()))?;
    println!("xtask: wrote {FILE}");
    Ok(())
}
