//! What an event of custody moves for one user.

use std::fmt;

use outcry_contracts::funds::v1::{
    FundsDepositedEvent, FundsLockedEvent, FundsReleasedEvent, FundsSettledEvent,
    FundsWithdrawnEvent,
};
use outcry_contracts::orders::v1::Side;
use outcry_contracts::types::v1::{AssetAmount, asset_amount};
use outcry_events::SealedEvent;
use outcry_events::money::{Amount, CURRENCY};

use super::{Unmade, unreadable};

/// What an account can hold. Cash comes first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Asset {
    /// Money, counted in ten-thousandths.
    Cash,
    /// Shares of this symbol, counted whole.
    Shares(String),
}

/// What one event does to one user's account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Movement {
    /// What happened.
    pub kind: Kind,
    /// Payment, issue, withdrawal, lock or order it is for.
    pub reference: String,
    /// In words.
    pub detail: String,
    /// What is different afterwards.
    pub changes: Vec<Change>,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Something came in.
    Deposit,
    /// Something went out.
    Withdrawal,
    /// Something was set aside, or went back.
    Lock,
    /// A fill was settled.
    Fill(Fill),
}

/// One side of a settled match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fill {
    /// The user's side.
    pub side: Side,
    /// Of what.
    pub symbol: String,
    /// Whole shares.
    pub quantity: i64,
    /// Of one share.
    pub price: Amount,
    /// Price times quantity.
    pub notional: Amount,
    /// What the user paid for the fill.
    pub fee: Amount,
    /// Id of the match.
    pub match_id: String,
}

/// A change of what is held of one asset, in its unit, signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Of what.
    pub asset: Asset,
    /// Of what can be used.
    pub available: i64,
    /// Of what is set aside.
    pub locked: i64,
}

/// What an event moves for a user: one movement, two for a user on both sides of a match, none for
/// an event that is not of custody.
///
/// # Errors
/// [`Unmade::Unreadable`] for an event without proper amounts.
pub fn of(event: &SealedEvent, user_id: &str) -> Result<Vec<Movement>, Unmade> {
    if event.is::<FundsSettledEvent>() {
        return settled(&event.payload()?, user_id);
    }
    Ok(own(event)?.into_iter().collect())
}

/// Movements of events about one account only.
fn own(event: &SealedEvent) -> Result<Option<Movement>, Unmade> {
    let (kind, reference, detail, amount, signs);
    if event.is::<FundsDepositedEvent>() {
        let deposited: FundsDepositedEvent = event.payload()?;
        detail = word(deposited.method().as_str_name(), "DEPOSIT_METHOD_");
        (kind, signs) = (Kind::Deposit, (1, 0));
        (reference, amount) = (deposited.reference, deposited.amount);
    } else if event.is::<FundsWithdrawnEvent>() {
        let withdrawn: FundsWithdrawnEvent = event.payload()?;
        detail = format!("to account ending {}", withdrawn.destination_last4);
        (kind, signs) = (Kind::Withdrawal, (0, -1));
        (reference, amount) = (withdrawn.withdrawal_id, withdrawn.amount);
    } else if event.is::<FundsLockedEvent>() {
        let locked: FundsLockedEvent = event.payload()?;
        detail = word(locked.purpose().as_str_name(), "LOCK_PURPOSE_");
        (kind, signs) = (Kind::Lock, (-1, 1));
        (reference, amount) = (locked.lock_id, locked.amount);
    } else if event.is::<FundsReleasedEvent>() {
        let released: FundsReleasedEvent = event.payload()?;
        detail = word(released.reason().as_str_name(), "RELEASE_REASON_");
        (kind, signs) = (Kind::Lock, (1, -1));
        (reference, amount) = (released.lock_id, released.amount);
    } else {
        return Ok(None);
    }
    let (asset, amount) = read(amount)?;
    let change = Change {
        asset,
        available: times(amount, signs.0)?,
        locked: times(amount, signs.1)?,
    };
    Ok(Some(Movement {
        kind,
        reference,
        detail,
        changes: vec![change],
    }))
}

fn settled(event: &FundsSettledEvent, user_id: &str) -> Result<Vec<Movement>, Unmade> {
    let fill = |side, fee: Option<&_>| {
        Ok::<_, Unmade>(Fill {
            side,
            symbol: event.symbol.clone(),
            quantity: event.quantity,
            price: Amount::from_required(event.price.as_ref())?,
            notional: Amount::from_required(event.notional.as_ref())?,
            fee: Amount::from_required(fee)?,
            match_id: event.match_id.clone(),
        })
    };
    let mut movements = Vec::new();
    if event.buyer_user_id == user_id {
        let fill = fill(Side::Buy, event.buyer_fee.as_ref())?;
        let cost = fill.notional.checked_add(fill.fee);
        let cost = cost.ok_or(Unmade::TooLarge)?.raw();
        let changes = [(0, times(cost, -1)?), (event.quantity, 0)];
        movements.push(fill.movement(&event.buyer_order_id, changes));
    }
    if event.seller_user_id == user_id {
        let fill = fill(Side::Sell, event.seller_fee.as_ref())?;
        let proceeds = fill.notional.checked_sub(fill.fee);
        let proceeds = proceeds.ok_or(Unmade::TooLarge)?.raw();
        let changes = [(proceeds, 0), (0, times(event.quantity, -1)?)];
        movements.push(fill.movement(&event.seller_order_id, changes));
    }
    Ok(movements)
}

fn read(amount: Option<AssetAmount>) -> Result<(Asset, i64), Unmade> {
    match amount.and_then(|amount| amount.asset) {
        Some(asset_amount::Asset::Cash(money)) => {
            Ok((Asset::Cash, Amount::from_money(&money)?.raw()))
        }
        Some(asset_amount::Asset::Shares(shares)) => {
            Ok((Asset::Shares(shares.symbol), shares.quantity))
        }
        None => Err(unreadable("an amount is missing")),
    }
}

fn times(amount: i64, sign: i64) -> Result<i64, Unmade> {
    amount.checked_mul(sign).ok_or(Unmade::TooLarge)
}

/// The name of a value without that of its type.
pub(super) fn word(name: &str, prefix: &str) -> String {
    name.strip_prefix(prefix).unwrap_or(name).to_owned()
}

// === impl Fill ===

impl Fill {
    /// The fill's movement: changes of cash, then of shares, each available and locked.
    fn movement(self, order_id: &str, [cash, shares]: [(i64, i64); 2]) -> Movement {
        let symbol = Asset::Shares(self.symbol.clone());
        let changes = [(Asset::Cash, cash), (symbol, shares)];
        Movement {
            reference: order_id.to_owned(),
            detail: format!("match {}", self.match_id),
            changes: changes
                .into_iter()
                .map(|(asset, (available, locked))| Change {
                    asset,
                    available,
                    locked,
                })
                .collect(),
            kind: Kind::Fill(self),
        }
    }
}

// === impl Asset ===

impl Asset {
    /// A number of it as text: money with its decimals, shares whole.
    ///
    /// # Errors
    /// [`Unmade::TooLarge`].
    pub fn text(&self, number: i64) -> Result<String, Unmade> {
        match self {
            Asset::Cash => Amount::from_raw(number)
                .map(|amount| amount.to_string())
                .map_err(|_| Unmade::TooLarge),
            Asset::Shares(_) => Ok(number.to_string()),
        }
    }
}

impl fmt::Display for Asset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Asset::Cash => f.write_str(CURRENCY),
            Asset::Shares(symbol) => f.write_str(symbol),
        }
    }
}
