//! The browser that pages are tried in, installed as a package of the system.

use crate::{run, servers};

/// Debian's name of it, as a package and as a program.
const CHROMIUM: &str = "chromium";

/// Makes sure that it is installed; otherwise says why tests have to do without it.
pub(crate) fn ensure() -> Result<Option<String>, String> {
    if present() {
        return Ok(None);
    }
    println!("xtask: {CHROMIUM} not found, installing it");
    let problem = servers::install(&[CHROMIUM]).err();
    if present() {
        return Ok(None);
    }
    let problem = problem.unwrap_or_else(|| "the package does not contain it".to_owned());
    let why = format!("{CHROMIUM} not found: {problem}");
    // A machine where nothing can be installed cannot run it; continuous integration must.
    if std::env::var_os("CI").is_some() {
        return Err(format!("pages must be tried in a browser, but {why}"));
    }
    Ok(Some(why))
}

fn present() -> bool {
    run::succeeds("sh", &["-c", "command -v chromium"])
}
