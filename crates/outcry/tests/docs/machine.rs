//! A machine for one newcomer: the ports and processes of others are not seen there, and all of its own end with it.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

/// What the first process does: it lasts as long as whoever started it holds the other end of its input.
const FIRST: &str = "ip link set lo up && echo up && exec cat > /dev/null";

/// Whether machines can be made here; in continuous integration they must.
pub fn permitted() -> bool {
    let tried = Command::new("sh")
        .args([
            "-c",
            "ip -V && pkill --version && unshare --net --pid --fork --mount-proc true",
        ])
        .stdout(Stdio::null())
        .output()
        .unwrap();
    if tried.status.success() {
        return true;
    }
    let why = String::from_utf8_lossy(&tried.stderr);
    let what = "the commands of the documents need root, iproute2, procps and util-linux to be run";
    assert!(std::env::var_os("CI").is_none(), "{what}: {why}");
    println!("{what}: {why}");
    false
}

/// Namespaces with a process in them.
pub struct Machine {
    warden: Child,
    /// The first process in them, as others see it.
    first: String,
}

// === impl Machine ===

impl Machine {
    pub fn start() -> Self {
        let mut warden = Command::new("unshare")
            .args(["--net", "--pid", "--fork", "--mount-proc", "--kill-child"])
            .args(["sh", "-c", FIRST])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        let mut output = BufReader::new(warden.stdout.take().unwrap());
        output.read_line(&mut said).unwrap();
        assert_eq!(said, "up\n", "the machine did not start");
        let id = warden.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
        let first = children.trim().to_owned();
        assert!(first.parse::<u32>().is_ok(), "one process: {children}");
        Self { warden, first }
    }

    /// A program there, in `/`.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command
            .args(["--target", &self.first, "--net", "--pid", "--mount", "--"])
            .arg(program);
        command
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // The first process goes with its warden, and all others with the first.
        let _killed = self.warden.kill();
        let _ended = self.warden.wait();
    }
}
