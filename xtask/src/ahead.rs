//! What takes long and is needed late, begun at once: it takes what the checks before leave of the processors.

use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Instant;

use crate::run;

/// Gives way to everything else that runs.
const LEAST: [&str; 2] = ["-n", "19"];

/// A program that runs beside the checks. Ended when dropped.
pub(crate) struct Ahead {
    what: &'static str,
    child: Child,
    begun: Instant,
}

// === impl Ahead ===

impl Ahead {
    /// Begins it in a folder of the project; what it complains about goes to the terminal.
    pub(crate) fn begin(
        what: &'static str,
        program: &Path,
        arguments: &[&str],
        variables: &[(&str, &str)],
        folder: &str,
    ) -> Result<Self, String> {
        let child = run::command(Path::new("nice"))
            .args(LEAST)
            .arg(program)
            .args(arguments)
            .envs(variables.iter().copied())
            .current_dir(run::root().join(folder))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .map_err(|error| format!("{what}: cannot run nice: {error}"))?;
        println!("== {what}: begun, goes on beside the checks");
        Ok(Self {
            what,
            child,
            begun: Instant::now(),
        })
    }

    /// Waits for its end.
    pub(crate) fn finish(mut self) -> Result<(), String> {
        let waiting = Instant::now();
        let status = self
            .child
            .wait()
            .map_err(|error| format!("{}: {error}", self.what))?;
        if !status.success() {
            return Err(format!("{} failed ({status})", self.what));
        }
        println!(
            "== {}: done, {} s after it was begun, of which {} s were waited for",
            self.what,
            self.begun.elapsed().as_secs(),
            waiting.elapsed().as_secs()
        );
        Ok(())
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        // One that has ended already cannot be ended.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}
