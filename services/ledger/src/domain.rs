//! The journal as pure rules: what each event is booked as, and how transactions are chained.
//!
//! - [`chart`]: the accounts there are
//! - [`posting`]: what each event of funds is booked as
//! - [`journal`]: numbered, balanced, chained transactions
//! - [`verification`]: the same rules, applied to what is kept

pub mod chart;
pub mod hash;
pub mod journal;
pub mod posting;
pub mod verification;

pub use chart::AccountName;
pub use hash::Hash;
pub use journal::{
    Entry, Head, JournalError, Recorded, Transaction, Waiting, record, record_covered,
};
pub use posting::{FundsEvent, Posting, PostingError, Transfer};
pub use verification::{Broken, Verification};

#[cfg(test)]
mod tests;
