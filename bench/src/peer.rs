//! One process that is measured: a peer's, or Outcry's own. All are told and asked the same way, which
//! `peers/README.md` says in full.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tempfile::NamedTempFile;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

/// Bytes of a message's body, on all sides.
pub const BODY_BYTES: usize = 512;

/// How long a process may take until it is ready. An application of Spring takes 20 seconds on a busy
/// machine, several beside each other a multiple of that.
const READY_MAX: Duration = Duration::from_secs(90);

/// How long it may take to end once its input has; then it is killed.
const STOP_MAX: Duration = Duration::from_secs(20);

/// How much of what it wrote to standard error goes into an error.
const TAIL_BYTES: usize = 2_000;

/// Ticks a second in which Linux tells processes' time, whatever its own clock is.
const TICKS_PER_SECOND: f64 = 100.0;

/// How a process is started.
#[derive(Debug, Clone)]
pub struct Program {
    /// The executable.
    pub path: PathBuf,
    /// What comes before the job.
    pub arguments: Vec<OsString>,
}

/// A job's options, without the dashes.
pub type Options = Vec<(&'static str, String)>;

/// A running process.
pub struct Peer {
    child: Child,
    id: u32,
    told: Option<ChildStdin>,
    says: Lines<BufReader<ChildStdout>>,
    /// What it writes to standard error.
    complains: NamedTempFile,
    library: String,
}

/// What a round came to.
#[derive(Debug)]
pub struct Round<R> {
    /// What the process says.
    pub result: R,
    /// Processor time of it and all below it between `go` and the result.
    pub cpu_seconds: f64,
}

/// The first line of a process.
#[derive(Deserialize)]
struct Ready {
    ready: bool,
    library: String,
}

// === impl Program ===

impl Program {
    /// This program, as the one that does Outcry's part.
    pub fn ours() -> anyhow::Result<Self> {
        Ok(Self {
            path: std::env::current_exe()?,
            arguments: vec!["peer".into()],
        })
    }
}

// === impl Peer ===

impl Peer {
    /// Starts a job, and waits until it is ready.
    pub async fn start(
        program: &Program,
        job: &str,
        options: &[(&'static str, String)],
    ) -> anyhow::Result<Self> {
        let complains = NamedTempFile::new()?;
        let mut command = Command::new(&program.path);
        command.args(&program.arguments).arg(job);
        for (key, value) in options {
            command.arg(format!("--{key}")).arg(value);
        }
        // Its standard input ends when this process does, in whatever way; then it ends, too.
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::from(complains.reopen()?))
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("starting {}", program.path.display()))?;
        let id = child.id().context("a process without an id")?;
        let told = child.stdin.take();
        let says = child.stdout.take().context("no standard output")?;
        let mut peer = Self {
            child,
            id,
            told,
            says: BufReader::new(says).lines(),
            complains,
            library: String::new(),
        };
        let ready: Ready = peer.line(READY_MAX).await.context("not ready")?;
        ensure!(ready.ready, "the first line is not that it is ready");
        peer.library = ready.library;
        Ok(peer)
    }

    /// The libraries it uses, with their versions.
    pub fn library(&self) -> &str {
        &self.library
    }

    /// Lets it begin a round.
    pub async fn go(&mut self) -> anyhow::Result<()> {
        let told = self.told.as_mut().context("its input has ended")?;
        let written = told.write_all(b"go\n").await;
        written.with_context(|| self.tail("it reads nothing"))
    }

    /// The result of the round that has begun.
    pub async fn result<R: DeserializeOwned>(&mut self, bound: Duration) -> anyhow::Result<R> {
        self.line(bound).await
    }

    /// A whole round.
    pub async fn round<R: DeserializeOwned>(
        &mut self,
        bound: Duration,
    ) -> anyhow::Result<Round<R>> {
        let before = self.cpu_seconds()?;
        self.go().await?;
        let result = self.line(bound).await?;
        Ok(Round {
            result,
            cpu_seconds: self.cpu_seconds()? - before,
        })
    }

    /// Processor time of it and all below it since they began.
    pub fn cpu_seconds(&self) -> anyhow::Result<f64> {
        let ticks = ticks_of_family(&processes()?, self.id);
        #[expect(clippy::cast_precision_loss, reason = "ticks are far below 2^53")]
        let ticks = ticks as f64;
        Ok(ticks / TICKS_PER_SECOND)
    }

    /// Ends its input and waits until it has ended.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        drop(self.told.take());
        match timeout(STOP_MAX, self.child.wait()).await {
            Ok(status) => {
                let status = status?;
                ensure!(status.success(), self.tail(&format!("ended with {status}")));
                Ok(())
            }
            Err(_) => {
                self.child.kill().await?;
                bail!(
                    "{}",
                    self.tail(&format!("had not ended after {STOP_MAX:?}"))
                );
            }
        }
    }

    /// Ends it as a crash does, at once.
    pub async fn kill(mut self) -> anyhow::Result<()> {
        Ok(self.child.kill().await?)
    }

    async fn line<R: DeserializeOwned>(&mut self, bound: Duration) -> anyhow::Result<R> {
        let Ok(line) = timeout(bound, self.says.next_line()).await else {
            bail!("{}", self.tail(&format!("said nothing within {bound:?}")));
        };
        let Some(line) = line? else {
            bail!("{}", self.tail("ended"));
        };
        serde_json::from_str(&line).with_context(|| format!("it said {line}"))
    }

    /// What happened, and the last it complained about.
    fn tail(&self, what: &str) -> String {
        let said = std::fs::read(self.complains.path()).unwrap_or_default();
        let tail = &said[said.len().saturating_sub(TAIL_BYTES)..];
        let tail = String::from_utf8_lossy(tail);
        match tail.trim() {
            "" => what.to_owned(),
            tail => format!("{what}; the last it wrote was: {tail}"),
        }
    }
}

/// What the system says of one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    parent: u32,
    /// Processor time of it, and of those below it that have ended.
    ticks: u64,
}

/// All processes of the machine.
fn processes() -> anyhow::Result<BTreeMap<u32, Seen>> {
    let entries = std::fs::read_dir("/proc").context("processor time is read from /proc")?;
    let seen = entries.flatten().filter_map(|entry| {
        let id = entry.file_name().to_str()?.parse().ok()?;
        let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
        Some((id, stated(&stat)?))
    });
    Ok(seen.collect())
}

/// Reads a line of `/proc/<id>/stat`; the name in it may contain spaces and brackets.
fn stated(stat: &str) -> Option<Seen> {
    /// Between the parent and the times.
    const SKIPPED: usize = 9;
    /// In user and system mode, its own and those of its children that have ended.
    const TIMES: usize = 4;
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split_whitespace().skip(1);
    let parent = fields.next()?.parse().ok()?;
    let times = fields.skip(SKIPPED).take(TIMES);
    let times: Vec<u64> = times.map(str::parse).collect::<Result<_, _>>().ok()?;
    (times.len() == TIMES).then(|| Seen {
        parent,
        ticks: times.iter().sum(),
    })
}

/// Processor time of a process and all below it.
fn ticks_of_family(seen: &BTreeMap<u32, Seen>, root: u32) -> u64 {
    let mut family = vec![root];
    let mut ticks = 0;
    while let Some(id) = family.pop() {
        ticks += seen.get(&id).map_or(0, |seen| seen.ticks);
        let children = seen.iter().filter(|(_, seen)| seen.parent == id);
        family.extend(children.map(|(child, _)| *child));
    }
    ticks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_read_behind_any_name() {
        let stat = "7 (a) b (c)) S 3 7 7 0 -1 4194304 100 0 0 0 11 22 33 44 20 0 8 0 5";
        let seen = stated(stat).unwrap();
        assert_eq!((seen.parent, seen.ticks), (3, 110));
        assert_eq!(stated("7 (short) S 3 7"), None);
    }

    #[test]
    fn a_familys_time_is_that_of_all_below_it_and_of_nobody_else() {
        let seen = [(1, 0), (2, 1), (3, 2), (4, 3), (5, 1)]
            .into_iter()
            .map(|(id, parent)| (id, Seen { parent, ticks: 1 }))
            .collect();
        assert_eq!(ticks_of_family(&seen, 2), 3);
        assert_eq!(ticks_of_family(&seen, 9), 0);
    }

    #[test]
    fn this_process_has_a_parent_and_its_time_is_read() {
        let seen = processes().unwrap();
        assert!(seen.contains_key(&std::process::id()));
    }
}
