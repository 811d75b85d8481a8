//! One difference between two contracts, and what it means.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

/// A difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Full name of what is different: a message, field, oneof, enum, value, service or method.
    pub place: String,
    /// What is different about it: `type changed`, `rule int64.gte tightened`.
    pub what: String,
    /// What it was; none for what is new.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub was: Option<String>,
    /// What it is now; none for what is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is: Option<String>,
    /// Whether it may be made.
    pub verdict: Verdict,
    /// What and whom it breaks; nothing unless it is breaking.
    pub breaks: BTreeSet<Breaks>,
    /// Why, for people.
    pub why: String,
    /// Topics of the events it is about, directly or through what they hold.
    pub topics: BTreeSet<String>,
    /// Callers send it or get it as an answer.
    pub callers: bool,
}

/// Whether a change may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Whoever knows the old contract goes on as before.
    Additive,
    /// The same, but somebody should have a look.
    Review,
    /// Something stops working: it needs a new major version.
    Breaking,
}

/// What stops working.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Breaks {
    /// Those who send it: callers with their requests, services with their events.
    Producers,
    /// Those who read it: consumers of events, callers with their responses.
    Consumers,
    /// Facts that have been written already.
    StoredFacts,
    /// Bytes mean something else.
    Wire,
    /// JSON means something else.
    Json,
    /// Code made from the contract no longer compiles.
    Source,
    /// Personal data is no longer hidden.
    Privacy,
}

// === impl Change ===

impl Change {
    /// What was and is, in one line.
    #[must_use]
    pub fn values(&self) -> String {
        match (&self.was, &self.is) {
            (Some(was), Some(is)) => format!("{was} -> {is}"),
            (Some(was), None) => format!("{was} -> (none)"),
            (None, Some(is)) => format!("(none) -> {is}"),
            (None, None) => String::new(),
        }
    }

    /// Whether it must not be made.
    #[must_use]
    pub fn is_breaking(&self) -> bool {
        self.verdict == Verdict::Breaking
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)?;
        let values = self.values();
        if !values.is_empty() {
            write!(f, " ({values})")?;
        }
        if !self.breaks.is_empty() {
            let breaks: Vec<String> = self.breaks.iter().map(Breaks::to_string).collect();
            write!(f, "; breaks {}", breaks.join(", "))?;
        }
        if !self.why.is_empty() {
            write!(f, ": {}", self.why)?;
        }
        Ok(())
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Verdict::Additive => "additive",
            Verdict::Review => "review",
            Verdict::Breaking => "breaking",
        })
    }
}

impl fmt::Display for Breaks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Breaks::Producers => "producers",
            Breaks::Consumers => "consumers",
            Breaks::StoredFacts => "stored facts",
            Breaks::Wire => "wire",
            Breaks::Json => "JSON",
            Breaks::Source => "source",
            Breaks::Privacy => "privacy",
        })
    }
}
