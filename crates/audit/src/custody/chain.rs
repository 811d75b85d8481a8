//! The ledger's journal against itself: numbered without gaps, each transaction naming the hash of
//! the one before, balances following from entries.

use std::collections::{HashMap, HashSet};

use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// What stands before the first transaction.
pub(super) const ORIGIN: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// A row of the journal.
#[derive(Debug, Clone, Deserialize)]
pub struct Transaction {
    pub number: u64,
    pub key: String,
    pub kind: i32,
    pub reference: String,
    pub event_id: Uuid,
    pub at_ns: i64,
    pub entries: Vec<Entry>,
    /// Hexadecimal, as `hash`.
    pub previous: String,
    /// Of everything above.
    pub hash: String,
}

/// One leg of a transaction.
#[derive(Debug, Clone, Deserialize)]
pub struct Entry {
    pub account: String,
    /// Ten-thousandths of the currency unit, or shares.
    pub amount: i64,
    pub balance_after: i64,
}

/// The journal up to somewhere.
#[derive(Default)]
pub struct Chain {
    last: Option<Last>,
    balances: HashMap<String, i128>,
    keys: HashSet<String>,
}

/// The transaction before.
struct Last {
    number: u64,
    hash: String,
    at_ns: i64,
}

/// Whether an account stands for the outside, which owes what is inside.
pub(super) fn is_outside(account: &str) -> bool {
    account.starts_with("world:") || account.starts_with("issuer:")
}

// === impl Chain ===

impl Chain {
    /// Goes on to the next transaction; what is wrong with it otherwise. Whoever goes on behind a
    /// wrong one finds it chained to that.
    pub fn follow(&mut self, transaction: &Transaction) -> Result<(), String> {
        let judged = self.judge(transaction);
        self.last = Some(Last {
            number: transaction.number,
            hash: transaction.hash.clone(),
            at_ns: transaction.at_ns,
        });
        judged
    }

    fn judge(&mut self, transaction: &Transaction) -> Result<(), String> {
        let (number, hash, at_ns) = match &self.last {
            Some(last) => (last.number, last.hash.as_str(), last.at_ns),
            None => (0, ORIGIN, i64::MIN),
        };
        let (found, expected) = (transaction.number, number + 1);
        if found != expected {
            return Err(format!("number {found} stands where {expected} belongs"));
        }
        if transaction.previous != hash {
            return Err("it is not chained to the transaction before".to_owned());
        }
        if transaction.hash != transaction.computed_hash() {
            return Err("its hash is not that of what it says".to_owned());
        }
        if transaction.at_ns < at_ns {
            return Err("it is earlier than the transaction before".to_owned());
        }
        for entry in &transaction.entries {
            let balance = self.balances.entry(entry.account.clone()).or_default();
            *balance += i128::from(entry.amount);
            let (account, found) = (&entry.account, entry.balance_after);
            if *balance != i128::from(found) {
                return Err(format!(
                    "{account} holds {balance} after it, it says {found}"
                ));
            }
            if *balance < 0 && !is_outside(account) {
                return Err(format!("{account} holds {balance}"));
            }
        }
        if !self.keys.insert(transaction.key.clone()) {
            return Err(format!("key {} is booked twice", transaction.key));
        }
        Ok(())
    }
}

// === impl Transaction ===

impl Transaction {
    /// SHA-256 of what it says: every text preceded by its length, every number in its width.
    pub fn computed_hash(&self) -> String {
        let mut digest = Sha256::new();
        digest.update(bytes(&self.previous));
        digest.update(self.number.to_be_bytes());
        text(&mut digest, &self.key);
        digest.update(i64::from(self.kind).to_be_bytes());
        text(&mut digest, &self.reference);
        text(&mut digest, &self.event_id.to_string());
        digest.update(self.at_ns.to_be_bytes());
        digest.update((self.entries.len() as u64).to_be_bytes());
        for entry in &self.entries {
            text(&mut digest, &entry.account);
            digest.update(entry.amount.to_be_bytes());
            digest.update(entry.balance_after.to_be_bytes());
        }
        let hash = digest.finalize();
        hash.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

fn text(digest: &mut Sha256, text: &str) {
    digest.update((text.len() as u64).to_be_bytes());
    digest.update(text.as_bytes());
}

/// Of a hexadecimal number; what is none ends it, and gives another hash.
fn bytes(hexadecimal: &str) -> Vec<u8> {
    let digits: Vec<char> = hexadecimal.chars().collect();
    let pairs = digits.chunks_exact(2).map_while(|pair| match pair {
        [high, low] => Some(high.to_digit(16)? << 4 | low.to_digit(16)?),
        _ => None,
    });
    pairs.map_while(|byte| u8::try_from(byte).ok()).collect()
}
