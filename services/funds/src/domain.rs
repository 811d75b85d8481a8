//! Custody as pure decisions: accounts, locks, settlements.
//!
//! - [`asset`]: what can be held
//! - [`account`]: what one user holds
//! - [`lock`]: what is set aside for one order or payout
//! - [`movement`]: what each event moves
//! - [`deposit`], [`locking`], [`settlement`]: the decisions
//! - [`custody`]: everything rebuilt from events alone

pub mod account;
pub mod asset;
pub mod custody;
pub mod deposit;
pub mod lock;
pub mod locking;
pub mod movement;
pub mod rejection;
pub mod settlement;

#[cfg(test)]
mod tests;

pub use account::{Account, Balance, Breach, Standing};
pub use asset::{Asset, Value};
pub use custody::{Custody, HeldLock, RebuildError};
pub use lock::{Ending, Lock, LockTotals, Phase, Purpose, Reason, Slot};
pub use movement::{AccountEvent, SettlementEvent};
pub use rejection::Rejection;
