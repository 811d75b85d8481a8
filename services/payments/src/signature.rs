//! Signatures of webhooks: `t=<unix seconds>,v1=<64 hexadecimal digits>`, where the digits are the
//! HMAC-SHA256 of `<unix seconds>.<body>`. Pure: the time is given.
//!
//! The header is read strictly, so that one signature has one spelling.

#[cfg(test)]
mod tests;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::secret::Secret;

/// How far the time of a signature may be from ours, either way: clocks differ and messages take
/// their time, and a recorded webhook is worthless soon.
pub const SKEW_MAX: Duration = Duration::from_secs(300);

/// Bytes of a signature.
const SIGNATURE_BYTES: usize = 32;

/// Digits of a time at most: enough until the year 33,658.
const TIME_DIGITS_MAX: usize = 12;

/// The secrets that count. The first signs; all of them are accepted, so that a secret can be
/// changed while webhooks are on their way.
#[derive(Debug, Clone, Default)]
pub struct Secrets {
    secrets: Vec<Secret>,
}

/// Why a webhook is not taken for its provider's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Forged {
    /// Without a secret nobody can be believed.
    #[error("no webhook secret is set up here")]
    NoSecret,
    /// The header is missing or is none.
    #[error("the signature header must be `t=<unix seconds>,v1=<64 hexadecimal digits>`")]
    Malformed,
    /// Signed with another secret, or something else was signed.
    #[error("the signature does not fit the body")]
    Wrong,
    /// Signed too long ago, or by a clock that is too far ahead.
    #[error("the signature's time is more than {} seconds away", SKEW_MAX.as_secs())]
    Stale,
}

// === impl Forged ===

impl Forged {
    /// A constant that names the case for programs.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::NoSecret => "NO_WEBHOOK_SECRET",
            Self::Malformed => "SIGNATURE_MALFORMED",
            Self::Wrong => "SIGNATURE_WRONG",
            Self::Stale => "SIGNATURE_STALE",
        }
    }
}

// === impl Secrets ===

impl Secrets {
    /// These secrets, the one that signs first.
    pub fn new(secrets: Vec<Secret>) -> Self {
        Self { secrets }
    }

    /// Whether there is none: no webhook is believed then.
    pub(crate) fn is_empty(&self) -> bool {
        self.secrets.is_empty()
    }

    /// The header for a body signed now; none without a secret.
    pub fn sign(&self, body: &[u8], now: SystemTime) -> Option<String> {
        let seconds = now.duration_since(UNIX_EPOCH).ok()?.as_secs().to_string();
        let signature = mac(self.secrets.first()?, &seconds, body)?.finalize();
        let digits: String = signature
            .into_bytes()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Some(format!("t={seconds},v1={digits}"))
    }

    /// Whether the header signs the body, now.
    ///
    /// # Errors
    /// [`Forged`]; it is not to be believed then.
    pub fn verify(&self, header: &str, body: &[u8], now: SystemTime) -> Result<(), Forged> {
        if self.secrets.is_empty() {
            return Err(Forged::NoSecret);
        }
        let (seconds, signature) = parse(header).ok_or(Forged::Malformed)?;
        // Every secret is tried, in constant time each: how long it takes tells nothing.
        let fits = self.secrets.iter().fold(false, |fits, secret| {
            let one =
                mac(secret, seconds, body).is_some_and(|mac| mac.verify_slice(&signature).is_ok());
            fits | one
        });
        if !fits {
            return Err(Forged::Wrong);
        }
        let at = seconds
            .parse()
            .ok()
            .and_then(|seconds| UNIX_EPOCH.checked_add(Duration::from_secs(seconds)))
            .ok_or(Forged::Malformed)?;
        let away = match now.duration_since(at) {
            Ok(ago) => ago,
            Err(ahead) => ahead.duration(),
        };
        if away > SKEW_MAX {
            return Err(Forged::Stale);
        }
        Ok(())
    }
}

/// The code of a signed body, not yet finished; none is never the case, as any key fits.
fn mac(secret: &Secret, seconds: &str, body: &[u8]) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.bytes()).ok()?;
    mac.update(seconds.as_bytes());
    mac.update(b".");
    mac.update(body);
    Some(mac)
}

/// The time as it is written, and the signature.
fn parse(header: &str) -> Option<(&str, [u8; SIGNATURE_BYTES])> {
    let (seconds, digits) = header.strip_prefix("t=")?.split_once(",v1=")?;
    let is_time = (1..=TIME_DIGITS_MAX).contains(&seconds.len())
        && seconds.bytes().all(|byte| byte.is_ascii_digit());
    if !is_time || digits.len() != 2 * SIGNATURE_BYTES {
        return None;
    }
    let mut signature = [0; SIGNATURE_BYTES];
    for (byte, pair) in signature.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some((seconds, signature))
}

fn digit(character: u8) -> Option<u8> {
    match character {
        b'0'..=b'9' => Some(character - b'0'),
        b'a'..=b'f' => Some(character - b'a' + 10),
        _ => None,
    }
}
