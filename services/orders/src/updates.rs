//! Every change of every order of a user, numbered one after the other, for those who follow them.
//!
//! A change is written down in the commit that makes it, without a number: numbers are a user's,
//! and orders of one user change at the same time in many places, which must not wait for each
//! other. Numbers are given afterwards, in batches, by whoever comes first: a reader who is waiting
//! for them, or a timer. Of one order the changes keep their order; all of them keep the numbers
//! they once got.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use outcry_events::SealedEvent;
use outcry_service::Context;
use outcry_store::limits::COMMIT_WRITES_MAX;
use outcry_store::{Commit, CommitError, Scan, Store, StoreError, TimerWrite, ViewWrite, timer};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::timers::Job;
use crate::views::OrderRow;

/// Changes without a number, by user and event id: rows are [`UpdateRow`].
pub const NEW_UPDATES: &str = "new_order_updates";
/// Changes by user and number: rows are [`UpdateRow`].
pub const UPDATES: &str = "order_updates";
/// Which numbers of a user are taken, by user: rows are [`CountRow`].
pub const UPDATE_COUNTS: &str = "order_update_counts";

/// Numbered changes kept of each user. Whoever follows is behind by seconds; a client that was
/// away for a day and lost this many reads its orders anew.
pub const UPDATES_KEPT: u64 = 10_000;

/// Changes numbered in one commit: each is written, deleted, and may push an old one out, and a
/// commit holds ten thousand writes.
const BATCH_MAX: usize = 500;
const _: () = assert!(
    3 * BATCH_MAX < COMMIT_WRITES_MAX,
    "a batch fits into a commit"
);

/// Numbered changes read at once: as many as two digits count, so that their keys begin alike.
const BLOCK: usize = 100;

/// How long a change may wait for its number when nobody reads.
const NUMBERED_EVERY: Duration = Duration::from_secs(5);

/// Tries to number while others do: who loses finds the work done.
const ATTEMPTS: u32 = 20;

/// One change of one order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateRow {
    /// Topic of the event that made it.
    pub topic: String,
    /// That event.
    pub event_id: Uuid,
    /// Where it stands among the changes of the order; grows.
    pub place: u64,
    /// The order after it.
    pub order: OrderRow,
}

/// Which numbers of a user's changes are taken and kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CountRow {
    /// The last number given; 0 before the first.
    pub last: u64,
    /// Numbers up to this one are gone.
    pub gone: u64,
}

/// Where an event stands among those that changed an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// One of the order's own, with this sequence.
    Own(u64),
    /// Another's, that came behind the order's event with this sequence.
    Behind(u64),
}

/// Writes one change down, and sees to its number.
pub(crate) fn record(
    ctx: &Context,
    commit: &mut Commit,
    event: &SealedEvent,
    place: Place,
    order: OrderRow,
) -> Result<(), StoreError> {
    let user_id = order.order.user_id.clone();
    let event_id = event.id();
    let row = UpdateRow {
        topic: event.topic().to_owned(),
        event_id,
        place: place.number(),
        order,
    };
    let key = format!("{user_id}/{event_id}");
    commit.views.push(ViewWrite::put(NEW_UPDATES, key, &row)?);
    let number = timer_at(&user_id, ctx.clock.now());
    commit.timers.retain(|timer| !is_same(timer, &number));
    commit.timers.push(number);
    Ok(())
}

/// Numbers what has none yet of a user's changes. True when there may be more.
///
/// # Errors
/// The store failed, or others kept numbering at the same time.
pub(crate) async fn number(ctx: &Context, user_id: &str) -> Result<bool, CommitError> {
    let store = ctx.store.as_ref();
    let mut lost = None;
    for _ in 0..ATTEMPTS {
        // The count first: what others number after that makes this one's commit a conflict.
        let (count, version) = counted(store, user_id).await?;
        let scan = Scan::new(NEW_UPDATES)
            .prefix(format!("{user_id}/"))
            .limit(BATCH_MAX);
        let found = store.scan(&scan).await?;
        if found.is_empty() {
            return Ok(false);
        }
        let more = found.len() == BATCH_MAX;
        let keys: Vec<String> = found.iter().map(|row| row.key.clone()).collect();
        let mut rows = Vec::with_capacity(found.len());
        for row in &found {
            rows.push(row.decode::<UpdateRow>()?);
        }
        let commit = numbered(user_id, count, version, &keys, in_order(rows))?;
        match store.commit(commit).await {
            Ok(()) => return Ok(more),
            Err(error @ CommitError::Conflict(_)) => lost = Some(error),
            Err(error) => return Err(error),
        }
    }
    lost.map_or(Ok(true), Err)
}

/// The next numbered changes of a user behind `after`, in order, a block of them at most; none when
/// there are none.
pub(crate) async fn read(
    store: &dyn Store,
    user_id: &str,
    after: u64,
) -> Result<Vec<(u64, UpdateRow)>, StoreError> {
    let count = count(store, user_id).await?;
    let mut first = after.max(count.gone) + 1;
    while first <= count.last {
        let scan = Scan::new(UPDATES)
            .prefix(block_of(user_id, first))
            .limit(BLOCK);
        let mut updates = Vec::new();
        for row in store.scan(&scan).await? {
            let number = row
                .key
                .rsplit('/')
                .next()
                .and_then(|text| text.parse().ok());
            if let Some(sequence) = number.filter(|number| *number >= first) {
                updates.push((sequence, row.decode()?));
            }
        }
        if !updates.is_empty() {
            return Ok(updates);
        }
        // Gone since they were counted: who is that far behind goes on with what is left.
        first = first.next_multiple_of(BLOCK as u64).max(first + 1);
    }
    Ok(Vec::new())
}

/// Which numbers of a user are taken.
pub(crate) async fn count(store: &dyn Store, user_id: &str) -> Result<CountRow, StoreError> {
    Ok(counted(store, user_id).await?.0)
}

async fn counted(store: &dyn Store, user_id: &str) -> Result<(CountRow, u64), StoreError> {
    match store.view(UPDATE_COUNTS, user_id).await? {
        Some(row) => Ok((row.decode()?, row.version)),
        None => Ok((CountRow::default(), 0)),
    }
}

/// The commit that gives these changes the next numbers, and lets go of the oldest.
fn numbered(
    user_id: &str,
    mut count: CountRow,
    version: u64,
    keys: &[String],
    rows: Vec<UpdateRow>,
) -> Result<Commit, StoreError> {
    let mut commit = Commit::default();
    for row in rows {
        count.last += 1;
        let put = ViewWrite::put(UPDATES, key(user_id, count.last), &row)?;
        commit.views.push(put);
    }
    for key in keys {
        commit.views.push(ViewWrite::delete(NEW_UPDATES, key));
    }
    while count.last - count.gone > UPDATES_KEPT {
        count.gone += 1;
        let old = ViewWrite::delete(UPDATES, key(user_id, count.gone));
        commit.views.push(old);
    }
    let counted = ViewWrite::put(UPDATE_COUNTS, user_id, &count)?.expect(version);
    commit.views.push(counted);
    Ok(commit)
}

/// Changes as they come by event id, with those of each order in the order's own sequence: clocks
/// of two replicas may disagree about which of two events came first.
fn in_order(mut rows: Vec<UpdateRow>) -> Vec<UpdateRow> {
    let mut of_order: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (index, row) in rows.iter().enumerate() {
        let order_id = row.order.order.order_id.clone();
        of_order.entry(order_id).or_default().push(index);
    }
    for indices in of_order.into_values() {
        let mut own: Vec<UpdateRow> = indices.iter().map(|index| rows[*index].clone()).collect();
        own.sort_by_key(|row| row.place);
        for (index, row) in indices.into_iter().zip(own) {
            rows[index] = row;
        }
    }
    rows
}

// === impl Place ===

impl Place {
    fn number(self) -> u64 {
        match self {
            Self::Own(sequence) => 2 * sequence,
            Self::Behind(sequence) => 2 * sequence + 1,
        }
    }
}

fn key(user_id: &str, sequence: u64) -> String {
    format!("{user_id}/{sequence:020}")
}

/// What the keys of all numbers in the block of this one begin with: all but the digits that count
/// within a block.
fn block_of(user_id: &str, sequence: u64) -> String {
    format!("{user_id}/{:018}", sequence / BLOCK as u64)
}

/// The timer that numbers a user's changes: one for each span of time, at its end, so that many
/// changes set the same and none puts it off.
fn timer_at(user_id: &str, now: SystemTime) -> TimerWrite {
    let span = i64::try_from(NUMBERED_EVERY.as_nanos()).unwrap_or(i64::MAX);
    let elapsed = timer::nanos(now).unwrap_or_default();
    let until = (elapsed.div_euclid(span) + 1).saturating_mul(span);
    let user_id = user_id.to_owned();
    Job::Number { user_id, until }.set_at(timer::time_of(until))
}

fn is_same(one: &TimerWrite, other: &TimerWrite) -> bool {
    matches!((one, other), (TimerWrite::Set(one), TimerWrite::Set(other)) if one.id == other.id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::views::{Document, Progress};

    fn update(order: &str, place: u64) -> UpdateRow {
        UpdateRow {
            topic: "order.filled".to_owned(),
            event_id: Uuid::nil(),
            place,
            order: OrderRow {
                order: Document {
                    order_id: order.to_owned(),
                    ..Document::default()
                },
                progress: Progress::default(),
            },
        }
    }

    #[test]
    fn changes_of_one_order_keep_their_order_whatever_the_clocks_said() {
        let rows = vec![
            update("a", 2),
            update("b", 1),
            update("a", 1),
            update("b", 2),
        ];
        let sorted = in_order(rows);
        let told: Vec<_> = sorted
            .iter()
            .map(|row| (row.order.order.order_id.as_str(), row.place))
            .collect();
        assert_eq!(told, [("a", 1), ("b", 1), ("a", 2), ("b", 2)]);
    }

    #[test]
    fn numbers_go_on_without_gaps_and_the_oldest_are_let_go() {
        let before = CountRow {
            last: UPDATES_KEPT + 1,
            gone: 1,
        };
        let rows = vec![update("a", 1), update("a", 2)];
        let keys = ["u/1".to_owned(), "u/2".to_owned()];
        let commit = numbered("u", before, 7, &keys, rows).unwrap();
        let written: Vec<_> = commit
            .views
            .iter()
            .map(|write| (write.view, write.key.clone()))
            .collect();
        assert_eq!(
            written,
            [
                (UPDATES, key("u", UPDATES_KEPT + 2)),
                (UPDATES, key("u", UPDATES_KEPT + 3)),
                (NEW_UPDATES, "u/1".to_owned()),
                (NEW_UPDATES, "u/2".to_owned()),
                (UPDATES, key("u", 2)),
                (UPDATES, key("u", 3)),
                (UPDATE_COUNTS, "u".to_owned()),
            ]
        );
    }

    #[test]
    fn keys_of_a_block_begin_alike_and_no_others_do() {
        for (sequence, first) in [(1, 0), (99, 0), (100, 100), (12_345, 12_300)] {
            let block = block_of("u", sequence);
            assert!(key("u", sequence).starts_with(&block));
            assert!(key("u", first).starts_with(&block));
            assert!(!key("u", first + BLOCK as u64).starts_with(&block));
        }
    }

    #[test]
    fn changes_close_together_set_one_timer() {
        let at = |seconds: i64| timer_at("u", timer::time_of(seconds * 1_000_000_000));
        assert!(matches!((at(10), at(14)), (TimerWrite::Set(a), TimerWrite::Set(b)) if a == b));
        assert!(matches!((at(14), at(15)), (TimerWrite::Set(a), TimerWrite::Set(b)) if a != b));
    }
}
