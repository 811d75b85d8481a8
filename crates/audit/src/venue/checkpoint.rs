//! I13: a book the venue kept as a whole is the one its events lead to.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::error::Outcome;
use crate::stores::{Rows, Stores};

/// A kept book.
#[derive(Debug)]
pub(super) struct Checkpoint {
    /// The last decision it knows.
    pub(super) venue_seq: u64,
    /// Orders in the book, those first that trade first; by side: bids, asks.
    pub(super) sides: [Vec<Kept>; 2],
    /// Orders that wait for their price, by order id.
    pub(super) waiting: BTreeMap<String, Kept>,
}

/// A kept order.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Kept {
    pub(super) order_id: String,
    /// In ten-thousandths.
    pub(super) price: i64,
    pub(super) quantity: i64,
    pub(super) executed: i64,
}

/// Row of `checkpoints`, under the symbol.
#[derive(Deserialize)]
pub(super) struct Head {
    position: u64,
    parts: usize,
    book: BookHead,
}

#[derive(Deserialize)]
struct BookHead {
    venue_seq: u64,
}

/// Row of `checkpoint_parts`, under `<symbol>/<part>`.
#[derive(Deserialize)]
struct Part {
    /// Of the checkpoint it belongs to.
    position: u64,
    /// Each with its trade, which has a row of its own.
    orders: Vec<(Standing, serde::de::IgnoredAny)>,
}

#[derive(Deserialize)]
struct Standing {
    arrival: u64,
    post: String,
    order: Order,
}

#[derive(Deserialize)]
struct Order {
    side: String,
    #[serde(flatten)]
    kept: Kept,
}

/// Every kept book by symbol. One that is not complete, or that another build has written in
/// another way, is none, to the venue as well.
pub(super) async fn read(stores: &Stores) -> Outcome<BTreeMap<String, Checkpoint>> {
    let heads = stores.view("trades", "checkpoints").await?;
    let parts = stores.view("trades", "checkpoint_parts").await?;
    let parts = parts.unwrap_or_default();
    let heads = heads.into_iter().flatten().filter_map(|(symbol, row)| {
        let head: Head = serde_json::from_value(row).ok()?;
        let checkpoint = checkpoint(&symbol, &head, &parts)?;
        Some((symbol, checkpoint))
    });
    Ok(heads.collect())
}

pub(super) fn checkpoint(symbol: &str, head: &Head, parts: &Rows) -> Option<Checkpoint> {
    let mut sides = [Vec::new(), Vec::new()];
    let mut waiting = BTreeMap::new();
    for part in 0..head.parts {
        let row = parts.get(&format!("{symbol}/{part}"))?;
        let part: Part = serde_json::from_value(row.clone()).ok()?;
        if part.position != head.position {
            return None;
        }
        let orders = part.orders;
        for (standing, _) in orders {
            let Order { side, kept } = standing.order;
            if standing.post != "Book" {
                waiting.insert(kept.order_id.clone(), kept);
            } else if side == "Buy" {
                sides[0].push(((-kept.price, standing.arrival), kept));
            } else {
                sides[1].push(((kept.price, standing.arrival), kept));
            }
        }
    }
    let sides = sides.map(|mut side| {
        side.sort_by_key(|(place, _)| *place);
        side.into_iter().map(|(_, kept)| kept).collect()
    });
    Some(Checkpoint {
        venue_seq: head.book.venue_seq,
        sides,
        waiting,
    })
}
