//! What an operator may set.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::secret::{self, Secret, SecretError};
use crate::signature::Secrets;

/// Settings of the payments service. Unknown keys are errors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Seconds a payment waits for the provider before it expires.
    pub expires_after_s: u64,
    /// Seconds between the rounds in which the provider is asked about payments without a capture.
    pub reconcile_every_s: u64,
    /// Seconds after a payment's end during which it is still asked about.
    pub reconcile_for_s: u64,
    /// Secrets that webhooks are signed with: the first is ours, the others count as well, so that
    /// one can be replaced without a webhook being refused.
    pub webhook_secrets: Vec<Secret>,
    /// File with such secrets, one a line, made at the first start when it is not there. When
    /// empty: `keys/webhook` in the data folder, unless secrets are set.
    pub webhook_secret_file: PathBuf,
    /// Milliseconds the sandbox provider takes to answer.
    pub sandbox_answers_after_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            // What payment providers give a customer to finish at their bank.
            expires_after_s: 15 * 60,
            // A lost webhook is noticed before its customer writes to us.
            reconcile_every_s: 30,
            // How long providers go on with webhooks and captures of a payment that timed out here.
            reconcile_for_s: 24 * 3600,
            webhook_secrets: Vec::new(),
            webhook_secret_file: PathBuf::new(),
            // Long enough to see a payment pending, short enough to wait for.
            sandbox_answers_after_ms: 200,
        }
    }
}

impl Config {
    /// [`Config::expires_after_s`].
    pub(crate) fn expires_after(&self) -> Duration {
        Duration::from_secs(self.expires_after_s)
    }

    /// [`Config::reconcile_every_s`]; never none at all, which would be a loop without a pause.
    pub(crate) fn reconcile_every(&self) -> Duration {
        Duration::from_secs(self.reconcile_every_s.max(1))
    }

    /// [`Config::reconcile_for_s`].
    pub(crate) fn reconcile_for(&self) -> Duration {
        Duration::from_secs(self.reconcile_for_s)
    }

    /// [`Config::sandbox_answers_after_ms`].
    pub(crate) fn answers_after(&self) -> Duration {
        Duration::from_millis(self.sandbox_answers_after_ms)
    }

    /// The secrets that are set, then those of the file. Without any, every webhook is refused.
    ///
    /// # Errors
    /// The file cannot be used, or a secret is too short.
    pub(crate) fn secrets(&self) -> Result<Secrets, SecretError> {
        let mut secrets = self.webhook_secrets.clone();
        if !self.webhook_secret_file.as_os_str().is_empty() {
            secrets.extend(secret::read_or_create(&self.webhook_secret_file)?);
        }
        secrets.iter().try_for_each(Secret::check)?;
        Ok(Secrets::new(secrets))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn set_secrets_come_before_those_of_the_file_and_short_ones_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let config = Config {
            webhook_secrets: vec![Secret::new("0123456789abcdef")],
            webhook_secret_file: folder.path().join("webhook"),
            ..Config::default()
        };
        let now = std::time::UNIX_EPOCH;
        let both = config.secrets().unwrap();
        let set = Secrets::new(config.webhook_secrets);
        assert_eq!(both.sign(b"x", now), set.sign(b"x", now));
        let short = Config {
            webhook_secrets: vec![Secret::new("***")],
            ..Config::default()
        };
        assert!(short.secrets().is_err());
        assert_eq!(Config::default().secrets().unwrap().sign(b"x", now), None);
    }
}
