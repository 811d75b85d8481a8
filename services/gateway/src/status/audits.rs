//! The audit: one at a time, where one process has all the data.

use std::sync::{Arc, OnceLock};

use futures::future::BoxFuture;
use outcry_contracts::operations::v1::{AuditReport, WatchAuditResponse};
use outcry_mesh::refusal;
use outcry_service::Clock;
use prost_types::Timestamp;
use tokio::sync::watch;
use tonic::{Code, Status};
use tracing::{info, warn};

/// Events that are examined inside a running platform at most: the audit keeps all of them in
/// memory, some kilobytes each, beside the services that share it. Larger platforms are examined by
/// the command, in a process of its own.
const EVENTS_MAX: u64 = 250_000;

/// What examines a platform elsewhere.
const COMMAND: &str = "outcry audit --database postgres://…";

/// The same on the machine with a data folder.
const COMMAND_HERE: &str = "outcry audit --data <folder>";

/// How far an audit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Steps done.
    pub done: u32,
    /// All steps.
    pub of: u32,
    /// The one under way.
    pub name: &'static str,
}

/// Examines all data of the platform; tells its steps as it goes. What it answers with is the report
/// without its times, or why there is none.
pub type Examine = Arc<
    dyn Fn(Box<dyn Fn(Step) + Send + Sync>) -> BoxFuture<'static, Result<AuditReport, String>>
        + Send
        + Sync,
>;

/// How many events there are.
type Events = Arc<dyn Fn() -> u64 + Send + Sync>;

/// The audit that runs, and the last one. Cheap to clone; all clones are one.
#[derive(Clone)]
pub(crate) struct Audits {
    clock: Arc<dyn Clock>,
    events: Events,
    examine: Arc<OnceLock<Examine>>,
    state: watch::Sender<Option<WatchAuditResponse>>,
}

// === impl Audits ===

impl Audits {
    /// None can run yet. `events` tells how many events there are.
    pub(crate) fn new(
        clock: Arc<dyn Clock>,
        events: impl Fn() -> u64 + Send + Sync + 'static,
    ) -> Self {
        Self {
            clock,
            events: Arc::new(events),
            examine: Arc::default(),
            state: watch::Sender::new(Some(WatchAuditResponse {
                command: COMMAND.to_owned(),
                ..WatchAuditResponse::default()
            })),
        }
    }

    /// Audits can run here from now on. Only the first way to examine counts.
    pub(crate) fn run_by(&self, examine: Examine) {
        if self.examine.set(examine).is_ok() {
            self.change(|state| {
                state.available = true;
                state.command = String::new();
            });
        }
    }

    /// How the audit stands, now and as it changes.
    pub(super) fn watch(&self) -> watch::Receiver<Option<WatchAuditResponse>> {
        self.state.subscribe()
    }

    /// Starts one.
    ///
    /// # Errors
    /// There is one, or none can run here; the status says what to do.
    pub(super) fn begin(&self) -> Result<(), Status> {
        let examine = self.examine.get().ok_or_else(not_here)?;
        let events = (self.events)();
        if events > EVENTS_MAX {
            return Err(too_large(events));
        }
        let started_at = Timestamp::from(self.clock.now());
        let begun = self.state.send_if_modified(|state| {
            let state = state.get_or_insert_default();
            if state.running {
                return false;
            }
            state.running = true;
            state.started_at = Some(started_at);
            (state.steps_done, state.steps) = (0, 0);
            state.step = String::new();
            state.failure = String::new();
            true
        });
        if !begun {
            return Err(under_way());
        }
        info!(events, "audit begins");
        let audits = self.clone();
        let telling = self.clone();
        let examining = tokio::spawn(examine(Box::new(move |step| telling.tell(step))));
        tokio::spawn(async move {
            let outcome = match examining.await {
                Ok(outcome) => outcome,
                Err(broken) => Err(format!("the audit broke: {broken}")),
            };
            audits.end(started_at, outcome);
        });
        Ok(())
    }

    fn tell(&self, step: Step) {
        self.change(|state| {
            (state.steps_done, state.steps) = (step.done, step.of);
            step.name.clone_into(&mut state.step);
        });
    }

    fn end(&self, started_at: Timestamp, outcome: Result<AuditReport, String>) {
        let ended_at = Some(Timestamp::from(self.clock.now()));
        self.change(|state| {
            state.running = false;
            state.step = String::new();
            match outcome {
                Ok(report) => {
                    let breaches = report.breaches.len();
                    info!(breaches, "audit has ended");
                    state.last = Some(AuditReport {
                        started_at: Some(started_at),
                        ended_at,
                        ..report
                    });
                }
                Err(failure) => {
                    warn!(failure, "audit has failed");
                    state.failure = failure;
                }
            }
        });
    }

    fn change(&self, change: impl FnOnce(&mut WatchAuditResponse)) {
        self.state
            .send_modify(|state| change(state.get_or_insert_default()));
    }
}

fn not_here() -> Status {
    refusal::with_reason(
        Code::FailedPrecondition,
        "AUDIT_NOT_HERE",
        format!(
            "this process does not have all the data; run `{COMMAND}` where the database is reached"
        ),
    )
}

fn too_large(events: u64) -> Status {
    refusal::with_metadata(
        Code::FailedPrecondition,
        "AUDIT_TOO_LARGE",
        format!(
            "{events} events are more than the {EVENTS_MAX} that are examined beside running \
             services; run `{COMMAND_HERE}` or `{COMMAND}`"
        ),
        [("events".to_owned(), events.to_string())],
    )
}

fn under_way() -> Status {
    refusal::with_reason(
        Code::FailedPrecondition,
        "AUDIT_UNDER_WAY",
        "an audit is under way already; watch it, and start another one when it has ended",
    )
}

#[cfg(test)]
mod tests {
    use outcry_service::testing::FakeClock;
    use tokio::sync::oneshot;
    use tonic_types::StatusExt;

    use super::*;

    fn audits(events: u64) -> Audits {
        Audits::new(Arc::<FakeClock>::default(), move || events)
    }

    fn reason(status: &Status) -> String {
        status.get_details_error_info().unwrap().reason
    }

    #[tokio::test]
    async fn where_data_is_missing_or_too_much_the_command_is_named() {
        let elsewhere = audits(5);
        let refused = elsewhere.begin().unwrap_err();
        assert_eq!(reason(&refused), "AUDIT_NOT_HERE");
        assert!(refused.message().contains(COMMAND));
        let state = elsewhere.watch().borrow().clone().unwrap();
        assert!(!state.available && state.command == COMMAND);

        let large = audits(EVENTS_MAX + 1);
        large.run_by(Arc::new(|_| Box::pin(async { Err(String::new()) })));
        assert_eq!(reason(&large.begin().unwrap_err()), "AUDIT_TOO_LARGE");
    }

    #[tokio::test]
    async fn one_audit_runs_at_a_time_and_tells_how_far_it_is() {
        let audits = audits(5);
        let (finish, finished) = oneshot::channel::<()>();
        let finished = Arc::new(tokio::sync::Mutex::new(Some(finished)));
        audits.run_by(Arc::new(move |tell| {
            let finished = Arc::clone(&finished);
            Box::pin(async move {
                tell(Step {
                    done: 1,
                    of: 3,
                    name: "reading",
                });
                match finished.lock().await.take() {
                    Some(finished) => finished.await.unwrap(),
                    None => panic!("as a fault in the audit would"),
                }
                Ok(AuditReport {
                    events: 5,
                    ..AuditReport::default()
                })
            })
        }));
        let mut state = audits.watch();
        audits.begin().unwrap();
        let there = state.wait_for(|state| state.as_ref().unwrap().steps_done == 1);
        let there = there.await.unwrap().clone().unwrap();
        assert!(there.running && there.available && there.started_at.is_some());
        assert_eq!(reason(&audits.begin().unwrap_err()), "AUDIT_UNDER_WAY");
        finish.send(()).unwrap();
        let ended = state.wait_for(|state| !state.as_ref().unwrap().running);
        let report = ended.await.unwrap().clone().unwrap().last.unwrap();
        assert_eq!(report.events, 5);
        assert!(report.started_at.is_some() && report.ended_at.is_some());

        // The next one breaks: that is said, and what was found before stays.
        audits.begin().unwrap();
        let broken = state.wait_for(|state| !state.as_ref().unwrap().failure.is_empty());
        let broken = broken.await.unwrap().clone().unwrap();
        assert!(!broken.running && broken.last.is_some());
        audits.begin().unwrap();
    }
}
