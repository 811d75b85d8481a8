//! The journal as pure rules: what each event is booked as, and how transactions are chained.
//!
//! - [`chart`]: the accounts there are
//! - [`posting`]: what each event is booked as
//! - [`summary`]: what was booked on an account, by kind
//! - [`reconciliation`]: the books against what custody holds
//! - [`lasting`]: what differs comparison after comparison
//! - [`journal`]: numbered, balanced, chained transactions
//! - [`verification`]: the same rules, applied to what is kept

pub mod chart;
pub mod hash;
mod held;
pub mod journal;
pub mod lasting;
pub mod posting;
pub mod reconciliation;
pub mod summary;
pub mod verification;

pub use chart::AccountName;
pub use hash::Hash;
pub use journal::{
    Entry, Head, JournalError, Recorded, Transaction, Waiting, record, record_covered,
};
pub use posting::{Bookable, Posting, PostingError, Transfer};
pub use reconciliation::{DIFFERENCES_MAX, Difference, Reconciliation};
pub use summary::Summary;
pub use verification::{Broken, Verification};

#[cfg(test)]
mod tests;
