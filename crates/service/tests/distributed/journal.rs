//! A ledger that writes each user's deposits down in the order they come, and who did it.

use std::collections::BTreeMap;
use std::time::SystemTime;

use async_trait::async_trait;
use outcry_broker::Message;
use outcry_contracts::funds::v1::{DepositMethod, FundsDepositedEvent};
use outcry_contracts::types::v1::{AssetAmount, asset_amount::Asset};
use outcry_events::{Amount, Cause, SealedEvent, Stamp, seal};
use outcry_service::{Context, Fault, GroupSpec, Reaction, Unknown};
use outcry_store::{Commit, Scan, Store, ViewWrite};
use uuid::Uuid;

/// Name of the group.
pub const GROUP: &str = "ledger";

/// Partitions of the group: what three replicas can share evenly.
pub const PARTITIONS: u32 = 12;

/// The reference of an event that makes no sense until it is [mended](mend).
pub const POISON: &str = "poison";

/// Rows per user: how many lines there are.
const COUNTS: &str = "counts";

/// Rows per user and number: what was handled, and at which replica.
const LINES: &str = "lines";

/// One row, once the poison is none any more.
const MENDED: &str = "mended";

/// Rows read at most; more than any story writes for one user.
const ROWS_MAX: usize = 10_000;

/// Writes deposits down.
pub struct Journal {
    /// Of the replica it belongs to.
    pub ctx: Context,
}

#[async_trait]
impl Reaction for Journal {
    fn group(&self) -> GroupSpec {
        GroupSpec::new(GROUP, &["funds.*"], Unknown::Park).partitions(PARTITIONS)
    }

    async fn react(&self, event: &SealedEvent) -> Result<Commit, Fault> {
        let store = &self.ctx.store;
        let deposit: FundsDepositedEvent = event.payload()?;
        if deposit.reference == POISON && store.view(MENDED, POISON).await?.is_none() {
            return Err(Fault::park("makes no sense"));
        }
        let count = store.view(COUNTS, &deposit.user_id).await?;
        let before = count.map_or(0, |row| row.version);
        let number = before + 1;
        let line = (event.sequence(), self.ctx.member.address.as_str());
        let key = format!("{}/{number:06}", deposit.user_id);
        Ok(Commit {
            views: vec![
                ViewWrite::put(COUNTS, deposit.user_id, &number)?.expect(before),
                ViewWrite::put(LINES, key, &line)?.expect(0),
            ],
            ..Commit::default()
        })
    }
}

/// A line of the journal.
#[derive(Debug, PartialEq, Eq)]
pub struct Line {
    /// Number of the event in its stream.
    pub sequence: u64,
    /// Address of the replica that handled it.
    pub at: String,
}

/// A user's id.
pub fn id(user: u128) -> String {
    Uuid::from_u128(user).to_string()
}

/// A deposit as if a funds service had published it.
pub fn deposited(user: u128, sequence: u64, reference: &str) -> Message {
    let cash = || {
        Some(AssetAmount {
            asset: Some(Asset::Cash(Amount::from_units(1).to_money())),
        })
    };
    let event = FundsDepositedEvent {
        user_id: id(user),
        amount: cash(),
        available: cash(),
        method: DepositMethod::Payment.into(),
        reference: reference.to_owned(),
        ..Default::default()
    };
    let now = SystemTime::now();
    let stamp = Stamp {
        event_id: Uuid::now_v7(),
        sequence,
        occurred_at: now,
        recorded_at: now,
        cause: &Cause::root(Uuid::now_v7(), "service:funds"),
    };
    Message::from(&seal(&event, stamp).unwrap())
}

/// Makes sense of the poison from now on.
pub async fn mend(store: &dyn Store) {
    let commit = Commit {
        views: vec![ViewWrite::put(MENDED, POISON, &true).unwrap()],
        ..Commit::default()
    };
    store.commit(commit).await.unwrap();
}

/// Lines of every user that has some.
pub async fn counts(store: &dyn Store) -> BTreeMap<String, u64> {
    let rows = store.scan(&all(COUNTS, "")).await.unwrap();
    rows.into_iter()
        .map(|row| {
            let count = row.decode().unwrap();
            (row.key, count)
        })
        .collect()
}

/// The lines of a user in the order in which they were written down.
pub async fn lines(store: &dyn Store, user: u128) -> Vec<Line> {
    let rows = store.scan(&all(LINES, &format!("{}/", id(user)))).await;
    let lines = rows.unwrap().into_iter().map(|row| {
        let (sequence, at) = row.decode().unwrap();
        Line { sequence, at }
    });
    lines.collect()
}

/// All rows of a view below `prefix`, by key.
fn all(view: &'static str, prefix: &str) -> Scan {
    Scan {
        view,
        index: None,
        prefix: prefix.to_owned(),
        after: None,
        limit: ROWS_MAX,
        reverse: false,
    }
}
