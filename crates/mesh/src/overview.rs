//! What a process knows of the services it calls, for whoever operates it.

use std::collections::BTreeMap;

use serde::Serialize;

/// All services of other processes that this one calls.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Overview {
    /// By name; a replica called by its address is one of its own.
    pub targets: Vec<Target>,
}

/// One service.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Target {
    /// Its name.
    pub name: String,
    /// Where it is said to be.
    pub source: String,
    /// Retries that calls may cost at the moment.
    pub retries_left: f64,
    /// The share of calls that is not made, since it would be refused: by level.
    pub kept_back: BTreeMap<&'static str, f64>,
    /// The processes it was found at.
    pub endpoints: Vec<Endpoint>,
}

/// One process.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Endpoint {
    /// `http://host:port`.
    pub address: String,
    /// Whether it gets calls.
    #[serde(flatten)]
    pub state: State,
    /// How long its answers take, in milliseconds; `None` before the first.
    pub average_ms: Option<f64>,
    /// Calls and streams in progress.
    pub in_flight: usize,
    /// Calls begun.
    pub started: u64,
    /// Calls it answered, whatever the answer.
    pub succeeded: u64,
    /// Calls it did not answer, refused for having too much to do, or answered as unavailable; and those
    /// nobody waited for any more.
    pub failed: u64,
    /// Times it was passed over that are not forgotten yet.
    pub ejections: u32,
    /// When the latest call began, in milliseconds since 1970.
    pub latest_call_ms: Option<u64>,
}

/// Whether an endpoint gets calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum State {
    /// Nobody needed a connection yet, or the last one ended.
    Idle,
    /// A connection is being made.
    Connecting,
    /// There is a connection.
    Up,
    /// There could not be a connection.
    Failed {
        /// Time until it is tried again.
        for_ms: u64,
    },
    /// It is passed over because calls kept failing.
    Ejected {
        /// Time until one call may find out whether it is well again; 0 if the next one does.
        for_ms: u64,
    },
    /// One call is finding out whether it is well again.
    HalfOpen,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_written_beside_what_it_belongs_to() {
        let endpoint = Endpoint {
            address: "http://10.0.0.1:7070".to_owned(),
            state: State::Ejected { for_ms: 1500 },
            average_ms: None,
            in_flight: 0,
            started: 5,
            succeeded: 0,
            failed: 5,
            ejections: 1,
            latest_call_ms: Some(1),
        };
        let written = serde_json::to_value(endpoint).unwrap();
        assert_eq!(written["state"], "ejected");
        assert_eq!(written["for_ms"], 1500);
        assert_eq!(written["failed"], 5);
    }
}
