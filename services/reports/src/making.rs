//! Making a report when its timer is due, and forgetting its content when that one is.

use std::time::Duration;

use async_trait::async_trait;
use outcry_events::Cause;
use outcry_service::{Context, Fault, TimerHandler, decide, load};
use outcry_store::timer::nanos;
use outcry_store::{Commit, Timer, TimerWrite, ViewWrite};
use sha2::{Digest, Sha256};
use std::time::SystemTime;
use tracing::info;

use crate::content::{Content, Rendered, Unmade};
use crate::domain::{Command, Outcome, Report, ReportEvent, Terms};
use crate::views::{ReportRow, RowAt};
use crate::{journal, prices, views};

/// Who acts when a timer does.
const ACTOR: &str = "service:reports";

/// Events read for one report at most: about as many as can be read within the time a timer has.
pub(crate) const EVENTS_MAX: usize = 500_000;

/// Ids of timers begin so.
const MAKE: &str = "make/";
const EXPIRE: &str = "expire/";

/// Makes reports.
pub(crate) struct Maker {
    ctx: Context,
    rows_max: usize,
    /// How long content is kept.
    retention: Duration,
}

/// What was made, and from what.
struct Made {
    rendered: Rendered,
    as_of_position: u64,
    valuation: Option<ViewWrite>,
}

/// Why nothing was made.
#[derive(Debug, thiserror::Error)]
enum NotMade {
    /// For the user.
    #[error(transparent)]
    Unmade(#[from] Unmade),
    /// May pass.
    #[error(transparent)]
    Store(#[from] outcry_store::StoreError),
}

/// The timer that makes a report.
pub(crate) fn timer(report_id: &str, due: SystemTime) -> TimerWrite {
    set(MAKE, report_id, due)
}

/// Clears the timer that forgets a report's content.
pub(crate) fn no_expiry(report_id: &str) -> TimerWrite {
    TimerWrite::Clear {
        id: format!("{EXPIRE}{report_id}"),
    }
}

fn set(what: &str, report_id: &str, due: SystemTime) -> TimerWrite {
    TimerWrite::Set(Timer {
        id: format!("{what}{report_id}"),
        due,
        payload: report_id.as_bytes().to_vec(),
    })
}

// === impl Maker ===

impl Maker {
    pub(crate) fn new(ctx: Context, rows_max: usize, retention: Duration) -> Maker {
        Maker {
            ctx,
            rows_max,
            retention,
        }
    }

    /// Reads the journal up to where it ends now, or to where the report is to end, and makes it.
    async fn make(&self, terms: &Terms) -> Result<Made, NotMade> {
        let store = self.ctx.store.as_ref();
        // What arrives while the journal is read is left out wherever it would stand, so that the
        // position says exactly what is in the report.
        let last = match terms.as_of_position {
            0 => journal::head(store, &terms.user_id).await?.0.position,
            position => position,
        };
        let mut content = Content::new(terms, self.rows_max);
        let (mut after, mut read) = (None, 0);
        'journal: loop {
            let (entries, next) = journal::page(store, &terms.user_id, after).await?;
            for entry in &entries {
                if entry.occurred_at_ns > terms.as_of_ns {
                    break 'journal;
                }
                read += 1;
                if read > EVENTS_MAX {
                    return Err(Unmade::TooManyEvents { max: EVENTS_MAX }.into());
                }
                if entry.position <= last && content.wants(&entry.topic, entry.occurred_at_ns) {
                    let event = entry
                        .event()
                        .map_err(|damaged| Unmade::Unreadable(damaged.to_string()))?;
                    content.take(&event)?;
                }
            }
            match next {
                Some(cursor) => after = Some(cursor),
                None => break,
            }
        }
        let symbols = content.symbols();
        let (prices, valuation) = prices::valuation(store, terms, last, symbols).await?;
        Ok(Made {
            rendered: content.finish(&prices)?,
            as_of_position: last,
            valuation,
        })
    }

    /// Says first that the report is being made, then makes it.
    async fn fire_make(&self, report_id: &str) -> Result<Commit, Fault> {
        let loaded = load::<Report>(&self.ctx, report_id).await?;
        let Report::Requested(terms) = &loaded.state else {
            return Err(Fault::discard("the report does not wait to be made"));
        };
        let store = self.ctx.store.as_ref();
        let at = views::report(store, report_id)
            .await?
            .ok_or_else(|| Fault::park("the report has no row"))?;
        if at.row.is_requested() {
            let mut commit = Commit::default();
            commit.views.push(at.write(&at.row.running())?);
            commit.timers.push(timer(report_id, self.ctx.clock.now()));
            return Ok(commit);
        }
        let (command, content, valuation) = match self.make(terms).await {
            Ok(made) => {
                let outcome = made.outcome()?;
                (
                    Command::Complete(outcome),
                    made.rendered.bytes,
                    made.valuation,
                )
            }
            Err(NotMade::Unmade(unmade)) => {
                info!(report_id, reason = %unmade, "report cannot be made");
                let message = unmade.to_string();
                (Command::Fail { message }, Vec::new(), None)
            }
            Err(NotMade::Store(error)) => return Err(error.into()),
        };
        let cause = Cause {
            correlation_id: loaded
                .correlation_id
                .unwrap_or_else(|| self.ctx.clock.new_id()),
            causation_id: loaded.last_event,
            actor: ACTOR.to_owned(),
            traceparent: String::new(),
        };
        let (executed, mut commit) =
            decide::<Report>(&self.ctx, report_id, loaded, &cause, &command)?;
        let expires = self.ctx.clock.now() + self.retention;
        let row = match (&command, executed.typed.as_slice()) {
            (Command::Complete(outcome), _) => {
                commit.timers.push(set(EXPIRE, report_id, expires));
                let expires_at_ns = nanos(expires).ok_or_else(|| Fault::park("no such time"))?;
                at.row.completed(outcome, expires_at_ns)
            }
            (_, [ReportEvent::Failed(failed)]) => at.row.failed(&failed.message),
            _ => at.row.clone(),
        };
        commit.views.push(at.write(&row)?);
        commit.views.extend(views::pieces(report_id, &content)?);
        commit.views.extend(valuation);
        Ok(commit)
    }

    /// Forgets a report's content.
    async fn fire_expire(&self, report_id: &str) -> Result<Commit, Fault> {
        let store = self.ctx.store.as_ref();
        let at = views::report(store, report_id)
            .await?
            .filter(|at| at.row.is_completed())
            .ok_or_else(|| Fault::discard("the report has no content"))?;
        Ok(Commit {
            views: forgetting(&at)?.1,
            ..Commit::default()
        })
    }
}

/// The row of a report whose content is forgotten, and what is written for that.
pub(crate) fn forgetting(
    at: &RowAt,
) -> Result<(ReportRow, Vec<ViewWrite>), outcry_store::StoreError> {
    let row = at.row.expired();
    let mut writes = vec![at.write(&row)?];
    writes.extend(views::no_pieces(&at.row));
    Ok((row, writes))
}

#[async_trait]
impl TimerHandler for Maker {
    async fn fire(&self, timer: &Timer) -> Result<Commit, Fault> {
        let report_id = String::from_utf8_lossy(&timer.payload).into_owned();
        if timer.id.starts_with(EXPIRE) {
            self.fire_expire(&report_id).await
        } else {
            self.fire_make(&report_id).await
        }
    }
}

// === impl Made ===

impl Made {
    fn outcome(&self) -> Result<Outcome, Fault> {
        let size_bytes = i64::try_from(self.rendered.bytes.len()).map_err(Fault::park)?;
        let rows = i64::try_from(self.rendered.rows).map_err(Fault::park)?;
        Ok(Outcome {
            sha256: format!("{:x}", Sha256::digest(&self.rendered.bytes)),
            size_bytes,
            rows,
            as_of_position: self.as_of_position,
        })
    }
}
