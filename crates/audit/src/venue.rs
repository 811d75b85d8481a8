//! I10, I11 and I13: every symbol's book rebuilt from what the venue told, decision by decision.
//!
//! - [`market`] – one symbol: the book, and what each decision must find in it
//! - [`order`] – an order as its terms and events make it
//! - [`ladder`] – one side of a book, in the order in which it trades
//! - [`checkpoint`] – a book as the venue kept it

mod checkpoint;
mod ladder;
mod market;
mod order;

use std::collections::{BTreeMap, HashSet};

use outcry_contracts::trades::v1::TradeCreatedEvent;

use crate::error::Outcome;
use crate::fact::Fact;
use crate::finding::Findings;
use crate::history::History;
use crate::stores::Stores;
use checkpoint::Checkpoint;
use market::Market;

pub async fn check(history: &History, stores: &Stores, findings: &mut Findings) -> Outcome<()> {
    follow(history, checkpoint::read(stores).await?, findings)
}

fn follow(
    history: &History,
    mut kept: BTreeMap<String, Checkpoint>,
    findings: &mut Findings,
) -> Outcome<()> {
    let mut markets: BTreeMap<&str, Market<'_>> = BTreeMap::new();
    let symbols = history.all::<TradeCreatedEvent>();
    let symbols: HashSet<&str> = symbols.map(|(_, one)| one.symbol.as_str()).collect();
    for symbol in symbols {
        markets.insert(symbol, Market::kept(kept.remove(symbol)));
    }
    for (symbol, kept) in &kept {
        findings.expect("I13", kept.venue_seq == 0, symbol, || {
            "a book was kept of a symbol that nobody traded".to_owned()
        });
    }
    for recorded in history.of("trades") {
        let at = recorded.event.occurred_at();
        match &recorded.fact {
            Fact::TradeCreated(created) => {
                let market = markets.entry(&created.symbol).or_default();
                market.created(created)?;
            }
            Fact::TradePlaced(placed) => {
                let market = markets.entry(&placed.symbol).or_default();
                market.placed(placed, findings)?;
            }
            Fact::TradeExecuted(executed) => {
                let market = markets.entry(&executed.symbol).or_default();
                market.executed(executed, at, findings)?;
            }
            Fact::TradeCancelled(cancelled) => {
                let market = markets.entry(&cancelled.symbol).or_default();
                market.cancelled(cancelled, at, findings);
            }
            Fact::SessionChanged(changed) => {
                let market = markets.entry(&changed.symbol).or_default();
                market.session_changed(changed, findings);
            }
            _ => {}
        }
    }
    for (symbol, market) in &mut markets {
        market.end(symbol, findings);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
