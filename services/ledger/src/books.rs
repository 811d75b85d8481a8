//! What is kept: transactions by number, entries by account, balances, keys and the end.
//!
//! All of a transaction's rows are written in one commit that demands the end of the journal to be
//! where it was read, so nothing comes in between.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::try_join_all;
use outcry_store::{Scan, Store, StoreError, ViewRow, ViewWrite};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::{AccountName, Entry, Head, Posting, Recorded, Transaction, Waiting};

/// View of [`Transaction`]s by number, in twenty digits.
pub const JOURNAL: &str = "journal";

/// View of numbers by the key of their transaction.
pub const KEYS: &str = "keys";

/// View of [`BookedEntry`]s.
pub const ENTRIES: &str = "entries";

/// Order of [`ENTRIES`] by account, then number.
pub const BY_ACCOUNT: &str = "account";

/// View of [`Balance`]s by account.
pub const BALANCES: &str = "balances";

/// View with one row: the [`Head`].
pub const HEAD: &str = "head";

/// View of [`Waiting`] postings by event id.
pub const WAITING: &str = "waiting";

/// Key of the one row of [`HEAD`].
const THE_HEAD: &str = "head";

/// Rows read at a time when everything is read.
const BATCH: usize = 1000;

/// One leg of a transaction, with what listings show of the transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BookedEntry {
    /// Number of its transaction.
    pub number: u64,
    /// The leg.
    #[serde(flatten)]
    pub entry: Entry,
    /// Payment, order, withdrawal or match.
    pub reference: String,
    /// Kind of the transaction.
    pub kind: i32,
    /// Time of the transaction, in nanoseconds since 1970.
    pub at_ns: i64,
}

/// What an account holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balance {
    /// In the unit of the account's asset.
    pub balance: i64,
    /// Number of the last transaction that touched it.
    pub number: u64,
}

/// Where the journal ends, with the version of that row.
pub async fn head(store: &dyn Store) -> Result<(Head, u64), StoreError> {
    match store.view(HEAD, THE_HEAD).await? {
        None => Ok((Head::ORIGIN, 0)),
        Some(row) => Ok((row.decode()?, row.version)),
    }
}

/// A transaction by number.
pub async fn transaction(
    store: &dyn Store,
    number: u64,
) -> Result<Option<Transaction>, StoreError> {
    one(store, JOURNAL, &place(number)).await
}

/// Number of the transaction with a key.
pub async fn number_of(store: &dyn Store, key: &str) -> Result<Option<u64>, StoreError> {
    one(store, KEYS, key).await
}

/// What an account holds; none if nothing was ever booked there.
pub async fn balance(
    store: &dyn Store,
    account: &AccountName,
) -> Result<Option<Balance>, StoreError> {
    one(store, BALANCES, account.as_str()).await
}

/// What waits to be covered, the oldest event first, at most `limit`. Empty on a quiet platform.
pub async fn waiting(store: &dyn Store, limit: usize) -> Result<Vec<Waiting>, StoreError> {
    let rows = store.scan(&Scan::new(WAITING).limit(limit)).await?;
    rows.iter().map(ViewRow::decode).collect()
}

/// What the accounts of some postings hold.
pub(crate) async fn balances_for<'a>(
    store: &dyn Store,
    postings: impl Iterator<Item = &'a Posting>,
) -> Result<BTreeMap<AccountName, i64>, StoreError> {
    let accounts: BTreeSet<&AccountName> = postings
        .flat_map(|posting| &posting.transfers)
        .flat_map(|transfer| [&transfer.from, &transfer.to])
        .collect();
    let found = accounts.iter().map(|account| balance(store, account));
    let found = try_join_all(found).await?;
    Ok(accounts
        .into_iter()
        .zip(found)
        .filter_map(|(account, found)| Some((account.clone(), found?.balance)))
        .collect())
}

/// Everything that is written for what an event led to: always the end, too, so that an event which
/// waits is a conflict with one that is booked at the same time and would have covered it. `head`
/// and `version` are of the end it was made for.
pub(crate) fn writes(
    event_id: Uuid,
    recorded: &Recorded,
    (head, version): (&Head, u64),
) -> Result<Vec<ViewWrite>, StoreError> {
    let last = recorded.transactions.last().map(Transaction::head);
    let head = last.as_ref().unwrap_or(head);
    let mut writes = vec![ViewWrite::put(HEAD, THE_HEAD, head)?.expect(version)];
    for transaction in &recorded.transactions {
        writes.extend(transaction_writes(transaction)?);
        if transaction.event_id != event_id {
            let key = transaction.event_id.to_string();
            writes.push(ViewWrite::delete(WAITING, key).expect(1));
        }
    }
    let waits = recorded.waiting.iter();
    if let Some(new) = waits.into_iter().find(|one| one.event_id == event_id) {
        writes.push(ViewWrite::put(WAITING, event_id.to_string(), new)?.expect(0));
    }
    Ok(writes)
}

fn transaction_writes(transaction: &Transaction) -> Result<Vec<ViewWrite>, StoreError> {
    let number = transaction.number;
    let place = place(number);
    let mut writes = vec![
        ViewWrite::put(JOURNAL, place.clone(), transaction)?.expect(0),
        ViewWrite::put(KEYS, transaction.key.clone(), &number)?.expect(0),
    ];
    for (leg, entry) in transaction.entries.iter().enumerate() {
        let booked = BookedEntry {
            number,
            entry: entry.clone(),
            reference: transaction.reference.clone(),
            kind: transaction.kind,
            at_ns: transaction.at_ns,
        };
        let key = format!("{place}-{leg:02}");
        let sort = format!("{}/{key}", entry.account);
        writes.push(ViewWrite::put(ENTRIES, key, &booked)?.index(BY_ACCOUNT, sort));
    }
    for (account, balance) in transaction.balances() {
        let kept = Balance { balance, number };
        writes.push(ViewWrite::put(BALANCES, account.as_str(), &kept)?);
    }
    Ok(writes)
}

/// All balances, and the number of the last transaction among them.
pub async fn balances(store: &dyn Store) -> Result<BTreeMap<AccountName, Balance>, StoreError> {
    let mut found = BTreeMap::new();
    let mut after = None;
    loop {
        let scan = Scan::new(BALANCES).after(after).limit(BATCH);
        let rows = store.scan(&scan).await?;
        for row in &rows {
            if let Some(account) = AccountName::parse(&row.key) {
                found.insert(account, row.decode()?);
            }
        }
        match next(rows) {
            Some(cursor) => after = Some(cursor),
            None => return Ok(found),
        }
    }
}

/// Transactions in order, from behind a cursor, and the cursor behind them; none at the end.
pub async fn transactions(
    store: &dyn Store,
    after: Option<String>,
) -> Result<(Vec<Transaction>, Option<String>), StoreError> {
    let scan = Scan::new(JOURNAL).after(after).limit(BATCH);
    let rows = store.scan(&scan).await?;
    let transactions = rows
        .iter()
        .map(ViewRow::decode)
        .collect::<Result<_, StoreError>>()?;
    Ok((transactions, next(rows)))
}

/// The last entry of an account that a condition holds for. Entries are looked at from the newest
/// on, so this is quick for what happened lately.
pub(crate) async fn last_entry(
    store: &dyn Store,
    account: &AccountName,
    wanted: impl Fn(&BookedEntry) -> bool + Send,
) -> Result<Option<BookedEntry>, StoreError> {
    let mut after = None;
    loop {
        let rows = store
            .scan(&entries_of(account).after(after).limit(BATCH))
            .await?;
        for row in &rows {
            let entry: BookedEntry = row.decode()?;
            if wanted(&entry) {
                return Ok(Some(entry));
            }
        }
        match next(rows) {
            Some(cursor) => after = Some(cursor),
            None => return Ok(None),
        }
    }
}

/// The entries of an account, newest first.
pub(crate) fn entries_of(account: &AccountName) -> Scan {
    Scan::new(ENTRIES)
        .index(BY_ACCOUNT)
        .prefix(format!("{account}/"))
        .reverse()
}

/// Where a full batch goes on.
fn next(rows: Vec<ViewRow>) -> Option<String> {
    (rows.len() >= BATCH).then(|| rows.into_iter().next_back().map(|row| row.cursor))?
}

/// Numbers as text in the order of numbers.
fn place(number: u64) -> String {
    format!("{number:020}")
}

async fn one<T: DeserializeOwned>(
    store: &dyn Store,
    view: &str,
    key: &str,
) -> Result<Option<T>, StoreError> {
    match store.view(view, key).await? {
        None => Ok(None),
        Some(row) => row.decode().map(Some),
    }
}
