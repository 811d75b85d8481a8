//! Checks before anything is locked, and what must be locked. Pure.
//!
//! An order that the rules do not allow ([`assess`]) is kept as a rejected order, because its owner
//! wants to find it again. What is not an order at all never comes here: see
//! [`terms`](crate::terms).

use outcry_contracts::orders::v1::{OrderTerms, OrderType, RejectReason, Side};
use outcry_contracts::trades::v1::SessionState;
use outcry_contracts::types::v1::{AssetAmount, Shares, asset_amount::Asset};
use outcry_contracts::users::v1::UserStatus;
use outcry_events::Amount;
use outcry_events::money::Rounding;
use serde::{Deserialize, Serialize};

use crate::config::{BASIS_POINTS, Config};
use crate::domain::Refused;
use crate::instruments::Rules;

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
    /// What the market allows.
    pub session: SessionState,
}

/// Whether the rules allow an order of these (well-formed) terms, and what it then needs.
///
/// `user` is what is known of its owner, `rules` those of its symbol, if it can be traded; `quote`
/// is the top of the book for a market order.
///
/// # Errors
/// Why it is refused.
pub fn assess(
    config: &Config,
    user: Option<UserStatus>,
    terms: &OrderTerms,
    rules: Option<&Rules>,
    quote: Quote,
) -> Result<Need, Refused> {
    check_user(user)?;
    let rules = rules.ok_or_else(|| {
        let message = format!("{} cannot be traded here", terms.symbol);
        refused(RejectReason::UnknownSymbol, message)
    })?;
    let limit = Amount::from_required(terms.limit_price.as_ref()).ok();
    let stop = Amount::from_required(terms.stop_price.as_ref()).ok();
    if let Some(stop) = stop {
        check_tick(rules, stop)?;
    }
    let price = match (limit, stop) {
        (Some(limit), _) => limit,
        (None, Some(stop)) => {
            collar(config, rules, terms.side(), stop).ok_or_else(|| too_valuable(rules))?
        }
        (None, None) => market_collar(config, rules, terms.side(), quote)?,
    };
    check_order(rules, price, terms.quantity)?;
    if terms.r#type() == OrderType::Limit {
        check_band(rules, price)?;
    }
    Ok(Need {
        lock: lock(config, terms, price, terms.quantity).ok_or_else(|| too_valuable(rules))?,
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

/// Whether an order may have this price (limit or collar) and quantity.
///
/// # Errors
/// Why not.
pub fn check_order(rules: &Rules, price: Amount, quantity: i64) -> Result<(), Refused> {
    if quantity % rules.lot != 0 {
        let message = format!("the quantity must be a multiple of {}", rules.lot);
        return Err(refused(RejectReason::BadLot, message));
    }
    check_tick(rules, price)?;
    if let Some(most) = rules.max_quantity.filter(|most| quantity > *most) {
        let message = format!("an order may be for {most} shares at most");
        return Err(refused(RejectReason::ValueLimit, message));
    }
    match (price.checked_mul(quantity), rules.max_value) {
        (Some(value), Some(most)) if value > most => Err(too_valuable(rules)),
        (Some(_), _) => Ok(()),
        (None, _) => Err(too_valuable(rules)),
    }
}

/// Whether a price is one there is.
///
/// # Errors
/// It is not.
pub fn check_tick(rules: &Rules, price: Amount) -> Result<(), Refused> {
    if price.is_positive() && price.raw() % rules.tick.raw() == 0 {
        return Ok(());
    }
    let message = format!("the price must be a multiple of {}", rules.tick);
    Err(refused(RejectReason::BadTick, message))
}

/// Whether a limit is within the band around the reference price.
///
/// # Errors
/// It is not.
pub fn check_band(rules: &Rules, limit: Amount) -> Result<(), Refused> {
    let (Some(bps), Some(reference)) = (rules.band_bps, rules.reference) else {
        return Ok(());
    };
    let (limit, reference) = (i128::from(limit.raw()), i128::from(reference.raw()));
    let away = (limit - reference).abs() * i128::from(BASIS_POINTS);
    if away <= reference * i128::from(bps) {
        return Ok(());
    }
    let message = format!(
        "the limit may be {}.{:02} % away from the last price at most",
        bps / 100,
        bps % 100
    );
    Err(refused(RejectReason::PriceBand, message))
}

/// The worst price an order without a limit may get: a little beyond `from`, on a tick. None when
/// there is no such price.
pub fn collar(config: &Config, rules: &Rules, side: Side, from: Amount) -> Option<Amount> {
    let bps = i64::from(config.market_collar_bps);
    let tick = rules.tick.raw();
    let (factor, rounding) = match side {
        Side::Sell => (BASIS_POINTS - bps, Rounding::Ceil),
        Side::Buy | Side::Unspecified => (BASIS_POINTS + bps, Rounding::Floor),
    };
    // Rounded towards the price it begins from, which is on a tick itself, so never past it; and a
    // sell is protected down to one tick at least.
    from.checked_mul_div(factor, BASIS_POINTS * tick, rounding)
        .map(|ticks| ticks.raw().max(1))
        .and_then(|ticks| Amount::from_raw(ticks.checked_mul(tick)?).ok())
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

/// The collar of a market order, from the best price on the other side.
fn market_collar(
    config: &Config,
    rules: &Rules,
    side: Side,
    quote: Quote,
) -> Result<Amount, Refused> {
    match quote.session {
        SessionState::Halted | SessionState::CancelOnly => {
            return Err(refused(RejectReason::SymbolHalted, "trading is halted"));
        }
        SessionState::Closed => {
            return Err(refused(RejectReason::SymbolClosed, "the market is closed"));
        }
        SessionState::Unspecified | SessionState::Open | SessionState::PostOnly => {}
    }
    let best = match side {
        Side::Sell => quote.best_bid,
        Side::Buy | Side::Unspecified => quote.best_ask,
    };
    let best = best.ok_or_else(|| {
        refused(
            RejectReason::NoLiquidity,
            "there is nobody to trade with at the moment",
        )
    })?;
    collar(config, rules, side, best).ok_or_else(|| too_valuable(rules))
}

fn too_valuable(rules: &Rules) -> Refused {
    let message = match rules.max_value {
        Some(most) => format!("an order may be worth {most} at most"),
        None => "the order is worth more than can be counted".to_owned(),
    };
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
