//! A copy of the project in which a guide is followed.
//!
//! It has a target folder of its own: cargo tells crates of a workspace apart by where they are in
//! it, so a copy that shared the project's would overwrite what that has built. What comes from
//! registries is the same for both, and linked.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use super::page::Hunk;

/// Below the project's target folder: always there, so that nothing piles up.
const FOLDER: &str = "guide";

/// What cargo keeps by the hash of what it was made of, in the folder of a profile.
const KEPT: [&str; 3] = [".fingerprint", "build", "deps"];

/// Bytes of the files that cargo itself writes, at most.
const COPIED_MAX: u64 = 64 * 1024;

/// Cargo reads it from the folders above as well, and its flags would count twice.
const CARGO_CONFIG: &str = ".cargo/config.toml";

/// How variables begin in which cargo tells of a package.
const OF_A_PACKAGE: [&str; 3] = ["CARGO_MANIFEST_", "CARGO_PKG_", "CARGO_BIN_"];

/// Tools that were fetched once.
const TOOLS: &str = ".tools";

/// The copy.
pub struct Workshop {
    project: PathBuf,
    target: PathBuf,
}

// === impl Workshop ===

impl Workshop {
    /// Copies what git tracks, as it is now.
    pub fn open(root: &Path) -> Self {
        let built = Path::new(env!("CARGO_BIN_EXE_outcry")).parent().unwrap();
        let folder = built.parent().unwrap().join(FOLDER);
        let project = folder.join("project");
        let target = folder.join("target");
        if project.exists() {
            fs::remove_dir_all(&project).unwrap();
        }
        let has_config = project.starts_with(root);
        let mut paths = tracked(root);
        paths.retain(|path| path != CARGO_CONFIG || !has_config);
        for path in paths {
            let to = project.join(&path);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(root.join(&path), to).unwrap();
        }
        if root.join(TOOLS).is_dir() {
            std::os::unix::fs::symlink(root.join(TOOLS), project.join(TOOLS)).unwrap();
        }
        share(root, built, &target.join(built.file_name().unwrap()));
        Self { project, target }
    }

    /// Writes a file that is not there.
    pub fn write(&self, path: &str, text: &str) {
        let file = self.project.join(path);
        assert!(!file.exists(), "{path} is there already");
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    /// Changes a file: what is to be changed stands in it once.
    pub fn change(&self, path: &str, hunks: &[Hunk]) {
        let file = self.project.join(path);
        let mut text = fs::read_to_string(&file).unwrap_or_else(|why| panic!("{path}: {why}"));
        for Hunk { from, to } in hunks {
            let found = format!("\n{text}").matches(&format!("\n{from}")).count();
            assert_eq!(
                found, 1,
                "{path}: these lines stand in it so often:\n{from}"
            );
            text = format!("\n{text}").replacen(&format!("\n{from}"), &format!("\n{to}"), 1)[1..]
                .to_owned();
        }
        fs::write(file, text).unwrap();
    }

    /// Runs commands as a reader would type them.
    pub fn run(&self, commands: &str) {
        let start = Instant::now();
        let mut shell = Command::new("bash");
        // What cargo tells a test of its package is nothing to the reader's cargo: build scripts that
        // look at it would run again.
        for (name, _) in std::env::vars().filter(|(name, _)| is_of_this_package(name)) {
            shell.env_remove(name);
        }
        let done = shell
            .args(["-euxo", "pipefail", "-c", commands])
            .current_dir(&self.project)
            .env("CARGO_TARGET_DIR", &self.target)
            .env("CARGO_NET_OFFLINE", "true")
            // Takes half of the room; nothing here is built twice.
            .env("CARGO_INCREMENTAL", "0")
            // What git knows of the project is not about the copy.
            .env("GIT_CEILING_DIRECTORIES", self.project.parent().unwrap())
            .output()
            .unwrap();
        let said = [done.stdout, done.stderr].map(|said| String::from_utf8(said).unwrap());
        assert!(done.status.success(), "{commands}\n{}", said.concat());
        println!("{}{} s\n", said.concat(), start.elapsed().as_secs());
    }
}

fn is_of_this_package(variable: &str) -> bool {
    variable == "OUT_DIR"
        || OF_A_PACKAGE
            .iter()
            .any(|prefix| variable.starts_with(prefix))
}

fn tracked(root: &Path) -> Vec<String> {
    let listed = Command::new("git")
        .args(["ls-files", "-z"])
        .current_dir(root)
        .output()
        .unwrap();
    assert!(listed.status.success(), "the project is no git repository");
    let names = String::from_utf8(listed.stdout).unwrap();
    names
        .split_terminator('\0')
        .filter(|name| root.join(name).is_file())
        .map(str::to_owned)
        .collect()
}

/// Names of the packages that come from registries.
fn packages(root: &Path) -> BTreeSet<String> {
    let lock = fs::read_to_string(root.join("Cargo.lock")).unwrap();
    let lock: toml::Table = toml::from_str(&lock).unwrap();
    let packages = lock["package"].as_array().unwrap().iter();
    packages
        .filter(|package| package.get("source").is_some())
        .map(|package| package["name"].as_str().unwrap().to_owned())
        .collect()
}

/// Links what was made of packages from registries, unless it is linked already.
fn share(root: &Path, built: &Path, target: &Path) {
    let packages = packages(root);
    let hashes: BTreeSet<String> = names(&built.join(KEPT[0]))
        .iter()
        .filter_map(|name| name.rsplit_once('-'))
        .filter(|(package, _)| packages.contains(*package))
        .map(|(_, hash)| hash.to_owned())
        .collect();
    for kept in KEPT {
        for name in names(&built.join(kept)) {
            let stem = name.split_once('.').map_or(&*name, |(stem, _)| stem);
            let hash = stem.rsplit_once('-').map(|(_, hash)| hash);
            if hash.is_some_and(|hash| hashes.contains(hash)) {
                let place = Path::new(kept).join(&name);
                link(&built.join(&place), &target.join(&place));
            }
        }
    }
}

fn names(folder: &Path) -> Vec<String> {
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

/// Compilers replace what they made before, so the large files can be the same. Cargo writes into its
/// own: those are copied, with their times, by which it judges them.
fn link(from: &Path, to: &Path) {
    if from.is_dir() {
        for name in names(from) {
            link(&from.join(&name), &to.join(&name));
        }
    } else if !to.exists() {
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        let about = fs::metadata(from).unwrap();
        if about.len() > COPIED_MAX {
            fs::hard_link(from, to).unwrap();
        } else {
            fs::copy(from, to).unwrap();
            let copy = fs::File::options().write(true).open(to).unwrap();
            copy.set_modified(about.modified().unwrap()).unwrap();
        }
    }
}
