//! Things to do at a time.

use std::sync::Arc;
use std::time::SystemTime;

use super::fixtures::{at, commit, conflict, read};
use crate::commit::Commit;
use crate::error::Conflict;
use crate::store::Store;
use crate::timer::{Timer, TimerWrite};

fn timer(id: &str, due: SystemTime) -> Timer {
    Timer {
        id: id.to_owned(),
        due,
        payload: format!("payload of {id}").into_bytes(),
    }
}

fn writing(timers: impl IntoIterator<Item = TimerWrite>) -> Commit {
    Commit {
        timers: timers.into_iter().collect(),
        ..Commit::default()
    }
}

/// The longest due first; setting again moves, clearing removes.
pub async fn timers_come_when_they_are_due(make: &impl AsyncFn(&str) -> Arc<dyn Store>) {
    let store = make("timers").await;
    assert_eq!(read(store.next_timer().await), None);
    assert!(read(store.timers_due(at(0), 10).await).is_empty());
    let [late, b, a, soon] = [
        timer("late", at(30)),
        timer("b", at(20)),
        timer("a", at(20)),
        timer("soon", at(10)),
    ];
    let all = [&late, &b, &a, &soon].map(|timer| TimerWrite::Set(timer.clone()));
    commit(store.as_ref(), writing(all)).await;
    assert_eq!(read(store.next_timer().await), Some(at(10)));
    assert!(read(store.timers_due(at(9), 10).await).is_empty());
    // Due at its very moment; same moments by id.
    let due = read(store.timers_due(at(20), 10).await);
    assert_eq!(due, [soon.clone(), a.clone(), b.clone()]);
    assert_eq!(read(store.timers_due(at(99), 2).await), [soon, a.clone()]);

    let moved = Timer {
        payload: b"new".to_vec(),
        ..timer("soon", at(40))
    };
    let clear = |id: &str| TimerWrite::Clear { id: id.to_owned() };
    let changes = [
        TimerWrite::Set(moved.clone()),
        clear("b"),
        clear("never set"),
    ];
    commit(store.as_ref(), writing(changes)).await;
    assert_eq!(read(store.next_timer().await), Some(at(20)));
    let due = read(store.timers_due(at(99), 10).await);
    assert_eq!(due, [a, late, moved]);
    let rest = ["a", "late", "soon"].map(clear);
    commit(store.as_ref(), writing(rest)).await;
    assert_eq!(read(store.next_timer().await), None);
}

/// Firing clears exactly the setting that fired.
pub async fn a_timer_has_one_effect_per_setting(make: &impl AsyncFn(&str) -> Arc<dyn Store>) {
    let store = make("firing").await;
    let set = |due| writing([TimerWrite::Set(timer("t", due))]);
    let fired = |due| {
        writing([TimerWrite::Fired {
            id: "t".to_owned(),
            due,
        }])
    };
    commit(store.as_ref(), set(at(1))).await;
    commit(store.as_ref(), fired(at(1))).await;
    let gone = Conflict::Timer { id: "t".to_owned() };
    assert_eq!(conflict(store.as_ref(), fired(at(1))).await, gone);
    commit(store.as_ref(), set(at(1))).await;
    commit(store.as_ref(), set(at(2))).await;
    assert_eq!(conflict(store.as_ref(), fired(at(1))).await, gone);
    assert_eq!(read(store.timers_due(at(9), 10).await), [timer("t", at(2))]);
    // Fired and set again for later, in one commit.
    let again = writing([
        TimerWrite::Fired {
            id: "t".to_owned(),
            due: at(2),
        },
        TimerWrite::Set(timer("t", at(3))),
    ]);
    commit(store.as_ref(), again).await;
    assert_eq!(read(store.next_timer().await), Some(at(3)));
}
