//! I20: lots and realised profit, recomputed from what was issued, taken back and settled, and
//! compared with the portfolio; what all portfolios of a user hold is what custody holds.
//!
//! Lots and sales are in the order of the ids of their events, whichever became known first. Sale by
//! sale, each takes the lot of the issue it takes back, then the oldest lots of its own portfolio,
//! then the oldest of all.
//!
//! Which way part of a lot's cost is rounded is the portfolio's own affair. What must hold exactly is
//! that nothing vanishes between open lots and realised profit: together they are what sales brought
//! without what purchases cost.

use std::collections::{BTreeMap, BTreeSet};

use outcry_contracts::funds::v1::{FundsDepositedEvent, FundsSettledEvent, FundsWithdrawnEvent};
use outcry_contracts::types::v1::AssetAmount;
use outcry_contracts::types::v1::Shares;
use outcry_contracts::types::v1::asset_amount::Asset;
use outcry_events::SealedEvent;
use serde::Deserialize;
use uuid::Uuid;

use crate::custody::Custody;
use crate::error::{AuditError, Outcome};
use crate::fact::{Fact, raw};
use crate::finding::Findings;
use crate::history::History;
use crate::stores::{Rows, Stores};

/// Under this name and a user's id lies the id of the user's main portfolio (UUID version 5), which
/// is meant where events name none.
const MAIN_PORTFOLIOS: Uuid = Uuid::from_u128(0x1b8e_5d2c_7a43_4d53_a1c6_90f3_5e27_6b04);

/// By user and symbol.
type Positions<'a> = BTreeMap<(&'a str, &'a str), Position<'a>>;

/// A position as events tell it.
#[derive(Default)]
struct Position<'a> {
    /// By the event that opened them.
    lots: BTreeMap<Uuid, Lot<'a>>,
    /// By the event that tells of them.
    sales: BTreeMap<Uuid, Sale>,
    /// What purchases cost, fees included, in ten-thousandths.
    cost: i128,
    /// What sales brought, without fees.
    proceeds: i128,
    events: Vec<&'a SealedEvent>,
}

/// Shares that came in together.
#[derive(Clone)]
struct Lot<'a> {
    portfolio: Uuid,
    reference: &'a str,
    bought: i64,
    cost: i128,
    left: i64,
}

/// Shares that went out together.
struct Sale {
    portfolio: Uuid,
    quantity: i64,
    /// The lot of an issue that was taken back.
    of_lot: Option<Uuid>,
}

/// A row of the portfolio: amounts are in ten-thousandths.
#[derive(Deserialize)]
struct Kept {
    quantity: i64,
    realised_profit: i64,
    /// None of positions that were written before there were several portfolios.
    #[serde(default)]
    portfolios: Option<BTreeMap<Uuid, KeptPart>>,
    /// Rows of their own, oldest first; those that are sold completely are left out.
    #[serde(skip)]
    lots: Vec<KeptLot>,
}

/// What is in one portfolio.
#[derive(Deserialize)]
struct KeptPart {
    quantity: i64,
}

#[derive(Deserialize)]
struct KeptLot {
    reference: String,
    quantity: i64,
    cost: i64,
    #[serde(default)]
    portfolio_id: Option<Uuid>,
}

pub async fn check(
    history: &History,
    stores: &Stores,
    custody: &Custody,
    findings: &mut Findings,
) -> Outcome<()> {
    let told = follow(history)?;
    check_custody(&told, custody, findings);
    let positions = stores.view("portfolio", "positions").await?;
    let lots = stores.view("portfolio", "lots").await?;
    let (Some(positions), Some(lots)) = (positions, lots) else {
        return Ok(());
    };
    let kept = read(&positions, &lots)?;
    for (key, kept) in &kept {
        let place = key.split_once('/').unwrap_or_default();
        let known = told.contains_key(&place) || kept.quantity == 0;
        findings.expect("I19", known, key, || {
            format!("the portfolio holds {} that nobody bought", kept.quantity)
        });
    }
    for ((user, symbol), position) in told {
        let key = format!("{user}/{symbol}");
        let differences = position.differences(kept.get(&key));
        if !differences.is_empty() && !all_handled(&position, stores).await? {
            findings.wait_for("portfolio");
            continue;
        }
        findings.expect("I20", differences.is_empty(), key, || {
            differences.join("; ")
        });
    }
    Ok(())
}

/// All lots of a user together are what custody holds.
fn check_custody(told: &Positions<'_>, custody: &Custody, findings: &mut Findings) {
    for ((user, symbol), position) in told {
        let held = custody.holding(user, symbol);
        let held = held.available + held.locked;
        let (lots, short) = position.left();
        let left: i64 = lots.values().map(|lot| lot.left).sum();
        findings.expect("I20", i128::from(left) == held && short == 0, user, || {
            format!("lots hold {left} {symbol} and lack {short}, custody holds {held}")
        });
    }
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
fn read(positions: &Rows, lots: &Rows) -> Outcome<BTreeMap<String, Kept>> {
    let mut kept = BTreeMap::new();
    for (key, row) in positions {
        let mut position: Kept =
            serde_json::from_value(row.clone()).map_err(unreadable("positions", key))?;
        let prefix = format!("{key}/");
        let of_position = lots.range(prefix.clone()..);
        for (key, row) in of_position.take_while(|(key, _)| key.starts_with(&prefix)) {
            let lot: KeptLot =
                serde_json::from_value(row.clone()).map_err(unreadable("lots", key))?;
            if lot.quantity != 0 {
                position.lots.push(lot);
            }
        }
        kept.insert(key.clone(), position);
    }
    Ok(kept)
}

fn unreadable(view: &'static str, key: &str) -> impl FnOnce(serde_json::Error) -> AuditError {
    let key = key.to_owned();
    move |source| AuditError::Row {
        service: "portfolio",
        view,
        key,
        source,
    }
}

/// Every position after everything that was issued, taken back and settled.
fn follow(history: &History) -> Outcome<Positions<'_>> {
    let mut positions = Positions::new();
    for recorded in history.of("funds") {
        let event = &recorded.event;
        match &recorded.fact {
            Fact::FundsDeposited(deposited) => issue(event, deposited, &mut positions),
            Fact::FundsWithdrawn(withdrawn) => take_back(event, withdrawn, &mut positions),
            Fact::FundsSettled(settled) => settle(event, settled, &mut positions)?,
            _ => {}
        }
    }
    Ok(positions)
}

/// Shares that were issued cost their holder nothing.
fn issue<'a>(
    event: &'a SealedEvent,
    issued: &'a FundsDepositedEvent,
    positions: &mut Positions<'a>,
) {
    let user = issued.user_id.as_str();
    if let Some(shares) = shares(issued.amount.as_ref()) {
        let position = positions.entry((user, &shares.symbol)).or_default();
        let lot = Lot {
            portfolio: portfolio("", user),
            reference: &issued.reference,
            bought: shares.quantity,
            cost: 0,
            left: shares.quantity,
        };
        position.bought(event, lot);
    }
}

/// Shares whose issue is taken back bring nothing.
fn take_back<'a>(
    event: &'a SealedEvent,
    withdrawn: &'a FundsWithdrawnEvent,
    positions: &mut Positions<'a>,
) {
    let user = withdrawn.user_id.as_str();
    if let Some(shares) = shares(withdrawn.amount.as_ref()) {
        let position = positions.entry((user, &shares.symbol)).or_default();
        let sale = Sale {
            portfolio: portfolio("", user),
            quantity: shares.quantity,
            of_lot: Uuid::try_parse(&withdrawn.reverses_event_id).ok(),
        };
        position.sold(event, sale, 0);
    }
}

fn settle<'a>(
    event: &'a SealedEvent,
    settled: &'a FundsSettledEvent,
    positions: &mut Positions<'a>,
) -> Outcome<()> {
    let notional = raw(settled.notional.as_ref())?;
    let cost = notional + raw(settled.buyer_fee.as_ref())?;
    let proceeds = notional - raw(settled.seller_fee.as_ref())?;
    let symbol = settled.symbol.as_str();
    let (buyer, seller) = (&settled.buyer_user_id, &settled.seller_user_id);
    let lot = Lot {
        portfolio: portfolio(&settled.buyer_portfolio_id, buyer),
        reference: &settled.match_id,
        bought: settled.quantity,
        cost,
        left: settled.quantity,
    };
    let position = positions.entry((buyer, symbol)).or_default();
    position.bought(event, lot);
    let sale = Sale {
        portfolio: portfolio(&settled.seller_portfolio_id, seller),
        quantity: settled.quantity,
        of_lot: None,
    };
    let position = positions.entry((seller, symbol)).or_default();
    position.sold(event, sale, proceeds);
    Ok(())
}

fn shares(amount: Option<&AssetAmount>) -> Option<&Shares> {
    match amount?.asset.as_ref()? {
        Asset::Shares(shares) => Some(shares),
        Asset::Cash(_) => None,
    }
}

/// The portfolio that is named, or else the main one.
fn portfolio(named: &str, user: &str) -> Uuid {
    let named = Uuid::try_parse(named).ok();
    named.unwrap_or_else(|| Uuid::new_v5(&MAIN_PORTFOLIOS, user.as_bytes()))
}

// === impl Position ===

impl<'a> Position<'a> {
    fn bought(&mut self, event: &'a SealedEvent, lot: Lot<'a>) {
        self.events.push(event);
        self.cost += lot.cost;
        self.lots.insert(event.id(), lot);
    }

    fn sold(&mut self, event: &'a SealedEvent, sale: Sale, proceeds: i128) {
        self.events.push(event);
        self.proceeds += proceeds;
        self.sales.insert(event.id(), sale);
    }

    /// What is left of each lot when every sale took what it takes, and the shares that were in
    /// none of them.
    fn left(&self) -> (BTreeMap<Uuid, Lot<'a>>, i64) {
        let mut lots = self.lots.clone();
        let mut own: BTreeMap<Uuid, BTreeSet<Uuid>> = BTreeMap::new();
        for (id, lot) in &lots {
            own.entry(lot.portfolio).or_default().insert(*id);
        }
        let mut short = 0;
        for (sold, sale) in &self.sales {
            let mut wants = sale.quantity;
            while wants > 0 {
                // Not even a sale of its own portfolio takes what came in later, unless all else
                // is gone.
                let of_lot = sale.of_lot.filter(|lot| lots.contains_key(lot));
                let oldest = || own.get(&sale.portfolio).and_then(BTreeSet::first).copied();
                let earlier = of_lot.or_else(oldest).filter(|lot| lot <= sold);
                let any = || lots.first_key_value().map(|(lot, _)| *lot);
                let Some(id) = earlier.or_else(any) else {
                    break;
                };
                let Some(lot) = lots.get_mut(&id) else {
                    break;
                };
                let taken = wants.min(lot.left);
                wants -= taken;
                lot.left -= taken;
                if lot.left == 0 {
                    if let Some(own) = own.get_mut(&lot.portfolio) {
                        own.remove(&id);
                    }
                    lots.remove(&id);
                }
            }
            short += wants;
        }
        (lots, short)
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
        let left: i64 = lots.values().map(|lot| lot.left).sum();
        if kept.quantity != left {
            found.push(format!("it holds {}, events say {left}", kept.quantity));
        }
        if kept.lots.len() != lots.len() {
            let (kept, told) = (kept.lots.len(), lots.len());
            found.push(format!("it has {kept} lots, events say {told}"));
        }
        let differing = kept.lots.iter().zip(lots.values());
        found.extend(differing.filter_map(|(kept, lot)| lot.difference(kept)));
        found.extend(kept.parts(&lots));
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

// === impl Kept ===

impl Kept {
    /// How the portfolios differ from what is left in lots of theirs.
    fn parts(&self, lots: &BTreeMap<Uuid, Lot<'_>>) -> Vec<String> {
        let Some(kept) = &self.portfolios else {
            return Vec::new();
        };
        let mut told: BTreeMap<Uuid, i64> = BTreeMap::new();
        for lot in lots.values() {
            *told.entry(lot.portfolio).or_default() += lot.left;
        }
        let names: BTreeSet<&Uuid> = kept.keys().chain(told.keys()).collect();
        let differing = names.into_iter().filter_map(|portfolio| {
            let told = told.get(portfolio).copied().unwrap_or_default();
            let kept = kept.get(portfolio).map_or(0, |part| part.quantity);
            (kept != told).then(|| format!("portfolio {portfolio} holds {kept}, events say {told}"))
        });
        differing.collect()
    }
}

// === impl Lot ===

impl Lot<'_> {
    fn difference(&self, kept: &KeptLot) -> Option<String> {
        let portfolio = kept.portfolio_id.unwrap_or(self.portfolio);
        let (there, belongs) = (kept.reference.as_str(), self.reference);
        if (there, kept.quantity, portfolio) != (belongs, self.left, self.portfolio) {
            return Some(format!(
                "{} of {there} in {portfolio} stand where {} of {belongs} in {} belong",
                kept.quantity, self.left, self.portfolio
            ));
        }
        // Rounded by less than one ten-thousandth.
        let whole = i128::from(self.bought);
        let off = (i128::from(kept.cost) * whole - self.cost * i128::from(self.left)).abs();
        (off >= whole).then(|| {
            format!(
                "what is left of {belongs} costs {}, of {} for {} shares",
                kept.cost, self.cost, self.bought
            )
        })
    }
}

#[cfg(test)]
mod tests;
