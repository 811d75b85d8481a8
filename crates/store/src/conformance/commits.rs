//! Commits as wholes.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use uuid::Uuid;

use super::fixtures::{
    GROUP, answer, append, appending, asked, at, commit, conflict, duplicate, event_of, everything,
    handled, handling, invalid, parked_event, read, row, showing,
};
use crate::commit::{Answer, Append, Commit, Handled};
use crate::error::{CommitError, Conflict, Duplicate, InvalidCommit};
use crate::limits::{EVENT_BYTES_MAX, KEY_BYTES_MAX, ROW_INDEXES_MAX, VIEW_BYTES_MAX};
use crate::parking::{AuditFilter, ParkWrite, ParkedFilter, RedriveRequest, RedriveScope};
use crate::store::Store;
use crate::timer::{Timer, TimerWrite};
use crate::view::Scan;

/// One of everything.
fn full(id: &str, event_id: Uuid) -> Commit {
    Commit {
        fence: None,
        appends: vec![append(id, 0, 2)],
        handled: Some(handled(event_id, id)),
        answered: Some(answer(id)),
        views: vec![row("full", id, "row").index("by-name", "name")],
        timers: vec![TimerWrite::Set(Timer {
            id: id.to_owned(),
            due: at(0),
            payload: b"payload".to_vec(),
        })],
        parked: vec![
            ParkWrite::Park(parked_event(&format!("parked-{id}"), 0)),
            ParkWrite::RequestRedrive(RedriveRequest {
                group: GROUP.to_owned(),
                scope: RedriveScope::Group,
                per_second: 0,
                asked: asked("", 0),
            }),
        ],
    }
}

/// How much of [`full`] is there, kind by kind.
async fn counts(store: &dyn Store, id: &str, event_id: Uuid) -> [usize; 11] {
    let filter = ParkedFilter {
        limit: 10,
        ..ParkedFilter::default()
    };
    let audit = AuditFilter {
        limit: 10,
        ..AuditFilter::default()
    };
    let Answer {
        principal, method, ..
    } = answer(id);
    [
        everything(store).await.len(),
        read(store.unsent(crate::lease::RelaySlots::ALL, 10).await).len(),
        usize::from(read(store.is_handled(GROUP, event_id).await)),
        usize::from(read(store.answer(&principal, &method, id).await).is_some()),
        usize::from(read(store.view("full", id).await).is_some()),
        read(store.scan(&Scan::new("full")).await).len(),
        read(store.scan(&Scan::new("full").index("by-name")).await).len(),
        read(store.timers_due(at(0), 10).await).len(),
        read(store.parked(&filter).await).len(),
        read(store.redrives(GROUP, 10).await).len(),
        read(store.parking_audit(&audit).await).len(),
    ]
}

/// All parts of a commit are there afterwards.
pub async fn a_commit_is_applied_whole(make: &impl AsyncFn(&str) -> Arc<dyn Store>) {
    let store = make("whole").await;
    let event_id = Uuid::now_v7();
    commit(store.as_ref(), full("a", event_id)).await;
    let found = counts(store.as_ref(), "a", event_id).await;
    assert_eq!(found, [2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1]);
}

/// Whichever part cannot be applied, none of the others is.
pub async fn a_failing_commit_leaves_nothing(make: &impl AsyncFn(&str) -> Arc<dyn Store>) {
    let store = make("nothing").await;
    let event_id = Uuid::now_v7();
    let failing: [fn(&mut Commit); 6] = [
        |commit| commit.appends.push(append("other", 3, 1)),
        |commit| commit.views.push(row("full", "other", "").expect(1)),
        |commit| {
            commit.timers.push(TimerWrite::Fired {
                id: "other".to_owned(),
                due: at(0),
            });
        },
        |commit| {
            commit
                .parked
                .push(ParkWrite::ParkBehind(parked_event("other", 0)));
        },
        |commit| {
            commit.parked.push(ParkWrite::Unpark {
                position: 1_000_000,
                at: at(0),
            });
        },
        |commit| {
            commit.parked.push(ParkWrite::Discard {
                position: 1_000_000,
                asked: asked("", 0),
            });
        },
    ];
    for fail in failing {
        let mut commit = full("a", event_id);
        fail(&mut commit);
        conflict(store.as_ref(), commit).await;
        assert_eq!(counts(store.as_ref(), "a", event_id).await, [0; 11]);
    }
    // Among those that are applied at the same time, too.
    let mut others = JoinSet::new();
    for number in 0..40 {
        let store = Arc::clone(&store);
        others.spawn(async move {
            if number % 2 == 0 {
                let id = format!("good-{number}");
                commit(store.as_ref(), appending([append(&id, 0, 1)])).await;
            } else {
                let mut bad = full(&format!("bad-{number}"), Uuid::now_v7());
                bad.views.push(row("full", "other", "").expect(1));
                conflict(store.as_ref(), bad).await;
            }
        });
    }
    others.join_all().await;
    let found = counts(store.as_ref(), "a", event_id).await;
    assert_eq!(found, [20, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
}

/// Each sees those before it.
pub async fn commits_together_are_applied_in_their_order(
    make: &impl AsyncFn(&str) -> Arc<dyn Store>,
) {
    let store = make("together").await;
    let commits = (0..20).map(|before| Commit {
        views: vec![row("counts", "a", &format!("{before}")).expect(before)],
        ..appending([append("a", before, 1)])
    });
    let (applied, refused) = store.commit_all(commits.collect()).await;
    assert_eq!(applied, 20, "{refused:?}");
    assert!(refused.is_none());
    assert_eq!(everything(store.as_ref()).await.len(), 20);
    let last = read(store.view("counts", "a").await).map(|row| (row.version, row.body));
    assert_eq!(last, Some((20, b"\"19\"".to_vec())));
    assert!(matches!(store.commit_all(Vec::new()).await, (0, None)));
}

/// What was applied before is durable; of the one that failed and those behind it there is nothing.
pub async fn commits_together_end_before_the_first_that_fails(
    make: &impl AsyncFn(&str) -> Arc<dyn Store>,
) {
    let store = make("ends").await;
    let ids = [Uuid::now_v7(), Uuid::now_v7(), Uuid::now_v7()];
    let mut conflicting = full("b", ids[1]);
    conflicting.views.push(row("full", "other", "").expect(1));
    let commits = vec![full("a", ids[0]), conflicting, full("c", ids[2])];
    let (applied, refused) = store.commit_all(commits).await;
    assert_eq!(applied, 1);
    assert!(
        matches!(refused, Some(CommitError::Conflict(_))),
        "{refused:?}"
    );
    // The same answers as a commit alone gives.
    let again = vec![appending([append("d", 0, 1)]), handling(ids[0], "a")];
    let (applied, refused) = store.commit_all(again).await;
    assert_eq!(applied, 1);
    assert!(
        matches!(refused, Some(CommitError::Duplicate(_))),
        "{refused:?}"
    );
    let too_large = Commit {
        views: vec![row("full", &"k".repeat(KEY_BYTES_MAX + 1), "")],
        ..Commit::default()
    };
    let behind = appending([append("f", 0, 1)]);
    let (applied, refused) = store
        .commit_all(vec![appending([append("e", 0, 1)]), too_large, behind])
        .await;
    assert_eq!(applied, 1);
    assert!(
        matches!(refused, Some(CommitError::Invalid(_))),
        "{refused:?}"
    );
    let streams = everything(store.as_ref()).await;
    let keys: Vec<_> = streams
        .iter()
        .map(|one| one.event.partition_key())
        .collect();
    assert_eq!(keys, ["a", "a", "d", "e"]);
    let found = counts(store.as_ref(), "b", ids[1]).await;
    assert_eq!(found, [4, 4, 0, 0, 0, 1, 1, 1, 1, 1, 1], "only those of a");
}

/// Nothing to do is done.
pub async fn an_empty_commit_changes_nothing(make: &impl AsyncFn(&str) -> Arc<dyn Store>) {
    let store = make("empty").await;
    commit(store.as_ref(), Commit::default()).await;
    assert_eq!(counts(store.as_ref(), "a", Uuid::nil()).await, [0; 11]);
}

/// At least once delivered, once handled.
pub async fn an_event_is_handled_once_per_group(make: &impl AsyncFn(&str) -> Arc<dyn Store>) {
    let store = make("handled").await;
    let event_id = Uuid::now_v7();
    assert!(!read(store.is_handled(GROUP, event_id).await));
    commit(store.as_ref(), handling(event_id, "key")).await;
    assert!(read(store.is_handled(GROUP, event_id).await));
    assert!(!read(store.is_handled("other", event_id).await));
    let mut again = appending([append("a", 0, 1)]);
    again.handled = Some(handled(event_id, "key"));
    assert_eq!(
        duplicate(store.as_ref(), again).await,
        Duplicate::Handled {
            group: GROUP.to_owned(),
            event_id
        }
    );
    assert!(everything(store.as_ref()).await.is_empty());
    let elsewhere = Commit {
        handled: Some(Handled {
            group: "other".to_owned(),
            ..handled(event_id, "key")
        }),
        ..Commit::default()
    };
    commit(store.as_ref(), elsewhere).await;
    commit(store.as_ref(), handling(Uuid::now_v7(), "key")).await;
}

/// The answer comes back as it was given; the same request is not answered again.
pub async fn a_request_is_answered_once(make: &impl AsyncFn(&str) -> Arc<dyn Store>) {
    let store = make("answers").await;
    let answering = |answer: &Answer| Commit {
        answered: Some(answer.clone()),
        ..Commit::default()
    };
    let first = answer("r-1");
    commit(store.as_ref(), answering(&first)).await;
    let find = async |answer: &Answer| {
        read(
            store
                .answer(&answer.principal, &answer.method, &answer.request_id)
                .await,
        )
    };
    assert_eq!(find(&first).await.as_ref(), Some(&first));
    let other = Answer {
        request_hash: [8; 32],
        response: vec![9],
        at: at(5),
        ..first.clone()
    };
    assert_eq!(
        duplicate(store.as_ref(), answering(&other)).await,
        Duplicate::Answered {
            principal: first.principal.clone(),
            method: first.method.clone(),
            request_id: first.request_id.clone(),
        }
    );
    assert_eq!(find(&first).await.as_ref(), Some(&first));
    // The same id of somebody else, or for something else, is another request.
    for other in [
        Answer {
            principal: "user:2".to_owned(),
            ..other.clone()
        },
        Answer {
            method: "/outcry.orders.v1.OrderService/CancelOrder".to_owned(),
            ..other.clone()
        },
        Answer {
            request_id: "r-2".to_owned(),
            response: Vec::new(),
            ..other
        },
    ] {
        assert_eq!(find(&other).await, None);
        commit(store.as_ref(), answering(&other)).await;
        assert_eq!(find(&other).await, Some(other));
    }
}

/// A repeated commit finds its own work in the way; it must hear that it is a repetition.
pub async fn what_is_done_already_is_no_conflict(make: &impl AsyncFn(&str) -> Arc<dyn Store>) {
    let store = make("repeated").await;
    let mut first = appending([append("a", 0, 1)]);
    first.views.push(row("rows", "a", "1").expect(0));
    let handling = Commit {
        handled: Some(handled(Uuid::now_v7(), "a")),
        ..first.clone()
    };
    commit(store.as_ref(), handling.clone()).await;
    let found = duplicate(store.as_ref(), handling).await;
    assert!(matches!(found, Duplicate::Handled { .. }), "{found:?}");
    let mut second = appending([append("b", 0, 1)]);
    second.answered = Some(answer("r-1"));
    commit(store.as_ref(), second.clone()).await;
    let found = duplicate(store.as_ref(), second).await;
    assert!(matches!(found, Duplicate::Answered { .. }), "{found:?}");
    let found = conflict(store.as_ref(), first).await;
    assert!(matches!(found, Conflict::Stream { .. }), "{found:?}");
}

/// The same event and the same request, from everywhere at once.
pub async fn of_concurrent_repetitions_one_succeeds(make: &impl AsyncFn(&str) -> Arc<dyn Store>) {
    let store = make("race").await;
    let event_id = Uuid::now_v7();
    let mut tries = JoinSet::new();
    for number in 0..32 {
        let store = Arc::clone(&store);
        tries.spawn(async move {
            let mut commit = appending([append(&format!("t{number}"), 0, 1)]);
            if number % 2 == 0 {
                commit.handled = Some(handled(event_id, "key"));
            } else {
                commit.answered = Some(answer("r-1"));
            }
            (number % 2, store.commit(commit).await)
        });
    }
    let mut succeeded = [0, 0];
    for (kind, result) in tries.join_all().await {
        match result {
            Ok(()) => succeeded[kind] += 1,
            Err(CommitError::Duplicate(_)) => {}
            Err(error) => panic!("a commit failed: {error:?}"),
        }
    }
    assert_eq!(succeeded, [1, 1]);
    assert_eq!(everything(store.as_ref()).await.len(), 2);
}

/// Marks and answers go by age, some at a time.
pub async fn old_marks_and_answers_are_forgotten(make: &impl AsyncFn(&str) -> Arc<dyn Store>) {
    let store = make("forget").await;
    let ids: Vec<_> = (0..6).map(|_| Uuid::now_v7()).collect();
    for (age, event_id) in (0..).zip(&ids) {
        let commit_of_age = Commit {
            handled: Some(Handled {
                at: at(age),
                ..handled(*event_id, "key")
            }),
            answered: Some(Answer {
                at: at(age),
                ..answer(&format!("r-{age}"))
            }),
            ..Commit::default()
        };
        commit(store.as_ref(), commit_of_age).await;
    }
    let left = async || {
        let mut left = Vec::new();
        for (age, event_id) in (0_u64..).zip(&ids) {
            let Answer {
                principal, method, ..
            } = answer("");
            let answer = store.answer(&principal, &method, &format!("r-{age}")).await;
            let handled = read(store.is_handled(GROUP, *event_id).await);
            assert_eq!(read(answer).is_some(), handled);
            if handled {
                left.push(age);
            }
        }
        left
    };
    assert_eq!(read(store.forget(at(0), 10).await), 0);
    assert_eq!(read(store.forget(at(4), 3).await), 6);
    assert_eq!(left().await, [3, 4, 5]);
    assert_eq!(read(store.forget(at(4), 3).await), 2);
    assert_eq!(read(store.forget(at(4), 3).await), 0);
    assert_eq!(left().await, [4, 5]);
    // Forgotten means that it can happen again.
    for event_id in ids.iter().take(1) {
        commit(store.as_ref(), handling(*event_id, "key")).await;
    }
}

/// Whoever waits for something to do is woken by the commit that brings it.
pub async fn commits_that_are_news_are_told(make: &impl AsyncFn(&str) -> Arc<dyn Store>) {
    let store = make("news").await;
    let timer = Timer {
        id: "t".to_owned(),
        due: at(0),
        payload: Vec::new(),
    };
    let of_timer = |write| Commit {
        timers: vec![write],
        ..Commit::default()
    };
    let news = [
        appending([append("a", 0, 1)]),
        of_timer(TimerWrite::Set(timer)),
        of_timer(TimerWrite::Clear { id: "t".to_owned() }),
        Commit {
            parked: vec![ParkWrite::Park(parked_event("key", 0))],
            ..Commit::default()
        },
    ];
    let mut commits = store.commits();
    for news in news {
        commits.mark_unchanged();
        commit(store.as_ref(), news).await;
        let told = tokio::time::timeout(Duration::from_secs(60), commits.changed()).await;
        assert!(matches!(told, Ok(Ok(()))), "{told:?}");
    }
}

/// Bounds hold, and say what they are.
pub async fn what_is_too_large_is_refused(make: &impl AsyncFn(&str) -> Arc<dyn Store>) {
    let store = make("limits").await;
    let large_event = Append {
        stream: "sample-a".to_owned(),
        expected: 0,
        events: vec![event_of("a", 1, "a", EVENT_BYTES_MAX)],
    };
    let mut many_places = row("rows", "a", "");
    for place in 0..=ROW_INDEXES_MAX {
        many_places = many_places.index("order", place.to_string());
    }
    let large = [
        appending([large_event]),
        showing([row("rows", "a", &"x".repeat(VIEW_BYTES_MAX))]),
        showing([row("rows", &"k".repeat(KEY_BYTES_MAX + 1), "")]),
        showing([row("rows", "a", "").index("order", "k".repeat(KEY_BYTES_MAX + 1))]),
        showing([many_places]),
    ];
    for large in large {
        let found = invalid(store.as_ref(), large).await;
        assert!(
            matches!(
                found,
                InvalidCommit::TooLarge { .. } | InvalidCommit::TooMany { .. }
            ),
            "{found:?}"
        );
    }
    let far = Commit {
        timers: vec![TimerWrite::Set(Timer {
            id: "far".to_owned(),
            due: at(400 * 366 * 24 * 3600),
            payload: Vec::new(),
        })],
        ..Commit::default()
    };
    let found = invalid(store.as_ref(), far).await;
    assert!(matches!(found, InvalidCommit::Time { .. }), "{found:?}");
}
