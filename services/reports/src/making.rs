//! Making a report when its timer is due.

use async_trait::async_trait;
use outcry_contracts::reports::v1::ReportType;
use outcry_events::Cause;
use outcry_service::{Context, Fault, TimerHandler, decide, load};
use outcry_store::{Commit, Timer, TimerWrite};
use sha2::{Digest, Sha256};
use std::time::SystemTime;
use tracing::info;

use crate::content::{Content, Rendered, Unmade};
use crate::domain::{Command, Outcome, Report, ReportEvent, Terms};
use crate::{journal, views};

/// Who acts when a timer does.
const ACTOR: &str = "service:reports";

/// Events read for one report at most: about as many as can be read within the time a timer has.
pub(crate) const EVENTS_MAX: usize = 500_000;

/// Makes reports.
pub(crate) struct Maker {
    ctx: Context,
    rows_max: usize,
}

/// What was made, and from what.
struct Made {
    rendered: Rendered,
    as_of_position: u64,
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
    TimerWrite::Set(Timer {
        id: format!("make/{report_id}"),
        due,
        payload: report_id.as_bytes().to_vec(),
    })
}

// === impl Maker ===

impl Maker {
    pub(crate) fn new(ctx: Context, rows_max: usize) -> Maker {
        Maker { ctx, rows_max }
    }

    /// Reads the journal up to where it ends now, and makes the report.
    async fn make(&self, terms: &Terms) -> Result<Made, NotMade> {
        let store = self.ctx.store.as_ref();
        // What arrives while the journal is read is left out wherever it would stand, so that the
        // position says exactly what is in the report.
        let (head, _) = journal::head(store, &terms.user_id).await?;
        let mut content = Content::new(terms, self.rows_max);
        let (mut after, mut read) = (None, 0);
        loop {
            let (entries, next) = journal::page(store, &terms.user_id, after).await?;
            for entry in &entries {
                if entry.occurred_at_ns > terms.as_of_ns {
                    return finish(content, head.position);
                }
                read += 1;
                if read > EVENTS_MAX {
                    return Err(Unmade::TooManyEvents { max: EVENTS_MAX }.into());
                }
                // The past matters for what is held, not for a list of a period.
                let matters =
                    terms.kind == ReportType::Statement || terms.in_period(entry.occurred_at_ns);
                if entry.position <= head.position && matters {
                    let event = entry
                        .event()
                        .map_err(|damaged| Unmade::Unreadable(damaged.to_string()))?;
                    content.take(&event)?;
                }
            }
            match next {
                Some(cursor) => after = Some(cursor),
                None => return finish(content, head.position),
            }
        }
    }
}

fn finish(content: Content<'_>, as_of_position: u64) -> Result<Made, NotMade> {
    Ok(Made {
        rendered: content.finish()?,
        as_of_position,
    })
}

#[async_trait]
impl TimerHandler for Maker {
    async fn fire(&self, timer: &Timer) -> Result<Commit, Fault> {
        let report_id = String::from_utf8_lossy(&timer.payload).into_owned();
        let loaded = load::<Report>(&self.ctx, &report_id).await?;
        let Report::Requested(terms) = &loaded.state else {
            return Err(Fault::discard("the report does not wait to be made"));
        };
        let store = self.ctx.store.as_ref();
        let row = views::report(store, &report_id)
            .await?
            .ok_or_else(|| Fault::park("the report has no row"))?;
        let (command, content) = match self.make(terms).await {
            Ok(made) => (Command::Complete(made.outcome()?), made.rendered.bytes),
            Err(NotMade::Unmade(unmade)) => {
                info!(report_id, reason = %unmade, "report cannot be made");
                let message = unmade.to_string();
                (Command::Fail { message }, Vec::new())
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
            decide::<Report>(&self.ctx, &report_id, loaded, &cause, &command)?;
        let row = match (&command, executed.typed.as_slice()) {
            (Command::Complete(outcome), _) => row.completed(outcome),
            (_, [ReportEvent::Failed(failed)]) => row.failed(&failed.message),
            _ => row,
        };
        commit.views.push(row.write()?);
        commit.views.extend(views::pieces(&report_id, &content)?);
        Ok(commit)
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
