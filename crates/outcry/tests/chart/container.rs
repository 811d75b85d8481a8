//! A container: a process in namespaces, with nothing but what is rendered for it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::process::{Child, Command};

use super::volume::Mount;

/// How much of a log goes into an error.
const TAIL_BYTES: usize = 6_000;

/// The user of the image (`USER` in the Containerfile).
const IMAGE_USER: u64 = 65_532;

/// Puts a root together in mount and process namespaces of its own and becomes the process there. The
/// binary of the tests is linked dynamically, which the image's is not, so libraries are lent to it.
const START: &str = r#"
set -e
root=$1; shift
mount --make-rprivate /
mount --bind "$root" "$root"
bind() {
    if [ -d "$1" ]; then mkdir -p "$root$2"
    else mkdir -p "$(dirname "$root$2")"; [ -e "$root$2" ] || : > "$root$2"; fi
    mount --bind "$1" "$root$2"
    mount -o "remount,bind,$3" "$root$2"
}
for lent in /lib /lib64 /usr/lib; do [ ! -e "$lent" ] || bind "$lent" "$lent" ro; done
mkdir -p "$root/dev" "$root/proc" "$root/sys"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for device in null zero full random urandom; do bind "/dev/$device" "/dev/$device" rw; done
mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
mount -t sysfs -o ro,nosuid,nodev,noexec sysfs "$root/sys"
setpriv=$(command -v setpriv) chroot=$(command -v chroot) env=$(command -v env)
bind "$setpriv" /.start/setpriv ro
"#;

/// A process that runs, or has run.
pub struct Container {
    pub name: String,
    child: Child,
    log: PathBuf,
}

/// What a container needs to be started.
pub struct Plan<'a> {
    /// The pod's, over which the container's own go.
    pub security: &'a Value,
    pub container: &'a Value,
    /// The pod's network.
    pub space: &'a str,
    pub command: Vec<String>,
    pub variables: Vec<(String, String)>,
    pub mounts: Vec<Mount>,
    /// Of this container alone.
    pub folder: &'a Path,
}

// === impl Container ===

impl Container {
    /// Starts it; what it says goes to a file.
    pub fn start(plan: &Plan<'_>) -> Self {
        let root = plan.folder.join("root");
        fs::create_dir_all(root.join("tmp")).unwrap();
        let log = plan.folder.join("log");
        let output = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .unwrap();
        let child = Command::new("ip")
            .args(["netns", "exec", plan.space])
            .args(["unshare", "--mount", "--pid", "--fork", "--kill-child"])
            .args(["sh", "-c", &script(plan), "start"])
            .arg(&root)
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Self {
            name: plan.container["name"].as_str().unwrap().to_owned(),
            child,
            log,
        }
    }

    /// How it has ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Waits for its end.
    pub async fn end(&mut self) -> ExitStatus {
        self.child.wait().await.unwrap()
    }

    /// Number of the process itself, on the node; none before it is there.
    pub fn process(&self) -> Option<Pid> {
        let parent = self.child.id()?;
        let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).ok()?;
        Pid::from_raw(children.split_whitespace().next()?.parse().ok()?)
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let process = self.process().expect("it runs");
        kill_process(process, signal).unwrap();
    }

    /// All that it has said.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap()).into_owned()
    }

    /// The end of it.
    pub fn tail(&self) -> String {
        let log = self.log();
        let mut start = log.len().saturating_sub(TAIL_BYTES);
        while !log.is_char_boundary(start) {
            start += 1;
        }
        log[start..].to_owned()
    }
}

/// The whole of what is done for a container.
fn script(plan: &Plan<'_>) -> String {
    let own = &plan.container["securityContext"];
    let id = |name: &str| {
        let id = own[name].as_u64().or(plan.security[name].as_u64());
        id.unwrap_or(IMAGE_USER)
    };
    let user = id("runAsUser");
    assert!(
        user != 0 || plan.security["runAsNonRoot"] != true,
        "the kubelet would not start it: runAsNonRoot"
    );
    let mut text = START.to_owned();
    for mount in &plan.mounts {
        let mode = if mount.read_only { "ro" } else { "rw" };
        let from = mount.from.to_str().unwrap();
        text.push_str(&format!(
            "bind {} {} {mode}\n",
            quoted(from),
            quoted(&mount.to)
        ));
    }
    if own["readOnlyRootFilesystem"] == true {
        text.push_str("mount -o remount,bind,ro \"$root\"\n");
    }
    text.push_str("exec \"$env\" -i");
    for (name, value) in &plan.variables {
        text.push_str(&format!(" {}", quoted(&format!("{name}={value}"))));
    }
    let groups = match plan.security["fsGroup"].as_u64() {
        Some(group) => format!("--groups {group}"),
        None => "--clear-groups".to_owned(),
    };
    text.push_str(&format!(
        " \"$chroot\" \"$root\" /.start/setpriv --reuid {user} --regid {} {groups}",
        id("runAsGroup")
    ));
    if own["capabilities"]["drop"] == serde_json::json!(["ALL"]) {
        text.push_str(" --bounding-set=-all --inh-caps=-all");
    }
    if own["allowPrivilegeEscalation"] == false {
        text.push_str(" --no-new-privs");
    }
    text.push_str(" --");
    for part in &plan.command {
        text.push_str(&format!(" {}", quoted(part)));
    }
    text
}

/// A word of a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
