//! The link from a transaction to the one before.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::{Serialize, Serializer};
use sha2::{Digest, Sha256};

/// SHA-256, shown and stored in hexadecimal.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Hash([u8; 32]);

/// Bytes with one meaning each: every text is preceded by its length, every number has its width.
#[derive(Default)]
pub(super) struct Canonical {
    digest: Sha256,
}

// === impl Hash ===

impl Hash {
    /// What stands before the first transaction.
    pub const ORIGIN: Hash = Hash([0; 32]);

    /// A hash as it is shown; none if it is not one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Hash> {
        if text.len() != 64 || !text.is_ascii() {
            return None;
        }
        let mut bytes = [0; 32];
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(text.get(index * 2..index * 2 + 2)?, 16).ok()?;
        }
        Some(Hash(bytes))
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Hash, D::Error> {
        let text = String::deserialize(deserializer)?;
        Hash::parse(&text).ok_or_else(|| D::Error::custom("not a SHA-256 in hexadecimal"))
    }
}

// === impl Canonical ===

impl Canonical {
    pub(super) fn hash(mut self, hash: Hash) -> Self {
        self.digest.update(hash.0);
        self
    }

    pub(super) fn number(mut self, number: u64) -> Self {
        self.digest.update(number.to_be_bytes());
        self
    }

    pub(super) fn signed(mut self, number: i64) -> Self {
        self.digest.update(number.to_be_bytes());
        self
    }

    pub(super) fn text(self, text: &str) -> Self {
        let mut this = self.number(text.len() as u64);
        this.digest.update(text.as_bytes());
        this
    }

    pub(super) fn finish(self) -> Hash {
        Hash(self.digest.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_read_back_and_other_texts_are_none() {
        let hash = Canonical::default().text("x").finish();
        assert_eq!(Hash::parse(&hash.to_string()), Some(hash));
        for text in ["", "00", &"g".repeat(64), &"é".repeat(32)] {
            assert_eq!(Hash::parse(text), None);
        }
    }

    #[test]
    fn texts_do_not_run_into_each_other() {
        let one = Canonical::default().text("ab").text("c").finish();
        let other = Canonical::default().text("a").text("bc").finish();
        assert_ne!(one, other);
    }
}
