//! How the driver and a job talk: one JSON object a line out, `go` in for each round.

use std::io::Write;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader, Lines, Stdin};

use crate::Failure;

/// The program that started this one.
pub struct Driver {
    lines: Lines<BufReader<Stdin>>,
}

impl Driver {
    pub fn new() -> Self {
        Self {
            lines: BufReader::new(tokio::io::stdin()).lines(),
        }
    }

    /// Tells that all is connected.
    pub fn ready(&self, library: &str) -> Result<(), Failure> {
        self.tell(&json!({ "ready": true, "library": library }))
    }

    /// Waits for the next round; false at the end of stdin.
    pub async fn go(&mut self) -> Result<bool, Failure> {
        match self.lines.next_line().await? {
            None => Ok(false),
            Some(line) if line.trim() == "go" => Ok(true),
            Some(line) => Err(format!("expected the line go, got {line}").into()),
        }
    }

    /// Waits for the end of stdin; rounds until then need nothing of this program.
    pub async fn end(&mut self) -> Result<(), Failure> {
        while self.go().await? {}
        Ok(())
    }

    pub fn tell(&self, event: &Value) -> Result<(), Failure> {
        let mut stdout = std::io::stdout().lock();
        writeln!(stdout, "{event}")?;
        stdout.flush()?;
        Ok(())
    }
}
