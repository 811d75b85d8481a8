//! What keeps others out, and names that nobody else has.

/// 128 random bits as hexadecimal digits: safe in URLs, files and command lines.
pub(crate) fn secret() -> String {
    format!("{:032x}", rand::random::<u128>())
}

/// Whether a name can stand in SQL, in a URL and in a path as it is.
pub(crate) fn is_plain(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    !name.is_empty() && name.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_need_escaping_are_not_plain() {
        for name in ["", "a/b", "a b", "a\"b", "ä", "a.b", "%2f"] {
            assert!(!is_plain(name), "{name}");
        }
        assert!(is_plain("orders_7-a"));
    }

    #[test]
    fn secrets_differ_and_are_plain() {
        let (one, other) = (secret(), secret());
        assert_ne!(one, other);
        assert!(is_plain(&one) && one.len() == 32);
    }
}
