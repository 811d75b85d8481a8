//! Custody as pure decisions: accounts, locks, settlements.
//!
//! - [`asset`]: what can be held
//! - [`account`]: what one user holds
//! - [`lock`]: what is set aside for one order or payout
//! - [`movement`]: what each event moves
//! - [`deposit`], [`locking`], [`settlement`]: the decisions about orders and what comes in
//! - [`withdrawal`]: payouts, from their lock to their end
//! - [`suspense`]: money that could not be credited
//! - [`reversal`]: taking movements back
//! - [`custody`]: everything rebuilt from events alone
//! - [`tally`]: one account added up from its events

pub mod account;
pub mod asset;
pub mod custody;
pub mod deposit;
pub mod lock;
pub mod locking;
pub mod movement;
pub mod rejection;
pub mod reversal;
pub mod settlement;
pub mod suspense;
pub mod tally;
pub mod withdrawal;

#[cfg(test)]
mod tests;

pub use account::{Account, Balance, Breach, Standing};
pub use asset::{Asset, Value};
pub use custody::{Custody, HeldLock, RebuildError};
pub use lock::{Ending, Lock, LockTotals, Phase, Purpose, Reason, Slot};
pub use movement::{AccountEvent, SettlementEvent};
pub use rejection::Rejection;
pub use suspense::{Outcome, SuspenseItem};
pub use withdrawal::{Stage, Withdrawal};
