//! Webhooks of the sandbox: one JSON object each.
//!
//! `{"id":"evt-…","type":"payment.captured","payment_id":"…","reference":"…","amount":"12.00",
//! "currency":"USD"}`; `payment.authorized` has no amount, `payment.declined` a `message`. Types it
//! may have one day say nothing here, and say so by being taken.

use outcry_contracts::types::v1::Money;
use outcry_events::Amount;
use serde::{Deserialize, Serialize};

use crate::provider::{Capture, Notice, REFERENCE_BYTES_MAX, Standing, Unreadable};

const AUTHORIZED: &str = "payment.authorized";
const CAPTURED: &str = "payment.captured";
const DECLINED: &str = "payment.declined";
const OPEN: &str = "payment.open";

#[derive(Debug, Serialize, Deserialize)]
struct Letter {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    payment_id: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    reference: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    amount: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    currency: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    message: String,
}

/// The webhook that says so.
pub fn write(notice: &Notice) -> Vec<u8> {
    let mut letter = Letter {
        id: notice.event_id.clone(),
        kind: String::new(),
        payment_id: notice.payment_id.clone(),
        reference: String::new(),
        amount: String::new(),
        currency: String::new(),
        message: String::new(),
    };
    letter.kind = match &notice.standing {
        Standing::Open => OPEN,
        Standing::Authorized => AUTHORIZED,
        Standing::Captured(capture) => {
            letter.reference.clone_from(&capture.reference);
            letter.currency.clone_from(&capture.money.currency_code);
            letter.amount = digits(&capture.money);
            CAPTURED
        }
        Standing::Declined { message } => {
            letter.message.clone_from(message);
            DECLINED
        }
    }
    .to_owned();
    // Strings under names of strings: there is nothing that JSON could not hold.
    serde_json::to_vec(&letter).unwrap_or_default()
}

/// What a webhook says.
///
/// # Errors
/// It is not such an object, or holds what nobody could have captured.
pub fn read(body: &[u8]) -> Result<Notice, Unreadable> {
    let letter: Letter =
        serde_json::from_slice(body).map_err(|error| Unreadable(error.to_string()))?;
    for (name, value) in [("id", &letter.id), ("payment_id", &letter.payment_id)] {
        bounded(name, value)?;
    }
    let standing = match letter.kind.as_str() {
        AUTHORIZED => Standing::Authorized,
        CAPTURED => {
            bounded("reference", &letter.reference)?;
            Standing::Captured(Capture {
                money: money(&letter.amount, &letter.currency)?,
                reference: letter.reference,
            })
        }
        DECLINED => Standing::Declined {
            message: letter.message,
        },
        _ => Standing::Open,
    };
    Ok(Notice {
        event_id: letter.id,
        payment_id: letter.payment_id,
        standing,
    })
}

fn bounded(name: &str, value: &str) -> Result<(), Unreadable> {
    if (1..=REFERENCE_BYTES_MAX).contains(&value.len()) {
        return Ok(());
    }
    Err(Unreadable(format!(
        "`{name}` must have 1 to {REFERENCE_BYTES_MAX} bytes"
    )))
}

/// An amount of any currency, with the four decimals at most that ours has.
fn money(amount: &str, currency: &str) -> Result<Money, Unreadable> {
    let parsed: Amount = amount
        .parse()
        .map_err(|error| Unreadable(format!("`amount`: {error}")))?;
    let is_code = currency.len() == 3 && currency.bytes().all(|byte| byte.is_ascii_uppercase());
    if !parsed.is_positive() || !is_code {
        let wanted = "a capture is more than nothing of a currency by its ISO 4217 code";
        return Err(Unreadable(wanted.to_owned()));
    }
    Ok(Money {
        currency_code: currency.to_owned(),
        ..parsed.to_money()
    })
}

/// The digits of an amount of any currency.
fn digits(money: &Money) -> String {
    let ours = Money {
        currency_code: outcry_events::money::CURRENCY.to_owned(),
        ..money.clone()
    };
    Amount::from_money(&ours).unwrap_or_default().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice(standing: Standing) -> Notice {
        Notice {
            event_id: "evt-1".to_owned(),
            payment_id: "p-1".to_owned(),
            standing,
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        let mut money = Amount::from_units(12).to_money();
        let ours = Capture {
            money: money.clone(),
            reference: "r-1".to_owned(),
        };
        money.currency_code = "EUR".to_owned();
        let foreign = Capture {
            money,
            reference: "r-2".to_owned(),
        };
        let message = "no \"money\"".to_owned();
        for standing in [
            Standing::Open,
            Standing::Authorized,
            Standing::Captured(ours),
            Standing::Captured(foreign),
            Standing::Declined { message },
        ] {
            let notice = notice(standing);
            assert_eq!(read(&write(&notice)), Ok(notice));
        }
    }

    #[test]
    fn what_nobody_can_have_captured_is_unreadable() {
        let letter = |amount: &str, currency: &str, reference: &str| {
            format!(
                r#"{{"id":"e","type":"payment.captured","payment_id":"p","reference":"{reference}","amount":"{amount}","currency":"{currency}"}}"#
            )
        };
        assert!(read(letter("1.00", "USD", "r").as_bytes()).is_ok());
        for (amount, currency, reference) in [
            ("0.00", "USD", "r"),
            ("-1.00", "USD", "r"),
            ("1e3", "USD", "r"),
            ("1.00", "usd", "r"),
            ("1.00", "", "r"),
            ("1.00", "USD", ""),
            ("1.00", "USD", &"r".repeat(129)),
        ] {
            let refused = read(letter(amount, currency, reference).as_bytes());
            assert!(refused.is_err(), "{amount} {currency} {reference}");
        }
        for body in ["", "{}", "[]", "null", r#"{"id":"e","id":"f"}"#] {
            assert!(read(body.as_bytes()).is_err(), "{body}");
        }
    }

    #[test]
    fn an_unknown_type_says_nothing() {
        let body = br#"{"id":"e","type":"dispute.opened","payment_id":"p","more":[1]}"#;
        assert_eq!(read(body).unwrap().standing, Standing::Open);
    }
}
