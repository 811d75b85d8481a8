//! The package that drives the browser.

use std::path::PathBuf;

use tokio::process::Command;

use super::language::{is_there, root, succeeds};

/// Without these there is no browser to drive.
const NEEDS: [&str; 3] = ["chromium", "node", "npm"];

/// The package, ready to be run.
pub struct Package {
    folder: PathBuf,
}

// === impl Package ===

impl Package {
    /// Installs what it needs; `None` where this machine lacks a program. With `CI` set it must not.
    pub async fn ready() -> Option<Self> {
        for program in NEEDS {
            if is_there(program).await {
                continue;
            }
            let why = format!("the console is not tried: there is no {program}");
            assert!(std::env::var_os("CI").is_none(), "{why}");
            println!("{why}");
            return None;
        }
        let folder = root().join("crates/outcry/tests/console/browser");
        let mut install = Command::new("npm");
        install
            .args(["ci", "--no-audit", "--no-fund", "--silent"])
            .current_dir(&folder);
        succeeds(install, "the installation of the browser's package").await;
        Some(Self { folder })
    }

    /// Has it try all views. Pictures are put in a folder; says what it found.
    pub async fn tries(&self, variables: &[(&str, String)]) -> String {
        let pictures = std::env::var_os("OUTCRY_SCREENSHOTS")
            .map_or_else(|| root().join("target/console"), PathBuf::from);
        let mut node = Command::new("node");
        node.args(["--test", "--test-reporter=spec", "console.test.mjs"])
            .current_dir(&self.folder)
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .env("OUTCRY_SCREENSHOTS", pictures);
        succeeds(node, "the console in a browser").await
    }
}
