//! A folder that looks like the clone of a newcomer: what is written there is not written to the project.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// What a fresh clone does not have, or has of its own here.
const LEFT_OUT: [&str; 5] = [".git", ".tools", "mine", "outcry-data", "target"];

/// `cargo` as the documents use it. What is run is the binary under test, which was built already. The command for
/// the tests runs this very test, which `tests_are_run_by_the_command_in_the_readme` sees to.
const CARGO: &str = r#"#!/bin/sh
if [ "$1 $2 $3" = "run --release --" ]; then
    shift 3
    exec target/release/outcry "$@"
fi
if [ "$*" = "xtask test" ]; then
    exit 0
fi
echo "the documents are not expected to say: cargo $*" >&2
exit 64
"#;

/// The project's folder.
pub fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.canonicalize().unwrap()
}

/// A clone with the binary built.
pub struct Checkout {
    folder: TempDir,
}

// === impl Checkout ===

impl Checkout {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let checkout = Self { folder };
        let clone = checkout.clone_folder();
        let release = clone.join("target/release");
        fs::create_dir_all(&release).unwrap();
        symlink(env!("CARGO_BIN_EXE_outcry"), release.join("outcry")).unwrap();
        for entry in fs::read_dir(root()).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name();
            if !LEFT_OUT.iter().any(|left_out| name == *left_out) {
                symlink(entry.path(), clone.join(name)).unwrap();
            }
        }
        fs::create_dir_all(checkout.programs()).unwrap();
        fs::create_dir_all(checkout.typed()).unwrap();
        let cargo = checkout.programs().join("cargo");
        fs::write(&cargo, CARGO).unwrap();
        fs::set_permissions(&cargo, fs::Permissions::from_mode(0o755)).unwrap();
        checkout
    }

    /// Where a newcomer is.
    pub fn clone_folder(&self) -> PathBuf {
        self.folder.path().join("outcry")
    }

    /// First on the path.
    pub fn programs(&self) -> PathBuf {
        self.folder.path().join("programs")
    }

    /// What was typed, and what came of it.
    pub fn typed(&self) -> PathBuf {
        self.folder.path().join("typed")
    }
}
