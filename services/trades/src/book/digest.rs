//! A fingerprint of a book's whole state, to prove that a rebuilt book is the live one.

use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use sha2::{Digest, Sha256};

use super::{Book, Order, Side};

impl Book {
    /// SHA-256 over everything the next decision depends on, in hexadecimal. Two books with the
    /// same digest decide every command alike.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(self.venue_seq.to_be_bytes());
        hash.update(self.last_price.unwrap_or(0).to_be_bytes());
        hash.update([self.session as u8]);
        for side in [Side::Buy, Side::Sell] {
            for order in self.orders(side) {
                add_order(&mut hash, order);
            }
            hash.update([0xff]);
            for order in self.waiting(side) {
                add_order(&mut hash, order);
            }
            hash.update([0xfe]);
        }
        for order in self.woken() {
            add_order(&mut hash, order);
        }
        let mut text = String::with_capacity(64);
        for byte in hash.finalize() {
            // Writing to a string does not fail.
            let _ = write!(text, "{byte:02x}");
        }
        text
    }
}

fn add_order(hash: &mut Sha256, order: &Order) {
    hash.update([u8::from(order.post_only), u8::from(order.collared)]);
    hash.update([order.self_trade as u8]);
    hash.update([order.immediate.map_or(0, |reason| 1 + reason as u8)]);
    hash.update(order.stop.unwrap_or(0).to_be_bytes());
    hash.update(order.order_id.as_bytes());
    hash.update(order.owner.as_bytes());
    hash.update(order.price.to_be_bytes());
    hash.update(order.quantity.to_be_bytes());
    hash.update(order.executed.to_be_bytes());
    hash.update(order.notional.to_be_bytes());
    hash.update(order.fees.charged().to_be_bytes());
    hash.update(order.fees.due().to_be_bytes());
    hash.update(nanoseconds(order.expires_at).to_be_bytes());
}

/// Nanoseconds since 1970, 0 for never.
fn nanoseconds(at: Option<SystemTime>) -> u128 {
    at.and_then(|at| at.duration_since(UNIX_EPOCH).ok())
        .map_or(0, |since| since.as_nanos())
}
