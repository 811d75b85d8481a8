//! The programs by which tests make networks and processes of their own, as the chart's pods have them and the
//! documents' commands expect them.

use crate::{run, servers};

/// Debian's names of the packages: `ip`, then `pkill`, then `unshare` and `setpriv`.
const PACKAGES: [&str; 3] = ["iproute2", "procps", "util-linux"];

/// Makes sure that they are installed where tests may use them; otherwise says why tests do without.
pub(crate) fn ensure() -> Result<Option<String>, String> {
    if !present() {
        println!("xtask: ip, pkill, unshare or setpriv not found, installing them");
        if let Err(problem) = servers::install(&PACKAGES) {
            return without(&format!(
                "ip, pkill, unshare or setpriv not found: {problem}"
            ));
        }
    }
    if run::succeeds("unshare", &["--mount", "--net", "true"]) {
        return Ok(None);
    }
    without("making namespaces needs root")
}

/// A machine where they cannot be had goes on without them; continuous integration must run everything.
fn without(why: &str) -> Result<Option<String>, String> {
    if std::env::var_os("CI").is_some() {
        return Err(format!(
            "the chart's processes and the documents' commands must be run, but {why}"
        ));
    }
    Ok(Some(why.to_owned()))
}

fn present() -> bool {
    run::succeeds(
        "sh",
        &[
            "-c",
            "ip -V && pkill --version && unshare --version && setpriv --version",
        ],
    )
}
