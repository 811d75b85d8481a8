//! Rows as messages.

use std::collections::BTreeMap;

use outcry_contracts::portfolio::v1 as wire;
use outcry_contracts::portfolio::v1::PortfolioStatus;
use outcry_events::Amount;
use outcry_mesh::refusal;
use outcry_store::timer::time_of;
use tonic::{Code, Status};
use uuid::Uuid;

use crate::domain::{Lot, Portfolio, Portfolios, Position, Price, Sums};

/// Sums at the last price of their symbol.
pub(crate) struct Valued {
    price: Amount,
    value: Amount,
    pub(crate) profit: Amount,
}

/// The sums of a portfolio, or of all; none when nothing of the symbol ever was in it.
pub(crate) fn sums(position: &Position, portfolio_id: Option<Uuid>) -> Option<Sums> {
    match portfolio_id {
        None => Some(position.total),
        Some(portfolio_id) => position.portfolios.get(&portfolio_id).copied(),
    }
}

/// What is held is worth; none before the first trade of the symbol.
///
/// # Errors
/// It is more than any amount can be.
pub(crate) fn valued(
    symbol: &str,
    sums: &Sums,
    prices: &BTreeMap<String, Price>,
) -> Result<Option<Valued>, Status> {
    let Some(Price { price, .. }) = prices.get(symbol) else {
        return Ok(None);
    };
    let value = sums.market_value(*price).ok_or_else(too_large)?;
    Ok(Some(Valued {
        price: *price,
        value,
        profit: value.checked_sub(sums.cost).ok_or_else(too_large)?,
    }))
}

/// A position in a portfolio, or in all.
///
/// # Errors
/// It is worth more than any amount can be.
pub(crate) fn position(
    symbol: &str,
    sums: &Sums,
    portfolio_id: Option<Uuid>,
    prices: &BTreeMap<String, Price>,
) -> Result<wire::Position, Status> {
    let valued = valued(symbol, sums, prices)?;
    let valued = valued.as_ref();
    Ok(wire::Position {
        symbol: symbol.to_owned(),
        quantity: sums.quantity,
        cost: Some(sums.cost.to_money()),
        last_price: valued.map(|valued| valued.price.to_money()),
        market_value: valued.map(|valued| valued.value.to_money()),
        unrealised_profit: valued.map(|valued| valued.profit.to_money()),
        realised_profit: Some(sums.realised_profit.to_money()),
        portfolio_id: portfolio_id.map(|id| id.to_string()).unwrap_or_default(),
    })
}

/// A lot.
pub(crate) fn lot(lot: &Lot) -> wire::Lot {
    wire::Lot {
        reference: lot.reference.clone(),
        quantity: lot.quantity,
        cost: Some(lot.cost.to_money()),
        opened_at: Some(time_of(lot.opened_at_ns).into()),
        portfolio_id: lot.portfolio_id.to_string(),
    }
}

/// A portfolio.
pub(crate) fn portfolio(all: &Portfolios, one: &Portfolio) -> wire::Portfolio {
    let status = if one.is_archived {
        PortfolioStatus::Archived
    } else {
        PortfolioStatus::Active
    };
    wire::Portfolio {
        portfolio_id: one.portfolio_id.to_string(),
        user_id: all.user_id.clone(),
        name: one.name.clone(),
        status: status.into(),
        is_default: one.portfolio_id == all.default_id,
        created_at: one.created_at_ns.map(|at| time_of(at).into()),
        is_main: all.is_main(one.portfolio_id),
    }
}

/// That a sum is.
pub(crate) fn too_large() -> Status {
    refusal::with_reason(
        Code::OutOfRange,
        "AMOUNT_TOO_LARGE",
        "a sum is larger than any amount can be",
    )
}
