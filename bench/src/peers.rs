//! Where the programs of the peers are, and how they are built.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, bail};
use tokio::process::Command;
use tokio::time::timeout;

use crate::peer::Program;

/// How long one step of building a peer may take: the first time all of its packages are fetched and
/// compiled.
const STEP_MAX: Duration = Duration::from_secs(30 * 60);

/// How much of what a failed step said is told.
const TAIL_BYTES: usize = 1_000;

/// What a peer is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// lapin, hexeract.
    Rust,
    /// amqp091-go, Watermill.
    Go,
    /// RabbitMQ's client, Spring AMQP, Spring Modulith.
    Java,
    /// aio-pika, FastStream.
    Python,
    /// amqplib.
    Node,
}

/// The programs that could be built.
pub struct Peers {
    programs: Vec<(Language, Result<Program, String>)>,
}

// === impl Language ===

impl Language {
    /// All of them, those that are built quickly first.
    const ALL: [Self; 5] = [Self::Go, Self::Node, Self::Python, Self::Java, Self::Rust];

    fn folder(self) -> PathBuf {
        let name = match self {
            Self::Rust => "rust",
            Self::Go => "go",
            Self::Java => "java",
            Self::Python => "python",
            Self::Node => "node",
        };
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("peers")
            .join(name)
    }

    /// Builds its program, as far as that is not done.
    async fn build(self) -> anyhow::Result<Program> {
        let folder = self.folder();
        match self {
            Self::Rust => {
                let target = folder.join("target");
                let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
                let mut command = command(&folder, &cargo, &["build", "--release", "--quiet"]);
                // Wherever the project's own is.
                command.env("CARGO_TARGET_DIR", &target);
                step(command).await?;
                Ok(program(target.join("release/peers"), []))
            }
            Self::Go => {
                step(command(&folder, "go", &["build", "-o", "peer", "."])).await?;
                Ok(program(folder.join("peer"), []))
            }
            Self::Java => {
                // Asked for first: Maven itself needs it, and says so less clearly.
                step(command(&folder, "java", &["-version"])).await?;
                let jar = folder.join("target/peer.jar");
                if !is_newer(&jar, &folder.join("pom.xml"), &folder.join("src")) {
                    step(command(&folder, "mvn", &["-q", "package"])).await?;
                }
                Ok(program("java".into(), ["-jar".into(), jar.into()]))
            }
            Self::Python => {
                let python = folder.join("venv/bin/python");
                if !python.exists() {
                    step(command(&folder, "python3", &["-m", "venv", "venv"])).await?;
                }
                let install = ["-m", "pip", "install", "--quiet", "-r", "requirements.txt"];
                step(command(&folder, &python, &install)).await?;
                Ok(program(python, [folder.into()]))
            }
            Self::Node => {
                let installed = folder.join("node_modules/.package-lock.json");
                let wanted = folder.join("package-lock.json");
                if !is_newer(&installed, &wanted, &wanted) {
                    step(command(&folder, "npm", &["ci", "--silent"])).await?;
                }
                let peer = folder.join("peer.js");
                Ok(program("node".into(), [peer.into()]))
            }
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rust => "Rust",
            Self::Go => "Go",
            Self::Java => "Java",
            Self::Python => "Python",
            Self::Node => "Node.js",
        })
    }
}

// === impl Peers ===

impl Peers {
    /// Builds all of them, one after the other; the first time that takes minutes.
    pub async fn build() -> Self {
        let mut programs = Vec::new();
        for language in Language::ALL {
            let begun = Instant::now();
            let built = language.build().await;
            match &built {
                Ok(_) => {
                    let seconds = begun.elapsed().as_secs();
                    eprintln!("peers in {language}: built in {seconds} s");
                }
                Err(error) => eprintln!("peers in {language}: left out, {error:#}"),
            }
            programs.push((language, built.map_err(|error| format!("{error:#}"))));
        }
        Self { programs }
    }

    /// None of them, where nobody needs any.
    pub fn none() -> Self {
        Self {
            programs: Vec::new(),
        }
    }

    /// The program of the peers in a language, or why there is none.
    pub fn program(&self, language: Language) -> Result<&Program, &str> {
        let found = self.programs.iter().find(|(known, _)| *known == language);
        match found {
            Some((_, Ok(program))) => Ok(program),
            Some((_, Err(why))) => Err(why),
            None => Err("it was not built"),
        }
    }
}

fn program<const N: usize>(path: PathBuf, arguments: [OsString; N]) -> Program {
    Program {
        path,
        arguments: arguments.into(),
    }
}

fn command(folder: &Path, program: impl AsRef<std::ffi::OsStr>, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder);
    command
}

/// Runs one step to its end.
async fn step(mut command: Command) -> anyhow::Result<()> {
    let name = command.as_std().get_program().to_owned();
    let name = Path::new(&name).file_name().unwrap_or(&name);
    let name = name.to_string_lossy().into_owned();
    let output = command.kill_on_drop(true).output();
    let output = timeout(STEP_MAX, output)
        .await
        .with_context(|| format!("{name} had not ended after {STEP_MAX:?}"))?
        .with_context(|| format!("{name} cannot be run"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    let tail = &said[said.len().saturating_sub(TAIL_BYTES)..];
    let tail = String::from_utf8_lossy(tail);
    bail!("{name} failed ({}): {}", output.status, tail.trim());
}

/// Whether a file is there, and no older than another one and all in a folder.
fn is_newer(made: &Path, from: &Path, folder: &Path) -> bool {
    let Some(made) = changed(made) else {
        return false;
    };
    let newest = newest(folder).max(changed(from));
    newest.is_some_and(|newest| newest <= made)
}

fn changed(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path).ok()?.modified().ok()
}

/// When anything in a folder was changed last; a file is a folder of one.
fn newest(path: &Path) -> Option<SystemTime> {
    let Ok(entries) = std::fs::read_dir(path) else {
        return changed(path);
    };
    let times = entries.flatten().filter_map(|entry| newest(&entry.path()));
    times.max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_older_than_a_file_it_is_made_from_is_made_again() {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("src");
        std::fs::create_dir_all(source.join("deep")).unwrap();
        let (from, deep) = (source.join("from"), source.join("deep/from"));
        let made = folder.path().join("made");
        let write = |path: &Path, seconds| {
            let file = std::fs::File::create(path).unwrap();
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            file.set_modified(time).unwrap();
        };
        write(&from, 10);
        write(&deep, 20);
        assert!(!is_newer(&made, &from, &source));
        write(&made, 19);
        assert!(!is_newer(&made, &from, &source));
        write(&made, 20);
        assert!(is_newer(&made, &from, &source));
    }
}
