//! What is said between the driver and a job: one JSON object a line out, `go` in for each round.

use anyhow::ensure;
use serde::Serialize;
use tokio::sync::mpsc;

use crate::lines;

/// The process that started this one.
pub struct Driver {
    lines: mpsc::Receiver<String>,
}

/// The first line.
#[derive(Serialize)]
struct Ready {
    ready: bool,
    library: String,
}

// === impl Driver ===

impl Driver {
    /// Begins to read the standard input.
    pub fn new() -> Self {
        Self {
            lines: lines::told(),
        }
    }

    /// Tells that all is connected.
    pub fn ready(&self) -> anyhow::Result<()> {
        self.tell(&Ready {
            ready: true,
            library: super::library(),
        })
    }

    /// Waits for the next round; false at the end of the input.
    pub async fn go(&mut self) -> anyhow::Result<bool> {
        let Some(line) = self.lines.recv().await else {
            return Ok(false);
        };
        ensure!(line.trim() == "go", "expected the line go, got {line}");
        Ok(true)
    }

    /// Waits for the end of the input; rounds until then need nothing of this process.
    pub async fn end(&mut self) -> anyhow::Result<()> {
        while self.go().await? {}
        Ok(())
    }

    /// Says something.
    pub fn tell(&self, said: &impl Serialize) -> anyhow::Result<()> {
        println!("{}", serde_json::to_string(said)?);
        Ok(())
    }
}
