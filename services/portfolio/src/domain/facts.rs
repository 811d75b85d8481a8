//! What the events of funds do to holdings.

use outcry_contracts::Event as _;
use outcry_contracts::funds::v1::{FundsDepositedEvent, FundsSettledEvent};
use outcry_contracts::types::v1::asset_amount::Asset;
use outcry_events::{Amount, MoneyError, PayloadError, SealedEvent};
use outcry_store::timer::nanos;

use super::lot::Lot;
use super::movement::Movement;
use super::position::Price;

/// One movement of one holding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// Whose.
    pub user_id: String,
    /// Of what.
    pub symbol: String,
    /// What happens.
    pub movement: Movement,
}

/// Why an event says nothing that can be followed.
#[derive(Debug, thiserror::Error)]
pub enum FactError {
    /// It cannot be read.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// An amount in it is none.
    #[error("{topic}: {source}")]
    Money {
        /// The event's topic.
        topic: &'static str,
        /// What is wrong with the amount.
        source: MoneyError,
    },
    /// What was paid and the fee are more than any amount can be.
    #[error("the cost of the shares is too large")]
    Cost,
    /// Its time is out of range.
    #[error("the event's time is out of range")]
    Time,
}

/// What `event` moves: nothing for events that are about something else.
///
/// # Errors
/// [`FactError`].
pub fn movements(event: &SealedEvent) -> Result<Vec<Moved>, FactError> {
    if event.is::<FundsSettledEvent>() {
        settled(event, event.payload()?)
    } else if event.is::<FundsDepositedEvent>() {
        deposited(event, event.payload()?)
    } else {
        Ok(Vec::new())
    }
}

/// The price `event` tells, if it tells one.
///
/// # Errors
/// [`FactError`].
pub fn price(event: &SealedEvent) -> Result<Option<Price>, FactError> {
    if !event.is::<FundsSettledEvent>() {
        return Ok(None);
    }
    let settled: FundsSettledEvent = event.payload()?;
    Ok(Some(Price {
        price: Amount::from_required(settled.price.as_ref()).map_err(money)?,
        symbol: settled.symbol,
        at_ns: at_ns(event)?,
        told_by: event.id(),
    }))
}

fn settled(event: &SealedEvent, settled: FundsSettledEvent) -> Result<Vec<Moved>, FactError> {
    let amount = |field| Amount::from_required(field).map_err(money);
    let notional = amount(settled.notional.as_ref())?;
    let buyer_fee = amount(settled.buyer_fee.as_ref())?;
    let cost = notional.checked_add(buyer_fee).ok_or(FactError::Cost)?;
    let bought = Movement::Acquired {
        lot: opened(event, settled.match_id, settled.quantity, cost)?,
        paid: notional,
        fee: buyer_fee,
    };
    let sold = Movement::Disposed {
        quantity: settled.quantity,
        received: notional,
        fee: amount(settled.seller_fee.as_ref())?,
    };
    Ok(vec![
        Moved {
            user_id: settled.buyer_user_id,
            symbol: settled.symbol.clone(),
            movement: bought,
        },
        Moved {
            user_id: settled.seller_user_id,
            symbol: settled.symbol,
            movement: sold,
        },
    ])
}

/// Shares that are issued cost their holder nothing. Cash is no holding.
fn deposited(event: &SealedEvent, deposited: FundsDepositedEvent) -> Result<Vec<Moved>, FactError> {
    let Some(Asset::Shares(shares)) = deposited.amount.and_then(|amount| amount.asset) else {
        return Ok(Vec::new());
    };
    let movement = Movement::Acquired {
        lot: opened(event, deposited.reference, shares.quantity, Amount::ZERO)?,
        paid: Amount::ZERO,
        fee: Amount::ZERO,
    };
    Ok(vec![Moved {
        user_id: deposited.user_id,
        symbol: shares.symbol,
        movement,
    }])
}

/// The lot `event` opens.
fn opened(
    event: &SealedEvent,
    reference: String,
    shares: i64,
    cost: Amount,
) -> Result<Lot, FactError> {
    Ok(Lot {
        opened_by: event.id(),
        reference,
        opened_at_ns: at_ns(event)?,
        acquired: shares,
        full_cost: cost,
        quantity: shares,
        cost,
    })
}

fn money(source: MoneyError) -> FactError {
    FactError::Money {
        topic: FundsSettledEvent::TOPIC,
        source,
    }
}

fn at_ns(event: &SealedEvent) -> Result<i64, FactError> {
    nanos(event.occurred_at()).ok_or(FactError::Time)
}
