//! Everything that is kept, and how a commit goes into it.

use outcry_store::{Commit, CommitError, Conflict, Duplicate, Handled, ParkWrite};

use super::events::Events;
use super::leases::Leases;
use super::marks::{Answers, HandledMarks};
use super::parking::Parking;
use super::timers::Timers;
use super::views::Views;

/// The tables of one service.
///
/// Each part but the leases notes what it would take to undo its changes; after a commit the notes
/// are dropped, and after one that failed they are followed. So a commit costs what it changes,
/// and its writes see each other.
#[derive(Clone, Default)]
pub(super) struct State {
    pub(super) events: Events,
    pub(super) handled: HandledMarks,
    pub(super) answers: Answers,
    pub(super) views: Views,
    pub(super) timers: Timers,
    pub(super) parking: Parking,
    pub(super) leases: Leases,
}

// === impl State ===

impl State {
    /// Applies all of a commit that has been checked, or nothing.
    pub(super) fn apply(&mut self, commit: Commit) -> Result<(), CommitError> {
        if let Some(fence) = &commit.fence {
            self.leases.check(fence)?;
        }
        self.refuse_duplicates(&commit)?;
        match self.write(commit) {
            Ok(()) => {
                self.events.keep();
                self.handled.keep();
                self.answers.keep();
                self.views.keep();
                self.timers.keep();
                self.parking.keep();
                Ok(())
            }
            Err(error) => {
                self.events.undo();
                self.handled.undo();
                self.answers.undo();
                self.views.undo();
                self.timers.undo();
                self.parking.undo();
                Err(error)
            }
        }
    }

    fn write(&mut self, commit: Commit) -> Result<(), CommitError> {
        for append in commit.appends {
            self.events.append(append)?;
        }
        let handled = commit.handled;
        if let Some(handled) = &handled {
            self.handle(handled, &commit.parked)?;
        }
        if let Some(answer) = commit.answered {
            self.answers.insert(answer);
        }
        for write in commit.views {
            self.views.write(write)?;
        }
        for write in commit.timers {
            self.timers.write(write)?;
        }
        for write in commit.parked {
            self.parking
                .write(write, handled.as_ref(), &mut self.handled)?;
        }
        Ok(())
    }

    /// What has been done already is found before anything that has changed because of it.
    fn refuse_duplicates(&self, commit: &Commit) -> Result<(), CommitError> {
        if let Some(handled) = &commit.handled {
            self.handled
                .refuse_handled(&handled.group, handled.event_id)?;
        }
        if let Some(answer) = &commit.answered
            && self
                .answers
                .find(&answer.principal, &answer.method, &answer.request_id)
                .is_some()
        {
            return Err(CommitError::Duplicate(Duplicate::Answered {
                principal: answer.principal.clone(),
                method: answer.method.clone(),
                request_id: answer.request_id.clone(),
            }));
        }
        for write in &commit.parked {
            if let ParkWrite::Park(event) | ParkWrite::ParkBehind(event) = write {
                self.handled.refuse_handled(&event.group, event.event_id)?;
                self.parking.refuse_parked(event)?;
            }
        }
        Ok(())
    }

    /// Marks an event handled, unless it would overtake parked ones of its key.
    fn handle(&mut self, handled: &Handled, parked: &[ParkWrite]) -> Result<(), CommitError> {
        // Whether it is the right row is judged when it is unparked.
        let unparks = |first: u64| {
            parked.iter().any(
                |write| matches!(write, ParkWrite::Unpark { position, .. } if *position == first),
            )
        };
        if let Some(first) = self.parking.first(&handled.group, &handled.key)
            && !unparks(first)
        {
            return Err(CommitError::Conflict(Conflict::KeyParked {
                group: handled.group.clone(),
                key: handled.key.clone(),
                first,
            }));
        }
        self.handled
            .insert(&handled.group, handled.event_id, handled.at);
        Ok(())
    }
}
