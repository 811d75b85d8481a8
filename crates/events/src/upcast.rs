//! Old versions of an event become the newest one when they are read.
//!
//! A major version of an event is a message and a topic of its own. Facts stay as they were
//! written; a chain of pure steps, each from one version to the next, leads from what was
//! written to what today's code knows. Steps are registered here by hand, in [`registry`]:
//! nothing is found by scanning.

mod check;
pub(crate) mod report_requested;

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::LazyLock;

use prost::{DecodeError, Message, Name};

pub use self::check::{KnownVersion, RegistryError};

/// Most steps of one chain. A contract has a handful of major versions in its life; more is
/// a circle.
const STEPS_MAX: usize = 16;

/// Turns the bytes of one version into those of the next.
type Convert = Box<dyn Fn(&[u8]) -> Result<Vec<u8>, DecodeError> + Send + Sync>;

/// The step from one version of an event to the next.
pub struct Step {
    from: String,
    to: String,
    convert: Convert,
}

/// All steps.
#[derive(Debug, Default)]
pub struct Registry {
    steps: HashMap<String, Step>,
    /// Types that more than one step starts from.
    contested: Vec<String>,
}

/// A payload in its newest version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upcasted<'a> {
    /// Its type.
    pub type_url: &'a str,
    /// Its bytes: the given ones when there was nothing to do.
    pub bytes: Cow<'a, [u8]>,
}

/// Why a payload did not become its newest version.
#[derive(Debug, thiserror::Error)]
pub enum UpcastError {
    /// The bytes are not what their type says.
    #[error("{type_url} cannot be decoded")]
    Undecodable {
        /// The version that could not be read.
        type_url: String,
        /// What prost found.
        source: DecodeError,
    },
    /// The steps lead in a circle.
    #[error("the upgrades of {type_url} come to no end")]
    Endless {
        /// The version it began with.
        type_url: String,
    },
}

/// The steps of this version of the platform.
#[must_use]
pub fn registry() -> &'static Registry {
    static REGISTRY: LazyLock<Registry> =
        LazyLock::new(|| Registry::new([Step::new(report_requested::upgrade)]));
    &REGISTRY
}

/// Checks at start-up that every older version of every event of the contract becomes the
/// newest one.
///
/// # Errors
/// Every version that does not, and every step that does not belong.
pub fn check() -> Result<(), RegistryError> {
    registry().check(&KnownVersion::of_contract())
}

// === impl Step ===

impl Step {
    /// The step from one message to the next. A plain function holds no state, so it gives
    /// the same result for the same fact, always.
    #[must_use]
    pub fn new<Old, New>(convert: fn(Old) -> New) -> Step
    where
        Old: Message + Name + Default + 'static,
        New: Message + Name + 'static,
    {
        Step {
            from: Old::type_url(),
            to: New::type_url(),
            convert: Box::new(move |bytes| Ok(convert(Old::decode(bytes)?).encode_to_vec())),
        }
    }

    /// Type URL it starts from.
    #[must_use]
    pub fn from(&self) -> &str {
        &self.from
    }

    /// Type URL it leads to.
    #[must_use]
    pub fn to(&self) -> &str {
        &self.to
    }

    /// Takes the bytes of one version to those of the next.
    ///
    /// # Errors
    /// The bytes are damaged.
    pub(crate) fn convert(&self, bytes: &[u8]) -> Result<Vec<u8>, DecodeError> {
        (self.convert)(bytes)
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Step")
            .field("from", &self.from)
            .field("to", &self.to)
            .finish_non_exhaustive()
    }
}

// === impl Registry ===

impl Registry {
    /// Holds these steps. Whether they make sense together is said by [`Registry::check`].
    #[must_use]
    pub fn new(steps: impl IntoIterator<Item = Step>) -> Registry {
        let mut registry = Registry::default();
        for step in steps {
            if let Some(other) = registry.steps.insert(step.from.clone(), step) {
                registry.contested.push(other.from);
            }
        }
        registry
    }

    /// The type a payload of this type is read as: itself if nothing is known to follow it.
    #[must_use]
    pub fn newest<'a>(&'a self, type_url: &'a str) -> &'a str {
        self.chain(type_url)
            .last()
            .map_or(type_url, |step| step.to.as_str())
    }

    /// Takes a payload to its newest version.
    ///
    /// # Errors
    /// The bytes are damaged, or the steps lead in a circle.
    pub fn upcast<'a>(
        &'a self,
        type_url: &'a str,
        bytes: &'a [u8],
    ) -> Result<Upcasted<'a>, UpcastError> {
        let mut upcasted = Upcasted {
            type_url,
            bytes: Cow::Borrowed(bytes),
        };
        for step in self.chain(type_url) {
            let converted =
                step.convert(&upcasted.bytes)
                    .map_err(|source| UpcastError::Undecodable {
                        type_url: step.from.clone(),
                        source,
                    })?;
            upcasted = Upcasted {
                type_url: &step.to,
                bytes: Cow::Owned(converted),
            };
        }
        if self.steps.contains_key(upcasted.type_url) {
            return Err(UpcastError::Endless {
                type_url: type_url.to_owned(),
            });
        }
        Ok(upcasted)
    }

    /// The steps from a type to its newest version, at most [`STEPS_MAX`] of them.
    fn chain<'a>(&'a self, type_url: &str) -> impl Iterator<Item = &'a Step> + use<'a> {
        let first = self.steps.get(type_url);
        std::iter::successors(first, |step| self.steps.get(&step.to)).take(STEPS_MAX)
    }
}

#[cfg(test)]
mod tests;
