//! What an operator may set.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Settings of the gateway. Unknown keys are errors. All bounds are those of one process: several
/// gateways together let as many times more through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Lets anybody read the contract by gRPC reflection. For development.
    pub reflection: bool,
    /// Origins of web pages that may call through a browser, for example `https://desk.example`; `*` means any.
    pub allowed_origins: Vec<String>,
    /// Open connections at most; further ones are closed at once.
    pub connections_max: usize,
    /// Calls in progress on one connection at most.
    pub calls_per_connection_max: u32,
    /// Calls in progress at most, streams apart.
    pub calls_max: usize,
    /// Calls in progress for one user (or one address, when nobody is signed in) at most, streams apart.
    pub calls_per_caller_max: usize,
    /// Open streams at most.
    pub streams_max: usize,
    /// Open streams of one user (or one address) at most.
    pub streams_per_caller_max: usize,
    /// Largest message a client may send, in bytes.
    pub message_bytes_max: u32,
    /// Milliseconds a call may take when the client names no deadline, and the most it may name. Streams are exempt.
    pub call_deadline_ms: u64,
    /// Milliseconds that calls in progress get to finish when the gateway stops.
    pub drain_ms: u64,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            reflection: false,
            allowed_origins: Vec::new(),
            // A connection costs some 50 KB of buffers: 1,024 of them stay well below 100 MB.
            connections_max: 1024,
            // What gRPC clients expect of a server before they open a second connection.
            calls_per_connection_max: 256,
            // More would only queue in front of the stores, and a late order is worse than a refused one.
            calls_max: 1024,
            // A quarter of the whole: one caller alone cannot shut the others out.
            calls_per_caller_max: 256,
            streams_max: 1024,
            // A few screens and programs of one user.
            streams_per_caller_max: 16,
            // The largest request of the contract is a few kilobytes.
            message_bytes_max: 1024 * 1024,
            call_deadline_ms: 30_000,
            // Longer than any call takes that is not stuck, shorter than what orchestrators wait for.
            drain_ms: 10_000,
        }
    }
}

impl Config {
    /// The first setting that would keep everybody out.
    pub(crate) fn zero(&self) -> Option<&'static str> {
        [
            ("connections_max", self.connections_max),
            (
                "calls_per_connection_max",
                self.calls_per_connection_max as usize,
            ),
            ("calls_max", self.calls_max),
            ("calls_per_caller_max", self.calls_per_caller_max),
            ("streams_max", self.streams_max),
            ("streams_per_caller_max", self.streams_per_caller_max),
            ("message_bytes_max", self.message_bytes_max as usize),
            (
                "call_deadline_ms",
                usize::try_from(self.call_deadline_ms).unwrap_or(usize::MAX),
            ),
        ]
        .into_iter()
        .find_map(|(name, value)| (value == 0).then_some(name))
    }

    /// [`Config::call_deadline_ms`].
    pub(crate) fn call_deadline(&self) -> Duration {
        Duration::from_millis(self.call_deadline_ms)
    }

    /// [`Config::drain_ms`].
    pub(crate) fn drain(&self) -> Duration {
        Duration::from_millis(self.drain_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_keys_are_refused_and_missing_ones_have_defaults() {
        let read = |text: &str| serde_json::from_str::<Config>(text);
        assert_eq!(read("{}").unwrap(), Config::default());
        assert!(read(r#"{"reflection": true}"#).unwrap().reflection);
        let error = read(r#"{"reflecton": true}"#).unwrap_err().to_string();
        assert!(error.contains("reflecton"), "{error}");
    }

    #[test]
    fn a_bound_of_zero_is_found() {
        assert_eq!(Config::default().zero(), None);
        let config = Config {
            streams_max: 0,
            ..Config::default()
        };
        assert_eq!(config.zero(), Some("streams_max"));
    }
}
