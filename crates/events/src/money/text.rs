//! Amounts as text: `12.34`, with as many decimals as needed, at least two and at most four.
//! The same text is their form in JSON, so that no reader can turn it into a float unasked.

use std::fmt;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::{Serialize, Serializer};

use super::{Amount, MoneyError, PER_UNIT};

/// Decimals an amount can have.
const DECIMALS_MAX: usize = 4;

/// Digits that can stand before the point in the largest amount.
const WHOLE_DIGITS_MAX: usize = 15;

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let raw = self.raw().unsigned_abs();
        let per_unit = PER_UNIT.unsigned_abs();
        let (whole, part) = (raw / per_unit, raw % per_unit);
        let digits = if part % 100 == 0 {
            format!("{whole}.{:02}", part / 100)
        } else if part % 10 == 0 {
            format!("{whole}.{:03}", part / 10)
        } else {
            format!("{whole}.{part:04}")
        };
        f.pad_integral(!self.is_negative(), "", &digits)
    }
}

impl FromStr for Amount {
    type Err = MoneyError;

    fn from_str(text: &str) -> Result<Amount, MoneyError> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text),
        };
        let (whole, part) = match digits.split_once('.') {
            Some((whole, part)) => (whole, Some(part)),
            None => (digits, None),
        };
        let whole = digits_of(whole)?;
        let part = part.map_or(Ok("0"), digits_of)?;
        if part.len() > DECIMALS_MAX {
            return Err(MoneyError::TooPrecise);
        }
        let whole = whole.trim_start_matches('0');
        if whole.len() > WHOLE_DIGITS_MAX {
            return Err(MoneyError::Overflow);
        }
        // At most 19 digits, so below 10^19: an i128 holds them.
        let steps: i128 = format!("0{whole}{part:0<DECIMALS_MAX$}")
            .parse()
            .map_err(|_| MoneyError::Malformed)?;
        let steps = i64::try_from(steps).map_err(|_| MoneyError::Overflow)?;
        Amount::from_raw(if negative { -steps } else { steps })
    }
}

/// The text, if it is one or more ASCII digits.
fn digits_of(text: &str) -> Result<&str, MoneyError> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(MoneyError::Malformed);
    }
    Ok(text)
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Amount, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}
