//! Given events, when a command comes, then these events or that refusal.

use std::fmt::Debug;

use outcry_mesh::refusal::Refusal;

use crate::decider::Decider;

/// What has happened before the command.
#[derive(Clone, Debug)]
pub struct Given<D> {
    state: D,
}

/// What the command led to.
#[derive(Debug)]
pub struct When<D: Decider> {
    before: D,
    outcome: Result<Vec<D::Event>, D::Rejection>,
}

/// An aggregate to which `events` have happened.
///
/// `given::<Order>([created(100)]).when(cancel()).then([cancelled()])`
pub fn given<D: Decider>(events: impl IntoIterator<Item = D::Event>) -> Given<D> {
    let state = events
        .into_iter()
        .fold(D::default(), |state, event| state.evolve(&event));
    Given { state }
}

// === impl Given ===

impl<D: Decider> Given<D> {
    /// The state so far.
    pub fn state(&self) -> &D {
        &self.state
    }

    /// Decides on `command`.
    pub fn when(self, command: D::Command) -> When<D> {
        let outcome = self.state.decide(&command);
        When {
            before: self.state,
            outcome,
        }
    }
}

// === impl When ===

impl<D: Decider> When<D>
where
    D::Event: Debug + PartialEq,
{
    /// Exactly these events happen. Gives back the aggregate after them.
    ///
    /// # Panics
    /// When something else happens, or the command is refused.
    #[track_caller]
    pub fn then(self, expected: impl IntoIterator<Item = D::Event>) -> Given<D> {
        let expected: Vec<D::Event> = expected.into_iter().collect();
        match self.outcome {
            Ok(events) => {
                assert_eq!(events, expected, "other events than expected");
                let state = events.iter().fold(self.before, D::evolve);
                Given { state }
            }
            Err(rejection) => panic!("refused: {rejection}; expected {expected:?}"),
        }
    }

    /// Nothing happens: it already is as wished.
    ///
    /// # Panics
    /// When something happens, or the command is refused.
    #[track_caller]
    pub fn then_nothing(self) -> Given<D> {
        self.then([])
    }

    /// The events, for a closer look.
    ///
    /// # Panics
    /// When the command is refused.
    #[track_caller]
    pub fn then_events(self) -> Vec<D::Event> {
        match self.outcome {
            Ok(events) => events,
            Err(rejection) => panic!("refused: {rejection}"),
        }
    }

    /// The command is refused for this reason.
    ///
    /// # Panics
    /// When it is not refused, or for another reason.
    #[track_caller]
    pub fn then_refused(self, expected: D::Rejection)
    where
        D::Rejection: Debug + PartialEq,
    {
        match self.outcome {
            Ok(events) => panic!("not refused: {events:?}; expected {expected:?}"),
            Err(rejection) => assert_eq!(rejection, expected, "refused for another reason"),
        }
    }

    /// The command is refused with this [`Refusal::reason`].
    ///
    /// # Panics
    /// When it is not refused, or for another reason.
    #[track_caller]
    pub fn then_refused_because(self, expected: &str) {
        match self.outcome {
            Ok(events) => panic!("not refused: {events:?}; expected {expected}"),
            Err(rejection) => {
                assert_eq!(
                    rejection.reason(),
                    expected,
                    "refused for another reason: {rejection}"
                );
            }
        }
    }
}
