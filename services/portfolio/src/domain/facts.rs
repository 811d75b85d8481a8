//! What the events of funds do to holdings.

use outcry_contracts::Event as _;
use outcry_contracts::funds::v1::{FundsDepositedEvent, FundsSettledEvent, FundsWithdrawnEvent};
use outcry_contracts::types::v1::asset_amount::Asset;
use outcry_events::{Amount, MoneyError, PayloadError, SealedEvent};
use outcry_store::timer::nanos;
use uuid::Uuid;

use super::lot::Lot;
use super::movement::Movement;
use super::portfolios::{main_portfolio, named_or_main};
use super::position::Price;
use super::sale::Sale;

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
    } else if event.is::<FundsWithdrawnEvent>() {
        withdrawn(event, &event.payload()?)
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
        changed_ns: 0,
    }))
}

fn settled(event: &SealedEvent, settled: FundsSettledEvent) -> Result<Vec<Moved>, FactError> {
    let amount = |field| Amount::from_required(field).map_err(money);
    let notional = amount(settled.notional.as_ref())?;
    let buyer_fee = amount(settled.buyer_fee.as_ref())?;
    let cost = notional.checked_add(buyer_fee).ok_or(FactError::Cost)?;
    let buyer = named_or_main(&settled.buyer_portfolio_id, &settled.buyer_user_id);
    let seller = named_or_main(&settled.seller_portfolio_id, &settled.seller_user_id);
    let bought = Movement::Acquired {
        lot: opened(event, buyer, settled.match_id, settled.quantity, cost)?,
        paid: notional,
        fee: buyer_fee,
    };
    let sold = Movement::Disposed {
        sale: Sale {
            event_id: event.id(),
            portfolio_id: seller,
            quantity: settled.quantity,
            uncovered: settled.quantity,
            of_lot: None,
        },
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

/// Shares that are issued cost their holder nothing, and come into the main portfolio. Cash is no
/// holding.
fn deposited(event: &SealedEvent, deposited: FundsDepositedEvent) -> Result<Vec<Moved>, FactError> {
    let Some(Asset::Shares(shares)) = deposited.amount.and_then(|amount| amount.asset) else {
        return Ok(Vec::new());
    };
    let main = main_portfolio(&deposited.user_id);
    let (reference, quantity) = (deposited.reference, shares.quantity);
    let movement = Movement::Acquired {
        lot: opened(event, main, reference, quantity, Amount::ZERO)?,
        paid: Amount::ZERO,
        fee: Amount::ZERO,
    };
    Ok(vec![Moved {
        user_id: deposited.user_id,
        symbol: shares.symbol,
        movement,
    }])
}

/// Shares whose issue is taken back leave the lot that came with it, and bring nothing.
fn withdrawn(
    event: &SealedEvent,
    withdrawn: &FundsWithdrawnEvent,
) -> Result<Vec<Moved>, FactError> {
    let amount = withdrawn.amount.as_ref();
    let Some(Asset::Shares(shares)) = amount.and_then(|amount| amount.asset.as_ref()) else {
        return Ok(Vec::new());
    };
    let movement = Movement::Disposed {
        sale: Sale {
            event_id: event.id(),
            portfolio_id: main_portfolio(&withdrawn.user_id),
            quantity: shares.quantity,
            uncovered: shares.quantity,
            of_lot: Uuid::parse_str(&withdrawn.reverses_event_id).ok(),
        },
        received: Amount::ZERO,
        fee: Amount::ZERO,
    };
    Ok(vec![Moved {
        user_id: withdrawn.user_id.clone(),
        symbol: shares.symbol.clone(),
        movement,
    }])
}

/// The lot `event` opens.
fn opened(
    event: &SealedEvent,
    portfolio_id: Uuid,
    reference: String,
    shares: i64,
    cost: Amount,
) -> Result<Lot, FactError> {
    Ok(Lot {
        opened_by: event.id(),
        portfolio_id,
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
