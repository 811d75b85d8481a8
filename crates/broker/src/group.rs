//! Who wants which topics, and in how many ordered partitions.

use outcry_events::key::place_of;
use outcry_events::topic::topic_matches;

use crate::error::BrokerError;
use crate::limits::{PARTITIONS_MAX, PREFETCH_MAX, TEXT_BYTES_MAX};

/// A consumer group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Unique among groups: small letters, digits, `_`, `-` and `.`.
    pub name: &'static str,
    /// Topic patterns as on an AMQP topic exchange: `*` is one word, `#` any number of words.
    pub topics: Vec<String>,
    /// Partitions the keys are spread over; messages of one partition come in order.
    pub partitions: u32,
    /// Unsettled deliveries of a partition at most. On RabbitMQ it is not to be lowered while
    /// messages are unsettled: a consumer that takes fewer than were given back takes them out of
    /// order.
    pub prefetch: usize,
}

// === impl Group ===

impl Group {
    /// Whether the group wants a topic.
    #[must_use]
    pub fn wants(&self, topic: &str) -> bool {
        wants(&self.topics, topic)
    }

    /// Judges the group by itself. Every broker calls this before declaring it.
    ///
    /// # Errors
    /// [`BrokerError::InvalidGroup`].
    pub fn check(&self) -> Result<(), BrokerError> {
        let plain =
            |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-' | '.');
        let reason = if self.name.is_empty() || !self.name.chars().all(plain) {
            "its name must be small letters, digits, underscores, hyphens and dots"
        } else if self.name.len() > TEXT_BYTES_MAX {
            "its name is too long"
        } else if self.topics.is_empty() {
            "it wants no topics"
        } else if self.topics.iter().any(|topic| topic.len() > TEXT_BYTES_MAX) {
            "a topic pattern is too long"
        } else if self.partitions == 0 || self.partitions > PARTITIONS_MAX {
            "it must have between 1 and 256 partitions"
        } else if self.prefetch == 0 || self.prefetch > PREFETCH_MAX {
            "its prefetch must be between 1 and 10000"
        } else {
            return Ok(());
        };
        Err(BrokerError::InvalidGroup {
            group: self.name.to_owned(),
            reason,
        })
    }
}

/// Whether any of these patterns fits a topic.
pub(crate) fn wants(patterns: &[String], topic: &str) -> bool {
    patterns.iter().any(|pattern| topic_matches(pattern, topic))
}

/// The partition of a key: its [hash](outcry_events::key::key_hash) modulo the number of partitions.
/// Never changes, so a key stays in its partition for as long as their number stays.
#[must_use]
pub fn partition_of(key: &str, partitions: u32) -> u32 {
    place_of(key, partitions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_fnv_1a() {
        // Published test vectors, seen through the largest modulus a partition number can show.
        for (key, hash) in [
            ("", 0xcbf2_9ce4_8422_2325_u64),
            ("a", 0xaf63_dc4c_8601_ec8c),
            ("foobar", 0x8594_4171_f739_67e8),
        ] {
            let expected = u32::try_from(hash % u64::from(u32::MAX)).unwrap();
            assert_eq!(partition_of(key, u32::MAX), expected, "{key:?}");
        }
    }

    #[test]
    fn keys_spread_over_all_partitions() {
        let mut counts = [0_u32; 8];
        for number in 0..8000 {
            counts[partition_of(&format!("account-{number}"), 8) as usize] += 1;
        }
        assert!(
            counts.iter().all(|count| (800..1200).contains(count)),
            "{counts:?}"
        );
    }

    #[test]
    fn groups_that_cannot_be_are_refused() {
        let good = Group {
            name: "orders",
            topics: vec!["trade.*".to_owned()],
            partitions: 4,
            prefetch: 16,
        };
        good.check().unwrap();
        let bad = [
            Group {
                name: "",
                ..good.clone()
            },
            Group {
                name: "Or ders",
                ..good.clone()
            },
            Group {
                topics: Vec::new(),
                ..good.clone()
            },
            Group {
                topics: vec!["a".repeat(256)],
                ..good.clone()
            },
            Group {
                partitions: 0,
                ..good.clone()
            },
            Group {
                partitions: 257,
                ..good.clone()
            },
            Group {
                prefetch: 0,
                ..good.clone()
            },
        ];
        for group in bad {
            let error = group.check().unwrap_err();
            assert!(matches!(error, BrokerError::InvalidGroup { .. }), "{error}");
        }
    }
}
