//! Checks before anything is locked, and what must be locked. Pure.
//!
//! Two kinds of no: a request that is not an order at all ([`malformed`]) is refused without a
//! trace; an order that the rules do not allow ([`assess`]) is kept as a rejected order, because
//! its owner wants to find it again.

use outcry_contracts::orders::v1::{OrderTerms, OrderType, RejectReason, Side, TimeInForce};
use outcry_contracts::types::v1::{AssetAmount, Shares, asset_amount::Asset};
use outcry_contracts::users::v1::UserStatus;
use outcry_events::Amount;
use outcry_events::money::Rounding;
use serde::{Deserialize, Serialize};

use crate::config::{BASIS_POINTS, Config, Instrument};
use crate::domain::Refused;

/// What an order needs before it may go to the venue. Fixed when the order is placed: prices and
/// configuration may change before it is carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Need {
    /// What must be locked.
    pub lock: Lock,
    /// Price beyond which the venue must not fill it, in ten-thousandths.
    pub protection: i64,
}

/// What must be locked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lock {
    /// Cash for a buy, in ten-thousandths.
    Cash(i64),
    /// Shares for a sell.
    Shares {
        /// Of what.
        symbol: String,
        /// How many.
        quantity: i64,
    },
}

/// The top of a book.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quote {
    /// Highest price somebody buys at.
    pub best_bid: Option<Amount>,
    /// Lowest price somebody sells at.
    pub best_ask: Option<Amount>,
    /// Whether trading is halted.
    pub halted: bool,
}

/// A request that is not an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// The field at fault.
    pub field: &'static str,
    /// What it must be.
    pub message: String,
}

/// What is wrong with the terms as such, whoever sends them.
pub fn malformed(terms: &OrderTerms) -> Option<Malformed> {
    let wrong = |field, message: &str| {
        let message = message.to_owned();
        Some(Malformed { field, message })
    };
    let market = terms.r#type() == OrderType::Market;
    match &terms.limit_price {
        None if !market => return wrong("terms.limit_price", "must be given for a limit order"),
        Some(_) if market => {
            return wrong("terms.limit_price", "must be left out for a market order");
        }
        None => {}
        Some(price) => match Amount::from_money(price) {
            Err(error) => return wrong("terms.limit_price", &error.to_string()),
            Ok(price) if !price.is_positive() => {
                return wrong("terms.limit_price", "must be more than nothing");
            }
            Ok(_) => {}
        },
    }
    let immediate = matches!(terms.time_in_force(), TimeInForce::Ioc | TimeInForce::Fok);
    if terms.post_only && (market || immediate) {
        return wrong(
            "terms.post_only",
            "must be false for an order that cannot rest",
        );
    }
    None
}

/// Whether the rules allow an order of these (well-formed) terms, and what it then needs.
///
/// `user` is what is known of its owner, `quote` the top of the book for a market order.
///
/// # Errors
/// Why it is refused.
pub fn assess(
    config: &Config,
    user: Option<UserStatus>,
    terms: &OrderTerms,
    quote: Quote,
) -> Result<Need, Refused> {
    check_user(user)?;
    let instrument = instrument(config, &terms.symbol)?;
    check_lot(instrument, terms.quantity)?;
    let price = match Amount::from_required(terms.limit_price.as_ref()) {
        Ok(limit) => limit,
        Err(_) => collar(config, instrument, terms.side(), quote)?,
    };
    check_price(instrument, price, terms.quantity)?;
    Ok(Need {
        lock: lock(config, terms, price, terms.quantity).ok_or_else(|| too_large(instrument))?,
        protection: price.raw(),
    })
}

/// Whether a user may have new orders.
///
/// # Errors
/// Why not.
pub fn check_user(user: Option<UserStatus>) -> Result<(), Refused> {
    match user {
        Some(UserStatus::Active) => Ok(()),
        None => Err(refused(
            RejectReason::AccountNotReady,
            "the account is being opened; try again in a moment",
        )),
        Some(_) => Err(refused(
            RejectReason::UserNotActive,
            "the user is not active",
        )),
    }
}

/// Whether these new terms are allowed for an order of this symbol.
///
/// # Errors
/// Why not.
pub fn check_terms(
    config: &Config,
    symbol: &str,
    price: Amount,
    quantity: i64,
) -> Result<(), Refused> {
    let instrument = instrument(config, symbol)?;
    check_lot(instrument, quantity)?;
    check_price(instrument, price, quantity)
}

/// What must be locked for so many shares at this price at worst: for a buy their value and the
/// largest fee there can be on it, rounded up; for a sell the shares. None when it is too large.
pub fn lock(config: &Config, terms: &OrderTerms, price: Amount, quantity: i64) -> Option<Lock> {
    if terms.side() == Side::Sell {
        return Some(Lock::Shares {
            symbol: terms.symbol.clone(),
            quantity,
        });
    }
    let value = price.checked_mul(quantity)?;
    let fee = value.checked_mul_div(config.max_fee_bps(), BASIS_POINTS, Rounding::Ceil)?;
    Some(Lock::Cash(value.checked_add(fee)?.raw()))
}

fn instrument<'a>(config: &'a Config, symbol: &str) -> Result<&'a Instrument, Refused> {
    config.instrument(symbol).ok_or_else(|| {
        let message = format!("{symbol} cannot be traded here");
        refused(RejectReason::UnknownSymbol, message)
    })
}

fn check_lot(instrument: &Instrument, quantity: i64) -> Result<(), Refused> {
    if quantity % instrument.lot == 0 {
        return Ok(());
    }
    let message = format!("the quantity must be a multiple of {}", instrument.lot);
    Err(refused(RejectReason::BadLot, message))
}

fn check_price(instrument: &Instrument, price: Amount, quantity: i64) -> Result<(), Refused> {
    if !price.is_positive() || price.raw() % instrument.tick.raw() != 0 {
        let message = format!("the price must be a multiple of {}", instrument.tick);
        return Err(refused(RejectReason::BadTick, message));
    }
    match price.checked_mul(quantity) {
        Some(value) if value <= instrument.max_order_value => Ok(()),
        _ => Err(too_large(instrument)),
    }
}

/// The worst price a market order may get: a little beyond the best one, on a tick.
fn collar(
    config: &Config,
    instrument: &Instrument,
    side: Side,
    quote: Quote,
) -> Result<Amount, Refused> {
    if quote.halted {
        return Err(refused(RejectReason::SymbolHalted, "trading is halted"));
    }
    let bps = i64::from(config.market_collar_bps);
    let tick = instrument.tick.raw();
    let (best, factor, rounding) = match side {
        Side::Sell => (quote.best_bid, BASIS_POINTS - bps, Rounding::Ceil),
        Side::Buy | Side::Unspecified => (quote.best_ask, BASIS_POINTS + bps, Rounding::Floor),
    };
    let best = best.ok_or_else(|| {
        refused(
            RejectReason::NoLiquidity,
            "there is nobody to trade with at the moment",
        )
    })?;
    // Rounded towards the best price, which is on a tick itself, so never past it; and a sell is
    // protected down to one tick at least.
    best.checked_mul_div(factor, BASIS_POINTS * tick, rounding)
        .map(|ticks| ticks.raw().max(1))
        .and_then(|ticks| Amount::from_raw(ticks.checked_mul(tick)?).ok())
        .ok_or_else(|| too_large(instrument))
}

fn too_large(instrument: &Instrument) -> Refused {
    let message = format!(
        "an order may be worth {} at most",
        instrument.max_order_value
    );
    refused(RejectReason::ValueLimit, message)
}

fn refused(reason: RejectReason, message: impl Into<String>) -> Refused {
    Refused {
        reason,
        message: message.into(),
    }
}

// === impl Need ===

impl Need {
    /// The price as an amount.
    pub fn protection(&self) -> Amount {
        // Made from an amount, so in range.
        Amount::from_raw(self.protection).unwrap_or_default()
    }
}

// === impl Lock ===

impl Lock {
    /// As a message.
    pub fn to_message(&self) -> AssetAmount {
        let asset = match self {
            // Made from an amount, so in range.
            Self::Cash(raw) => Asset::Cash(Amount::from_raw(*raw).unwrap_or_default().to_money()),
            Self::Shares { symbol, quantity } => Asset::Shares(Shares {
                symbol: symbol.clone(),
                quantity: *quantity,
            }),
        };
        AssetAmount { asset: Some(asset) }
    }

    /// How much, in the unit of what it is.
    pub fn size(&self) -> i64 {
        match self {
            Self::Cash(raw) => *raw,
            Self::Shares { quantity, .. } => *quantity,
        }
    }
}

#[cfg(test)]
mod tests;
