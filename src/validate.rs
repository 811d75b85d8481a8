//! What a message must hold to be accepted. The rules stand in the `.proto` files
//! (`buf.validate`); their meaning is that of protovalidate.

use std::error::Error;
use std::fmt;

use prost::DecodeError;

#[allow(dead_code, reason = "a contract need not use every rule it could")]
mod checks;
#[cfg(test)]
mod tests;

/// What the build script wrote: one implementation of [`Validate`] per message.
#[allow(unused_comparisons, unused_imports, clippy::all)]
mod contract {
    use super::checks::{Pattern, has_repeats, is_email, is_uuid, pattern};
    use super::{Path, Validate, Validator, Violations, of_bytes};

    include!(concat!(env!("OUT_DIR"), "/validators.rs"));
}

#[cfg(test)]
#[allow(unused_comparisons, dead_code, clippy::all)]
mod sample {
    use super::checks::{Pattern, has_repeats, is_email, is_uuid, pattern};
    use super::{Path, Validate, Validator, Violations, of_bytes};

    include!(concat!(env!("OUT_DIR"), "/samples/validators.rs"));
}

/// Most violations reported for one message: enough to correct a form with, and few enough
/// that their description fits into the headers of a gRPC answer.
pub const MAX_VIOLATIONS: usize = 25;

/// A message with rules. Every message of the contract has this, with or without rules.
pub trait Validate {
    /// Checks all rules, those of nested messages included. A `google.protobuf.Any` is not opened.
    ///
    /// # Errors
    /// The rules that do not hold, at most [`MAX_VIOLATIONS`] of them.
    fn validate(&self) -> Result<(), Violations> {
        let mut found = Violations::default();
        self.inspect(&Path::root(), &mut found);
        if found.list.is_empty() {
            Ok(())
        } else {
            Err(found)
        }
    }

    /// Adds the rules that do not hold to `found`; `path` is where this message stands
    /// in the message being validated.
    fn inspect(&self, path: &Path<'_>, found: &mut Violations);
}

/// One rule that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Path of the field from the validated message, for example `order.legs[2].price`.
    pub field: String,
    /// Protovalidate's id of the rule, for example `string.min_len`.
    pub rule: &'static str,
    /// What the field must be, for people. Never holds the field's value.
    pub message: String,
}

/// Everything found wrong with a message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Violations {
    /// In the order of the fields, at most [`MAX_VIOLATIONS`].
    pub list: Vec<Violation>,
}

impl Violations {
    /// No more violations are taken in, so looking for them is of no use.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.list.len() >= MAX_VIOLATIONS
    }

    /// Takes a violation in, unless there are enough.
    fn add(&mut self, path: &Path<'_>, rule: &'static str, message: &str) {
        if !self.is_full() {
            self.list.push(Violation {
                field: path.to_string(),
                rule,
                message: message.to_owned(),
            });
        }
    }
}

impl fmt::Display for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, violation) in self.list.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            write!(f, "{} {}", violation.field, violation.message)?;
        }
        Ok(())
    }
}

impl Error for Violations {}

/// Whether bytes keep the rules of their message, unless they are none of it at all.
pub type Verdict = Result<Result<(), Violations>, DecodeError>;

/// Decodes a message and validates it.
type Validator = fn(&[u8]) -> Verdict;

/// Validates the bytes of a message by its full name, for code that does not know its type. None if
/// the contract has no such message.
#[must_use]
pub fn message(full_name: &str, bytes: &[u8]) -> Option<Verdict> {
    let index = contract::VALIDATORS
        .binary_search_by(|(name, _)| (*name).cmp(full_name))
        .ok()?;
    let (_, validate) = contract::VALIDATORS.get(index)?;
    Some(validate(bytes))
}

/// Decodes a message of a type and validates it.
pub(crate) fn of_bytes<M: prost::Message + Default + Validate>(bytes: &[u8]) -> Verdict {
    M::decode(bytes).map(|message| message.validate())
}

/// Where a message stands in the one being validated. Costs nothing until it is written out.
#[derive(Debug, Clone, Copy)]
pub struct Path<'a> {
    parent: Option<&'a Path<'a>>,
    field: &'static str,
    index: Option<usize>,
}

impl<'a> Path<'a> {
    /// The validated message itself.
    #[must_use]
    pub const fn root() -> Path<'a> {
        Path {
            parent: None,
            field: "",
            index: None,
        }
    }

    /// A field of the message at this path.
    #[must_use]
    pub const fn field(&'a self, field: &'static str) -> Path<'a> {
        Path {
            parent: Some(self),
            field,
            index: None,
        }
    }

    /// An item of a repeated field of the message at this path.
    #[must_use]
    pub const fn item(&'a self, field: &'static str, index: usize) -> Path<'a> {
        Path {
            parent: Some(self),
            field,
            index: Some(index),
        }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(parent) = self.parent else {
            return Ok(());
        };
        if parent.parent.is_some() {
            write!(f, "{parent}.")?;
        }
        f.write_str(self.field)?;
        match self.index {
            Some(index) => write!(f, "[{index}]"),
            None => Ok(()),
        }
    }
}
