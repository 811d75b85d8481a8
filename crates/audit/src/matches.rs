//! I7 and I9: both sides of every match agree, no side is filled beyond its limit, and a match is
//! settled once, as it was made.

use std::collections::BTreeMap;

use outcry_contracts::funds::v1::FundsSettledEvent;
use outcry_contracts::orders::v1::Side;
use outcry_contracts::trades::v1::{
    Liquidity, TradeCreatedEvent, TradeExecutedEvent, TradePlacedEvent,
};
use outcry_events::{Amount, SealedEvent};

use crate::error::Outcome;
use crate::finding::Findings;
use crate::history::History;

/// Both sides of a match.
#[derive(Default)]
pub struct Match {
    pub buy: Option<TradeExecutedEvent>,
    pub sell: Option<TradeExecutedEvent>,
}

/// Every match.
///
/// # Errors
/// An event cannot be read.
pub fn matches(history: &History) -> Outcome<BTreeMap<String, Match>> {
    let mut matches: BTreeMap<String, Match> = BTreeMap::new();
    for (_, executed) in history.all::<TradeExecutedEvent>()? {
        let made = matches.entry(executed.match_id.clone()).or_default();
        match executed.side() {
            Side::Buy => made.buy = Some(executed),
            _ => made.sell = Some(executed),
        }
    }
    Ok(matches)
}

pub fn check(history: &History, findings: &mut Findings) -> Outcome<()> {
    check_limits(history, findings)?;
    let settled: BTreeMap<String, FundsSettledEvent> = history
        .all::<FundsSettledEvent>()?
        .into_iter()
        .map(|(_, settled)| (settled.match_id.clone(), settled))
        .collect();
    let matches = matches(history)?;
    let executions = history.all::<TradeExecutedEvent>()?.len();
    findings.expect("I7", executions == 2 * matches.len(), "matches", || {
        format!("{executions} executions for {} matches", matches.len())
    });
    for (id, made) in &matches {
        let (Some(buy), Some(sell)) = (&made.buy, &made.sell) else {
            findings.expect("I7", false, id, || "one side is missing".to_owned());
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
        && settled.buyer_fee == buy.fee
        && settled.seller_fee == sell.fee;
    findings.expect("I7", same, &settled.match_id, || {
        "settled otherwise than it was made".to_owned()
    });
    Ok(())
}

/// Walks each trade's stream: a fill is judged by the limit in force when it happened.
fn check_limits(history: &History, findings: &mut Findings) -> Outcome<()> {
    for (stream, events) in history.streams() {
        let mut limit: Option<Amount> = None;
        for recorded in events {
            let event: &SealedEvent = &recorded.event;
            if event.is::<TradeCreatedEvent>() {
                let created: TradeCreatedEvent = event.payload()?;
                let own = created.terms.and_then(|terms| terms.limit_price);
                let price = own.or(created.protection_price);
                limit = price.as_ref().map(Amount::from_money).transpose()?;
            } else if event.is::<TradePlacedEvent>() {
                let placed: TradePlacedEvent = event.payload()?;
                if placed.revision > 0
                    && let Some(price) = &placed.limit_price
                {
                    limit = Some(Amount::from_money(price)?);
                }
            } else if event.is::<TradeExecutedEvent>() {
                let executed: TradeExecutedEvent = event.payload()?;
                let price = Amount::from_required(executed.last_price.as_ref())?;
                let within = limit.is_none_or(|limit| match executed.side() {
                    Side::Buy => price <= limit,
                    _ => price >= limit,
                });
                findings.expect("I9", within, &stream, || {
                    format!("filled at {price}, beyond its limit")
                });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
