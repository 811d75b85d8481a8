//! Tools that are not Rust libraries, installed once below `.tools` in the version named here.

use std::path::{Path, PathBuf};

use crate::ahead::Ahead;
use crate::run;

/// Version of buf: the contract's formatting and lint rules depend on it.
const BUF: &str = "1.75.0";

/// Version of cargo-deny: the form of `deny.toml` depends on it.
const CARGO_DENY: &str = "0.20.2";

fn folder() -> PathBuf {
    run::root().join(".tools")
}

/// buf, by whichever package registry this machine has a client for; `None` when it has none.
pub(crate) fn buf() -> Result<Option<PathBuf>, String> {
    let folder = folder().join(format!("buf-{BUF}"));
    let place = folder.to_string_lossy().into_owned();
    let ways: [(&str, PathBuf); 3] = [
        ("python3", folder.join("bin/buf")),
        ("go", folder.join("buf")),
        ("npm", folder.join("node_modules/.bin/buf")),
    ];
    if let Some((_, present)) = ways.iter().find(|(_, path)| path.is_file()) {
        return Ok(Some(present.clone()));
    }
    for (client, program) in ways {
        let installed = match client {
            "python3" => {
                run::succeeds("python3", &["-m", "venv", &place])
                    && run::succeeds(
                        &format!("{place}/bin/pip"),
                        &["install", "--quiet", &format!("buf-bin=={BUF}")],
                    )
            }
            "go" => run::succeeds(
                "env",
                &[
                    &format!("GOBIN={place}"),
                    "go",
                    "install",
                    &format!("github.com/bufbuild/buf/cmd/buf@v{BUF}"),
                ],
            ),
            _ => run::succeeds(
                "npm",
                &[
                    "install",
                    "--silent",
                    "--prefix",
                    &place,
                    &format!("@bufbuild/buf@{BUF}"),
                ],
            ),
        };
        if installed && program.is_file() {
            return Ok(Some(program));
        }
    }
    if std::env::var_os("CI").is_some() {
        return Err("cannot install buf: python3 (with venv), go and npm all failed".to_owned());
    }
    Ok(None)
}

/// cargo-deny, once it is there.
pub(crate) struct CargoDeny {
    program: PathBuf,
    building: Option<Ahead>,
}

// === impl CargoDeny ===

impl CargoDeny {
    /// Begins to build it from its crate, unless it is there.
    pub(crate) fn begin() -> Result<Self, String> {
        let folder = folder().join(format!("cargo-deny-{CARGO_DENY}"));
        let program = folder.join("bin/cargo-deny");
        if program.is_file() {
            return Ok(Self {
                program,
                building: None,
            });
        }
        let place = folder.to_string_lossy().into_owned();
        // It runs for a second: optimising it takes longer than it saves.
        let install = [
            "install",
            "--locked",
            "--quiet",
            "--debug",
            "--version",
            CARGO_DENY,
            "--root",
            &place,
            "cargo-deny",
        ];
        let building = Ahead::begin(
            "building cargo-deny",
            &run::cargo_program(),
            &install,
            &[("CARGO_PROFILE_DEV_DEBUG", "false")],
            "",
        )?;
        Ok(Self {
            program,
            building: Some(building),
        })
    }

    /// The program.
    pub(crate) fn finish(self) -> Result<PathBuf, String> {
        if let Some(building) = self.building {
            building.finish()?;
        }
        Ok(self.program)
    }
}

/// Begins to compile what the tests of the chart are made with, where there is Go. They build it themselves
/// and find most of it done.
pub(crate) fn begin_chart() -> Result<Option<Ahead>, String> {
    if !run::succeeds("go", &["version"]) {
        return Ok(None);
    }
    // As the tests have it, in `crates/outcry/tests/chart/tools.rs`: only then it is done once.
    let build = [
        "build",
        "-trimpath",
        "-gcflags",
        "all=-dwarf=false",
        "tool",
        "./...",
    ];
    Ahead::begin(
        "compiling the chart's tools",
        Path::new("go"),
        &build,
        &[],
        "helm/tools",
    )
    .map(Some)
}
