//! I20: lots and realised profit, recomputed from what was issued and settled, and compared with the
//! portfolio.
//!
//! Lots are in the order of the ids of the events that opened them, and the oldest shares are sold
//! first: as many of them as were sold at all, whichever event came first.
//!
//! Which way part of a lot's cost is rounded is the portfolio's own affair. What must hold exactly is
//! that nothing vanishes between open lots and realised profit: together they are what sales brought
//! without what purchases cost.

use std::collections::BTreeMap;

use outcry_contracts::funds::v1::{FundsDepositedEvent, FundsSettledEvent};
use outcry_contracts::types::v1::asset_amount::Asset;
use outcry_events::SealedEvent;
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use crate::error::{AuditError, Outcome};
use crate::fact::{Fact, raw};
use crate::finding::Findings;
use crate::history::History;
use crate::stores::Stores;

/// By user and symbol.
type Positions<'a> = BTreeMap<(String, String), Position<'a>>;

/// A position as events tell it.
#[derive(Default)]
struct Position<'a> {
    /// By the event that opened them.
    lots: BTreeMap<Uuid, Lot>,
    /// What purchases cost, fees included, in ten-thousandths.
    cost: i128,
    /// What sales brought, without fees.
    proceeds: i128,
    /// Shares sold.
    sold: i64,
    events: Vec<&'a SealedEvent>,
}

/// Shares that came in together.
#[derive(Clone)]
struct Lot {
    reference: String,
    bought: i64,
    cost: i128,
    left: i64,
}

/// A row of the portfolio: amounts are in ten-thousandths.
#[derive(Deserialize)]
struct Kept {
    user_id: String,
    symbol: String,
    quantity: i64,
    realised_profit: i64,
    /// Rows of their own, oldest first; those that are sold completely are left out.
    #[serde(skip)]
    lots: Vec<KeptLot>,
}

#[derive(Deserialize)]
struct KeptLot {
    reference: String,
    quantity: i64,
    cost: i64,
}

pub async fn check(history: &History, stores: &Stores, findings: &mut Findings) -> Outcome<()> {
    let positions = stores.view("portfolio", "positions").await?;
    let lots = stores.view("portfolio", "lots").await?;
    let (Some(positions), Some(lots)) = (positions, lots) else {
        return Ok(());
    };
    let kept = read(&positions, &lots)?;
    let positions = follow(history)?;
    for (key, kept) in &kept {
        let told = positions.contains_key(key) || kept.quantity == 0;
        findings.expect("I20", told, format!("{}/{}", key.0, key.1), || {
            format!("the portfolio holds {} that nobody bought", kept.quantity)
        });
    }
    for ((user, symbol), position) in positions {
        let subject = format!("{user}/{symbol}");
        let differences = position.differences(kept.get(&(user, symbol)));
        if !differences.is_empty() && !all_handled(&position, stores).await? {
            findings.wait_for("portfolio");
            continue;
        }
        findings.expect("I20", differences.is_empty(), subject, || {
            differences.join("; ")
        });
    }
    Ok(())
}

async fn all_handled(position: &Position<'_>, stores: &Stores) -> Outcome<bool> {
    for event in &position.events {
        if !stores.handled("portfolio", event).await? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Positions are kept under `<user>/<symbol>`, their lots under `<user>/<symbol>/<event>`.
fn read(
    positions: &BTreeMap<String, Value>,
    lots: &BTreeMap<String, Value>,
) -> Outcome<BTreeMap<(String, String), Kept>> {
    let mut kept = BTreeMap::new();
    for (key, row) in positions {
        let mut position: Kept =
            serde_json::from_value(row.clone()).map_err(|source| AuditError::Row {
                service: "portfolio",
                view: "positions",
                key: key.clone(),
                source,
            })?;
        let prefix = format!("{key}/");
        let of_position = lots.range(prefix.clone()..);
        for (key, row) in of_position.take_while(|(key, _)| key.starts_with(&prefix)) {
            let lot: KeptLot =
                serde_json::from_value(row.clone()).map_err(|source| AuditError::Row {
                    service: "portfolio",
                    view: "lots",
                    key: key.clone(),
                    source,
                })?;
            if lot.quantity != 0 {
                position.lots.push(lot);
            }
        }
        let place = (position.user_id.clone(), position.symbol.clone());
        kept.insert(place, position);
    }
    Ok(kept)
}

/// Every position after everything that was issued and settled.
fn follow(history: &History) -> Outcome<Positions<'_>> {
    let mut positions = Positions::new();
    for recorded in history.of("funds") {
        let event = &recorded.event;
        match &recorded.fact {
            Fact::FundsDeposited(deposited) => issue(event, deposited, &mut positions),
            Fact::FundsSettled(settled) => settle(event, settled, &mut positions)?,
            _ => {}
        }
    }
    Ok(positions)
}

/// Shares that were issued cost their holder nothing.
fn issue<'a>(event: &'a SealedEvent, issued: &FundsDepositedEvent, positions: &mut Positions<'a>) {
    let asset = issued
        .amount
        .as_ref()
        .and_then(|amount| amount.asset.as_ref());
    if let Some(Asset::Shares(shares)) = asset {
        let key = (issued.user_id.clone(), shares.symbol.clone());
        let position = positions.entry(key).or_default();
        position.events.push(event);
        position.bought(event.id(), issued.reference.clone(), shares.quantity, 0);
    }
}

fn settle<'a>(
    event: &'a SealedEvent,
    settled: &FundsSettledEvent,
    positions: &mut Positions<'a>,
) -> Outcome<()> {
    let notional = raw(settled.notional.as_ref())?;
    let cost = notional + raw(settled.buyer_fee.as_ref())?;
    let proceeds = notional - raw(settled.seller_fee.as_ref())?;
    let symbol = &settled.symbol;
    let mut of = |user: &String, change: &dyn Fn(&mut Position<'a>)| {
        let position = positions.entry((user.clone(), symbol.clone())).or_default();
        position.events.push(event);
        change(position);
    };
    of(&settled.buyer_user_id, &|position| {
        position.bought(event.id(), settled.match_id.clone(), settled.quantity, cost);
    });
    of(&settled.seller_user_id, &|position| {
        position.sold(settled.quantity, proceeds);
    });
    Ok(())
}

// === impl Position ===

impl Position<'_> {
    fn bought(&mut self, opened_by: Uuid, reference: String, quantity: i64, cost: i128) {
        self.cost += cost;
        let lot = Lot {
            reference,
            bought: quantity,
            cost,
            left: quantity,
        };
        self.lots.insert(opened_by, lot);
    }

    fn sold(&mut self, quantity: i64, proceeds: i128) {
        self.proceeds += proceeds;
        self.sold += quantity;
    }

    /// What is left of each lot when the oldest gave the shares that were sold, and the shares that
    /// were in none of them.
    fn left(&self) -> (Vec<Lot>, i64) {
        let mut wanted = self.sold;
        let mut left = Vec::new();
        for lot in self.lots.values() {
            let taken = wanted.min(lot.left);
            wanted -= taken;
            if taken < lot.left {
                left.push(Lot {
                    left: lot.left - taken,
                    ..lot.clone()
                });
            }
        }
        (left, wanted)
    }

    /// How a kept position differs; a position without a row is one without anything.
    fn differences(&self, kept: Option<&Kept>) -> Vec<String> {
        let mut found = Vec::new();
        let (lots, short) = self.left();
        if short > 0 {
            found.push(format!("{short} shares were sold that no lot held"));
        }
        let Some(kept) = kept else {
            if !self.events.is_empty() {
                found.push("the portfolio has no such position".to_owned());
            }
            return found;
        };
        let left: i64 = lots.iter().map(|lot| lot.left).sum();
        if kept.quantity != left {
            found.push(format!("it holds {}, events say {left}", kept.quantity));
        }
        if kept.lots.len() != lots.len() {
            let (kept, told) = (kept.lots.len(), lots.len());
            found.push(format!("it has {kept} lots, events say {told}"));
        }
        let differing = kept.lots.iter().zip(&lots);
        found.extend(differing.filter_map(|(kept, lot)| lot.difference(kept)));
        let open: i128 = kept.lots.iter().map(|lot| i128::from(lot.cost)).sum();
        let realised = self.proceeds - (self.cost - open);
        if i128::from(kept.realised_profit) != realised {
            found.push(format!(
                "its realised profit is {}, events say {realised}",
                kept.realised_profit
            ));
        }
        found
    }
}

// === impl Lot ===

impl Lot {
    fn difference(&self, kept: &KeptLot) -> Option<String> {
        if (&kept.reference, kept.quantity) != (&self.reference, self.left) {
            return Some(format!(
                "{} of {} stand where {} of {} belong",
                kept.quantity, kept.reference, self.left, self.reference
            ));
        }
        // Rounded by less than one ten-thousandth.
        let whole = i128::from(self.bought);
        let off = (i128::from(kept.cost) * whole - self.cost * i128::from(self.left)).abs();
        (off >= whole).then(|| {
            format!(
                "what is left of {} costs {}, of {} for {} shares",
                self.reference, kept.cost, self.cost, self.bought
            )
        })
    }
}

#[cfg(test)]
mod tests;
