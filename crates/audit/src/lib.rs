//! The platform's invariants, recomputed from its events alone and compared with every service's
//! tables.
//!
//! Owns: what must hold for everything the services have written, whoever wrote it and however
//! often they crashed. It knows the contract and how rows look, and no service's code: what two
//! have to agree on is worked out here once more.
//!
//! Rooms, in reading order:
//! - [`stores`] – what is looked at
//! - [`history`] – every event in it, decoded once
//! - [`finding`] and [`report`] – breaches, and what is still under way
//! - `streams` – I15: histories without gaps, each owned by one service
//! - `causes` – I23: every flow is a tree that begins with its command
//! - `lifecycle` – I8, I15, I16: what happened to orders, trades, payments and reports was allowed
//! - `matches` – I7, I9, I12: both sides of a match agree, and keep within their limits and locks
//! - `venue` – I9, I10, I11, I13: every book rebuilt: who trades first, who may rest and who take
//! - `custody` – I1 to I6, I18: cash and shares, recomputed and compared with accounts and ledger
//! - `credits` – I6, I17: captures are credited once, and movements are taken back once
//! - `payouts` – I15, I16, I17, I19: what is kept of payouts and suspense
//! - `positions` – I19, I20: lots and profit of every portfolio, recomputed and compared
//! - `effects` – I14: every event had its effect in every consumer once, or is still on its way
//! - `standing` – I14, I22: suspended users are known, and place no orders
//! - `journals` – I19: the journals of reports
//! - `calls` – every chain of call records followed to its end
//! - `delivery` – every event was published and archived; what is parked
//!
//! Not here is I21, that all of this holds after crashes: whoever crashes a platform and lets it come
//! to rest finds out by asking for all of it.
//!
//! What the stores catch under way is counted as pending, not as a breach.

pub mod error;
pub mod finding;
pub mod history;
pub mod report;
pub mod stores;

mod calls;
mod causes;
mod credits;
mod custody;
mod delivery;
mod effects;
mod fact;
mod journals;
mod lifecycle;
mod matches;
mod payouts;
mod positions;
mod standing;
mod streams;
mod venue;

#[cfg(test)]
mod samples;

pub use calls::{CallRecord, recorded_calls};
pub use error::AuditError;
pub use finding::{Breach, Findings};
pub use history::History;
pub use report::AuditReport;
pub use stores::Stores;

/// Steps of an audit: the events are read, then each room checks them.
pub const STEPS: u32 = 15;

/// Checks everything.
///
/// # Errors
/// The stores cannot be read. What is wrong in them is no error but a breach.
pub async fn examine(stores: &Stores) -> Result<(History, Findings), AuditError> {
    examine_telling(stores, |_, _| {}).await
}

/// The same, telling before each step how many of [`STEPS`] are done and what comes now.
///
/// # Errors
/// As of [`examine`].
pub async fn examine_telling(
    stores: &Stores,
    mut tell: impl FnMut(u32, &'static str),
) -> Result<(History, Findings), AuditError> {
    let mut done = 0;
    let mut step = |what| {
        tell(done, what);
        done += 1;
    };
    step("reading events");
    let history = History::read(stores).await?;
    let mut findings = Findings::default();
    check(&history, stores, &mut findings, step).await?;
    Ok((history, findings))
}

async fn check(
    history: &History,
    stores: &Stores,
    findings: &mut Findings,
    mut step: impl FnMut(&'static str),
) -> Result<(), AuditError> {
    step("streams");
    streams::check(history, findings);
    step("causes");
    causes::check(history, findings);
    step("lifecycles");
    lifecycle::check(history, stores, findings).await?;
    step("matches");
    matches::check(history, findings)?;
    step("the venue's books");
    venue::check(history, stores, findings).await?;
    step("effects of events");
    effects::check(history, stores, findings).await?;
    step("standing of users");
    standing::check(history, stores, findings).await?;
    step("credits");
    credits::check(history, findings);
    step("custody and ledger");
    let custody = custody::check(history, stores, findings).await?;
    step("positions");
    positions::check(history, stores, &custody, findings).await?;
    step("payouts");
    payouts::check(history, stores, findings).await?;
    step("journals of reports");
    journals::check(history, stores, findings).await?;
    step("records of calls");
    calls::check(stores, findings).await?;
    step("deliveries");
    delivery::check(history, stores, findings).await
}

#[cfg(test)]
mod tests;
