//! Stores filled quickly: many events a commit, many parked events a commit.

use std::sync::Arc;
use std::time::SystemTime;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use outcry_contracts::trades::v1::{FailureReason, TradeFailedEvent};
use outcry_events::{Cause, SealedEvent, Stamp, seal};
use outcry_sqlite::Database;
use outcry_store::limits::COMMIT_EVENTS_MAX;
use outcry_store::{Append, Commit, Handled, ParkWrite, ParkedEvent, SqliteStore, Store as _};
use uuid::Uuid;

/// Whose store it is.
pub const SERVICE: &str = "trades";

/// A group with parked events.
pub const GROUP: &str = "risk";

/// Events of one stream: about those of one order at the venue.
pub const STREAM_EVENTS: u64 = 8;

/// Partition keys: the symbols of a large venue.
const KEYS: u64 = 1_000;

/// Parked events of one commit: it holds up no other for long.
const PARKED: u64 = 2_000;

/// Commits on their way at once: while one is written, the next are made.
const IN_FLIGHT: usize = 4;

/// Commits after which nothing is left to be sent: so it is in a store whose relay keeps up, and the
/// list of the unsent stays small.
const SENT_EVERY: usize = 64;

/// Kinds of ids, so that none is two things.
const STREAMS: u64 = 1;
const EVENTS: u64 = 2;

/// The event with this number: streams one after the other, each whole.
pub fn event(number: u64) -> anyhow::Result<SealedEvent> {
    let stream = number / STREAM_EVENTS;
    sealed(stream, number % STREAM_EVENTS + 1, number)
}

/// The name of a stream.
pub fn stream_name(stream: u64) -> String {
    format!("trade-{}", Uuid::from_u64_pair(STREAMS, stream))
}

/// The first event of a stream of its own, behind all those that were filled in.
pub fn first_event(stream: u64) -> anyhow::Result<SealedEvent> {
    sealed(stream, 1, stream * STREAM_EVENTS)
}

fn sealed(stream: u64, sequence: u64, number: u64) -> anyhow::Result<SealedEvent> {
    let id = |number| Uuid::from_u64_pair(STREAMS, number).to_string();
    let event = TradeFailedEvent {
        trade_id: id(stream),
        order_id: id(stream),
        user_id: id(stream % KEYS),
        symbol: format!("S{}", stream % KEYS),
        reason: FailureReason::UnknownSymbol.into(),
        message: String::new(),
    };
    let now = SystemTime::now();
    let stamp = Stamp {
        event_id: Uuid::from_u64_pair(EVENTS, number),
        sequence,
        occurred_at: now,
        recorded_at: now,
        cause: &Cause::root(Uuid::from_u64_pair(EVENTS, number), "service:trades"),
    };
    Ok(seal(&event, stamp)?)
}

/// Adds the events from one number to another, those of whole streams.
pub async fn events(
    database: &Database,
    store: &Arc<SqliteStore>,
    from: u64,
    to: u64,
) -> anyhow::Result<()> {
    let each = COMMIT_EVENTS_MAX as u64;
    let starts: Vec<u64> = (from..to).step_by(COMMIT_EVENTS_MAX).collect();
    for starts in starts.chunks(SENT_EVERY) {
        stream::iter(starts.iter().copied())
            .map(|start| write(Arc::clone(store), start, to.min(start + each)))
            .buffer_unordered(IN_FLIGHT)
            .try_collect::<()>()
            .await?;
        all_are_sent(database).await?;
    }
    Ok(())
}

async fn write(store: Arc<SqliteStore>, from: u64, to: u64) -> anyhow::Result<()> {
    let mut appends: Vec<Append> = Vec::new();
    for number in from..to {
        let event = event(number)?;
        match appends.last_mut() {
            Some(append) if event.sequence() > 1 => append.events.push(event),
            _ => appends.push(append(event)),
        }
    }
    let commit = Commit {
        appends,
        ..Commit::default()
    };
    Ok(store.commit(commit).await?)
}

/// An append of one event to the end of its stream.
pub fn append(event: SealedEvent) -> Append {
    Append {
        stream: event.stream(),
        expected: event.sequence() - 1,
        events: vec![event],
    }
}

async fn all_are_sent(database: &Database) -> anyhow::Result<()> {
    let sql = format!("DELETE FROM {SERVICE}_unsent");
    let sent = database.write(move |connection| {
        connection.execute(&sql, [])?;
        Ok::<_, outcry_sqlite::Error>(())
    });
    Ok(sent.await?)
}

/// Parks so many events, each with a key of its own.
pub async fn parked(store: &Arc<SqliteStore>, count: u64) -> anyhow::Result<()> {
    for from in (0..count).step_by(PARKED as usize) {
        let mut parked = Vec::new();
        for number in from..count.min(from + PARKED) {
            parked.push(ParkWrite::Park(put_aside(number)?));
        }
        let commit = Commit {
            parked,
            ..Commit::default()
        };
        store.commit(commit).await?;
    }
    Ok(())
}

fn put_aside(number: u64) -> anyhow::Result<ParkedEvent> {
    let event = event(number * STREAM_EVENTS)?;
    Ok(ParkedEvent {
        group: GROUP.to_owned(),
        key: format!("P{number}"),
        event_id: event.id(),
        topic: event.topic().to_owned(),
        bytes: event.bytes().clone(),
        headers: vec![("ce-type".to_owned(), event.topic().to_owned())],
        reason: "the account is unknown".to_owned(),
        attempts: 10,
        parked_at: SystemTime::now(),
    })
}

/// The commit of a consumer: an event of a key that is not parked is handled, and leads to another.
pub fn handling(stream: u64) -> anyhow::Result<Commit> {
    let event = first_event(stream)?;
    Ok(Commit {
        handled: Some(Handled {
            group: GROUP.to_owned(),
            event_id: event.id(),
            key: event.partition_key().to_owned(),
            at: SystemTime::now(),
        }),
        appends: vec![append(event)],
        ..Commit::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_fill_streams_one_after_the_other() {
        let [seventh, eighth] = [7, 8].map(|number| event(number).unwrap());
        assert_eq!((seventh.sequence(), eighth.sequence()), (8, 1));
        assert_eq!(seventh.stream(), stream_name(0));
        assert_eq!(eighth.stream(), stream_name(1));
    }
}
