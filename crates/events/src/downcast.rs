//! Copies of a fact in older versions of its event.
//!
//! Whoever publishes an event that has got a new version goes on publishing it in the version
//! before, too, until the day the contract names. Only the fact is kept; its copies are made
//! when it is published, by pure steps registered here by hand, in [`registry`]. A copy says
//! of what fact it is one, and is the same bytes whenever it is made.

use std::collections::HashMap;
use std::sync::LazyLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use outcry_contracts::{EVENTS, EventFacts, Successor, Violations};
use prost::{DecodeError, Message as _};
use prost_types::Any;
use uuid::Uuid;

use crate::sealed::{EVENT_BYTES_MAX, OpenError, SealedEvent};
use crate::upcast::{RegistryError, Step, report_requested};

/// All steps to older versions, by the type they start from.
#[derive(Debug, Default)]
pub struct Downcasters {
    steps: HashMap<String, Step>,
    /// Types that more than one step starts from.
    contested: Vec<String>,
}

/// Why there is no copy of a fact in an older version.
#[derive(Debug, thiserror::Error)]
pub enum DowncastError {
    /// The fact's bytes are not what their type says.
    #[error("{type_url} cannot be decoded")]
    Undecodable {
        /// The version that could not be read.
        type_url: String,
        /// What prost found.
        source: DecodeError,
    },
    /// The older version is none that the contract holds.
    #[error("{type_url} is no event")]
    NoEvent {
        /// The type the step leads to.
        type_url: String,
    },
    /// The older version breaks its rules.
    #[error("the copy as {topic} breaks its contract: {violations}")]
    Invalid {
        /// Topic of the older version.
        topic: &'static str,
        /// The rules.
        violations: Violations,
    },
    /// The copy is no proper event.
    #[error("the copy as {topic} is no event")]
    Envelope {
        /// Topic of the older version.
        topic: &'static str,
        /// What is wrong with it.
        source: OpenError,
    },
    /// Larger than [`EVENT_BYTES_MAX`].
    #[error("the copy as {topic} takes {bytes} bytes, more than an event may")]
    TooLarge {
        /// Topic of the older version.
        topic: &'static str,
        /// Size of the envelope.
        bytes: usize,
    },
}

/// The steps of this version of the platform.
#[must_use]
pub fn registry() -> &'static Downcasters {
    static REGISTRY: LazyLock<Downcasters> =
        LazyLock::new(|| Downcasters::new([Step::new(report_requested::downgrade)]));
    &REGISTRY
}

/// Checks at start-up that a step leads from every newer version of every event of the contract
/// to the one before.
///
/// # Errors
/// Every version without a step, and every step that does not belong.
pub fn check() -> Result<(), RegistryError> {
    registry().check(EVENTS)
}

/// Whether a version that has a successor is still published at a time.
#[must_use]
pub fn is_published(successor: &Successor, now: SystemTime) -> bool {
    now < UNIX_EPOCH + Duration::from_secs(successor.over_s)
}

// === impl Downcasters ===

impl Downcasters {
    /// Holds these steps. Whether they make sense together is said by [`Downcasters::check`].
    #[must_use]
    pub fn new(steps: impl IntoIterator<Item = Step>) -> Downcasters {
        let mut downcasters = Downcasters::default();
        for step in steps {
            if let Some(other) = downcasters.steps.insert(step.from().to_owned(), step) {
                downcasters.contested.push(other.from().to_owned());
            }
        }
        downcasters
    }

    /// The copies that are published beside a fact now, newest version first: one in every older
    /// version whose last day is not over. None of an event that has no older version, and none
    /// of what is a copy itself.
    ///
    /// # Errors
    /// A copy cannot be made. Bytes that were sealed by a registered version always have copies.
    pub fn copies(
        &self,
        fact: &SealedEvent,
        now: SystemTime,
    ) -> Result<Vec<SealedEvent>, DowncastError> {
        let mut copies = Vec::new();
        if fact.copy_of().is_some() {
            return Ok(copies);
        }
        let (type_url, payload) = fact.any();
        let Some(mut step) = self.steps.get(type_url) else {
            return Ok(copies);
        };
        let mut older = convert(step, payload)?;
        // Each step leads to a lower version of the contract, so it ends; see `check`.
        loop {
            let facts =
                EventFacts::of_type_url(step.to()).ok_or_else(|| DowncastError::NoEvent {
                    type_url: step.to().to_owned(),
                })?;
            let is_wanted = facts
                .successor
                .is_some_and(|successor| is_published(&successor, now));
            if is_wanted {
                copies.push(copy(fact, facts, &older)?);
            }
            let Some(next) = self.steps.get(step.to()) else {
                return Ok(copies);
            };
            older = convert(next, &older)?;
            step = next;
        }
    }

    /// Checks the steps against the versions there are: exactly one leads from every successor to
    /// the version before it, and no other steps exist. Versions only fall along such steps.
    ///
    /// # Errors
    /// Everything that is not so.
    pub fn check(&self, known: &[EventFacts]) -> Result<(), RegistryError> {
        let mut findings: Vec<String> = self
            .contested
            .iter()
            .map(|from| format!("more than one step leads back from {from}"))
            .collect();
        let mut wanted = HashMap::new();
        for facts in known {
            let successor = facts
                .successor
                .and_then(|successor| known.iter().find(|one| one.topic == successor.topic));
            if let Some(successor) = successor {
                wanted.insert(successor.type_url, facts.type_url);
            }
        }
        for (from, to) in &wanted {
            match self.steps.get(*from) {
                None => findings.push(format!("no step leads back from {from} to {to}")),
                Some(step) if step.to() == *to => {}
                Some(step) => findings.push(format!(
                    "the step back from {from} leads to {}, not to {to}",
                    step.to()
                )),
            }
        }
        for from in self.steps.keys() {
            if !wanted.contains_key(from.as_str()) {
                findings.push(format!(
                    "a step leads back from {from}, which has no version before it"
                ));
            }
        }
        findings.sort_unstable();
        if findings.is_empty() {
            Ok(())
        } else {
            Err(RegistryError { findings })
        }
    }
}

fn convert(step: &Step, payload: &[u8]) -> Result<Vec<u8>, DowncastError> {
    step.convert(payload)
        .map_err(|source| DowncastError::Undecodable {
            type_url: step.from().to_owned(),
            source,
        })
}

/// The copy of a fact with an older payload: all else is as it is in the fact, but for an id of
/// its own, which follows from the fact's and the older topic.
fn copy(
    fact: &SealedEvent,
    older: &'static EventFacts,
    payload: &[u8],
) -> Result<SealedEvent, DowncastError> {
    let topic = older.topic;
    (older.validate)(payload)
        .map_err(|source| DowncastError::Undecodable {
            type_url: older.type_url.to_owned(),
            source,
        })?
        .map_err(|violations| DowncastError::Invalid { topic, violations })?;
    let mut envelope = fact.envelope().clone();
    envelope.event_id = Uuid::new_v5(&fact.id(), topic.as_bytes()).to_string();
    envelope.event_type = topic.to_owned();
    envelope.payload = Some(Any {
        type_url: older.type_url.to_owned(),
        value: payload.to_vec(),
    });
    envelope.schema_version = older.schema_version;
    envelope.copy_of = fact.id().to_string();
    let bytes = Bytes::from(envelope.encode_to_vec());
    if bytes.len() > EVENT_BYTES_MAX {
        return Err(DowncastError::TooLarge {
            topic,
            bytes: bytes.len(),
        });
    }
    SealedEvent::open(bytes).map_err(|source| DowncastError::Envelope { topic, source })
}

#[cfg(test)]
mod tests;
