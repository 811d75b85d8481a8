//! I1 to I6: what every account holds, recomputed from the events of funds alone, and compared with
//! the accounts, the locks and the ledger's journal.
//!
//! - [`fold`] – what the events of funds say is held
//! - [`books`] – the ledger's journal against the same events
//! - [`chain`] – the journal against itself

mod books;
mod chain;
mod fold;

use std::collections::{BTreeMap, HashMap};

use outcry_contracts::orders::v1::{OrderStatus, Side};
use outcry_contracts::trades::v1::TradeExecutedEvent;
use outcry_events::SealedEvent;
use serde_json::Value;
use uuid::Uuid;

use crate::error::Outcome;
use crate::fact::{Fact, raw};
use crate::finding::Findings;
use crate::history::History;
use crate::stores::Stores;
pub(crate) use fold::{CASH, Custody, custody, held};

pub async fn check(
    history: &History,
    stores: &Stores,
    findings: &mut Findings,
) -> Outcome<Custody> {
    let custody = custody(history, findings)?;
    check_conserved(&custody, findings);
    check_locks(&custody, findings);
    check_flows(history, &custody, findings)?;
    if let Some(rows) = stores.view("funds", "accounts").await? {
        check_accounts(&custody, &rows, findings);
    }
    if let Some(rows) = stores.view("funds", "locks").await? {
        check_kept_locks(&custody, &rows, findings);
    }
    for end in ends(history) {
        if custody.remaining(end.order_id) == 0 {
            findings.expect("I5", true, end.order_id, String::new);
        } else if end.is_due(&custody) && stores.handled("funds", end.event).await? {
            findings.expect("I5", false, end.order_id, || {
                let remaining = custody.remaining(end.order_id);
                format!("the order has ended and is settled, but {remaining} stay locked for it")
            });
        } else {
            findings.wait_for("release of what an ended order does not need");
        }
    }
    books::check(history, stores, findings).await?;
    Ok(custody)
}

/// Nothing comes into being or vanishes: what came in and did not leave is what accounts and house
/// hold.
fn check_conserved(custody: &Custody, findings: &mut Findings) {
    let mut held: BTreeMap<&str, i128> = BTreeMap::new();
    for ((_, asset), holding) in &custody.holdings {
        *held.entry(asset).or_default() += holding.available + holding.locked;
    }
    *held.entry(CASH).or_default() += custody.fees;
    for (asset, held) in held {
        let inside = custody.inside.get(asset).copied().unwrap_or_default();
        findings.expect("I6", held == inside, asset, || {
            format!("{inside} came in and stayed, but accounts and house hold {held}")
        });
    }
}

/// What is locked in an account is what its locks hold.
fn check_locks(custody: &Custody, findings: &mut Findings) {
    let mut open: HashMap<(&str, &str), i128> = HashMap::new();
    for lock in custody.locks.values() {
        *open.entry((&lock.user, &lock.asset)).or_default() += lock.remaining();
        if lock.withdrawal && lock.remaining() != 0 {
            // Only the provider's word ends it.
            findings.wait_for("the end of a payout");
        }
    }
    for ((user, asset), holding) in &custody.holdings {
        let open = open.get(&(user.as_str(), asset.as_str())).copied();
        let open = open.unwrap_or_default();
        findings.expect("I3", holding.locked == open, user, || {
            format!(
                "{} {asset} are locked, but the locks hold {open}",
                holding.locked
            )
        });
    }
}

/// Cash by another way: what a user paid in and out, and what the fills that are settled cost and
/// brought as the venue told them.
fn check_flows(history: &History, custody: &Custody, findings: &mut Findings) -> Outcome<()> {
    let mut flows = custody.outside_cash.clone();
    let mut fees = 0;
    for (_, fill) in history.all::<TradeExecutedEvent>() {
        if !custody.settled.contains(&fill.match_id) {
            continue;
        }
        let price = raw(fill.last_price.as_ref())?;
        let fee = raw(fill.fee.as_ref())?;
        let notional = price * i128::from(fill.last_quantity);
        let flow = match fill.side() {
            Side::Buy => -notional - fee,
            _ => notional - fee,
        };
        *flows.entry(fill.user_id.clone()).or_default() += flow;
        fees += fee;
    }
    findings.expect("I6", fees == custody.fees, "fees", || {
        format!("the fills' fees are {fees}, the house got {}", custody.fees)
    });
    for (user, flow) in &flows {
        let holding = custody.holding(user, CASH);
        let held = holding.available + holding.locked;
        findings.expect("I6", held == *flow, user, || {
            format!("deposits, withdrawals and fills leave {flow}, the account holds {held}")
        });
    }
    Ok(())
}

fn check_accounts(custody: &Custody, rows: &BTreeMap<String, Value>, findings: &mut Findings) {
    for ((user, asset), holding) in &custody.holdings {
        let kept = rows.get(user).map(|row| &row["balances"][asset]);
        let number = |field: &str| kept.and_then(|kept| number(&kept[field])).unwrap_or(0);
        let (available, locked) = (number("available"), number("locked"));
        let same = (available, locked) == (holding.available, holding.locked);
        findings.expect("I19", same, user, || {
            format!(
                "the account has {available} available and {locked} locked {asset}, events say {} and {}",
                holding.available, holding.locked
            )
        });
    }
    for (user, row) in rows {
        let told = custody.sequences.get(user).copied().unwrap_or(0);
        findings.expect("I19", row["sequence"].as_u64() == Some(told), user, || {
            format!(
                "the account is at event {}, its stream at {told}",
                row["sequence"]
            )
        });
        let known = row["balances"].as_object().into_iter().flatten();
        for (asset, kept) in known {
            let is_told = custody
                .holdings
                .contains_key(&(user.clone(), asset.clone()))
                || (number(&kept["available"]), number(&kept["locked"])) == (Some(0), Some(0));
            findings.expect("I19", is_told, user, || {
                format!("the account has {asset} that no event brought")
            });
        }
    }
}

fn check_kept_locks(custody: &Custody, rows: &BTreeMap<String, Value>, findings: &mut Findings) {
    for (id, lock) in &custody.locks {
        let told = [lock.amount, lock.posted, lock.released].map(Some);
        let kept = rows.get(id);
        let kept =
            ["amount", "posted", "released"].map(|field| kept.and_then(|row| number(&row[field])));
        findings.expect("I19", kept == told, id, || {
            format!("the lock's amount, posted, released are kept as {kept:?}, events say {told:?}")
        });
    }
    for (id, row) in rows {
        let bars = row["kind"] == "barred";
        findings.expect("I19", bars != custody.locks.contains_key(id), id, || {
            if bars {
                "it is barred, but events locked something".to_owned()
            } else {
                "no event locked anything".to_owned()
            }
        });
    }
}

fn number(value: &Value) -> Option<i128> {
    value.as_i64().map(i128::from)
}

/// How an order ended.
struct End<'a> {
    order_id: &'a str,
    /// Shares filled.
    filled: i64,
    event: &'a SealedEvent,
}

fn ends(history: &History) -> Vec<End<'_>> {
    let ends = history.of("orders").filter_map(|recorded| {
        let (order_id, filled) = match &recorded.fact {
            Fact::OrderFilled(end) if end.status() == OrderStatus::Filled => {
                (&end.order_id, end.cumulative_quantity)
            }
            Fact::OrderCancelled(end) => (&end.order_id, end.cumulative_quantity),
            Fact::OrderExpired(end) => (&end.order_id, end.cumulative_quantity),
            Fact::OrderRejected(end) => (&end.order_id, 0),
            _ => return None,
        };
        Some(End {
            order_id,
            filled,
            event: &recorded.event,
        })
    });
    ends.collect()
}

// === impl End ===

impl End<'_> {
    /// Whether all its fills are settled, so that nothing more is needed.
    fn is_due(&self, custody: &Custody) -> bool {
        let lock = custody.locks.get(self.order_id);
        lock.is_none_or(|lock| lock.quantity >= i128::from(self.filled))
    }
}

/// Ids of events, for what only asks whether one is among them.
type Ids = std::collections::HashSet<Uuid>;

#[cfg(test)]
mod tests;
