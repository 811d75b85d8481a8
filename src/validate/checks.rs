//! What the generated validators call where an operator does not do: known formats of
//! strings as protovalidate defines them, patterns, and repeated items.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::LazyLock;

use regex::Regex;

/// Length of a UUID's text form, and where its hyphens stand.
const UUID_LENGTH: usize = 36;
const UUID_HYPHENS: [usize; 4] = [8, 13, 18, 23];

/// Longest label of a domain name, in bytes.
const MAX_LABEL: usize = 63;

/// Punctuation allowed in front of the `@` of an email address.
const LOCAL_PUNCTUATION: &[u8] = b".!#$%&'*+/=?^_`{|}~-";

/// An email address as HTML forms accept it: no quoting, no comments, no internationalised names.
pub fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else {
        return false;
    };
    let is_local = |byte: u8| byte.is_ascii_alphanumeric() || LOCAL_PUNCTUATION.contains(&byte);
    !local.is_empty() && local.bytes().all(is_local) && domain.split('.').all(is_label)
}

fn is_label(label: &str) -> bool {
    label.len() <= MAX_LABEL
        && label.starts_with(|c: char| c.is_ascii_alphanumeric())
        && label.ends_with(|c: char| c.is_ascii_alphanumeric())
        && label
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// A UUID with hyphens, in either case, of any version.
pub fn is_uuid(text: &str) -> bool {
    text.len() == UUID_LENGTH
        && text.bytes().enumerate().all(|(place, byte)| {
            if UUID_HYPHENS.contains(&place) {
                byte == b'-'
            } else {
                byte.is_ascii_hexdigit()
            }
        })
}

/// Whether an item occurs twice.
pub fn has_repeats<T: Hash + Eq>(items: &[T]) -> bool {
    let mut seen = HashSet::with_capacity(items.len());
    !items.iter().all(|item| seen.insert(item))
}

/// A regular expression, compiled when it is first needed.
pub type Pattern = LazyLock<Regex>;

/// Compiles a pattern of the contract.
#[expect(
    clippy::expect_used,
    reason = "the build script refuses patterns that do not compile"
)]
pub fn pattern(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the contract holds only patterns that compile")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_email_address_has_a_local_part_and_domain_labels() {
        for good in [
            "a@b",
            "ada.lovelace+tag@mail.example-1.org",
            "x!#$%&'*/=?^_`{|}~-@d",
            &format!("a@{}", "b".repeat(63)),
        ] {
            assert!(is_email(good), "{good}");
        }
        let long_label = format!("a@{}", "b".repeat(64));
        for bad in [
            "",
            "a",
            "@b",
            "a@",
            "a@b.",
            "a@.b",
            "a@-b",
            "a@b-",
            "a@b@c",
            "a b@c",
            "a@b c",
            "ä@b",
            "a@b_c",
            "a@b\n",
            &long_label,
        ] {
            assert!(!is_email(bad), "{bad}");
        }
    }

    #[test]
    fn a_uuid_is_five_groups_of_hexadecimal_digits() {
        assert!(is_uuid("01890a5d-ac96-774b-bcce-b302099a8057"));
        assert!(is_uuid("01890A5D-AC96-774B-BCCE-B302099A8057"));
        for bad in [
            "",
            "01890a5dac96774bbcceb302099a8057",
            "01890a5d-ac96-774b-bcce-b302099a805",
            "01890a5d-ac96-774b-bcce-b302099a80577",
            "01890a5d-ac96-774b-bcce-b302099a8057-",
            "g1890a5d-ac96-774b-bcce-b302099a8057",
            "{01890a5d-ac96-774b-bcce-b302099a8057}",
            "01890a5d-ac96-774bb-cce-b302099a8057",
        ] {
            assert!(!is_uuid(bad), "{bad}");
        }
    }
}
