//! A desk kept as a whole, so that loading it takes only the events that came after.
//!
//! A checkpoint holds exactly what the events of its symbol up to a position lead to under the
//! market it was made for; under another one it does not count, and all events are replayed.

use outcry_store::{Store, StoreError, ViewRow, ViewWrite};
use serde::{Deserialize, Serialize};

use super::{Desk, Market};
use crate::book::{BookHead, Rules, Standing};
use crate::calendar::Schedule;
use crate::trade::Trade;

/// Checkpoints by symbol.
const HEADS: &str = "checkpoints";

/// Their orders, in parts.
const PARTS: &str = "checkpoint_parts";

/// Orders of a part: with their trades a few megabytes, which a row can hold.
const PART_ORDERS: usize = 2_000;

/// Which checkpoint there is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kept {
    parts: usize,
}

/// A checkpoint without its orders.
#[derive(Serialize, Deserialize)]
struct Head {
    /// Position of the last event it knows.
    position: u64,
    market: MarketTerms,
    book: BookHead,
    /// How often the session has changed.
    sessions: u64,
    /// When the last event happened, in nanoseconds since 1970.
    latest_ns: i64,
    parts: usize,
}

/// What of a market makes its events mean what they mean.
#[derive(PartialEq, Serialize, Deserialize)]
struct MarketTerms {
    rules: Rules,
    schedule: Schedule,
    listed: bool,
}

/// Some of the orders of the checkpoint that ends at the same position.
#[derive(Serialize, Deserialize)]
struct Part {
    position: u64,
    orders: Vec<(Standing, Trade)>,
}

/// What a checkpoint holds.
pub(super) struct Checkpoint {
    pub(super) position: u64,
    pub(super) head: BookHead,
    pub(super) orders: Vec<(Standing, Trade)>,
    pub(super) sessions: u64,
    pub(super) latest_ns: i64,
}

impl From<&Market> for MarketTerms {
    fn from(market: &Market) -> MarketTerms {
        MarketTerms {
            rules: market.rules,
            schedule: market.schedule.as_ref().clone(),
            listed: market.listed,
        }
    }
}

impl Desk {
    /// Whether it is time for a checkpoint: it costs as much as the desk has orders, so there are
    /// at least as many events between two of them.
    pub(super) fn wants_checkpoint(&self) -> bool {
        self.unkept >= self.market.checkpoint_events.max(self.book.len())
    }

    /// The rows of a checkpoint of the desk as it is, which the event at this position made it.
    /// They take the place of those before.
    pub(super) fn checkpoint(
        &self,
        position: u64,
        latest_ns: i64,
    ) -> Result<(Kept, Vec<ViewWrite>), StoreError> {
        let symbol = &self.market.symbol;
        let (book, standings) = self.book.image();
        let mut orders = Vec::with_capacity(standings.len());
        for standing in standings {
            // Each order of the book has its trade.
            if let Some(trade) = self.trades.get(&standing.order_id()) {
                orders.push((standing, trade.clone()));
            }
        }
        let mut writes = Vec::new();
        let mut parts = 0;
        while !orders.is_empty() {
            let rest = orders.split_off(orders.len().min(PART_ORDERS));
            let part = Part { position, orders };
            writes.push(ViewWrite::put(PARTS, key(symbol, parts), &part)?);
            orders = rest;
            parts += 1;
        }
        let before = self.kept.map_or(0, |kept| kept.parts);
        for part in parts..before {
            writes.push(ViewWrite::delete(PARTS, key(symbol, part)));
        }
        let head = Head {
            position,
            market: MarketTerms::from(&self.market),
            book,
            sessions: self.sessions,
            latest_ns,
            parts,
        };
        writes.push(ViewWrite::put(HEADS, symbol, &head)?);
        Ok((Kept { parts }, writes))
    }

    /// This is the checkpoint there is now.
    pub(super) fn note_checkpoint(&mut self, kept: Kept) {
        (self.kept, self.unkept) = (Some(kept), 0);
    }
}

/// The checkpoint of a market: that there is one, and what it holds if it counts.
pub(super) async fn read(
    store: &dyn Store,
    market: &Market,
) -> Result<(Option<Kept>, Option<Checkpoint>), StoreError> {
    let Some(row) = store.view(HEADS, &market.symbol).await? else {
        return Ok((None, None));
    };
    // One that another build has written in another way is none.
    let Ok(head) = row.decode::<Head>() else {
        return Ok((None, None));
    };
    let kept = Kept { parts: head.parts };
    if head.market != MarketTerms::from(market) {
        return Ok((Some(kept), None));
    }
    let mut orders = Vec::new();
    for part in 0..head.parts {
        let part = store.view(PARTS, &key(&market.symbol, part)).await?;
        match part.as_ref().map(ViewRow::decode::<Part>) {
            Some(Ok(part)) if part.position == head.position => orders.extend(part.orders),
            // Another one's when somebody writes the next one at this moment.
            Some(_) | None => return Ok((Some(kept), None)),
        }
    }
    let checkpoint = Checkpoint {
        position: head.position,
        head: head.book,
        orders,
        sessions: head.sessions,
        latest_ns: head.latest_ns,
    };
    Ok((Some(kept), Some(checkpoint)))
}

fn key(symbol: &str, part: usize) -> String {
    format!("{symbol}/{part}")
}
