//! Events and their orders.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use tokio::task::JoinSet;

use super::fixtures::{
    append, appending, commit, conflict, event, event_of, everything, invalid, positions, read,
    sequences, stream,
};
use crate::commit::Append;
use crate::error::{CommitError, Conflict, InvalidCommit};
use crate::lease::RelaySlots;
use crate::store::{ReadAll, Store};

/// 1, 2, 3 … read in any pieces, byte by byte what was written.
pub async fn a_stream_is_numbered_without_gaps(make: &impl AsyncFn(&str) -> Arc<dyn Store>) {
    let store = make("streams").await;
    let first = append("a", 0, 3);
    let written = first.events.clone();
    commit(store.as_ref(), appending([first, append("b", 0, 1)])).await;
    commit(store.as_ref(), appending([append("a", 3, 2)])).await;
    let events = stream(store.as_ref(), "a").await;
    assert_eq!(sequences(&events), [1, 2, 3, 4, 5]);
    let found: Vec<_> = events
        .iter()
        .take(3)
        .map(|stored| stored.event.clone())
        .collect();
    assert_eq!(found, written);
    let piece = read(store.read_stream("sample-a", 1, 2).await);
    assert_eq!(sequences(&piece), [2, 3]);
    assert!(read(store.read_stream("sample-a", 5, 10).await).is_empty());
    assert!(read(store.read_stream("sample-a", u64::MAX, 10).await).is_empty());
    assert!(read(store.read_stream("sample-a", 0, 0).await).is_empty());
    assert!(read(store.read_stream("sample", 0, 10).await).is_empty());
    // Twice in one commit: the second goes on where the first stops.
    commit(
        store.as_ref(),
        appending([append("a", 5, 1), append("a", 6, 1)]),
    )
    .await;
    assert_eq!(stream(store.as_ref(), "a").await.len(), 7);
}

/// A stream grows only from where the decision saw its end.
pub async fn an_append_somewhere_else_is_a_conflict(make: &impl AsyncFn(&str) -> Arc<dyn Store>) {
    let store = make("conflict").await;
    commit(store.as_ref(), appending([append("a", 0, 2)])).await;
    for (id, expected, found) in [("a", 0, 2), ("a", 1, 2), ("a", 3, 2), ("new", 1, 0)] {
        let conflict = conflict(store.as_ref(), appending([append(id, expected, 1)])).await;
        assert_eq!(
            conflict,
            Conflict::Stream {
                stream: format!("sample-{id}"),
                expected,
                found
            }
        );
    }
    assert_eq!(everything(store.as_ref()).await.len(), 2);
}

/// A decision may depend on a stream it does not change.
pub async fn an_append_without_events_only_demands(make: &impl AsyncFn(&str) -> Arc<dyn Store>) {
    let store = make("demand").await;
    commit(store.as_ref(), appending([append("rule", 0, 1)])).await;
    let with_demand = |expected| appending([append("rule", expected, 0), append("a", 0, 1)]);
    let found = conflict(store.as_ref(), with_demand(0)).await;
    assert!(
        matches!(found, Conflict::Stream { found: 1, .. }),
        "{found:?}"
    );
    commit(store.as_ref(), with_demand(1)).await;
    assert_eq!(stream(store.as_ref(), "rule").await.len(), 1);
    assert_eq!(stream(store.as_ref(), "a").await.len(), 1);
}

/// Place and envelope agree, or somebody has made a mistake.
pub async fn an_event_out_of_its_place_is_refused(make: &impl AsyncFn(&str) -> Arc<dyn Store>) {
    let store = make("places").await;
    let wrong_number = Append {
        stream: "sample-a".to_owned(),
        expected: 0,
        events: vec![event("a", 1), event("a", 3)],
    };
    assert_eq!(
        invalid(store.as_ref(), appending([wrong_number])).await,
        InvalidCommit::Sequence {
            stream: "sample-a".to_owned(),
            place: 2,
            found: 3
        }
    );
    let wrong_stream = Append {
        stream: "sample-a".to_owned(),
        expected: 0,
        events: vec![event("b", 1)],
    };
    assert_eq!(
        invalid(store.as_ref(), appending([wrong_stream])).await,
        InvalidCommit::OtherStream {
            stream: "sample-a".to_owned(),
            found: "sample-b".to_owned()
        }
    );
    assert!(everything(store.as_ref()).await.is_empty());
}

/// All streams as they were written, and those of one key.
pub async fn events_are_read_in_commit_order(make: &impl AsyncFn(&str) -> Arc<dyn Store>) {
    let store = make("all").await;
    let keyed = |id: &str, expected: u64, key: &str| Append {
        stream: format!("sample-{id}"),
        expected,
        events: vec![event_of(id, expected + 1, key, 8)],
    };
    commit(
        store.as_ref(),
        appending([keyed("b", 0, "x"), keyed("a", 0, "y")]),
    )
    .await;
    commit(store.as_ref(), appending([keyed("c", 0, "x")])).await;
    commit(store.as_ref(), appending([keyed("a", 1, "x")])).await;
    let all = everything(store.as_ref()).await;
    let streams: Vec<_> = all.iter().map(|stored| stored.event.stream()).collect();
    assert_eq!(streams, ["sample-b", "sample-a", "sample-c", "sample-a"]);
    let places = positions(&all);
    assert!(places.is_sorted_by(|a, b| a < b), "{places:?}");
    assert!(places.first().is_some_and(|first| *first >= 1));

    let mut paged = Vec::new();
    let mut after = 0;
    loop {
        let filter = ReadAll {
            after,
            limit: 1,
            ..ReadAll::default()
        };
        let page = read(store.read_all(&filter).await);
        let Some(last) = page.last() else { break };
        after = last.position;
        paged.extend(page);
    }
    assert_eq!(paged, all);

    let of_key = |after| ReadAll {
        after,
        partition_key: Some("x".to_owned()),
        limit: 10,
    };
    let of_x = read(store.read_all(&of_key(0)).await);
    let expected: Vec<_> = [0, 2, 3]
        .into_iter()
        .filter_map(|place| places.get(place))
        .copied()
        .collect();
    assert_eq!(positions(&of_x), expected);
    let later = read(
        store
            .read_all(&of_key(expected.first().copied().unwrap_or(0)))
            .await,
    );
    assert_eq!(positions(&later), expected.get(1..).unwrap_or_default());
}

/// The rows themselves are the outbox.
pub async fn events_are_unsent_until_they_are_marked(make: &impl AsyncFn(&str) -> Arc<dyn Store>) {
    let store = make("unsent").await;
    assert_eq!(read(store.oldest_unsent().await), None);
    commit(store.as_ref(), appending([append("b", 0, 2)])).await;
    commit(store.as_ref(), appending([append("a", 0, 2)])).await;
    let all = everything(store.as_ref()).await;
    assert_eq!(read(store.unsent(RelaySlots::ALL, 10).await), all);
    assert_eq!(read(store.unsent(RelaySlots::ALL, 3).await).len(), 3);
    let recorded = |sequence: u64| UNIX_EPOCH + Duration::from_secs(1_800_000_000 + sequence);
    assert_eq!(read(store.oldest_unsent().await), Some((recorded(1), 4)));

    let places = positions(&all);
    let [first, second, third, fourth] = places.as_slice() else {
        panic!("four events, not {places:?}");
    };
    // Not in order: what is left still is.
    read(store.mark_sent(vec![*first, *third]).await);
    assert_eq!(
        positions(&read(store.unsent(RelaySlots::ALL, 10).await)),
        [*second, *fourth]
    );
    assert_eq!(read(store.oldest_unsent().await), Some((recorded(2), 2)));
    read(
        store
            .mark_sent(vec![*first, *second, *third, 1_000_000])
            .await,
    );
    read(store.mark_sent(Vec::new()).await);
    assert_eq!(
        positions(&read(store.unsent(RelaySlots::ALL, 10).await)),
        [*fourth]
    );
    read(store.mark_sent(vec![*fourth]).await);
    assert!(read(store.unsent(RelaySlots::ALL, 10).await).is_empty());
    assert_eq!(read(store.oldest_unsent().await), None);
    // Sent is not gone.
    assert_eq!(everything(store.as_ref()).await, all);
}

/// Many writers on few streams: whoever is overtaken reads again, and in the end all is there.
pub async fn concurrent_commits_leave_no_gap_and_lose_nothing(
    make: &impl AsyncFn(&str) -> Arc<dyn Store>,
) {
    const WRITERS: u64 = 64;
    const STREAMS: u64 = 8;
    const EACH: u64 = 10;
    let store = make("concurrent").await;
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let store = Arc::clone(&store);
        writers.spawn(async move {
            let id = format!("s{}", writer % STREAMS);
            for _ in 0..EACH {
                loop {
                    let last = stream(store.as_ref(), &id).await.len() as u64;
                    match store.commit(appending([append(&id, last, 1)])).await {
                        Ok(()) => break,
                        Err(CommitError::Conflict(_)) => {}
                        Err(error) => panic!("a commit failed: {error:?}"),
                    }
                }
            }
        });
    }
    writers.join_all().await;
    for number in 0..STREAMS {
        let events = stream(store.as_ref(), &format!("s{number}")).await;
        let expected: Vec<_> = (1..=WRITERS / STREAMS * EACH).collect();
        assert_eq!(sequences(&events), expected);
        assert!(events.is_sorted_by(|a, b| a.position < b.position));
    }
    let all = everything(store.as_ref()).await;
    assert_eq!(all.len() as u64, WRITERS * EACH);
    let ids: BTreeSet<_> = all.iter().map(|stored| stored.event.id()).collect();
    assert_eq!(ids.len(), all.len());
    assert_eq!(read(store.unsent(RelaySlots::ALL, 10_000).await), all);
}

/// Somebody who follows the events of a key while others write sees each of them, in order.
pub async fn nothing_appears_before_what_was_read(make: &impl AsyncFn(&str) -> Arc<dyn Store>) {
    const KEYS: u64 = 4;
    const WRITERS: u64 = 16;
    const EACH: u64 = 20;
    let store = make("follow").await;
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let store = Arc::clone(&store);
        writers.spawn(async move {
            for round in 0..EACH {
                let id = format!("w{writer}");
                let key = format!("key-{}", writer % KEYS);
                let append = Append {
                    stream: format!("sample-{id}"),
                    expected: round,
                    events: vec![event_of(&id, round + 1, &key, 8)],
                };
                commit(store.as_ref(), appending([append])).await;
            }
        });
    }
    let mut followers = JoinSet::new();
    for key in 0..KEYS {
        let store = Arc::clone(&store);
        followers.spawn(async move { follow(store.as_ref(), &format!("key-{key}")).await });
    }
    let mut followed = followers.join_all().await.concat();
    writers.join_all().await;
    followed.sort_unstable();
    assert_eq!(followed.len() as u64, WRITERS * EACH);
    assert_eq!(followed, positions(&everything(store.as_ref()).await));

    async fn follow(store: &dyn Store, key: &str) -> Vec<u64> {
        let mut news = store.commits();
        let mut followed: Vec<u64> = Vec::new();
        while followed.len() as u64 != WRITERS / KEYS * EACH {
            news.mark_unchanged();
            let filter = ReadAll {
                after: followed.last().copied().unwrap_or(0),
                partition_key: Some(key.to_owned()),
                limit: 7,
            };
            let page = read(store.read_all(&filter).await);
            if page.is_empty() {
                let news = tokio::time::timeout(Duration::from_secs(60), news.changed()).await;
                assert!(matches!(news, Ok(Ok(()))), "only {} came", followed.len());
            }
            followed.extend(positions(&page));
        }
        followed
    }
}
