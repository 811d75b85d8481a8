//! The platform as people run it, in a folder of its own.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde::Deserialize;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tonic::transport::{Channel, Endpoint};

/// How long it may take to start, and to stop.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often its address is looked for.
const LOOK: Duration = Duration::from_millis(50);

/// A running platform.
pub struct Platform {
    child: Child,
    folder: TempDir,
    pub address: String,
}

/// Who may do everything.
#[derive(Debug, Deserialize)]
pub struct Administrator {
    pub email: String,
    pub password: String,
}

// === impl Platform ===

impl Platform {
    /// Starts it on a free port.
    pub async fn start(binary: &Path) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut child = Command::new(binary)
            .args(["up", "--listen", "127.0.0.1:0", "--data"])
            .arg(folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("starting {}", binary.display()))?;
        let file = folder.path().join("address");
        let there = async {
            loop {
                if let Some(status) = child.try_wait()? {
                    anyhow::bail!("the platform ended at once: {status}");
                }
                if let Ok(address) = tokio::fs::read_to_string(&file).await {
                    return Ok(address.trim().to_owned());
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        let address = tokio::time::timeout(PATIENCE, there)
            .await
            .context("the platform did not start")??;
        Ok(Self {
            child,
            folder,
            address,
        })
    }

    /// A connection to it.
    pub async fn connect(&self) -> anyhow::Result<Channel> {
        let endpoint = Endpoint::from_shared(self.address.clone())?;
        Ok(endpoint.connect().await?)
    }

    /// Its administrator.
    pub fn administrator(&self) -> anyhow::Result<Administrator> {
        let text = std::fs::read_to_string(self.folder.path().join("administrator.toml"))?;
        Ok(toml::from_str(&text)?)
    }

    /// Ends it.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        let id = self.child.id().context("the platform has ended")?;
        let mut kill = Command::new("kill");
        let asked = kill.args(["-TERM", &id.to_string()]).status().await?;
        ensure!(asked.success(), "the platform cannot be asked to stop");
        let ended = tokio::time::timeout(PATIENCE, self.child.wait());
        ended.await.context("the platform did not stop")??;
        Ok(())
    }
}
