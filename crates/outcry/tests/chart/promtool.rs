//! Prometheus' own tool: the one of the system, or Debian's, unpacked below `.tools` and not installed.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::sync::Mutex;

use super::tools::{prints, root};

/// How long getting the package may take: some twenty megabytes.
const GET_MAX: Duration = Duration::from_secs(300);

/// How long looking at rules may take.
const LOOK_MAX: Duration = Duration::from_secs(120);

/// Debian's package that has it.
const PACKAGE: &str = "prometheus";

/// `promtool`, ready to be given arguments; none where there is none and no Debian to get it from, except in
/// continuous integration.
pub async fn promtool() -> Option<Command> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());
    let _turn = ONE_AT_A_TIME.lock().await;
    if answers(Command::new("promtool")).await {
        return Some(Command::new("promtool"));
    }
    let program = unpacked();
    if !program.is_file() {
        if !answers(Command::new("apt-get")).await {
            let on_ci = std::env::var_os("CI").is_some();
            assert!(
                !on_ci,
                "there is no promtool, and no apt-get to get it with"
            );
            println!("rules are not tried: there is no promtool");
            return None;
        }
        get().await;
    }
    Some(Command::new(program))
}

/// What it says, which must be good.
pub async fn says(promtool: Command, what: &str) -> String {
    prints(promtool, LOOK_MAX, what).await
}

fn unpacked() -> PathBuf {
    root().join(".tools").join(PACKAGE).join("usr/bin/promtool")
}

async fn answers(mut program: Command) -> bool {
    program
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .await
        .is_ok_and(|status| status.success())
}

async fn get() {
    let folder = root().join(".tools");
    std::fs::create_dir_all(&folder).unwrap();
    let download = tempfile::tempdir_in(&folder).unwrap();
    let mut get = Command::new("apt-get");
    get.args(["download", PACKAGE]).current_dir(download.path());
    prints(get, GET_MAX, "getting promtool").await;
    let mut files = std::fs::read_dir(download.path()).unwrap();
    let package = files.next().unwrap().unwrap().path();
    // Moved when it is whole, so that an interruption leaves nothing that looks so.
    let whole = download.path().join("unpacked");
    let mut unpack = Command::new("dpkg-deb");
    unpack.arg("--extract").arg(package).arg(&whole);
    prints(unpack, GET_MAX, "unpacking promtool").await;
    std::fs::rename(whole, folder.join(PACKAGE)).unwrap();
}
