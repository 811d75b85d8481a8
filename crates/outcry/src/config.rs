//! The configuration of the platform.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::arguments::Settings;
use crate::settings;

/// Everything that can be set. Unknown keys are errors.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Folder of the platform's data.
    pub data: PathBuf,
    /// Address of the public edge.
    pub listen: SocketAddr,
    /// What is logged, as `tracing` filters write it: `info`, `warn,outcry_trades=debug`.
    pub log: String,
    /// E-mail address of the administrator made at the first start.
    pub administrator: String,
    /// The public edge.
    pub gateway: outcry_gateway::Config,
    /// What is traded, when, and what it costs.
    pub market: outcry_trades::Config,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data: PathBuf::from("outcry-data"),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 7400)),
            log: "warn".to_owned(),
            administrator: "admin@outcry.example".to_owned(),
            gateway: outcry_gateway::Config::default(),
            market: outcry_trades::Config::default(),
        }
    }
}

// === impl Config ===

impl Config {
    /// File, then variables, then flags.
    ///
    /// # Errors
    /// The file cannot be read, or something in the three is not a setting.
    pub fn load(given: &Settings) -> anyhow::Result<Self> {
        let file = match &given.config {
            Some(path) => {
                let text = fs::read_to_string(path)
                    .with_context(|| format!("reading the configuration {}", path.display()))?;
                toml::from_str::<Table>(&text)
                    .with_context(|| format!("in the configuration {}", path.display()))?
            }
            None => Table::new(),
        };
        let table = settings::overlay(file, std::env::vars())?;
        let mut config: Self = Value::Table(table).try_into().context(
            "in the configuration; `outcry config` without it prints every key there is",
        )?;
        if let Some(data) = &given.data {
            config.data.clone_from(data);
        }
        if let Some(listen) = given.listen {
            config.listen = listen;
        }
        Ok(config)
    }

    /// The configuration as a file would have it.
    ///
    /// # Errors
    /// It cannot be written as TOML.
    pub fn print(&self) -> anyhow::Result<String> {
        toml::to_string_pretty(self).context("writing the configuration")
    }
}
