//! What an operator may set.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Settings of the gateway. Unknown keys are errors. All bounds are those of one process: several
/// gateways together let as many times more through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Lets anybody read the contract by gRPC reflection. For development.
    pub reflection: bool,
    /// Serves the console at `/`: the page on which people see the platform and trade.
    pub console: bool,
    /// TLS on the public port; without it, somebody in front of it has to encrypt.
    pub tls: TlsConfig,
    /// Says that somebody does: a balancer, an ingress or a mesh. Outside development, a gateway without
    /// TLS of its own does not start unless this is set.
    pub encrypted_elsewhere: bool,
    /// Origins of web pages that may call through a browser, for example `https://desk.example`; `*` means any.
    pub allowed_origins: Vec<String>,
    /// Open connections at most; further ones are closed at once.
    pub connections_max: usize,
    /// Open connections of one address at most. Behind a balancer that hides its clients' addresses,
    /// set it to `connections_max`.
    pub connections_per_address_max: usize,
    /// Seconds after which a connection is closed in order, a tenth more or less, so that clients find
    /// new gateways; 0 means never.
    pub connection_age_s: u64,
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
    /// Largest message a client is sent, in bytes.
    pub answer_bytes_max: u32,
    /// How often callers may call.
    pub rates: Rates,
    /// Networks of the proxies in front, for example `10.0.0.0/8`: only their `x-forwarded-for` is believed.
    pub trusted_proxies: Vec<String>,
    /// Milliseconds a call may take when the client names no deadline, and the most it may name. Streams are exempt.
    pub call_deadline_ms: u64,
    /// Milliseconds that calls in progress get to finish when the gateway stops.
    pub drain_ms: u64,
    /// Milliseconds that the gateway goes on as before when it is asked to stop and says on `/healthz`
    /// and by its gRPC health that it will: balancers need a moment to notice.
    pub drain_delay_ms: u64,
}

/// How often a user may call, or the strangers at one address. Each kind of call has an allowance of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rates {
    /// Calls that change nothing; opening a stream is one.
    pub reads: Rate,
    /// Orders, money and all other changes.
    pub orders: Rate,
    /// Cancellations and halts.
    pub cancels: Rate,
    /// Signing in, registering and renewing tokens, always counted for the address. A failed one costs five.
    pub sign_ins: Rate,
    /// All users at one address together get as much as this many.
    pub users_per_address: u32,
}

/// An allowance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// Calls a second in the long run.
    pub per_second: u32,
    /// Calls at once, after a time without any.
    pub burst: u32,
}

impl Default for Rates {
    fn default() -> Rates {
        let rate = |per_second, burst| Rate { per_second, burst };
        Rates {
            // A program that looks after every order, for each of the orders below.
            reads: rate(500, 2000),
            // What one user's program places one after the other, each durable before the next.
            orders: rate(200, 1000),
            // Everything such a program has open can be taken back at once.
            cancels: rate(400, 2000),
            // An office that comes to work, but nobody who guesses passwords.
            sign_ins: rate(10, 50),
            users_per_address: 10,
        }
    }
}

/// Files of the certificate that the public port shows. They are read again when they change.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsConfig {
    /// The certificate in PEM form, its issuer's after it. Empty: no TLS.
    pub certificate: PathBuf,
    /// Its private key in PEM form.
    pub key: PathBuf,
}

impl TlsConfig {
    /// Whether the public port speaks TLS.
    pub fn is_set(&self) -> bool {
        !self.certificate.as_os_str().is_empty() || !self.key.as_os_str().is_empty()
    }
}

impl Default for Config {
    fn default() -> Config {
        Config {
            reflection: false,
            // It can do nothing that its user could not do by calls.
            console: true,
            tls: TlsConfig::default(),
            encrypted_elsewhere: false,
            allowed_origins: Vec::new(),
            // A connection costs some 50 KB of buffers: 1,024 of them stay well below 100 MB.
            connections_max: 1024,
            // A quarter of the whole: one address alone cannot shut the others out.
            connections_per_address_max: 256,
            // Long enough that nobody notices, short enough that a new gateway has its share within the hour.
            connection_age_s: 1800,
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
            // What gRPC clients take unless told otherwise.
            answer_bytes_max: 4 * 1024 * 1024,
            rates: Rates::default(),
            trusted_proxies: Vec::new(),
            call_deadline_ms: 30_000,
            // Longer than any call takes that is not stuck, shorter than what orchestrators wait for.
            drain_ms: 10_000,
            drain_delay_ms: 0,
        }
    }
}

impl Config {
    /// How the public port is addressed: `http` or `https`.
    pub fn scheme(&self) -> &'static str {
        if self.tls.is_set() { "https" } else { "http" }
    }

    /// The first setting that would keep everybody out.
    pub(crate) fn zero(&self) -> Option<&'static str> {
        [
            ("connections_max", self.connections_max),
            (
                "connections_per_address_max",
                self.connections_per_address_max,
            ),
            (
                "calls_per_connection_max",
                self.calls_per_connection_max as usize,
            ),
            ("calls_max", self.calls_max),
            ("calls_per_caller_max", self.calls_per_caller_max),
            ("streams_max", self.streams_max),
            ("streams_per_caller_max", self.streams_per_caller_max),
            ("message_bytes_max", self.message_bytes_max as usize),
            ("answer_bytes_max", self.answer_bytes_max as usize),
            (
                "call_deadline_ms",
                usize::try_from(self.call_deadline_ms).unwrap_or(usize::MAX),
            ),
        ]
        .into_iter()
        .find_map(|(name, value)| (value == 0).then_some(name))
        .or_else(|| self.rates.zero())
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

impl Rates {
    fn zero(&self) -> Option<&'static str> {
        [
            ("rates.reads", &self.reads),
            ("rates.orders", &self.orders),
            ("rates.cancels", &self.cancels),
            ("rates.sign_ins", &self.sign_ins),
        ]
        .into_iter()
        .find_map(|(name, rate)| (rate.per_second == 0 || rate.burst == 0).then_some(name))
        .or_else(|| (self.users_per_address == 0).then_some("rates.users_per_address"))
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
        let one = r#"{"rates": {"orders": {"per_second": 7, "burst": 8}}}"#;
        let rates = read(one).unwrap().rates;
        assert_eq!((rates.orders.per_second, rates.orders.burst), (7, 8));
        assert_eq!(rates.reads, Rates::default().reads);
        for bad in [
            r#"{"rates": {"order": {"per_second": 7, "burst": 8}}}"#,
            r#"{"rates": {"orders": {"per_second": 7}}}"#,
            r#"{"rates": {"orders": {"per_second": 7, "burst": 8, "per_minute": 9}}}"#,
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_bound_of_zero_is_found() {
        assert_eq!(Config::default().zero(), None);
        let config = Config {
            streams_max: 0,
            ..Config::default()
        };
        assert_eq!(config.zero(), Some("streams_max"));
        let mut config = Config::default();
        config.rates.cancels.burst = 0;
        assert_eq!(config.zero(), Some("rates.cancels"));
    }
}
