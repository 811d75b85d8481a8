//! A terminal: a shell that keeps its folder and its variables from one command to the next.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use super::checkout::Checkout;
use super::machine::Machine;

/// How what was typed ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Not yet.
    No,
    /// All of it was done; the status of the last command.
    With(i32),
    /// A command failed, and the rest was not done.
    Early,
}

/// A shell on a machine.
pub struct Terminal {
    shell: Child,
    input: ChildStdin,
    folder: PathBuf,
    /// Blocks typed so far.
    typed: usize,
    /// Length of what was printed before the last one.
    printed_before: usize,
}

/// Gives a command the variables of a newcomer: nothing of the test's own.
pub fn fresh(command: &mut Command, checkout: &Checkout) {
    for (name, _) in std::env::vars() {
        if name.starts_with("OUTCRY_") || name.starts_with("CARGO") {
            command.env_remove(name);
        }
    }
    let path = std::env::var("PATH").unwrap();
    command.env("PATH", format!("{}:{path}", checkout.programs().display()));
}

// === impl Terminal ===

impl Terminal {
    /// Opens one in the clone.
    pub fn open(machine: &Machine, checkout: &Checkout, name: &str) -> Self {
        let folder = checkout.typed().join(name);
        fs::create_dir(&folder).unwrap();
        let screen = File::create(folder.join("screen")).unwrap();
        let mut command = machine.command("bash");
        command
            .args(["--noprofile", "--norc", "-s"])
            .stdin(Stdio::piped())
            .stdout(screen.try_clone().unwrap())
            .stderr(screen);
        fresh(&mut command, checkout);
        let mut shell = command.spawn().unwrap();
        let input = shell.stdin.take().unwrap();
        let mut terminal = Self {
            shell,
            input,
            folder,
            typed: 0,
            printed_before: 0,
        };
        let clone = checkout.clone_folder();
        terminal.say(&format!("set -o pipefail; cd '{}'", clone.display()));
        terminal.say(&format!("echo $$ > '{}'", terminal.file("shell").display()));
        terminal
    }

    /// Types commands. One that fails ends the shell, unless failing is `allowed`.
    pub fn type_in(&mut self, commands: &str, allowed: bool) {
        self.typed += 1;
        self.printed_before = self.screen().len();
        let script = self.file(&format!("{}.sh", self.typed));
        fs::write(&script, commands).unwrap();
        let strict = if allowed { "+e" } else { "-e" };
        let status = self.status_file();
        // Moved when it is whole, so that nobody reads half a number.
        self.say(&format!(
            "set {strict}; source '{}' < /dev/null; echo $? > '{status}.new'; set +e; mv '{status}.new' '{status}'",
            script.display(),
            status = status.display(),
        ));
    }

    /// What was printed since commands were last typed.
    pub fn printed(&self) -> String {
        let screen = self.screen();
        String::from_utf8_lossy(&screen[self.printed_before..]).into_owned()
    }

    /// Whether what was typed last has ended.
    pub fn ended(&mut self) -> Ended {
        if self.typed == 0 {
            return Ended::With(0);
        }
        if let Ok(status) = fs::read_to_string(self.status_file()) {
            return Ended::With(status.trim().parse().unwrap());
        }
        match self.shell.try_wait().unwrap() {
            None => Ended::No,
            Some(_) => Ended::Early,
        }
    }

    /// Presses Ctrl-C. What runs there may just have ended by itself.
    pub fn interrupt(&self, machine: &Machine) {
        let shell = fs::read_to_string(self.file("shell")).unwrap();
        let mut press = machine.command("pkill");
        press.args(["-INT", "--parent", shell.trim()]);
        press.status().unwrap();
    }

    fn say(&mut self, line: &str) {
        writeln!(self.input, "{line}").unwrap();
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn status_file(&self) -> PathBuf {
        self.file(&format!("{}.status", self.typed))
    }

    fn screen(&self) -> Vec<u8> {
        fs::read(Path::new(&self.folder).join("screen")).unwrap()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _killed = self.shell.kill();
        let _ended = self.shell.wait();
    }
}
