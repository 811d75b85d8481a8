//! Exact amounts of money in the platform's one currency.
//!
//! Inside the platform money is [`Amount`]: whole ten-thousandths in an integer, so price
//! times quantity is exact. On the wire it is [`Money`]. Nothing here is a float and no
//! operation wraps around.

mod text;

use std::ops::Neg;

use outcry_contracts::types::v1::Money;

/// The one currency amounts are in (ISO 4217).
pub const CURRENCY: &str = "USD";

/// Ten-thousandths in one unit of currency: prices of shares have up to four decimals.
pub const PER_UNIT: i64 = 10_000;

/// `Money.nanos` in one ten-thousandth.
const NANOS_PER_STEP: i32 = 100_000;

/// Billionths in one unit; `Money.nanos` stays below it.
const NANOS_PER_UNIT: i32 = 1_000_000_000;

/// Largest whole amount either way: the bound of `Money.units` in the contract, so that
/// every [`Amount`] is a valid [`Money`].
const UNITS_MAX: i64 = 900_000_000_000_000;

/// Largest raw value either way.
const RAW_MAX: i64 = UNITS_MAX * PER_UNIT;

/// An amount of [`CURRENCY`] in ten-thousandths, between [`Amount::MIN`] and [`Amount::MAX`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(i64);

/// Why something is not an [`Amount`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// The amount was left out.
    #[error("an amount is missing")]
    Missing,
    /// Another currency than [`CURRENCY`].
    #[error("the currency must be {CURRENCY}")]
    Currency,
    /// Units and nanos point in different directions.
    #[error("units and nanos of an amount must have the same sign")]
    SignMismatch,
    /// Nanos reach a whole unit.
    #[error("nanos of an amount must stay below one unit")]
    NanosOutOfRange,
    /// More than four decimals.
    #[error("an amount has at most four decimals")]
    TooPrecise,
    /// Beyond [`Amount::MIN`] or [`Amount::MAX`].
    #[error("the amount is too large")]
    Overflow,
    /// Not written as a decimal number.
    #[error("an amount is written as digits, optionally with a minus and up to four decimals")]
    Malformed,
}

/// Which way an inexact quotient goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rounding {
    /// Towards minus infinity.
    Floor,
    /// Towards plus infinity: how fees are rounded.
    Ceil,
    /// To the nearest, halves to the even neighbour: how averages are rounded.
    HalfEven,
}

// === impl Amount ===

impl Amount {
    /// Nothing.
    pub const ZERO: Amount = Amount(0);
    /// The largest amount.
    pub const MAX: Amount = Amount(RAW_MAX);
    /// The largest debt.
    pub const MIN: Amount = Amount(-RAW_MAX);

    /// Whole units: `Amount::from_units(5)` is 5.00.
    #[must_use]
    pub const fn from_units(units: i32) -> Amount {
        // Cannot overflow: the product is below 2^45.
        Amount(units as i64 * PER_UNIT)
    }

    /// So many ten-thousandths.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`] beyond [`Amount::MIN`] or [`Amount::MAX`].
    pub const fn from_raw(ten_thousandths: i64) -> Result<Amount, MoneyError> {
        if ten_thousandths < -RAW_MAX || ten_thousandths > RAW_MAX {
            return Err(MoneyError::Overflow);
        }
        Ok(Amount(ten_thousandths))
    }

    /// Ten-thousandths.
    #[must_use]
    pub const fn raw(self) -> i64 {
        self.0
    }

    /// Reads an amount from a message.
    ///
    /// # Errors
    /// Another currency, disagreeing signs, nanos of a unit or more, more than four
    /// decimals, or too large.
    pub fn from_money(money: &Money) -> Result<Amount, MoneyError> {
        if money.currency_code != CURRENCY {
            return Err(MoneyError::Currency);
        }
        if money.nanos <= -NANOS_PER_UNIT || money.nanos >= NANOS_PER_UNIT {
            return Err(MoneyError::NanosOutOfRange);
        }
        if money.units.signum() * i64::from(money.nanos.signum()) < 0 {
            return Err(MoneyError::SignMismatch);
        }
        if money.nanos % NANOS_PER_STEP != 0 {
            return Err(MoneyError::TooPrecise);
        }
        let whole = money
            .units
            .checked_mul(PER_UNIT)
            .ok_or(MoneyError::Overflow)?;
        let part = i64::from(money.nanos / NANOS_PER_STEP);
        Amount::from_raw(whole.checked_add(part).ok_or(MoneyError::Overflow)?)
    }

    /// Reads an amount from a message's field, which the generated types make optional.
    ///
    /// # Errors
    /// [`MoneyError::Missing`], or as [`Amount::from_money`].
    pub fn from_required(money: Option<&Money>) -> Result<Amount, MoneyError> {
        Amount::from_money(money.ok_or(MoneyError::Missing)?)
    }

    /// The amount for a message.
    #[must_use]
    pub fn to_money(self) -> Money {
        // Fits: the remainder is below 10,000 either way, times 100,000 below 2^30.
        let nanos = (self.0 % PER_UNIT) as i32 * NANOS_PER_STEP;
        Money {
            currency_code: CURRENCY.to_owned(),
            units: self.0 / PER_UNIT,
            nanos,
        }
    }

    /// The sum, unless it is too large.
    #[must_use]
    pub fn checked_add(self, other: Amount) -> Option<Amount> {
        Amount::from_raw(self.0.checked_add(other.0)?).ok()
    }

    /// The difference, unless it is too large.
    #[must_use]
    pub fn checked_sub(self, other: Amount) -> Option<Amount> {
        Amount::from_raw(self.0.checked_sub(other.0)?).ok()
    }

    /// So many times the amount, as price times quantity, unless it is too large.
    #[must_use]
    pub fn checked_mul(self, times: i64) -> Option<Amount> {
        Amount::from_raw(self.0.checked_mul(times)?).ok()
    }

    /// `self × numerator ÷ denominator` with one rounding at the end, as for a fee rate or
    /// an average price. None when it is too large or the denominator is zero.
    #[must_use]
    pub fn checked_mul_div(
        self,
        numerator: i64,
        denominator: i64,
        rounding: Rounding,
    ) -> Option<Amount> {
        let product = i128::from(self.0) * i128::from(numerator);
        let quotient = divide(product, i128::from(denominator), rounding)?;
        Amount::from_raw(i64::try_from(quotient).ok()?).ok()
    }

    /// The sum of several amounts, unless it or a sum on the way is too large.
    #[must_use]
    pub fn checked_sum(amounts: impl IntoIterator<Item = Amount>) -> Option<Amount> {
        amounts
            .into_iter()
            .try_fold(Amount::ZERO, Amount::checked_add)
    }

    /// The amount without its sign.
    #[must_use]
    pub const fn abs(self) -> Amount {
        // The range is symmetric.
        Amount(self.0.abs())
    }

    /// More than nothing.
    #[must_use]
    pub const fn is_positive(self) -> bool {
        self.0 > 0
    }

    /// Less than nothing.
    #[must_use]
    pub const fn is_negative(self) -> bool {
        self.0 < 0
    }

    /// Exactly nothing.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }
}

impl Neg for Amount {
    type Output = Amount;

    fn neg(self) -> Amount {
        // The range is symmetric.
        Amount(-self.0)
    }
}

impl From<Amount> for Money {
    fn from(amount: Amount) -> Money {
        amount.to_money()
    }
}

impl TryFrom<&Money> for Amount {
    type Error = MoneyError;

    fn try_from(money: &Money) -> Result<Amount, MoneyError> {
        Amount::from_money(money)
    }
}

/// Both arguments come from 64-bit values, so no step here overflows 128 bits.
fn divide(dividend: i128, divisor: i128, rounding: Rounding) -> Option<i128> {
    if divisor == 0 {
        return None;
    }
    let (dividend, divisor) = if divisor < 0 {
        (-dividend, -divisor)
    } else {
        (dividend, divisor)
    };
    let floor = dividend.div_euclid(divisor);
    let rest = dividend.rem_euclid(divisor);
    let up = match rounding {
        Rounding::Floor => false,
        Rounding::Ceil => rest > 0,
        Rounding::HalfEven => {
            rest * 2 > divisor || (rest * 2 == divisor && floor.rem_euclid(2) == 1)
        }
    };
    Some(floor + i128::from(up))
}

#[cfg(test)]
mod tests;
