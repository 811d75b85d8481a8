//! What the system says of a process.

use std::path::Path;

use anyhow::Context as _;

/// Memory that a process has at the moment, in MiB.
pub fn resident(process: u32) -> anyhow::Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    let kib: f64 = number.context("no resident size")?.parse()?;
    Ok(kib / 1_024.0)
}

/// Files, sockets included, that a process has open.
pub fn open_files(process: u32) -> anyhow::Result<usize> {
    Ok(std::fs::read_dir(format!("/proc/{process}/fd"))?.count())
}

/// Bytes of all files in a folder and below.
pub fn bytes_in(folder: &Path) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        bytes += match entry.file_type()?.is_dir() {
            true => bytes_in(&entry.path())?,
            // A file may go between being listed and being looked at.
            false => entry.metadata().map_or(0, |file| file.len()),
        };
    }
    Ok(bytes)
}
