//! The configuration of the platform.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::arguments::Settings;
use crate::folder::Folder;
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
    /// How far from the best price a market order may be filled, in basis points of that price.
    pub market_collar_bps: u32,
    /// Deposits.
    pub payments: outcry_payments::Config,
    /// Reports.
    pub reports: outcry_reports::Config,
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
            market_collar_bps: outcry_orders::Config::default().market_collar_bps,
            payments: outcry_payments::Config::default(),
            reports: outcry_reports::Config::default(),
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

    /// What the users service needs to know.
    pub fn users(&self, folder: &Folder) -> outcry_users::Config {
        outcry_users::Config {
            keys_dir: folder.keys(),
        }
    }

    /// What the order service needs to know: instruments and fees are the venue's.
    pub fn orders(&self) -> outcry_orders::Config {
        let instruments = self.market.instruments.iter();
        outcry_orders::Config {
            fees: outcry_orders::Fees {
                maker_bps: self.market.fees.maker_bps,
                taker_bps: self.market.fees.taker_bps,
            },
            market_collar_bps: self.market_collar_bps,
            instruments: instruments
                .map(|one| outcry_orders::Instrument {
                    symbol: one.symbol.clone(),
                    name: one.name.clone(),
                    tick: one.tick,
                    lot: one.lot,
                    max_order_value: one.max_order_value,
                })
                .collect(),
        }
    }

    /// The configuration as a file would have it.
    ///
    /// # Errors
    /// It cannot be written as TOML.
    pub fn print(&self) -> anyhow::Result<String> {
        toml::to_string_pretty(self).context("writing the configuration")
    }
}
