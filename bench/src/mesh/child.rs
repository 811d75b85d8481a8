//! Processes of a measurement: this program once more, told what to do on its standard input.

use std::net::SocketAddr;
use std::process::Stdio;

use anyhow::{Context as _, bail, ensure};
use clap::ValueEnum as _;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::side::Side;
use crate::memory::resident;

/// A process of its own that answers each line with a line.
pub struct Process {
    child: Child,
    told: ChildStdin,
    says: Lines<BufReader<ChildStdout>>,
}

// === impl Process ===

impl Process {
    /// Starts one of this side.
    pub fn start(side: &Side) -> anyhow::Result<Self> {
        let kind = side
            .kind
            .to_possible_value()
            .context("a side without a name")?;
        // Its standard input ends when this process does, in whatever way; then it ends, too.
        let mut child = Command::new(std::env::current_exe()?)
            .args(["mesh-process", kind.get_name()])
            .arg(side.identities.directory())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let told = child.stdin.take().context("no standard input")?;
        let says = child.stdout.take().context("no standard output")?;
        Ok(Self {
            child,
            told,
            says: BufReader::new(says).lines(),
        })
    }

    /// Tells it something, and waits for its answer.
    pub async fn ask(&mut self, line: &str) -> anyhow::Result<String> {
        self.told.write_all(format!("{line}\n").as_bytes()).await?;
        let Some(answer) = self.says.next_line().await? else {
            bail!("a process ended while it was asked to `{line}`");
        };
        Ok(answer)
    }

    /// Tells it something, and waits for numbers.
    pub async fn numbers(&mut self, line: &str) -> anyhow::Result<Vec<f64>> {
        let answer = self.ask(line).await?;
        let numbers = answer.split_whitespace().map(str::parse);
        let numbers = numbers.collect::<Result<_, _>>();
        numbers.with_context(|| format!("`{line}` was answered with `{answer}`"))
    }

    /// Tells it to serve; where it does.
    pub async fn addresses(&mut self, line: &str) -> anyhow::Result<Vec<SocketAddr>> {
        let answer = self.ask(line).await?;
        let addresses: Vec<_> = answer
            .split_whitespace()
            .map(str::parse)
            .collect::<Result<_, _>>()?;
        ensure!(!addresses.is_empty(), "a process serves nowhere");
        Ok(addresses)
    }

    /// Memory it has at the moment, in KiB.
    pub fn resident(&self) -> anyhow::Result<f64> {
        let id = self.child.id().context("the process has ended")?;
        Ok(resident(id)? * 1_024.0)
    }

    /// Ends it as a crash does, at once.
    pub async fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill().await.map_err(Into::into)
    }
}
