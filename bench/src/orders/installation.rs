//! The platform as people run it: one process, in a folder of its own.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use serde::Deserialize;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tonic::transport::{Channel, Endpoint};

/// How long it may take to start, and to stop: all services of a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// How often its address is looked for. Short: the time to the first order is measured with it.
const LOOK: Duration = Duration::from_millis(2);

/// Kinds of calls that the public edge counts.
const LANES: [&str; 4] = ["READS", "ORDERS", "CANCELS", "SIGN_INS"];

/// Calls a second that each caller may make: more than any machine answers. What one user is allowed
/// is a setting of the edge, and no measure of the platform.
const UNLIMITED: &str = "1000000";

/// Where a running platform answers, and the folder of its data.
#[derive(Debug, Clone)]
pub struct Site {
    pub address: String,
    pub data: PathBuf,
}

/// Who may do everything.
#[derive(Debug, Deserialize)]
pub struct Administrator {
    pub email: String,
    pub password: String,
}

/// A platform in one process.
pub struct Installation {
    child: Child,
    pub site: Site,
    /// When its process was started.
    pub begun: Instant,
    /// Gone with it.
    _folder: TempDir,
}

/// The platform's binary: the one beside this program.
pub fn binary() -> anyhow::Result<PathBuf> {
    let binary = std::env::current_exe()?.with_file_name("outcry");
    ensure!(
        binary.is_file(),
        "there is no {}: build it in the same profile (`cargo build --release`)",
        binary.display()
    );
    Ok(binary)
}

/// The binary with an edge that lets through whatever comes.
pub fn command(data: &Path) -> anyhow::Result<Command> {
    let mut command = Command::new(binary()?);
    for lane in LANES {
        for setting in ["PER_SECOND", "BURST"] {
            let name = format!("OUTCRY_GATEWAY__RATES__{lane}__{setting}");
            command.env(name, UNLIMITED);
        }
    }
    command
        .env("OUTCRY_DATA", data)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    Ok(command)
}

/// Asks a process to stop, and waits until it has.
pub async fn stop(child: &mut Child) -> anyhow::Result<()> {
    let id = child.id().context("a process has ended by itself")?;
    let mut kill = Command::new("kill");
    let asked = kill.args(["-TERM", &id.to_string()]).status().await?;
    ensure!(asked.success(), "a process cannot be asked to stop");
    let ended = tokio::time::timeout(PATIENCE, child.wait());
    let status = ended.await.context("a process did not stop")??;
    ensure!(status.success(), "a process ended with {status}");
    Ok(())
}

// === impl Installation ===

impl Installation {
    /// Starts one with nothing in it on a free port, and waits until it answers.
    pub async fn start() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let data = folder.path().join("data");
        let begun = Instant::now();
        let mut child = command(&data)?
            .args(["up", "--listen", "127.0.0.1:0"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("starting the platform")?;
        let address = address(&data, &mut child).await?;
        Ok(Self {
            child,
            site: Site { address, data },
            begun,
            _folder: folder,
        })
    }

    /// Its process.
    pub fn process(&self) -> anyhow::Result<u32> {
        self.child.id().context("the platform has ended")
    }

    /// Its one file with everything in it.
    pub fn database(&self) -> PathBuf {
        self.site.data.join("outcry.db")
    }

    /// Ends it; the folder goes.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        stop(&mut self.child).await
    }
}

/// Waits until the process leaves word where it answers.
pub async fn address(data: &Path, child: &mut Child) -> anyhow::Result<String> {
    let file = data.join("address");
    let end = Instant::now() + PATIENCE;
    loop {
        if let Ok(address) = tokio::fs::read_to_string(&file).await {
            return Ok(address.trim().to_owned());
        }
        if let Some(status) = child.try_wait()? {
            bail!("the platform ended at once: {status}");
        }
        ensure!(Instant::now() < end, "the platform did not start");
        tokio::time::sleep(LOOK).await;
    }
}

// === impl Site ===

impl Site {
    /// A connection to it.
    pub async fn connect(&self) -> anyhow::Result<Channel> {
        let endpoint = Endpoint::from_shared(self.address.clone())?;
        Ok(endpoint.connect().await?)
    }

    /// Its administrator.
    pub fn administrator(&self) -> anyhow::Result<Administrator> {
        let text = std::fs::read_to_string(self.data.join("administrator.toml"))?;
        Ok(toml::from_str(&text)?)
    }
}
