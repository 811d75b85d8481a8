//! The tape: every match of a symbol, in venue order.

use outcry_contracts::trades::v1 as contract;
use outcry_store::{Scan, Store, StoreError, ViewRow, ViewWrite, timer};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::trade::amount;

const TAPE: &str = "tape";

/// Digits of a venue sequence in a key: enough for any, so that keys sort like numbers.
const DIGITS: usize = 20;

/// One match.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TapeRow {
    pub(crate) symbol: String,
    pub(crate) venue_seq: u64,
    /// Ten-thousandths.
    pub(crate) price: i64,
    pub(crate) quantity: i64,
    /// The contract's side of the incoming order.
    pub(crate) taker_side: i32,
    /// Nanoseconds since 1970.
    pub(crate) executed_ns: i64,
    pub(crate) maker_order_id: Uuid,
    pub(crate) taker_order_id: Uuid,
}

impl TapeRow {
    pub(crate) fn write(&self) -> Result<ViewWrite, StoreError> {
        ViewWrite::put(TAPE, key(&self.symbol, self.venue_seq), self)
    }

    /// The match for callers; whose orders met is for administrators only.
    pub(crate) fn shown(&self, with_orders: bool) -> contract::Execution {
        let order = |id: Uuid| {
            if with_orders {
                id.to_string()
            } else {
                String::new()
            }
        };
        contract::Execution {
            match_id: match_id(&self.symbol, self.venue_seq),
            venue_sequence: self.venue_seq,
            symbol: self.symbol.clone(),
            price: Some(amount(self.price).to_money()),
            quantity: self.quantity,
            taker_side: self.taker_side,
            executed_at: Some(timer::time_of(self.executed_ns).into()),
            maker_order_id: order(self.maker_order_id),
            taker_order_id: order(self.taker_order_id),
        }
    }
}

/// Id of a match: the same on both sides.
pub(crate) fn match_id(symbol: &str, venue_seq: u64) -> String {
    format!("{symbol}-{venue_seq}")
}

/// The newest matches behind a venue sequence, newest first.
pub(crate) async fn tape_latest(
    store: &dyn Store,
    symbol: &str,
    after: u64,
    limit: usize,
) -> Result<Vec<TapeRow>, StoreError> {
    let scan = Scan::new(TAPE)
        .prefix(format!("{symbol}/"))
        .limit(limit)
        .reverse();
    let mut tape: Vec<TapeRow> = decoded(&store.scan(&scan).await?)?;
    tape.retain(|row| row.venue_seq > after);
    Ok(tape)
}

fn decoded(rows: &[ViewRow]) -> Result<Vec<TapeRow>, StoreError> {
    rows.iter().map(ViewRow::decode).collect()
}

/// The matches behind a venue sequence, which need not be that of a match.
pub(crate) async fn tape_after(
    store: &dyn Store,
    symbol: &str,
    after: u64,
    limit: usize,
) -> Result<Vec<TapeRow>, StoreError> {
    let scan = Scan::new(TAPE).prefix(format!("{symbol}/"));
    // The usual case: the caller goes on behind the last match it has seen.
    if let Some(row) = store.view(TAPE, &key(symbol, after)).await? {
        let scan = scan.after(Some(row.cursor)).limit(limit);
        return decoded(&store.scan(&scan).await?);
    }
    if after == 0 {
        return decoded(&store.scan(&scan.limit(limit)).await?);
    }
    let newest = tape_latest(store, symbol, after, 1).await?;
    let newest = newest.first().map_or(after, |row| row.venue_seq);
    let mut tape = Vec::new();
    for prefix in prefixes_above(after, newest) {
        if tape.len() == limit {
            break;
        }
        let scan = Scan::new(TAPE)
            .prefix(format!("{symbol}/{prefix}"))
            .limit(limit - tape.len());
        tape.extend(decoded(&store.scan(&scan).await?)?);
    }
    Ok(tape)
}

fn key(symbol: &str, venue_seq: u64) -> String {
    format!("{symbol}/{venue_seq:0DIGITS$}")
}

/// The prefixes of exactly the numbers above `after` that can be up to `newest`, in order: first
/// those that differ in the last digit, then in the one before, and so on.
fn prefixes_above(after: u64, newest: u64) -> Vec<String> {
    let digits = format!("{after:0DIGITS$}");
    let mut prefixes = Vec::new();
    let mut weight: u64 = 1;
    for place in (0..DIGITS).rev() {
        let (head, digit) = (&digits[..place], digits.as_bytes()[place]);
        let head_value = head.parse::<u64>().unwrap_or_default();
        for next in digit + 1..=b'9' {
            let first = head_value
                .checked_mul(10)
                .and_then(|value| value.checked_add(u64::from(next - b'0')))
                .and_then(|value| value.checked_mul(weight));
            if first.is_some_and(|first| first <= newest) {
                prefixes.push(format!("{head}{}", char::from(next)));
            }
        }
        match weight.checked_mul(10) {
            Some(heavier) if heavier <= newest => weight = heavier,
            _ => break,
        }
    }
    prefixes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_cover_exactly_what_lies_above() {
        for (after, newest) in [
            (1, 1),
            (7, 40),
            (98, 1_234),
            (999, 1_000),
            (1_234, 1_234),
            (5, 0),
        ] {
            let prefixes = prefixes_above(after, newest);
            for number in 0..=newest {
                let text = format!("{number:0DIGITS$}");
                let covering = prefixes
                    .iter()
                    .filter(|prefix| text.starts_with(*prefix))
                    .count();
                assert_eq!(
                    covering,
                    usize::from(number > after),
                    "{number} above {after}"
                );
            }
        }
    }

    #[test]
    fn prefixes_come_in_the_order_of_their_numbers() {
        let firsts: Vec<String> = prefixes_above(1_234, 99_999)
            .into_iter()
            .map(|prefix| format!("{prefix:0<DIGITS$}"))
            .collect();
        assert!(firsts.is_sorted());
    }
}
