//! The configuration: what the environment refuses, and what is risky.

use std::net::SocketAddr;

use http::Uri;

use super::finding::Finding;
use crate::config::Config;
use crate::environment::{self, Environment};

const AREA: &str = "configuration";

/// Judges what is set, for a machine that runs these services.
pub fn judge(config: &Config, services: &[&str]) -> Vec<Finding> {
    let mut found = refusals(config, services);
    found.extend(halves(config));
    found.extend(unencrypted(config, services));
    found.extend(open_doors(config, services));
    if found.is_empty() {
        let what = match config.environment {
            Environment::Development => "development",
            Environment::Production => "production",
        };
        found.push(Finding::ok(AREA, format!("can be used, for {what}")));
    }
    found
}

/// What processes do not start with. Each message says what to do.
fn refusals(config: &Config, services: &[&str]) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut refuse = |outcome: anyhow::Result<()>| {
        if let Err(error) = outcome {
            let message = format!("{error:#}");
            let (says, mend) = message
                .split_once(": ")
                .map_or((message.as_str(), "correct it"), |(says, mend)| {
                    (says, mend)
                });
            found.push(Finding::failed(AREA, says, mend));
        }
    };
    refuse(environment::check(config));
    if services.contains(&"gateway") {
        refuse(environment::check_edge(config));
    }
    if let Err(error) = environment::faults(config) {
        found.push(Finding::failed(
            AREA,
            format!("{error:#}"),
            "correct the fault, or remove it",
        ));
    }
    let ratio = config.telemetry.sample_ratio;
    if !(0.0..=1.0).contains(&ratio) {
        found.push(Finding::failed(
            AREA,
            format!("`sample_ratio = {ratio}` in [telemetry] is none"),
            "set it from 0 to 1",
        ));
    }
    if let Err(error) = tracing_subscriber::EnvFilter::builder().parse(&config.log) {
        found.push(Finding::failed(
            AREA,
            format!("`log = \"{}\"` is no filter: {error}", config.log),
            "write it as `info` or `warn,outcry_trades=debug`",
        ));
    }
    found
}

/// Broker and database go together.
fn halves(config: &Config) -> Vec<Finding> {
    match (config.broker.url.is_empty(), config.database.url.is_empty()) {
        (true, false) => vec![Finding::failed(
            AREA,
            "PostgreSQL is set and RabbitMQ is not: the embedded broker lives in the embedded database's file",
            "set `url` in [broker], too",
        )],
        (false, true) => vec![Finding::warning(
            AREA,
            "RabbitMQ is set and PostgreSQL is not: all data is in a file of one process",
            "set `url` in [database] to run services in several processes",
        )],
        _ => Vec::new(),
    }
}

/// What others could read on the way.
fn unencrypted(config: &Config, services: &[&str]) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut say = |says: String, mend: &str| found.push(at_large(config, says, mend));
    if is_far(&config.broker.url) && config.broker.url.starts_with("amqp://") {
        say(
            "events go to RabbitMQ on another host unencrypted".to_owned(),
            "use amqps:// in [broker], with `ca_file` where the system does not trust its certificate",
        );
    }
    let management = &config.broker.management_url;
    if is_far(management) && management.starts_with("http://") {
        say(
            "the administrator's password of RabbitMQ goes to another host unencrypted".to_owned(),
            "use https:// for `management_url` in [broker]",
        );
    }
    let database = &config.database.url;
    if is_far(database)
        && !database.contains("sslmode=require")
        && !database.contains("sslmode=verify")
    {
        say(
            "data goes to PostgreSQL on another host unencrypted".to_owned(),
            "add `?sslmode=require` to `url` in [database], with `ca_file` where needed",
        );
    }
    let mesh = &config.mesh;
    let is_shared = !config.broker.url.is_empty() && !config.database.url.is_empty();
    // Whoever is trying things out on one machine need not be told.
    let is_production = config.environment == Environment::Production;
    if is_production && is_shared && !mesh.tls.is_on() && !mesh.encrypted_elsewhere {
        say(
            "processes speak with each other unencrypted".to_owned(),
            "set certificate, key and authorities in [mesh.tls], or `encrypted_elsewhere = true` in [mesh] where \
             another mesh or a private network encrypts",
        );
    }
    let gateway = &config.gateway;
    let is_heard = !gateway.tls.is_set() && !gateway.encrypted_elsewhere;
    let is_development = config.environment == Environment::Development;
    // Production refuses it above.
    if services.contains(&"gateway")
        && is_development
        && is_heard
        && !config.listen.ip().is_loopback()
    {
        say(
            format!(
                "the public port {} takes passwords unencrypted from other hosts",
                config.listen
            ),
            "set [gateway.tls]; `outcry certs all FOLDER` makes a certificate for trials",
        );
    }
    found
}

/// Doors that are open wider than they may be meant to be.
fn open_doors(config: &Config, services: &[&str]) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut say = |says: String, mend: &str| found.push(at_large(config, says, mend));
    if let Some(admin) = config.admin.listen.filter(is_everywhere) {
        say(
            format!(
                "the port for operators listens on every address ({admin}), in plain text and for anybody"
            ),
            "listen on an address of the inside, or let the network keep others out",
        );
    }
    let is_shared = !config.broker.url.is_empty() && !config.database.url.is_empty();
    if is_shared && is_everywhere(&config.mesh.listen) && config.mesh.address.is_empty() {
        found.push(Finding::failed(
            AREA,
            format!(
                "`listen = \"{}\"` in [mesh] is no address that others could call",
                config.mesh.listen
            ),
            "set `address` in [mesh] to the URL by which other processes reach this one",
        ));
    }
    let mut say = |says: &str, mend: &str| found.push(at_large(config, says.to_owned(), mend));
    if services.contains(&"gateway") && config.gateway.allowed_origins.iter().any(|one| one == "*")
    {
        say(
            "pages of any origin may call the public port through a browser",
            "name the origins of your pages in `allowed_origins` in [gateway]",
        );
    }
    if config.broker.url.contains("//guest:guest@") && is_far(&config.broker.url) {
        say(
            "RabbitMQ is used as `guest`, whose password everybody knows",
            "make a user for each service: `outcry topology apply` with [broker.passwords]",
        );
    }
    found
}

/// Wrong in production, to be known in development.
fn at_large(config: &Config, says: String, mend: &str) -> Finding {
    match config.environment {
        Environment::Production => Finding::failed(AREA, says, mend),
        Environment::Development => Finding::warning(AREA, says, mend),
    }
}

fn is_everywhere(address: &SocketAddr) -> bool {
    address.ip().is_unspecified()
}

/// Whether a URL leads to another machine.
fn is_far(url: &str) -> bool {
    let Some((_, rest)) = url.split_once("://") else {
        return false;
    };
    // The password may hold what an address may not.
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let place = authority.rsplit('@').next().unwrap_or_default();
    let host: Option<Uri> = format!("x://{place}/").parse().ok();
    let Some(host) = host.as_ref().and_then(Uri::host) else {
        return false;
    };
    let host = host.trim_matches(['[', ']']);
    match host.parse::<std::net::IpAddr>() {
        Ok(address) => !address.is_loopback(),
        Err(_) => host != "localhost",
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::testing::{counts, saying};
    use super::*;
    use crate::services::NAMES;

    fn judged(text: &str) -> Vec<Finding> {
        judge(&toml::from_str(text).unwrap(), &NAMES)
    }

    #[test]
    fn the_defaults_are_fine_for_development() {
        assert_eq!(counts(&judged("")), (0, 0));
    }

    #[test]
    fn production_says_all_that_it_refuses_at_once_with_what_to_do() {
        let text = "environment = \"production\"\nlog = \"a=b=c\"\n[gateway]\nreflection = true\n\
                    [telemetry]\nsample_ratio = 2.0\n";
        let found = judged(text);
        assert_eq!(counts(&found).0, 4, "{found:#?}");
        let reflection = saying(&found, "reflection");
        assert!(
            reflection
                .mend
                .as_ref()
                .unwrap()
                .starts_with("set it to false")
        );
        let edge = saying(&found, "the public port does not encrypt");
        assert!(edge.mend.as_ref().unwrap().contains("[gateway.tls]"));
        saying(&found, "`sample_ratio = 2`");
        saying(&found, "is no filter");
        // A process without the public port need not encrypt it.
        let config: Config = toml::from_str("environment = \"production\"\n").unwrap();
        assert_eq!(counts(&judge(&config, &["orders"])), (0, 0));
    }

    #[test]
    fn what_others_could_read_is_a_warning_in_development_and_wrong_in_production() {
        let far = "listen = \"10.0.0.1:7400\"\n[broker]\nurl = \"amqp://me:x@rabbit/%2f\"\n\
                   management_url = \"http://me:x@rabbit:15672\"\n[database]\nurl = \"postgres://me:x@pg/outcry\"\n";
        assert_eq!(counts(&judged(far)), (0, 4));
        let elsewhere = "environment = \"production\"\n".to_owned()
            + far
            + "[gateway]\nencrypted_elsewhere = true\n";
        assert_eq!(counts(&judged(&elsewhere)), (4, 0));
        let safe = "[broker]\nurl = \"amqps://me:x@rabbit/%2f\"\n[database]\n\
                    url = \"postgres://me:x@pg/outcry?sslmode=require\"\n";
        assert_eq!(counts(&judged(safe)), (0, 0));
    }

    #[test]
    fn broker_and_database_go_together() {
        let url = "url = \"postgres://localhost/outcry\"\n";
        let found = judged(&format!("[database]\n{url}"));
        assert_eq!(counts(&found), (1, 0), "{found:#?}");
        let found = judged("[broker]\nurl = \"amqp://localhost\"\n");
        assert_eq!(counts(&found), (0, 1), "{found:#?}");
    }

    #[test]
    fn doors_to_everywhere_are_told() {
        let found = judged(
            "[admin]\nlisten = \"0.0.0.0:9000\"\n[gateway]\nallowed_origins = [\"*\"]\n\
             [mesh]\nlisten = \"0.0.0.0:7401\"\n[broker]\nurl = \"amqp://guest:guest@rabbit\"\n\
             [database]\nurl = \"postgres://localhost/outcry\"\n",
        );
        saying(&found, "port for operators");
        saying(&found, "any origin");
        saying(&found, "`guest`");
        assert_eq!(counts(&found).0, 1);
        assert!(
            saying(&found, "in [mesh]")
                .mend
                .as_ref()
                .unwrap()
                .contains("`address`")
        );
    }

    #[test]
    fn this_machine_is_near_whatever_it_is_called() {
        for (url, far) in [
            ("", false),
            ("amqp://localhost:5672/%2f", false),
            ("postgres://me:p@ss@127.0.0.1/x", false),
            ("http://[::1]:15672", false),
            ("amqp://me:x@rabbit", true),
            ("postgres://10.0.0.7:5432/outcry", true),
        ] {
            assert_eq!(is_far(url), far, "{url}");
        }
    }
}
