//! The browser: what it measures comes line by line.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context as _, ensure};
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

use crate::orders::installation::Site;

/// Where the package is, from here.
const PACKAGE: &str = "../crates/outcry/tests/console/browser";

/// One line.
#[derive(Debug, Deserialize)]
pub struct Said {
    pub load: Option<Load>,
    pub lap: Option<Lap>,
}

/// One first visit.
#[derive(Debug, Deserialize)]
pub struct Load {
    /// Until it could be used.
    pub milliseconds: f64,
    pub bytes: f64,
}

/// What a page has after one lap through the views.
#[derive(Debug, Clone, Deserialize)]
pub struct Lap {
    /// Bytes of its JavaScript, after everything that is not used was given back.
    pub heap: f64,
    /// Bytes of its process.
    pub resident: f64,
    /// Milliseconds of the longest task since the lap before.
    pub longest: f64,
}

/// Visits the console, and looks around for some minutes.
pub async fn look(site: &Site, minutes: f64) -> anyhow::Result<Vec<Said>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(PACKAGE);
    let install = Command::new("npm")
        .args(["ci", "--no-audit", "--no-fund", "--silent"])
        .current_dir(&folder)
        .status()
        .await
        .context("running npm")?;
    ensure!(install.success(), "the browser's package is not installed");
    let administrator = site.administrator()?;
    let mut child = Command::new("node")
        .args(["measure.mjs", &minutes.to_string()])
        .current_dir(&folder)
        .env("OUTCRY_ADDRESS", &site.address)
        .env("OUTCRY_ADMIN_EMAIL", administrator.email)
        .env("OUTCRY_ADMIN_PASSWORD", administrator.password)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("running node")?;
    let says = child.stdout.take().context("no standard output")?;
    let mut lines = BufReader::new(says).lines();
    let mut said = Vec::new();
    while let Some(line) = lines.next_line().await? {
        eprintln!("{line}");
        said.push(serde_json::from_str(&line).with_context(|| format!("`{line}`"))?);
    }
    ensure!(child.wait().await?.success(), "the browser failed");
    Ok(said)
}
