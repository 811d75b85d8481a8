//! I7, I9 and I12: both sides of every match agree and belong to two owners, no side is filled
//! beyond its limit or spends more than is locked for it, and a match is settled once, as it was
//! made.

use std::collections::{BTreeMap, HashMap};

use outcry_contracts::funds::v1::{
    FundsLockedEvent, FundsReleasedEvent, FundsSettledEvent, LockPurpose,
};
use outcry_contracts::orders::v1::Side;
use outcry_contracts::trades::v1::{
    Liquidity, TradeCreatedEvent, TradeExecutedEvent, TradePlacedEvent,
};
use outcry_events::Amount;

use crate::custody::held;
use crate::error::Outcome;
use crate::fact::{Fact, raw};
use crate::finding::Findings;
use crate::history::History;

/// Both sides of a match.
#[derive(Default)]
struct Match<'a> {
    buy: Option<&'a TradeExecutedEvent>,
    sell: Option<&'a TradeExecutedEvent>,
    sides: usize,
}

pub fn check(history: &History, findings: &mut Findings) -> Outcome<()> {
    check_limits(history, findings)?;
    check_spending(history, findings)?;
    let mut settled: HashMap<&str, &FundsSettledEvent> = HashMap::new();
    for (_, one) in history.all::<FundsSettledEvent>() {
        settled.insert(&one.match_id, one);
    }
    let mut matches: BTreeMap<&str, Match<'_>> = BTreeMap::new();
    for (_, executed) in history.all::<TradeExecutedEvent>() {
        let made = matches.entry(&executed.match_id).or_default();
        made.sides += 1;
        match executed.side() {
            Side::Buy => made.buy = Some(executed),
            _ => made.sell = Some(executed),
        }
    }
    for (id, made) in &matches {
        findings.expect("I7", made.sides == 2, id, || {
            format!("{} sides traded in it", made.sides)
        });
        let (Some(buy), Some(sell)) = (made.buy, made.sell) else {
            continue;
        };
        check_pair(id, buy, sell, findings);
        if let Some(settled) = settled.get(id) {
            check_settlement(buy, sell, settled, findings)?;
        }
    }
    for id in settled.keys() {
        findings.expect("I7", matches.contains_key(id), id, || {
            "settled but never made".to_owned()
        });
    }
    Ok(())
}

fn check_pair(
    id: &str,
    buy: &TradeExecutedEvent,
    sell: &TradeExecutedEvent,
    findings: &mut Findings,
) {
    findings.expect("I7", buy.last_quantity == sell.last_quantity, id, || {
        format!(
            "{} bought but {} sold",
            buy.last_quantity, sell.last_quantity
        )
    });
    findings.expect("I9", buy.last_price == sell.last_price, id, || {
        "the sides have different prices".to_owned()
    });
    let both = [buy.liquidity(), sell.liquidity()];
    let one_each = both.contains(&Liquidity::Maker) && both.contains(&Liquidity::Taker);
    findings.expect("I9", one_each, id, || {
        "not one side was resting and one incoming".to_owned()
    });
    findings.expect("I12", buy.user_id != sell.user_id, id, || {
        format!("{} trades with themselves", buy.user_id)
    });
}

fn check_settlement(
    buy: &TradeExecutedEvent,
    sell: &TradeExecutedEvent,
    settled: &FundsSettledEvent,
    findings: &mut Findings,
) -> Outcome<()> {
    let price = Amount::from_required(settled.price.as_ref())?;
    let notional = Amount::from_required(settled.notional.as_ref())?;
    let same = settled.quantity == buy.last_quantity
        && settled.price == buy.last_price
        && price.checked_mul(settled.quantity) == Some(notional)
        && (&settled.buyer_order_id, &settled.buyer_user_id) == (&buy.order_id, &buy.user_id)
        && (&settled.seller_order_id, &settled.seller_user_id) == (&sell.order_id, &sell.user_id)
        && settled.buyer_portfolio_id == buy.portfolio_id
        && settled.seller_portfolio_id == sell.portfolio_id
        && settled.buyer_fee == buy.fee
        && settled.seller_fee == sell.fee;
    findings.expect("I7", same, &settled.match_id, || {
        "settled otherwise than it was made".to_owned()
    });
    Ok(())
}

/// A fill is judged by the limit in force when it happened: the limit itself, or the collar the
/// venue placed the order with, which is within what orders fixed as its protection.
fn check_limits(history: &History, findings: &mut Findings) -> Outcome<()> {
    let mut limits: HashMap<&str, Amount> = HashMap::new();
    for recorded in history.of("trades") {
        match &recorded.fact {
            Fact::TradeCreated(created) => {
                if let Some(limit) = protection(created)? {
                    limits.insert(&created.trade_id, limit);
                }
            }
            Fact::TradePlaced(placed) => {
                let Some(price) = &placed.limit_price else {
                    continue;
                };
                let price = Amount::from_money(price)?;
                let before = limits.insert(&placed.trade_id, price);
                if placed.revision == 0 {
                    check_placed(before, price, placed, findings);
                }
            }
            Fact::TradeExecuted(executed) => {
                let limit = limits.get(executed.trade_id.as_str()).copied();
                let price = Amount::from_required(executed.last_price.as_ref())?;
                let within = is_within(executed.side(), limit, price);
                findings.expect("I9", within, &executed.trade_id, || {
                    format!("filled at {price}, beyond its limit")
                });
            }
            _ => {}
        }
    }
    Ok(())
}

fn protection(created: &TradeCreatedEvent) -> Outcome<Option<Amount>> {
    let terms = created.terms.as_ref();
    let own = terms.and_then(|terms| terms.limit_price.as_ref());
    let price = own.or(created.protection_price.as_ref());
    Ok(price.map(Amount::from_money).transpose()?)
}

fn check_placed(
    protection: Option<Amount>,
    price: Amount,
    placed: &TradePlacedEvent,
    findings: &mut Findings,
) {
    let within = is_within(placed.side(), protection, price);
    findings.expect("I9", within, &placed.trade_id, || {
        format!("placed at {price}, beyond its protection")
    });
}

fn is_within(side: Side, limit: Option<Amount>, price: Amount) -> bool {
    limit.is_none_or(|limit| match side {
        Side::Buy => price <= limit,
        _ => price >= limit,
    })
}

/// What an order spends, fees included, and what was given back is at most what was locked.
fn check_spending(history: &History, findings: &mut Findings) -> Outcome<()> {
    // Settled or not: what the venue has matched will be.
    let mut spent: BTreeMap<&str, i128> = BTreeMap::new();
    for (_, fill) in history.all::<TradeExecutedEvent>() {
        let shares = i128::from(fill.last_quantity);
        *spent.entry(&fill.order_id).or_default() += match fill.side() {
            Side::Buy => raw(fill.last_price.as_ref())? * shares + raw(fill.fee.as_ref())?,
            _ => shares,
        };
    }
    let mut locked: HashMap<&str, i128> = HashMap::new();
    for (_, more) in history.all::<FundsLockedEvent>() {
        if more.purpose() == LockPurpose::Order {
            *locked.entry(&more.lock_id).or_default() += held(more.amount.as_ref())?.amount;
        }
    }
    for (_, back) in history.all::<FundsReleasedEvent>() {
        if back.purpose() == LockPurpose::Order {
            *locked.entry(&back.lock_id).or_default() -= held(back.amount.as_ref())?.amount;
        }
    }
    for (order, spent) in spent {
        let locked = locked.get(order).copied().unwrap_or_default();
        findings.expect("I9", spent <= locked, order, || {
            format!("its fills take {spent}, {locked} are locked for it")
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
