//! A command carried out: load, decide, append.

use std::time::Duration;

use outcry_events::{Cause, EventSet, SealError, SealedEvent, Stamp};
use outcry_mesh::refusal::{self, Refusal};
use outcry_store::{Append, Commit, CommitError, Conflict, InvalidCommit, StoreError};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};

use crate::backoff::Backoff;
use crate::context::Context;
use crate::decider::{Decider, stream};
use crate::faults::{chain, unavailable};
use crate::history::{LoadError, Loaded, load};
use crate::messaging::in_this_span;

/// Tries of a command whose stream others write to at the same time. Within one process writers
/// of a stream take turns, so this counts other processes and reactions only.
const CONFLICT_ATTEMPTS: u32 = 20;

/// Waits between those tries: about the time of one commit.
const CONFLICT_BACKOFF: Backoff = Backoff {
    first: Duration::from_millis(1),
    most: Duration::from_millis(50),
};

/// What a command did.
#[derive(Clone, Debug)]
pub struct Executed<D: Decider> {
    /// The state decided on.
    pub before: D,
    /// The state with the new events.
    pub after: D,
    /// Sequence of the last event of the stream, new ones included.
    pub sequence: u64,
    /// The new events, sealed; empty when there was nothing to do.
    pub events: Vec<SealedEvent>,
    /// The same events, typed.
    pub typed: Vec<D::Event>,
}

/// Why a command was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum CommandError<R: Refusal + 'static> {
    /// The business says no.
    #[error(transparent)]
    Rejected(R),
    /// Others kept changing the same things.
    #[error("{stream} is being changed by others; try again")]
    Conflict {
        /// The stream of the command.
        stream: String,
    },
    /// The commit was made for a slot that another replica has now.
    #[error("{stream} is in the hands of another replica; try again")]
    Fenced {
        /// The stream of the command.
        stream: String,
    },
    /// The commit's request is already answered or its event already handled: by somebody faster.
    #[error("already done")]
    Duplicate,
    /// The aggregate cannot be read.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// An event breaks the contract's rules.
    #[error("sealing an event of {stream}")]
    Seal {
        /// The stream of the command.
        stream: String,
        /// The rule it breaks.
        #[source]
        source: SealError,
    },
    /// An event says it belongs to another aggregate.
    #[error("an event of {found} was decided for {stream}")]
    Misplaced {
        /// The stream of the command.
        stream: String,
        /// The stream the event names.
        found: String,
    },
    /// What goes along with the events could not be prepared: a view row that cannot be written.
    #[error("preparing what goes along with the events")]
    Prepare(#[from] StoreError),
    /// The commit is wrong in itself.
    #[error("the commit of {stream} is wrong")]
    Invalid {
        /// The stream of the command.
        stream: String,
        /// What is wrong with it.
        #[source]
        source: InvalidCommit,
    },
    /// The store did not take the commit.
    #[error("appending to {stream}")]
    Store {
        /// The stream of the command.
        stream: String,
        /// What the store said.
        #[source]
        source: StoreError,
    },
}

/// Loads aggregate `id`, decides on `command` and appends what happens, all or nothing.
///
/// `also` adds what belongs into the same commit: views, timers, the answer, the fence of a slot. It may be called
/// more than once, each time with what was decided then; a commit that is empty after it is not
/// written.
///
/// # Errors
/// [`CommandError`]; nothing has happened then, except that after a failing store it is unknown.
pub async fn execute<D: Decider>(
    ctx: &Context,
    id: &str,
    cause: &Cause,
    command: &D::Command,
    also: impl Fn(&Executed<D>, &mut Commit) -> Result<(), CommandError<D::Rejection>> + Send + Sync,
) -> Result<Executed<D>, CommandError<D::Rejection>> {
    let stream = stream::<D>(id);
    let _turn = ctx.streams().lock(stream.clone()).await;
    // A command is never broken off half way: its caller's deadline does that by dropping it.
    let never = CancellationToken::new();
    for attempt in 1..=CONFLICT_ATTEMPTS {
        let loaded = load::<D>(ctx, id).await?;
        let (executed, mut commit) = decide(ctx, id, loaded, cause, command)?;
        also(&executed, &mut commit)?;
        if commit.is_empty() {
            return Ok(executed);
        }
        match ctx.store.commit(commit).await {
            Ok(()) => return Ok(executed),
            Err(CommitError::Conflict(Conflict::Fenced { .. })) => {
                ctx.metrics().leases.fenced.count();
                return Err(CommandError::Fenced { stream });
            }
            Err(CommitError::Conflict(_)) => {
                CONFLICT_BACKOFF.wait(attempt, &never).await;
            }
            Err(CommitError::Duplicate(_)) => return Err(CommandError::Duplicate),
            Err(CommitError::Invalid(source)) => {
                return Err(CommandError::Invalid { stream, source });
            }
            Err(CommitError::Store(source)) => {
                return Err(CommandError::Store { stream, source });
            }
        }
    }
    Err(CommandError::Conflict { stream })
}

/// Loads and decides without committing, for reactions and timers: what happens is in the commit.
///
/// Two plans for the same aggregate cannot share a commit: both expect the same sequence.
///
/// # Errors
/// [`CommandError`].
pub async fn plan<D: Decider>(
    ctx: &Context,
    id: &str,
    cause: &Cause,
    command: &D::Command,
) -> Result<(Executed<D>, Commit), CommandError<D::Rejection>> {
    let loaded = load::<D>(ctx, id).await?;
    decide(ctx, id, loaded, cause, command)
}

/// Decides on `command` for an aggregate that is already loaded, without committing.
///
/// # Errors
/// [`CommandError`].
pub fn decide<D: Decider>(
    ctx: &Context,
    id: &str,
    loaded: Loaded<D>,
    cause: &Cause,
    command: &D::Command,
) -> Result<(Executed<D>, Commit), CommandError<D::Rejection>> {
    let typed = loaded
        .state
        .decide(command)
        .map_err(CommandError::Rejected)?;
    let cause = in_this_span(if D::OWN_FLOW {
        loaded.own_flow(cause)
    } else {
        cause.clone()
    });
    let events = seal_all::<D>(ctx, id, loaded.sequence, cause, &typed)?;
    let before = loaded.state;
    let after = typed.iter().fold(before.clone(), D::evolve);
    let mut commit = Commit::default();
    if !events.is_empty() {
        commit.appends.push(Append {
            stream: stream::<D>(id),
            expected: loaded.sequence,
            events: events.clone(),
        });
    }
    let executed = Executed {
        before,
        after,
        sequence: loaded.sequence + events.len() as u64,
        events,
        typed,
    };
    Ok((executed, commit))
}

/// Seals the events of one decision: the first is caused by `cause`, each other by the one before.
fn seal_all<D: Decider>(
    ctx: &Context,
    id: &str,
    after: u64,
    mut cause: Cause,
    typed: &[D::Event],
) -> Result<Vec<SealedEvent>, CommandError<D::Rejection>> {
    let stream = stream::<D>(id);
    let now = ctx.clock.now();
    let mut events = Vec::with_capacity(typed.len());
    for (sequence, event) in (after + 1..).zip(typed) {
        let event_id = ctx.clock.new_id();
        let stamp = Stamp {
            event_id,
            sequence,
            occurred_at: now,
            recorded_at: now,
            cause: &cause,
        };
        let sealed = event.seal(stamp).map_err(|source| CommandError::Seal {
            stream: stream.clone(),
            source,
        })?;
        if sealed.stream() != stream {
            return Err(CommandError::Misplaced {
                stream,
                found: sealed.stream(),
            });
        }
        cause.causation_id = Some(event_id);
        events.push(sealed);
    }
    Ok(events)
}

// === impl CommandError ===

/// The one mapping of a failed command to what its caller is told. Causes inside the service go to
/// the log, not to the caller.
impl<R: Refusal + 'static> From<CommandError<R>> for Status {
    fn from(error: CommandError<R>) -> Self {
        match &error {
            CommandError::Rejected(rejection) => refusal::status(rejection),
            CommandError::Conflict { .. } => {
                refusal::with_reason(Code::Aborted, "CONFLICT", error.to_string())
            }
            CommandError::Fenced { .. } => {
                refusal::with_reason(Code::Unavailable, "SLOT_MOVED", error.to_string())
            }
            CommandError::Duplicate => {
                refusal::with_reason(Code::Aborted, "ALREADY_DONE", error.to_string())
            }
            CommandError::Store { .. } | CommandError::Load(LoadError::Store { .. }) => {
                tracing::error!(error = chain(&error), "command failed: store unavailable");
                unavailable()
            }
            CommandError::Load(_)
            | CommandError::Seal { .. }
            | CommandError::Misplaced { .. }
            | CommandError::Prepare(_)
            | CommandError::Invalid { .. } => {
                tracing::error!(error = chain(&error), "command failed");
                refusal::with_reason(Code::Internal, "INTERNAL", "the service failed")
            }
        }
    }
}
