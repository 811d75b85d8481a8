//! The binary as a person runs it.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// How long anything may take before a story gives up: generous, for a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// How often a condition is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A data folder, and the platform that may be running in it.
pub struct Outcry {
    folder: TempDir,
    running: Option<Child>,
    /// Variables every process and verb of this platform gets.
    variables: Vec<(String, String)>,
}

/// The binary with arguments, nothing inherited that could change what it does.
pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_outcry"));
    command.args(arguments);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("OUTCRY_")) {
        command.env_remove(name);
    }
    command
}

/// A service, as the contract says.
pub struct Listed {
    pub name: String,
    /// Whether it has a group.
    pub consumes: bool,
}

/// All services, in the order the binary has them.
pub fn services() -> Vec<Listed> {
    let printed = command(&["schema", "services"]).output().unwrap();
    assert!(printed.status.success(), "{}", complaint(&printed));
    let text = String::from_utf8(printed.stdout).unwrap();
    let entries = text.split("\n  - name: ").skip(1);
    entries
        .map(|entry| Listed {
            name: entry.lines().next().unwrap().to_owned(),
            consumes: entry.contains("\n    consumes:"),
        })
        .collect()
}

/// What was printed where people look for errors.
pub fn complaint(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

// === impl Outcry ===

impl Outcry {
    /// A folder without a platform.
    pub fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            running: None,
            variables: Vec::new(),
        }
    }

    /// The same, with variables that every process and verb of the platform gets.
    pub fn with(variables: Vec<(String, String)>) -> Self {
        let mut outcry = Self::new();
        outcry.variables = variables;
        outcry
    }

    /// The binary with arguments and this platform's variables and data folder.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = command(arguments);
        command
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .arg("--data")
            .arg(self.data());
        command
    }

    /// The folder the data folder is in, for what else the story needs.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The data folder.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Starts the platform on a free port and waits until it answers.
    pub fn up(&mut self) {
        self.start(&[]);
    }

    /// The same with further arguments.
    pub fn start(&mut self, further: &[&str]) {
        self.start_saying(further, Stdio::piped());
    }

    /// Starts the platform with its log in a file: one that says much would fill a pipe and wait.
    pub fn up_with_log(&mut self, log: &Path) {
        let file = File::create(log).unwrap();
        self.start_saying(&[], Stdio::from(file));
    }

    fn start_saying(&mut self, further: &[&str], log: Stdio) {
        let address = self.data().join("address");
        let _stale = std::fs::remove_file(&address);
        let child = self
            .command(&["up", "--listen", "127.0.0.1:0"])
            .args(further)
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        self.running = Some(child);
        let end = Instant::now() + PATIENCE;
        while !address.is_file() {
            let child = self.running.as_mut().unwrap();
            if let Some(status) = child.try_wait().unwrap() {
                let mut complaint = String::new();
                if let Some(mut stderr) = child.stderr.take() {
                    stderr.read_to_string(&mut complaint).unwrap();
                }
                panic!("the platform ended at once ({status}): {complaint}");
            }
            assert!(Instant::now() < end, "the platform did not start");
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Kills the platform where it stands.
    pub fn kill(&mut self) {
        let mut child = self.running.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Asks the platform to stop and waits until it has.
    pub fn stop(&mut self) {
        let mut child = self.running.take().unwrap();
        let asked = Command::new("kill")
            .args(["-TERM", &child.id().to_string()])
            .status()
            .unwrap();
        assert!(asked.success());
        let end = Instant::now() + PATIENCE;
        while child.try_wait().unwrap().is_none() {
            assert!(Instant::now() < end, "the platform did not stop");
            std::thread::sleep(LOOK_EVERY);
        }
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", complaint(&output));
    }

    /// Runs a verb on this folder.
    pub fn verb(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs a verb that must succeed and print JSON.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let output = self.verb(arguments);
        assert!(
            output.status.success(),
            "{arguments:?}: {}{}",
            complaint(&output),
            String::from_utf8_lossy(&output.stdout)
        );
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    /// Starts a verb on this folder without waiting for it.
    pub fn spawn(&self, arguments: &[&str]) -> Child {
        self.command(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// The audit, which must find no breach; some things may be on their way.
    pub fn audit(&self) -> Value {
        let output = self.verb(&["audit", "--json"]);
        let report: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("no report: {}", complaint(&output)));
        let breaches = &report["breaches"];
        assert_eq!(*breaches, serde_json::json!([]), "{breaches:#}");
        assert!(output.status.success());
        report
    }

    /// The audit of a running platform once nothing is on its way any more.
    pub fn quiet_audit(&self) -> Value {
        self.quiet_audit_or(String::new)
    }

    /// The same, with more to say when it does not become quiet.
    pub fn quiet_audit_or(&self, more: impl Fn() -> String) -> Value {
        let end = Instant::now() + PATIENCE;
        loop {
            let report = self.audit();
            let pending = &report["pending"];
            if *pending == serde_json::json!({}) {
                return report;
            }
            assert!(
                Instant::now() < end,
                "still on its way: {pending:#} {}",
                more()
            );
            std::thread::sleep(LOOK_EVERY * 10);
        }
    }
}

impl Drop for Outcry {
    fn drop(&mut self) {
        if let Some(mut child) = self.running.take() {
            let _killed = child.kill();
            let _ended = child.wait();
        }
        if std::thread::panicking() {
            self.folder.disable_cleanup(true);
            println!("the data is left in {}", self.data().display());
        }
    }
}

/// The recorded market data sample, where it is present.
pub fn sample() -> Option<PathBuf> {
    let file = "AAPL_2012-06-21_34200000_57600000_message_10.csv";
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/data/lobster")
        .join(file);
    path.is_file().then_some(path)
}
