//! One language's package: how it is built, and its program.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::process::{Child, Command};
use tokio::sync::{Mutex, MutexGuard, OnceCell};

/// How long one command may take: the first build fetches everything it needs.
const COMMAND_MAX: Duration = Duration::from_secs(900);

/// A package below `clients/`.
#[derive(Debug)]
pub struct Language {
    /// Its folder there.
    pub name: &'static str,
    /// The program without which it cannot be built.
    needs: &'static str,
    /// What builds and checks it, a shell command per step, run in its folder.
    steps: &'static [&'static str],
    /// What tests it. Without a platform the tests that need one are left out.
    tests: &'static str,
    /// Its program, as started from its folder.
    program: &'static [&'static str],
}

/// All of them.
pub const LANGUAGES: [Language; 4] = [
    Language {
        name: "go",
        needs: "go",
        steps: &[
            "go generate ./...",
            "go vet ./...",
            "test -z \"$(gofmt -l .)\"",
            "go build -o bin/ ./cmd/...",
        ],
        tests: "go test -count=1 ./...",
        program: &["bin/outcry-client"],
    },
    Language {
        name: "java",
        needs: "mvn",
        steps: &["mvn --batch-mode --quiet package"],
        tests: "mvn --batch-mode --quiet surefire:test",
        program: &["java", "-jar", "target/outcry-client.jar"],
    },
    Language {
        name: "python",
        needs: "python3",
        steps: &[
            "test -d .venv || python3 -m venv .venv",
            ".venv/bin/pip install --quiet '.[dev]'",
            ".venv/bin/ruff check .",
            ".venv/bin/ruff format --check .",
        ],
        tests: ".venv/bin/pytest --quiet",
        program: &[".venv/bin/outcry-client"],
    },
    Language {
        name: "typescript",
        needs: "npm",
        steps: &[
            "npm ci --no-audit --no-fund --silent",
            "npm run --silent build",
            "npm run --silent format",
        ],
        tests: "npm test --silent",
        program: &["node", "dist/main.js"],
    },
];

/// The project's folder.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Exports the contract to where the packages look for it, and builds them all, once.
///
/// Returns those that this machine can build. With `CI` set it must be all of them.
pub async fn built() -> &'static [&'static Language] {
    static BUILT: OnceCell<Vec<&'static Language>> = OnceCell::const_new();
    BUILT
        .get_or_init(|| async {
            let schema = root().join("clients/schema");
            let exported = super::outcry::command(&["schema", "export"])
                .arg(&schema)
                .output()
                .unwrap();
            assert!(exported.status.success(), "{exported:?}");
            let mut present = Vec::new();
            for language in &LANGUAGES {
                if is_there(language.needs).await {
                    present.push(language);
                    continue;
                }
                let why = format!(
                    "{} is not built: there is no {}",
                    language.name, language.needs
                );
                assert!(std::env::var_os("CI").is_none(), "{why}");
                println!("{why}");
            }
            futures::future::join_all(present.iter().map(|language| language.build())).await;
            present
        })
        .await
}

/// Stories here take turns: they run programs that others build, and a machine is small.
pub async fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::const_new(());
    TURN.lock().await
}

/// Whether a program is installed.
pub async fn is_there(program: &str) -> bool {
    let mut look = Command::new("sh");
    look.args(["-c", "command -v \"$0\"", program]);
    look.output().await.unwrap().status.success()
}

/// The package of that language; `None` where it is not built.
pub async fn one(name: &str) -> Option<&'static Language> {
    let mut languages = built().await.iter().copied();
    languages.find(|language| language.name == name)
}

/// Runs a command that must succeed, and returns what it printed.
pub async fn succeeds(mut command: Command, what: &str) -> String {
    command.kill_on_drop(true).stdin(Stdio::null());
    let output = tokio::time::timeout(COMMAND_MAX, command.output())
        .await
        .unwrap_or_else(|_| panic!("{what} took too long"))
        .unwrap_or_else(|error| panic!("{what}: {error}"));
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{what} failed ({}): {printed}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    printed
}

/// Every line of JSON that was printed.
pub fn lines(printed: &str) -> Vec<Value> {
    let lines = printed.lines().filter(|line| !line.trim().is_empty());
    lines
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}")))
        .collect()
}

// === impl Language ===

impl Language {
    pub fn folder(&self) -> PathBuf {
        root().join("clients").join(self.name)
    }

    async fn build(&self) {
        for step in self.steps {
            let mut command = Command::new("sh");
            command.args(["-c", step]).current_dir(self.folder());
            // Maven tests what it packages: without a platform here.
            for name in ["OUTCRY_ADDRESS", "OUTCRY_AMQP", "OUTCRY_SCHEMA"] {
                command.env_remove(name);
            }
            succeeds(command, &format!("`{step}` of {}", self.name)).await;
        }
    }

    /// Runs its own tests, those against a running platform with them.
    pub async fn test(&self, variables: &[(&str, String)]) {
        let mut command = Command::new("sh");
        command
            .args(["-c", self.tests])
            .current_dir(self.folder())
            .envs(variables.iter().map(|(name, value)| (name, value)));
        succeeds(command, &format!("`{}` of {}", self.tests, self.name)).await;
    }

    /// Its program with arguments.
    pub fn program(&self, arguments: &[&str], variables: &[(&str, String)]) -> Command {
        let (first, rest) = self.program.split_first().unwrap();
        let path = match first.contains('/') {
            true => self.folder().join(first),
            false => PathBuf::from(first),
        };
        let mut command = Command::new(path);
        command
            .args(rest)
            .args(arguments)
            .current_dir(self.folder())
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .kill_on_drop(true);
        command
    }

    /// Runs its program, which must succeed; the lines it prints.
    pub async fn run(&self, arguments: &[&str], variables: &[(&str, String)]) -> Vec<Value> {
        let what = format!("`{}` of {}", arguments.join(" "), self.name);
        lines(&succeeds(self.program(arguments, variables), &what).await)
    }

    /// Starts its program and goes on.
    pub fn start(&self, arguments: &[&str], variables: &[(&str, String)]) -> Child {
        self.program(arguments, variables)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Waits for a program that was started; the lines it printed.
    pub async fn ended(&self, child: Child) -> Vec<Value> {
        let output = tokio::time::timeout(COMMAND_MAX, child.wait_with_output())
            .await
            .unwrap_or_else(|_| panic!("the program of {} does not end", self.name))
            .unwrap();
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success(),
            "the program of {} failed ({}): {printed}{}",
            self.name,
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        lines(&printed)
    }
}
