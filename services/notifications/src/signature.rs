//! Signatures of webhooks: HMAC-SHA256 over the time and the body. Pure.

use hmac::{Hmac, Mac};
use sha2::Sha256;

/// Header with the signature.
pub const SIGNATURE: &str = "outcry-signature";

/// Value of [`SIGNATURE`] for a body sent at a time in seconds since 1970:
/// `t=<time>,v1=<hexadecimal HMAC-SHA256 of "<time>.<body>">`.
///
/// The time is inside what is signed, so that a receiver can refuse what was recorded long ago.
pub fn signature(secret: &str, at_s: u64, body: &[u8]) -> String {
    let mut mac = keyed(secret);
    mac.update(format!("{at_s}.").as_bytes());
    mac.update(body);
    let digest = mac.finalize().into_bytes();
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={at_s},v1={hex}")
}

#[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
fn keyed(secret: &str) -> Hmac<Sha256> {
    Hmac::new_from_slice(secret.as_bytes()).expect("a key")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed with another implementation: `printf '1700000000.{"a":1}' | openssl dgst -sha256
    /// -hmac secret`.
    #[test]
    fn a_signature_is_what_other_implementations_compute() {
        assert_eq!(
            signature("secret", 1_700_000_000, br#"{"a":1}"#),
            "t=1700000000,v1=49f24e537407743fa4a0242bb63b94b9a47ee99cbbe071ccd8a22550ae411686"
        );
    }

    #[test]
    fn time_body_and_secret_are_all_signed() {
        let signed = |secret, at, body: &[u8]| {
            let text = signature(secret, at, body);
            text.split_once("v1=").map(|(_, hex)| hex.to_owned())
        };
        let one = signed("a", 1, b"x");
        assert_ne!(one, signed("b", 1, b"x"));
        assert_ne!(one, signed("a", 2, b"x"));
        assert_ne!(one, signed("a", 1, b"y"));
    }
}
