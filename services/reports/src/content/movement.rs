//! What an event of custody moves for one user.

use std::fmt;

use outcry_contracts::funds::v1::{
    FundsDepositedEvent, FundsLockedEvent, FundsReleasedEvent, FundsSettledEvent,
    FundsWithdrawnEvent, WithdrawalMethod,
};
use outcry_contracts::orders::v1::Side;
use outcry_contracts::types::v1::{AssetAmount, asset_amount};
use outcry_events::SealedEvent;
use outcry_events::money::{Amount, CURRENCY};
use uuid::Uuid;

use super::document::Cell;
use super::{Unmade, unreadable};

/// What the ids of main portfolios are made in, by the portfolio service.
const MAIN_PORTFOLIOS: Uuid = Uuid::from_u128(0x1b8e_5d2c_7a43_4d53_a1c6_90f3_5e27_6b04);

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
    /// Something went out. Of a deposit taken back: the event of the deposit.
    Withdrawal(Option<Uuid>),
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
    /// Portfolio the order was for; empty for the main one.
    pub portfolio: String,
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
        (detail, signs) = match withdrawn.method() {
            WithdrawalMethod::Unspecified | WithdrawalMethod::Payout => (
                format!("to account ending {}", withdrawn.destination_last4),
                (0, -1),
            ),
            WithdrawalMethod::Reversal => ("REVERSAL".to_owned(), (-1, 0)),
            // Was never in the account.
            WithdrawalMethod::SuspenseRefund => return Ok(None),
        };
        kind = Kind::Withdrawal(Uuid::parse_str(&withdrawn.reverses_event_id).ok());
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
    let fill = |side, fee: Option<&_>, portfolio: &str| {
        Ok::<_, Unmade>(Fill {
            side,
            symbol: event.symbol.clone(),
            quantity: event.quantity,
            price: Amount::from_required(event.price.as_ref())?,
            notional: Amount::from_required(event.notional.as_ref())?,
            fee: Amount::from_required(fee)?,
            match_id: event.match_id.clone(),
            portfolio: named(portfolio, user_id),
        })
    };
    let mut movements = Vec::new();
    if event.buyer_user_id == user_id {
        let fill = fill(
            Side::Buy,
            event.buyer_fee.as_ref(),
            &event.buyer_portfolio_id,
        )?;
        let cost = fill.notional.checked_add(fill.fee);
        let cost = cost.ok_or(Unmade::TooLarge)?.raw();
        let changes = [(0, times(cost, -1)?), (event.quantity, 0)];
        movements.push(fill.movement(&event.buyer_order_id, changes));
    }
    if event.seller_user_id == user_id {
        let fill = fill(
            Side::Sell,
            event.seller_fee.as_ref(),
            &event.seller_portfolio_id,
        )?;
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

/// A portfolio's id; empty for the main one, however an order named it.
fn named(portfolio_id: &str, user_id: &str) -> String {
    let main = Uuid::new_v5(&MAIN_PORTFOLIOS, user_id.as_bytes());
    if Uuid::parse_str(portfolio_id).is_ok_and(|id| id == main) {
        return String::new();
    }
    portfolio_id.to_owned()
}

fn times(amount: i64, sign: i64) -> Result<i64, Unmade> {
    amount.checked_mul(sign).ok_or(Unmade::TooLarge)
}

/// The name of a value without that of its type.
pub(crate) fn word(name: &str, prefix: &str) -> String {
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
    /// A number of it: money, or whole shares.
    ///
    /// # Errors
    /// [`Unmade::TooLarge`].
    pub fn cell(&self, number: i64) -> Result<Cell, Unmade> {
        match self {
            Asset::Cash => Cell::raw(i128::from(number)),
            Asset::Shares(_) => Ok(Cell::Count(number)),
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
