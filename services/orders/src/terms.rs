//! Whether a request is an order at all: which fields belong together. Pure.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use outcry_contracts::orders::v1::{OrderTerms, OrderType, ReplaceOrderRequest, TimeInForce};
use outcry_contracts::types::v1::Money;
use outcry_events::Amount;
use outcry_mesh::refusal::DOMAIN;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// How far ahead the end of an order may be: a year and a day. Whoever wants longer wants GTC.
const GTD_MAX: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// One field that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// The field at fault.
    pub field: &'static str,
    /// What it must be.
    pub message: String,
}

/// What is wrong with the terms as such, whoever sends them at `now`; nothing, for an order.
pub fn malformed(terms: &OrderTerms, now: SystemTime) -> Vec<Malformed> {
    let (kind, force) = (terms.r#type(), terms.time_in_force());
    let limited = has_limit(kind);
    let stops = waits_for_stop(kind);
    let mut found = Vec::new();
    let mut wrong = |field, message: String| found.push(Malformed { field, message });
    for (field, price, wanted, of) in [
        (
            "terms.limit_price",
            &terms.limit_price,
            limited,
            "a limit or stop-limit order",
        ),
        (
            "terms.stop_price",
            &terms.stop_price,
            stops,
            "a stop or stop-limit order",
        ),
    ] {
        match price {
            None if wanted => wrong(field, format!("must be given for {of}")),
            Some(_) if !wanted => wrong(field, format!("must be left out: it is for {of}")),
            Some(price) => {
                if let Err(message) = price_of(price) {
                    wrong(field, message);
                }
            }
            None => {}
        }
    }
    let immediate = matches!(force, TimeInForce::Ioc | TimeInForce::Fok);
    if stops && immediate {
        wrong(
            "terms.time_in_force",
            "must be DAY, GTC or GTD for an order that waits for its stop price".to_owned(),
        );
    }
    if kind == OrderType::Market && force == TimeInForce::Gtd {
        wrong(
            "terms.time_in_force",
            "must be DAY, GTC, IOC or FOK for a market order, which never rests".to_owned(),
        );
    }
    if terms.post_only && (kind != OrderType::Limit || immediate) {
        wrong(
            "terms.post_only",
            "must be false: only a limit order that may rest (DAY, GTC, GTD) can be post-only"
                .to_owned(),
        );
    }
    if let Err(message) = check_end(terms, now) {
        wrong("terms.expires_at", message);
    }
    found
}

/// What is wrong with a wish to change an order of this type.
pub fn malformed_change(asked: &ReplaceOrderRequest, kind: OrderType) -> Vec<Malformed> {
    let mut found = Vec::new();
    for (field, price, may, of) in [
        ("limit_price", &asked.limit_price, has_limit(kind), "limit"),
        (
            "stop_price",
            &asked.stop_price,
            waits_for_stop(kind),
            "stop price",
        ),
    ] {
        let Some(price) = price else { continue };
        let message = if may {
            price_of(price).err()
        } else {
            Some(format!("must be left out: the order has no {of}"))
        };
        found.extend(message.map(|message| Malformed { field, message }));
    }
    found
}

/// `INVALID_ARGUMENT` that names every field at fault.
pub fn refusal(malformed: &[Malformed]) -> Status {
    let mut details = ErrorDetails::new();
    details.set_error_info("INVALID_FIELD", DOMAIN, HashMap::new());
    for one in malformed {
        details.add_bad_request_violation(one.field, one.message.clone());
    }
    let all: Vec<String> = malformed
        .iter()
        .map(|one| format!("{}: {}", one.field, one.message))
        .collect();
    Status::with_error_details(Code::InvalidArgument, all.join("; "), details)
}

/// Whether an order of this type has a limit of its own.
pub fn has_limit(kind: OrderType) -> bool {
    matches!(kind, OrderType::Limit | OrderType::StopLimit)
}

/// Whether an order of this type waits for a stop price.
pub fn waits_for_stop(kind: OrderType) -> bool {
    matches!(kind, OrderType::Stop | OrderType::StopLimit)
}

/// A price as an amount.
fn price_of(price: &Money) -> Result<Amount, String> {
    match Amount::from_money(price) {
        Ok(price) if price.is_positive() => Ok(price),
        Ok(_) => Err("must be more than nothing".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// The end of a GTD order.
fn check_end(terms: &OrderTerms, now: SystemTime) -> Result<(), String> {
    let ends = terms.time_in_force() == TimeInForce::Gtd;
    let Some(end) = &terms.expires_at else {
        return match ends {
            true => Err("must be given for GTD: when the order ends".to_owned()),
            false => Ok(()),
        };
    };
    if !ends {
        return Err("must be left out: it is for GTD".to_owned());
    }
    let end = SystemTime::try_from(*end).map_err(|_| "must be a time".to_owned())?;
    if end <= now {
        return Err("must be in the future".to_owned());
    }
    if end > now + GTD_MAX {
        let days = GTD_MAX.as_secs() / (24 * 60 * 60);
        return Err(format!("must be within {days} days; use GTC for longer"));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
