//! What the platform is run for, and what must not be set there.

use anyhow::{Context as _, bail};
use outcry_mesh::Rules;
use outcry_mesh::faults::Faults;
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::services::NAMES;

/// What the platform is run for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Environment {
    /// Building on it, trying it out, seeing it fail.
    #[default]
    Development,
    /// Real users' orders and money.
    Production,
}

/// Refuses what the environment does not allow.
///
/// # Errors
/// Something is set that is for development only; the message says what to do.
pub fn check(config: &Config) -> anyhow::Result<()> {
    if config.environment == Environment::Development {
        return Ok(());
    }
    if !config.mesh.faults.is_empty() {
        bail!(
            "`environment = \"production\"`, and [[mesh.faults]] makes calls fail on purpose: remove the faults, or \
             set `environment = \"development\"`"
        );
    }
    if config.gateway.reflection {
        bail!(
            "`environment = \"production\"`, and `reflection = true` in [gateway] shows the contract to anybody: set \
             it to false; `outcry schema export` writes the contract for clients"
        );
    }
    Ok(())
}

/// Refuses a public port that the environment does not allow. For processes that have one.
///
/// # Errors
/// Passwords and tokens would be sent in the clear; the message says what to do.
pub fn check_edge(config: &Config) -> anyhow::Result<()> {
    let gateway = &config.gateway;
    let may_be_heard = !gateway.tls.is_set() && !gateway.encrypted_elsewhere;
    if config.environment == Environment::Production && may_be_heard {
        bail!(
            "`environment = \"production\"`, and the public port does not encrypt: set `certificate` and `key` in \
             [gateway.tls], or, where a balancer, an ingress or a mesh encrypts in front of it, \
             `encrypted_elsewhere = true` in [gateway]"
        );
    }
    Ok(())
}

/// The failures that calls are to have.
///
/// # Errors
/// One of them makes no sense.
pub fn faults(config: &Config) -> anyhow::Result<Faults> {
    let rules = Rules::of_the_contract();
    Faults::new(config.mesh.faults.clone(), &rules, &NAMES).context("in [[mesh.faults]]")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Config {
        toml::from_str(text).unwrap()
    }

    const FAULTS: &str = "[[mesh.faults]]\nat = \"trades\"\npercent = 5\nabort = \"UNAVAILABLE\"\n";

    #[test]
    fn production_refuses_what_is_for_development() {
        let production = "environment = \"production\"\n";
        let reflection = "[gateway]\nreflection = true\n";
        assert!(check(&read(production)).is_ok());
        assert!(check(&read(&format!("{reflection}{FAULTS}"))).is_ok());
        for (set, named) in [(FAULTS, "[[mesh.faults]]"), (reflection, "[gateway]")] {
            let refused = check(&read(&format!("{production}{set}"))).unwrap_err();
            assert!(refused.to_string().contains(named), "{refused}");
        }
        assert!(toml::from_str::<Config>("environment = \"prod\"").is_err());
    }

    #[test]
    fn production_wants_the_public_port_encrypted_here_or_elsewhere() {
        let production = "environment = \"production\"\n";
        let refused = check_edge(&read(production)).unwrap_err().to_string();
        assert!(
            refused.contains("[gateway.tls]") && refused.contains("encrypted_elsewhere"),
            "{refused}"
        );
        for encrypted in [
            "[gateway]\nencrypted_elsewhere = true\n",
            "[gateway.tls]\ncertificate = \"chain.pem\"\nkey = \"key.pem\"\n",
        ] {
            assert!(check_edge(&read(&format!("{production}{encrypted}"))).is_ok());
        }
        assert!(check_edge(&read("")).is_ok());
    }

    #[test]
    fn faults_are_read_checked_against_the_contract_and_printed_as_they_were_read() {
        let config = read(FAULTS);
        assert!(faults(&config).is_ok());
        let printed = config.print().unwrap();
        assert_eq!(read(&printed).mesh.faults, config.mesh.faults);
        let nowhere = read(&FAULTS.replace("trades", "trade"));
        let refused = format!("{:#}", faults(&nowhere).unwrap_err());
        assert!(refused.starts_with("in [[mesh.faults]]:"), "{refused}");
        for nonsense in ["5", "UNAVAILABLE", "at"] {
            let text = FAULTS.replace(nonsense, "nonsense");
            assert!(toml::from_str::<Config>(&text).is_err(), "{text}");
        }
    }
}
