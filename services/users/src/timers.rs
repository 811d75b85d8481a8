//! What is forgotten at its time: sessions that ended, failures that mean nothing any more.

use std::time::SystemTime;

use async_trait::async_trait;
use outcry_service::{Context, Fault, TimerHandler};
use outcry_store::{Commit, Timer, TimerWrite, ViewWrite};

use crate::views::{ATTEMPTS, SESSIONS};

/// Before the key of a row in the id of the timer that forgets it.
const PREFIXES: [(&str, &str); 2] = [("session/", SESSIONS), ("attempts/", ATTEMPTS)];

/// Forgets a row of [`SESSIONS`] or [`ATTEMPTS`] at a time.
pub(crate) fn forget(view: &str, key: &str, due: SystemTime) -> TimerWrite {
    TimerWrite::Set(Timer {
        id: id(view, key),
        due,
        payload: Vec::new(),
    })
}

/// Does not forget it, because it is gone already.
pub(crate) fn forgotten(view: &str, key: &str) -> TimerWrite {
    TimerWrite::Clear { id: id(view, key) }
}

fn id(view: &str, key: &str) -> String {
    let prefix = PREFIXES
        .iter()
        .find_map(|(prefix, of)| (*of == view).then_some(*prefix));
    format!("{}{key}", prefix.unwrap_or_default())
}

/// Fires the timers of users.
pub(crate) struct Timers {
    ctx: Context,
}

// === impl Timers ===

impl Timers {
    pub(crate) fn new(ctx: Context) -> Self {
        Self { ctx }
    }
}

#[async_trait]
impl TimerHandler for Timers {
    async fn fire(&self, timer: &Timer) -> Result<Commit, Fault> {
        let found = PREFIXES.iter().find_map(|(prefix, view)| {
            let key = timer.id.strip_prefix(prefix)?;
            Some((*view, key.to_owned()))
        });
        let Some((view, key)) = found else {
            return Err(Fault::Discard(format!("unknown timer {}", timer.id)));
        };
        let mut commit = Commit::default();
        if let Some(row) = self.ctx.store.view(view, &key).await? {
            // Written anew since, it has a new timer, and this commit is a conflict.
            commit
                .views
                .push(ViewWrite::delete(view, key).expect(row.version));
        }
        commit.timers.push(TimerWrite::Fired {
            id: timer.id.clone(),
            due: timer.due,
        });
        Ok(commit)
    }
}
