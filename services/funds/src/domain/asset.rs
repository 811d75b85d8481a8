//! What can be held: cash or the shares of one symbol, and how much of it.

use std::fmt;

use outcry_contracts::types::v1::{AssetAmount, Shares, asset_amount};
use outcry_events::money::{Amount, CURRENCY, MoneyError};
use serde::{Deserialize, Serialize};

/// Most that one account can hold of one asset, in the asset's unit. It is the largest amount of
/// cash a message can carry; shares share the bound so that one check fits both.
pub const HOLDING_MAX: i64 = Amount::MAX.raw();

/// Cash, or the shares of one symbol.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Asset(String);

/// So much of an asset: ten-thousandths of the currency unit for cash, whole shares for shares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    asset: Asset,
    amount: i64,
}

/// Why something is not a [`Value`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// Neither cash nor shares.
    #[error("neither cash nor shares are given")]
    Missing,
    /// The cash is no amount.
    #[error(transparent)]
    Money(#[from] MoneyError),
    /// The currency cannot be a symbol: its holdings would be taken for cash.
    #[error("{CURRENCY} is a currency, not a symbol")]
    CurrencyAsSymbol,
    /// More than anybody can hold.
    #[error("the quantity is too large")]
    TooLarge,
}

// === impl Asset ===

impl Asset {
    /// Cash in the platform's one currency.
    #[must_use]
    pub fn cash() -> Asset {
        Asset(CURRENCY.to_owned())
    }

    /// The shares of a symbol.
    ///
    /// # Errors
    /// [`ValueError::CurrencyAsSymbol`].
    pub fn shares(symbol: &str) -> Result<Asset, ValueError> {
        if symbol == CURRENCY {
            return Err(ValueError::CurrencyAsSymbol);
        }
        Ok(Asset(symbol.to_owned()))
    }

    /// Whether it is cash.
    #[must_use]
    pub fn is_cash(&self) -> bool {
        self.0 == CURRENCY
    }

    /// `USD`, or the symbol.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0
    }

    /// So much of it.
    ///
    /// # Errors
    /// [`ValueError::TooLarge`] beyond [`HOLDING_MAX`] either way.
    pub fn value(&self, amount: i64) -> Result<Value, ValueError> {
        if !(-HOLDING_MAX..=HOLDING_MAX).contains(&amount) {
            return Err(ValueError::TooLarge);
        }
        Ok(Value {
            asset: self.clone(),
            amount,
        })
    }
}

impl fmt::Display for Asset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

// === impl Value ===

impl Value {
    /// So much cash.
    #[must_use]
    pub fn cash(amount: Amount) -> Value {
        Value {
            asset: Asset::cash(),
            amount: amount.raw(),
        }
    }

    /// So many shares.
    ///
    /// # Errors
    /// The symbol is the currency, or it is more than anybody can hold.
    pub fn shares(symbol: &str, quantity: i64) -> Result<Value, ValueError> {
        Asset::shares(symbol)?.value(quantity)
    }

    /// Reads a message's field.
    ///
    /// # Errors
    /// [`ValueError`].
    pub fn from_message(message: Option<&AssetAmount>) -> Result<Value, ValueError> {
        match message.and_then(|message| message.asset.as_ref()) {
            None => Err(ValueError::Missing),
            Some(asset_amount::Asset::Cash(money)) => Ok(Value::cash(Amount::from_money(money)?)),
            Some(asset_amount::Asset::Shares(shares)) => {
                Value::shares(&shares.symbol, shares.quantity)
            }
        }
    }

    /// The value for a message's field.
    #[must_use]
    pub fn to_message(&self) -> AssetAmount {
        let asset = if self.asset.is_cash() {
            asset_amount::Asset::Cash(self.as_amount().to_money())
        } else {
            asset_amount::Asset::Shares(Shares {
                symbol: self.asset.name().to_owned(),
                quantity: self.amount,
            })
        };
        AssetAmount { asset: Some(asset) }
    }

    /// Of what.
    #[must_use]
    pub fn asset(&self) -> &Asset {
        &self.asset
    }

    /// How much, in the asset's unit.
    #[must_use]
    pub fn amount(&self) -> i64 {
        self.amount
    }

    /// The number as money, for cash.
    fn as_amount(&self) -> Amount {
        #[expect(
            clippy::expect_used,
            reason = "every constructor keeps the number within HOLDING_MAX, the range of Amount"
        )]
        Amount::from_raw(self.amount).expect("a value within the range of amounts")
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.asset.is_cash() {
            write!(f, "{} {}", self.as_amount(), self.asset)
        } else {
            write!(f, "{} {}", self.amount, self.asset)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_survive_the_wire() {
        for value in [
            Value::cash("12.3456".parse().unwrap()),
            Value::shares("ACME", 17).unwrap(),
        ] {
            let message = value.to_message();
            assert_eq!(Value::from_message(Some(&message)), Ok(value));
        }
    }

    #[test]
    fn the_currency_is_no_symbol() {
        assert_eq!(
            Value::shares(CURRENCY, 1),
            Err(ValueError::CurrencyAsSymbol)
        );
    }

    #[test]
    fn nothing_and_too_much_are_no_values() {
        assert_eq!(Value::from_message(None), Err(ValueError::Missing));
        let empty = AssetAmount { asset: None };
        assert_eq!(Value::from_message(Some(&empty)), Err(ValueError::Missing));
        assert_eq!(Value::shares("ACME", i64::MAX), Err(ValueError::TooLarge));
    }
}
