//! The servers that tests start for themselves, installed as packages of the system.

use std::path::Path;

use crate::run;

/// Tells the tests that this machine has no servers and that they shall leave out what needs them.
pub(crate) const WITHOUT_SERVERS: &str = "OUTCRY_WITHOUT_SERVERS";

/// What the servers are packaged as.
const PACKAGES: [&str; 2] = ["rabbitmq-server", "postgresql"];

/// Installs the packages it is given, after fetching the list of packages if it is not there or too old.
///
/// Packages start their services when they are installed, unless the system's policy forbids it.
const INSTALL: &str = r#"
set -e
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' > "$policy"
    chmod 755 "$policy"
fi
packages() { apt-get install --yes --quiet --no-install-recommends "$@"; }
packages "$@" || { apt-get update --quiet && packages "$@"; }
"#;

/// Makes sure that the servers are installed; otherwise says why tests have to do without them.
pub(crate) fn ensure() -> Result<Option<String>, String> {
    let why = if std::env::var_os(WITHOUT_SERVERS).is_some_and(|value| value == "1") {
        format!("{WITHOUT_SERVERS}=1 is set")
    } else {
        let missing = missing()?;
        if missing.is_empty() {
            return Ok(None);
        }
        println!("xtask: {missing} not found, installing rabbitmq-server and postgresql");
        let problem = install(&PACKAGES).err();
        let missing = self::missing()?;
        if missing.is_empty() {
            return Ok(None);
        }
        let problem = problem.unwrap_or_else(|| "the packages do not contain it".to_owned());
        format!("{missing} not found: {problem}")
    };
    // A machine where nothing can be installed cannot run them; continuous integration must.
    if std::env::var_os("CI").is_some() {
        return Err(format!(
            "tests with PostgreSQL and RabbitMQ must run, but {why}"
        ));
    }
    eprintln!("xtask: going on without PostgreSQL and RabbitMQ: {why}");
    Ok(Some(why))
}

/// Names of the servers that the tests would not find.
fn missing() -> Result<String, String> {
    let example = [
        "run",
        "--quiet",
        "--package",
        "outcry-servers",
        "--example",
        "missing",
    ];
    Ok(run::printed(&run::cargo_program(), &example)?.join(" and "))
}

/// Installs packages of the system; their services are not started.
pub(crate) fn install(packages: &[&str]) -> Result<(), String> {
    if !run::succeeds("apt-get", &["--version"]) {
        return Err("there is no apt-get to install it with".to_owned());
    }
    // What follows the script is its name, then what it is given.
    let mut script = vec![
        "DEBIAN_FRONTEND=noninteractive",
        "sh",
        "-c",
        INSTALL,
        "install",
    ];
    script.extend(packages);
    let step = "installing packages";
    if run::succeeds("sh", &["-c", "[ $(id -u) = 0 ]"]) {
        return run::program(step, Path::new("env"), &script);
    }
    if !run::succeeds("sudo", &["-n", "true"]) {
        return Err("installing it needs root, or sudo without a password".to_owned());
    }
    let arguments = [&["-n", "env"], script.as_slice()].concat();
    run::program(step, Path::new("sudo"), &arguments)
}
