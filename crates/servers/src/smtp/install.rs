//! Where the mail server's library is: below the workspace's `.tools`, fetched once by pip.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{ServerError, WITHOUT_SERVERS, left_out};

/// Version of aiosmtpd: what [`server.py`](super) is written against.
const AIOSMTPD: &str = "1.4.6";

/// What is missing, for people.
const NAME: &str = "aiosmtpd (python3 with pip fetches it)";

/// Whether tests that need a mail server shall be run; `false` with `OUTCRY_WITHOUT_SERVERS=1`, or
/// where there is none and it cannot be fetched. It is fetched when it is missing.
///
/// A test that needs one begins with `if !outcry_servers::smtp::present() { return; }`; why it is
/// not run is printed here.
///
/// # Panics
/// In continuous integration (with `CI` set), where it must be there.
#[must_use]
pub fn present() -> bool {
    if left_out() {
        return false;
    }
    match installed() {
        Ok(_) => true,
        Err(error) => {
            assert!(
                std::env::var_os("CI").is_none(),
                "tests with a mail server must run, but {error}"
            );
            eprintln!(
                "not run: {error}; it needs python3 with pip and a package registry, or set \
                 {WITHOUT_SERVERS}=1 to leave out tests that need servers"
            );
            false
        }
    }
}

/// The interpreter and the folder of its library.
pub(super) fn installed() -> Result<(PathBuf, PathBuf), ServerError> {
    let missing = || ServerError::Missing(NAME);
    let python = interpreter().ok_or_else(missing)?;
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.tools");
    let library = tools.join(format!("aiosmtpd-{AIOSMTPD}"));
    if !library.join("aiosmtpd").is_dir() {
        fetch(&python, &tools, &library)?;
    }
    if library.join("aiosmtpd").is_dir() {
        Ok((python, library))
    } else {
        Err(missing())
    }
}

/// The interpreter itself: what stands in the path may be a script that needs variables of its own.
fn interpreter() -> Option<PathBuf> {
    let asked = Command::new("python3")
        .args(["-c", "import sys; print(sys.executable)"])
        .output()
        .ok()?;
    let path = PathBuf::from(String::from_utf8(asked.stdout).ok()?.trim());
    path.is_file().then_some(path)
}

/// Fetches the library into a folder of its own and then gives that its name: of several test
/// binaries that do so at the same time, the first wins.
fn fetch(python: &Path, tools: &Path, library: &Path) -> Result<(), ServerError> {
    std::fs::create_dir_all(tools).map_err(ServerError::io("create a folder for tools"))?;
    let draft = tempfile::Builder::new()
        .prefix(".aiosmtpd-")
        .tempdir_in(tools)
        .map_err(ServerError::io("create a folder"))?;
    let lib = draft.path().join("lib");
    let own = draft.path().join("python");
    // Where the interpreter has no pip, one of its own environments has.
    let fetched = pip(python, &lib)
        || (runs(Command::new(python).args(["-m", "venv"]).arg(&own))
            && pip(&own.join("bin/python"), &lib));
    if !fetched {
        return Err(ServerError::Missing(NAME));
    }
    match std::fs::rename(&lib, library) {
        Err(_) if library.is_dir() => Ok(()),
        renamed => renamed.map_err(ServerError::io("keep the mail server's library")),
    }
}

fn pip(python: &Path, target: &Path) -> bool {
    runs(
        Command::new(python)
            .args(["-m", "pip", "install", "--quiet"])
            .arg("--disable-pip-version-check")
            .arg("--target")
            .arg(target)
            .arg(format!("aiosmtpd=={AIOSMTPD}")),
    )
}

fn runs(command: &mut Command) -> bool {
    command.output().is_ok_and(|done| done.status.success())
}
