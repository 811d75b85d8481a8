//! What the audit found.

use std::collections::BTreeMap;
use std::fmt::{self, Display};

use serde::Serialize;

/// Breaches named at most: the first ones tell what is wrong, the rest only that much is.
const BREACHES_MAX: usize = 1000;

/// A broken invariant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Breach {
    /// Its number, for example `I8`.
    pub invariant: &'static str,
    /// What it is broken for: a stream, an order, an account.
    pub subject: String,
    /// How.
    pub what: String,
}

/// What the audit found.
#[derive(Debug, Default)]
pub struct Findings {
    /// Things checked, by invariant.
    pub checked: BTreeMap<&'static str, u64>,
    /// What is broken.
    pub breaches: Vec<Breach>,
    /// What is still on its way, by what it waits for.
    pub pending: BTreeMap<String, u64>,
}

// === impl Findings ===

impl Findings {
    /// Checks one thing.
    pub(crate) fn expect(
        &mut self,
        invariant: &'static str,
        holds: bool,
        subject: impl Display,
        what: impl FnOnce() -> String,
    ) {
        *self.checked.entry(invariant).or_default() += 1;
        if !holds && self.breaches.len() < BREACHES_MAX {
            self.breaches.push(Breach {
                invariant,
                subject: subject.to_string(),
                what: what(),
            });
        }
    }

    /// Counts something that is on its way.
    pub(crate) fn wait_for(&mut self, what: impl Into<String>) {
        *self.pending.entry(what.into()).or_default() += 1;
    }
}

impl Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            invariant,
            subject,
            what,
        } = self;
        write!(f, "breach of {invariant} at {subject}: {what}")
    }
}
