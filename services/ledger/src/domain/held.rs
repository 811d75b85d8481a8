//! Amounts as events carry them, read as an asset and a number.

use outcry_contracts::types::v1::{AssetAmount, Money, asset_amount};
use outcry_events::money::{Amount, CURRENCY};

use super::posting::PostingError;

/// Name of the field most events carry their amount in.
const FIELD: &str = "amount";

/// An asset's name and a number in its unit, more than nothing.
pub(super) struct Held {
    pub(super) asset: String,
    pub(super) amount: i64,
    pub(super) is_shares: bool,
}

// === impl Held ===

impl Held {
    /// What accounts can hold: cash in the platform's currency, or shares.
    pub(super) fn read(amount: Option<&AssetAmount>) -> Result<Held, PostingError> {
        match amount.and_then(|amount| amount.asset.as_ref()) {
            None => Err(PostingError::Missing { field: FIELD }),
            Some(asset_amount::Asset::Cash(money)) => Ok(Held {
                asset: CURRENCY.to_owned(),
                amount: positive(cash(Some(money), FIELD)?.raw(), FIELD)?,
                is_shares: false,
            }),
            // Shares under the currency's name would be booked as cash.
            Some(asset_amount::Asset::Shares(shares)) if shares.symbol == CURRENCY => {
                Err(PostingError::Range { field: FIELD })
            }
            Some(asset_amount::Asset::Shares(shares)) => Ok(Held {
                asset: shares.symbol.clone(),
                amount: positive(shares.quantity, FIELD)?,
                is_shares: true,
            }),
        }
    }

    /// Cash that need not be in the currency accounts are kept in.
    pub(super) fn in_any_currency(amount: Option<&AssetAmount>) -> Result<Held, PostingError> {
        match amount.and_then(|amount| amount.asset.as_ref()) {
            None => Err(PostingError::Missing { field: FIELD }),
            Some(asset_amount::Asset::Cash(money)) => Held::of_money(money, FIELD),
            Some(asset_amount::Asset::Shares(_)) => Err(PostingError::Range { field: FIELD }),
        }
    }

    /// Money in whatever currency.
    pub(super) fn of_money(money: &Money, field: &'static str) -> Result<Held, PostingError> {
        let number = Money {
            currency_code: CURRENCY.to_owned(),
            ..money.clone()
        };
        Ok(Held {
            asset: money.currency_code.clone(),
            amount: positive(cash(Some(&number), field)?.raw(), field)?,
            is_shares: false,
        })
    }
}

/// An amount that is not negative.
pub(super) fn cash(money: Option<&Money>, field: &'static str) -> Result<Amount, PostingError> {
    let money = money.ok_or(PostingError::Missing { field })?;
    let amount =
        Amount::from_money(money).map_err(|source| PostingError::Amount { field, source })?;
    if amount.is_negative() {
        return Err(PostingError::Range { field });
    }
    Ok(amount)
}

/// A number that is more than nothing.
pub(super) fn positive(number: i64, field: &'static str) -> Result<i64, PostingError> {
    if number <= 0 {
        return Err(PostingError::Range { field });
    }
    Ok(number)
}
