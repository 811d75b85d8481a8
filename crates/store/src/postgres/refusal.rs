//! What the database says about a commit it refuses, in the words of the seam.

use serde::Deserialize;

use super::commit::Parts;
use super::failure::{PostgresError, corrupt};
use super::text;
use crate::commit::Commit;
use crate::error::{CommitError, Conflict, Duplicate, InvalidCommit};
use crate::parking::{ParkWrite, ParkedEvent};
use crate::timer::TimerWrite;
use crate::view::Expect;

/// The classes of refusals.
const CONFLICT: &str = "OUTC1";
const DUPLICATE: &str = "OUTC2";
const INVALID: &str = "OUTC3";

/// What the database says about a refused commit.
#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Refusal {
    Fenced { found: u64 },
    Stream { place: usize, found: u64 },
    View { place: usize, found: u64 },
    Timer { place: usize },
    KeyParked { first: u64 },
    KeyFree { group: String, key: String },
    NotParked { position: u64 },
    NotFirst { position: u64, first: u64 },
    Handled,
    Answered,
    ParkHandled { place: usize },
    Parked { place: usize, position: u64 },
    UnparkWithoutHandled,
}

/// The error of a call: a refusal in the words of the seam, or a failure.
pub(super) fn refused(commit: &Commit, parts: &Parts<'_>, error: PostgresError) -> CommitError {
    let detail = match &error {
        PostgresError::Statement(error) => error
            .as_db_error()
            .filter(|error| [CONFLICT, DUPLICATE, INVALID].contains(&error.code().code())),
        _ => None,
    };
    let Some(detail) = detail.and_then(|error| error.detail()) else {
        return error.into();
    };
    let refusal: Result<Refusal, _> = serde_json::from_str(detail);
    match refusal.map(|refusal| named(commit, parts, refusal)) {
        Ok(Some(error)) => error,
        Ok(None) => corrupt(
            "the refusal of a commit",
            "it names a part the commit has not",
        )
        .into(),
        Err(source) => corrupt("the refusal of a commit", source).into(),
    }
}

/// The refusal with the names of the parts it is about. None when there are no such parts.
fn named(commit: &Commit, parts: &Parts<'_>, refusal: Refusal) -> Option<CommitError> {
    let conflict = |conflict| Some(CommitError::Conflict(conflict));
    let duplicate = |duplicate| Some(CommitError::Duplicate(duplicate));
    match refusal {
        Refusal::Fenced { found } => {
            let fence = commit.fence.as_ref()?;
            conflict(Conflict::Fenced {
                pool: fence.pool.clone(),
                slot: fence.slot,
                epoch: fence.epoch,
                found,
            })
        }
        Refusal::Stream { place, found } => {
            let append = commit.appends.get(place.checked_sub(1)?)?;
            conflict(Conflict::Stream {
                stream: append.stream.clone(),
                expected: append.expected,
                found,
            })
        }
        Refusal::View { place, found } => {
            let place = parts.view_places.get(place.checked_sub(1)?)?;
            let write = commit.views.get(*place)?;
            let Expect::Version(expected) = write.expect else {
                return None;
            };
            conflict(Conflict::View {
                view: write.view,
                key: write.key.clone(),
                expected,
                found,
            })
        }
        Refusal::Timer { place } => {
            let place = parts.timer_places.get(place.checked_sub(1)?)?;
            let write = commit.timers.get(*place)?;
            let TimerWrite::Fired { id, .. } = write else {
                return None;
            };
            conflict(Conflict::Timer { id: id.clone() })
        }
        Refusal::KeyParked { first } => {
            let handled = commit.handled.as_ref()?;
            conflict(Conflict::KeyParked {
                group: handled.group.clone(),
                key: handled.key.clone(),
                first,
            })
        }
        Refusal::KeyFree { group, key } => conflict(Conflict::KeyFree {
            group: text::read(group),
            key: text::read(key),
        }),
        Refusal::NotParked { position } => conflict(Conflict::NotParked { position }),
        Refusal::NotFirst { position, first } => conflict(Conflict::NotFirst { position, first }),
        Refusal::Handled => {
            let handled = commit.handled.as_ref()?;
            duplicate(Duplicate::Handled {
                group: handled.group.clone(),
                event_id: handled.event_id,
            })
        }
        Refusal::Answered => {
            let answer = commit.answered.as_ref()?;
            duplicate(Duplicate::Answered {
                principal: answer.principal.clone(),
                method: answer.method.clone(),
                request_id: answer.request_id.clone(),
            })
        }
        Refusal::ParkHandled { place } => {
            let event = parked_at(commit, place)?;
            duplicate(Duplicate::Handled {
                group: event.group.clone(),
                event_id: event.event_id,
            })
        }
        Refusal::Parked { place, position } => {
            let event = parked_at(commit, place)?;
            duplicate(Duplicate::Parked {
                group: event.group.clone(),
                event_id: event.event_id,
                position,
            })
        }
        Refusal::UnparkWithoutHandled => {
            Some(CommitError::Invalid(InvalidCommit::UnparkWithoutHandled))
        }
    }
}

fn parked_at(commit: &Commit, place: usize) -> Option<&ParkedEvent> {
    match commit.parked.get(place.checked_sub(1)?)? {
        ParkWrite::Park(event) | ParkWrite::ParkBehind(event) => Some(event),
        _ => None,
    }
}
