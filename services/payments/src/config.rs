//! What an operator may set.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Settings of the payments service. Unknown keys are errors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Seconds a payment waits for the provider before it expires.
    pub expires_after_s: u64,
    /// Milliseconds the sandbox provider takes to answer.
    pub sandbox_answers_after_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            // What payment providers give a customer to finish at their bank.
            expires_after_s: 15 * 60,
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

    /// [`Config::sandbox_answers_after_ms`].
    pub(crate) fn answers_after(&self) -> Duration {
        Duration::from_millis(self.sandbox_answers_after_ms)
    }
}
