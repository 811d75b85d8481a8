//! The hash that spreads partition keys over partitions and slots.

/// FNV-1a (64 bit) of a partition key's bytes. Never changes: what is spread by it stays where it
/// is for as long as the number of places stays.
#[must_use]
pub fn key_hash(key: &str) -> u64 {
    key.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// The place of a key among `places`, from 0.
#[must_use]
pub fn place_of(key: &str, places: u32) -> u32 {
    place_of_hash(key_hash(key), places)
}

/// The place of a key whose hash is known already.
#[must_use]
pub fn place_of_hash(hash: u64, places: u32) -> u32 {
    // Below `places`, so it fits.
    u32::try_from(hash % u64::from(places.max(1))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_fnv_1a() {
        // Published test vectors.
        for (key, hash) in [
            ("", 0xcbf2_9ce4_8422_2325_u64),
            ("a", 0xaf63_dc4c_8601_ec8c),
            ("foobar", 0x8594_4171_f739_67e8),
        ] {
            assert_eq!(key_hash(key), hash, "{key:?}");
        }
    }

    #[test]
    fn keys_spread_over_all_places() {
        let mut counts = [0_u32; 8];
        for number in 0..8000 {
            counts[place_of(&format!("account-{number}"), 8) as usize] += 1;
        }
        assert!(
            counts.iter().all(|count| (800..1200).contains(count)),
            "{counts:?}"
        );
    }
}
