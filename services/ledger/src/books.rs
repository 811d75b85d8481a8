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

use crate::domain::{AccountName, Entry, Head, Posting, Recorded, Summary, Transaction, Waiting};

/// View of [`Transaction`]s by number, in twenty digits.
pub const JOURNAL: &str = "journal";

/// Order of [`JOURNAL`] by kind, then number.
pub const BY_KIND: &str = "kind";

/// Order of [`JOURNAL`] by reference, then number.
pub const BY_REFERENCE: &str = "reference";

/// View of numbers by the key of their transaction.
pub const KEYS: &str = "keys";

/// View of [`BookedEntry`]s.
pub const ENTRIES: &str = "entries";

/// Order of [`ENTRIES`] by account, then number.
pub const BY_ACCOUNT: &str = "account";

/// Order of [`ENTRIES`] by account, then kind, then number.
pub const BY_ACCOUNT_AND_KIND: &str = "account_kind";

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
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balance {
    /// In the unit of the account's asset.
    pub balance: i64,
    /// Number of the last transaction that touched it.
    pub number: u64,
    /// All its entries by kind.
    #[serde(default)]
    pub summary: Summary,
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

/// What the accounts of some postings hold, for those that are not in `balances` yet.
pub(crate) async fn read_balances<'a>(
    store: &dyn Store,
    postings: impl Iterator<Item = &'a Posting>,
    balances: &mut BTreeMap<AccountName, Balance>,
) -> Result<(), StoreError> {
    let accounts: BTreeSet<&AccountName> = postings
        .flat_map(|posting| &posting.transfers)
        .flat_map(|transfer| [&transfer.from, &transfer.to])
        .filter(|account| !balances.contains_key(account))
        .collect();
    let found = accounts.iter().map(|account| balance(store, account));
    let found = try_join_all(found).await?;
    let found = accounts.into_iter().zip(found);
    balances.extend(found.filter_map(|(account, found)| Some((account.clone(), found?))));
    Ok(())
}

/// Everything that is written for what an event led to: always the end, too, so that an event which
/// waits is a conflict with one that is booked at the same time and would have covered it. `head` is the
/// end behind it, `version` that of the end it was made for, `balances` those of the accounts touched,
/// and as they are then.
pub(crate) fn writes(
    event_id: Uuid,
    recorded: &Recorded,
    (head, version): (&Head, u64),
    balances: &mut BTreeMap<AccountName, Balance>,
) -> Result<Vec<ViewWrite>, StoreError> {
    let mut writes = vec![ViewWrite::put(HEAD, THE_HEAD, head)?.expect(version)];
    for transaction in &recorded.transactions {
        writes.extend(transaction_writes(transaction)?);
        touch(balances, transaction);
        if transaction.event_id != event_id {
            let key = transaction.event_id.to_string();
            writes.push(ViewWrite::delete(WAITING, key).expect(1));
        }
    }
    let first = recorded
        .transactions
        .first()
        .map_or(u64::MAX, |first| first.number);
    for (account, kept) in balances.iter().filter(|(_, kept)| kept.number >= first) {
        writes.push(ViewWrite::put(BALANCES, account.as_str(), kept)?);
    }
    let waits = recorded.waiting.iter();
    if let Some(new) = waits.into_iter().find(|one| one.event_id == event_id) {
        writes.push(ViewWrite::put(WAITING, event_id.to_string(), new)?.expect(0));
    }
    Ok(writes)
}

/// Takes a transaction over into the accounts it touches.
fn touch(balances: &mut BTreeMap<AccountName, Balance>, transaction: &Transaction) {
    for entry in &transaction.entries {
        let kept = balances.entry(entry.account.clone()).or_default();
        kept.balance = entry.balance_after;
        kept.number = transaction.number;
        kept.summary.count(transaction.kind, entry.amount);
    }
}

fn transaction_writes(transaction: &Transaction) -> Result<Vec<ViewWrite>, StoreError> {
    let number = transaction.number;
    let place = place(number);
    // No reference holds a slash.
    let mut writes = vec![
        ViewWrite::put(JOURNAL, place.clone(), transaction)?
            .index(BY_KIND, format!("{}/{place}", ordered(transaction.kind)))
            .index(BY_REFERENCE, format!("{}/{place}", transaction.reference))
            .expect(0),
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
        let account = &entry.account;
        let by_kind = format!("{account}/{}/{key}", ordered(transaction.kind));
        let write = ViewWrite::put(ENTRIES, key.clone(), &booked)?
            .index(BY_ACCOUNT, format!("{account}/{key}"))
            .index(BY_ACCOUNT_AND_KIND, by_kind);
        writes.push(write);
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

/// The entries of an account of one kind, newest first.
pub(crate) fn entries_of_kind(account: &AccountName, kind: i32) -> Scan {
    Scan::new(ENTRIES)
        .index(BY_ACCOUNT_AND_KIND)
        .prefix(format!("{account}/{}/", ordered(kind)))
        .reverse()
}

/// All transactions, by number.
pub(crate) fn journal() -> Scan {
    Scan::new(JOURNAL)
}

/// The transactions of one kind, by number.
pub(crate) fn journal_of_kind(kind: i32) -> Scan {
    Scan::new(JOURNAL)
        .index(BY_KIND)
        .prefix(format!("{}/", ordered(kind)))
}

/// The transactions with a reference, by number.
pub(crate) fn journal_of_reference(reference: &str) -> Scan {
    Scan::new(JOURNAL)
        .index(BY_REFERENCE)
        .prefix(format!("{reference}/"))
}

/// Where a scan of all transactions goes on behind a number; none for the beginning.
pub(crate) async fn behind(store: &dyn Store, number: u64) -> Result<Option<String>, StoreError> {
    let scan = journal().prefix(place(number)).limit(1);
    let rows = store.scan(&scan).await?;
    Ok(rows.into_iter().next().map(|row| row.cursor))
}

/// Number of the first transaction at a time or later, counted in nanoseconds since 1970: time in
/// the journal never goes back. One behind the last when there is none.
pub(crate) async fn first_since(store: &dyn Store, at_ns: i64) -> Result<u64, StoreError> {
    let (head, _) = head(store).await?;
    let (mut first, mut end) = (1, head.number + 1);
    while first < end {
        let middle = first + (end - first) / 2;
        // There are no gaps; one that was made is for the verification to find.
        match transaction(store, middle).await? {
            Some(found) if found.at_ns >= at_ns => end = middle,
            _ => first = middle + 1,
        }
    }
    Ok(first)
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

/// Kinds as text in the order of kinds.
fn ordered(kind: i32) -> String {
    format!("{kind:02}")
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
