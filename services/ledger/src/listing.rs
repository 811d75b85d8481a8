//! Transactions by kind, reference and time, page by page.

use outcry_contracts::types::v1::{PageInfo, PageRequest};
use outcry_service::Page;
use outcry_store::{Scan, Store, StoreError};

use crate::books;
use crate::domain::Transaction;

/// Transactions looked at for one page at most. A page of rare ones may be shorter than asked for
/// and go on all the same.
const LOOKED_AT_MAX: usize = 10_000;

/// Transactions read at a time.
const BATCH: usize = 500;

/// Which transactions are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Filter {
    /// Of this kind; none means any.
    pub(crate) kind: Option<i32>,
    /// With this reference; empty means any.
    pub(crate) reference: String,
    /// From this time on, in nanoseconds since 1970; none means from the beginning.
    pub(crate) from_ns: Option<i64>,
    /// Before this time; none means to the end.
    pub(crate) to_ns: Option<i64>,
}

/// One page of the transactions that a filter lets through, by number.
pub(crate) async fn transactions(
    store: &dyn Store,
    filter: &Filter,
    page: Option<PageRequest>,
) -> Result<(Vec<Transaction>, PageInfo), StoreError> {
    let page = Page::of(page);
    let (scan, start) = filter.order(store).await?;
    let mut after = page.after.or(start);
    let mut found: Vec<(Transaction, String)> = Vec::new();
    let mut looked_at = 0;
    loop {
        let rows = store.scan(&scan.clone().after(after).limit(BATCH)).await?;
        let is_last = rows.len() < BATCH;
        looked_at += rows.len();
        after = rows.last().map(|row| row.cursor.clone());
        for row in rows {
            let transaction: Transaction = row.decode()?;
            if filter.is_past(&transaction) {
                return Ok((cut(found), Page::info(None)));
            }
            if !filter.lets_through(&transaction) {
                continue;
            }
            if found.len() == page.size {
                let next = found.last().map(|(_, cursor)| cursor.clone());
                return Ok((cut(found), Page::info(next)));
            }
            found.push((transaction, row.cursor));
        }
        if is_last {
            return Ok((cut(found), Page::info(None)));
        }
        if looked_at >= LOOKED_AT_MAX {
            return Ok((cut(found), Page::info(after)));
        }
    }
}

fn cut(found: Vec<(Transaction, String)>) -> Vec<Transaction> {
    found.into_iter().map(|(one, _)| one).collect()
}

// === impl Filter ===

impl Filter {
    /// The order in which fewest have to be looked at, and where to begin in it. Each is in the
    /// order of numbers, and so of time.
    async fn order(&self, store: &dyn Store) -> Result<(Scan, Option<String>), StoreError> {
        if !self.reference.is_empty() {
            return Ok((books::journal_of_reference(&self.reference), None));
        }
        match (self.from_ns, self.kind) {
            (Some(from_ns), _) => {
                let first = books::first_since(store, from_ns).await?;
                let start = books::behind(store, first - 1).await?;
                Ok((books::journal(), start))
            }
            (None, Some(kind)) => Ok((books::journal_of_kind(kind), None)),
            (None, None) => Ok((books::journal(), None)),
        }
    }

    /// Whether it is behind all that are wanted.
    fn is_past(&self, transaction: &Transaction) -> bool {
        self.to_ns.is_some_and(|to_ns| transaction.at_ns >= to_ns)
    }

    fn lets_through(&self, transaction: &Transaction) -> bool {
        let is_since = self
            .from_ns
            .is_none_or(|from_ns| transaction.at_ns >= from_ns);
        is_since && self.kind.is_none_or(|kind| kind == transaction.kind)
    }
}
