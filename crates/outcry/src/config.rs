//! The configuration of the platform.

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use anyhow::Context as _;
use outcry_mesh::faults::Fault;
use serde::{Deserialize, Serialize};
use toml::Value;

use crate::arguments::Settings;
use crate::environment::Environment;
use crate::folder::Folder;
use crate::identity::TlsConfig;
use crate::output::Output;
use crate::settings;
use crate::telemetry::TelemetryConfig;

/// Connections a process opens to PostgreSQL unless told otherwise: a few commits at a time per
/// core, and a dozen processes stay below the hundred a server takes by default.
const CONNECTIONS_MAX: usize = 8;

/// What is printed in the place of a password.
const HIDDEN: &str = "***";

/// Everything that can be set. Unknown keys are errors.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// What the platform is run for: `development`, or `production`, which refuses what is for development.
    pub environment: Environment,
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
    /// Messages to users: the mail server they leave by, and where webhooks may go.
    pub notifications: outcry_notifications::Config,
    /// The broker that carries events between processes.
    pub broker: BrokerConfig,
    /// The database services keep their data in.
    pub database: DatabaseConfig,
    /// How services of several processes reach one another.
    pub mesh: MeshConfig,
    /// How a running process is seen: its log, and its traces.
    pub telemetry: TelemetryConfig,
    /// The port for operators.
    pub admin: AdminConfig,
}

/// The port for operators.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdminConfig {
    /// Where health, metrics and channelz are served, in plain text: for the inside only. Nowhere
    /// when it is not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<SocketAddr>,
}

/// The broker.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BrokerConfig {
    /// `amqp://user:password@host:5672/vhost`, or `amqps://…`; empty for the embedded one.
    pub url: String,
    /// URL of RabbitMQ's management API with user and password, for `outcry topology`.
    pub management_url: String,
    /// Whether messages repeat their CloudEvents attributes in the AMQP 1.0 dialect
    /// (`cloudEvents:type`) besides the one of RabbitMQ's own clients (`ce-type`).
    pub cloud_events_amqp_1: bool,
    /// File with certificates (PEM) to trust besides the system's, for `amqps://` and for a management API at
    /// `https://`.
    pub ca_file: PathBuf,
    /// Passwords of the services' own users, by user (`outcry-orders`), for `outcry topology
    /// apply`. Without any, all services share the user of the URL.
    pub passwords: BTreeMap<String, String>,
}

/// The database.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DatabaseConfig {
    /// `postgres://user:password@host:5432/database`; empty for a file in the data folder.
    pub url: String,
    /// File with the certificates (PEM) that vouch for the server with `sslmode=require`; empty: those the system
    /// trusts.
    pub ca_file: PathBuf,
    /// Connections this process opens at most.
    pub connections_max: usize,
    /// Who brings the tables on PostgreSQL up to date: every service its own when it starts, or nobody but
    /// `outcry migrate`.
    pub migrate: Migrate,
}

/// When tables on PostgreSQL are made and brought up to date.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Migrate {
    /// When a service starts, by whichever replica is first.
    #[default]
    Start,
    /// Not by services: one that finds older tables waits a while for `outcry migrate`.
    Never,
}

/// The mesh.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MeshConfig {
    /// Where this process answers other services.
    pub listen: SocketAddr,
    /// Where other processes reach this one, as a URL. When empty: where it listens.
    pub address: String,
    /// File with the key that all processes of the platform share. When empty: `keys/mesh` in the
    /// data folder, made at the first start.
    pub key: PathBuf,
    /// Where services run that this process does not: `http://host:port` of each replica (`https://`
    /// with certificates), or one `dns:///host:port` whose name resolves to all of them.
    pub peers: BTreeMap<String, Vec<String>>,
    /// Calls that are made to fail on purpose. For development.
    pub faults: Vec<Fault>,
    /// Something else encrypts what processes say to each other, such as another mesh or a private
    /// network. In production, processes without certificates start only when this is so.
    pub encrypted_elsewhere: bool,
    /// Certificates by which processes know each other, in place of the key.
    pub tls: TlsConfig,
}

impl Default for DatabaseConfig {
    fn default() -> Self {
        Self {
            url: String::new(),
            ca_file: PathBuf::new(),
            connections_max: CONNECTIONS_MAX,
            migrate: Migrate::default(),
        }
    }
}

impl Default for MeshConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 7401)),
            address: String::new(),
            key: PathBuf::new(),
            peers: BTreeMap::new(),
            faults: Vec::new(),
            encrypted_elsewhere: false,
            tls: TlsConfig::default(),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            environment: Environment::default(),
            data: PathBuf::from("outcry-data"),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 7400)),
            // The AMQP library calls every lost connection an error; ours say what comes of it.
            log: "warn,lapin=off".to_owned(),
            administrator: "admin@outcry.example".to_owned(),
            gateway: outcry_gateway::Config::default(),
            market: outcry_trades::Config::default(),
            market_collar_bps: outcry_orders::Config::default().market_collar_bps,
            payments: outcry_payments::Config::default(),
            reports: outcry_reports::Config::default(),
            notifications: outcry_notifications::Config::default(),
            broker: BrokerConfig::default(),
            database: DatabaseConfig::default(),
            mesh: MeshConfig::default(),
            telemetry: TelemetryConfig::default(),
            admin: AdminConfig::default(),
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
        let mut config = match &given.config {
            Some(path) => {
                let text = fs::read_to_string(path).with_context(|| {
                    format!(
                        "reading the configuration {}; name another file with --config",
                        path.display()
                    )
                })?;
                Self::read(&text, std::env::vars()).with_context(|| {
                    format!("in {}, with OUTCRY_… variables over it", path.display())
                })?
            }
            None => Self::read("", std::env::vars()).context("in OUTCRY_… variables")?,
        };
        if let Some(data) = &given.data {
            config.data.clone_from(data);
        }
        if let Some(listen) = given.listen {
            config.listen = listen;
        }
        if let Some(admin) = given.admin {
            config.admin.listen = Some(admin);
        }
        if let Some(url) = &given.broker {
            config.broker.url.clone_from(url);
        }
        if let Some(url) = &given.database {
            config.database.url.clone_from(url);
        }
        Ok(config)
    }

    /// What a file says, and variables over it.
    ///
    /// # Errors
    /// Something in the two is not a setting.
    pub fn read(
        text: &str,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> anyhow::Result<Self> {
        let table = settings::overlay(toml::from_str(text)?, variables)?;
        Value::Table(table)
            .try_into()
            .context("`outcry config` without a configuration prints every key there is")
    }

    /// What the users service needs to know.
    pub fn users(&self, folder: &Folder) -> outcry_users::Config {
        outcry_users::Config {
            keys_dir: folder.keys(),
        }
    }

    /// What the payments service needs to know: webhook secrets are made in the folder of the keys
    /// unless they are set.
    pub fn payments(&self, folder: &Folder) -> outcry_payments::Config {
        let mut payments = self.payments.clone();
        let is_set = !payments.webhook_secrets.is_empty();
        if !is_set && payments.webhook_secret_file.as_os_str().is_empty() {
            payments.webhook_secret_file = folder.keys().join("webhook");
        }
        payments
    }

    /// What the order service needs to know: the fees are the venue's.
    pub fn orders(&self) -> outcry_orders::Config {
        outcry_orders::Config {
            fees: outcry_orders::Fees {
                maker_bps: self.market.fees.maker_bps,
                taker_bps: self.market.fees.taker_bps,
            },
            market_collar_bps: self.market_collar_bps,
        }
    }

    /// The configuration as a file would have it, passwords hidden.
    ///
    /// # Errors
    /// It cannot be written as TOML.
    pub fn print(&self) -> anyhow::Result<String> {
        toml::to_string_pretty(&self.without_passwords()).context("writing the configuration")
    }

    /// The same configuration as it may be shown.
    pub fn without_passwords(&self) -> Self {
        let mut shown = self.clone();
        for url in [
            &mut shown.broker.url,
            &mut shown.broker.management_url,
            &mut shown.database.url,
            &mut shown.telemetry.otlp,
        ] {
            *url = without_password(url);
        }
        for password in shown.broker.passwords.values_mut() {
            HIDDEN.clone_into(password);
        }
        let mail = &mut shown.notifications.email;
        mail.url = without_password(&mail.url);
        if !mail.password.is_empty() {
            HIDDEN.clone_into(&mut mail.password);
        }
        shown
    }
}

/// `outcry config`
///
/// # Errors
/// It cannot be written.
pub fn show(config: &Config, out: Output) -> anyhow::Result<()> {
    if out.is_json() {
        return out.document(&serde_json::to_value(config.without_passwords())?);
    }
    out.text(&config.print()?)
}

/// A URL as it may be shown: the password, if it has one, replaced.
pub fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    // The last at sign before the path ends the user's part: passwords may hold others.
    let authority = rest.find(['/', '?']).unwrap_or(rest.len());
    let hidden = rest[..authority].rfind('@').and_then(|at| {
        let (user, _) = rest[..at].split_once(':')?;
        Some(format!("{scheme}://{user}:{HIDDEN}{}", &rest[at..]))
    });
    hidden.unwrap_or_else(|| url.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_of_the_mail_server_is_not_printed() {
        let mut config = Config::default();
        config.notifications.email.password = "sesame".to_owned();
        let printed = config.print().unwrap();
        assert!(printed.contains("password = \"***\""), "{printed}");
        assert!(!printed.contains("sesame"), "{printed}");
    }

    #[test]
    fn webhook_secrets_are_made_in_the_folder_unless_set_and_are_not_shown() {
        let folder = Folder::at(std::path::Path::new("data"));
        let made = Config::default().payments(&folder).webhook_secret_file;
        assert_eq!(made, folder.keys().join("webhook"));
        let mut config = Config::default();
        config.payments.webhook_secrets = vec![outcry_payments::Secret::new("0123456789abcdef")];
        let file = config.payments(&folder).webhook_secret_file;
        assert!(file.as_os_str().is_empty());
        let shown = config.print().unwrap();
        assert!(
            shown.contains(HIDDEN) && !shown.contains("0123456789"),
            "{shown}"
        );
    }

    #[test]
    fn passwords_are_not_shown() {
        for (url, shown) in [
            ("", ""),
            ("postgres://localhost/outcry", "postgres://localhost/outcry"),
            (
                "postgres://me@localhost/outcry",
                "postgres://me@localhost/outcry",
            ),
            (
                "amqp://me:secret@host:5672/%2f",
                "amqp://me:***@host:5672/%2f",
            ),
            ("amqp://me:se@cret@host", "amqp://me:***@host"),
            ("http://host/a:b@c", "http://host/a:b@c"),
        ] {
            assert_eq!(without_password(url), shown);
        }
    }
}
