//! The life of a report: asked for, then completed or failed.

use outcry_contracts::reports::v1::{
    ReportCompletedEvent, ReportFailedEvent, ReportFormat, ReportType,
};
use outcry_contracts::reports::v2::report_period::End;
use outcry_contracts::reports::v2::{JournalPlace, ReportPeriod, ReportRequestedEvent};
use outcry_mesh::refusal::Refusal;
use outcry_service::Decider;
use outcry_store::timer::time_of;
use tonic::Code;

/// Reports of one user that may be waiting to be made: more are of no use to anybody, and each
/// reads the whole account.
pub const OPEN_MAX: usize = 10;

/// Characters of a failure's message.
const MESSAGE_MAX: usize = 256;

outcry_events::event_set! {
    /// What happens to a report.
    pub enum ReportEvent {
        /// It was asked for.
        Requested(ReportRequestedEvent),
        /// It is ready.
        Completed(ReportCompletedEvent),
        /// It could not be made.
        Failed(ReportFailedEvent),
    }
}

/// What a report shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// Id of the report.
    pub report_id: String,
    /// Whose account.
    pub user_id: String,
    /// Which table, or tables.
    pub kind: ReportType,
    /// How it is written.
    pub format: ReportFormat,
    /// Start of the period, in nanoseconds since 1970; none means from the beginning.
    pub from_ns: Option<i64>,
    /// The time it shows the account at, in nanoseconds since 1970.
    pub as_of_ns: i64,
    /// Position in the user's journal up to which events are in it; 0 means those there are when it
    /// is made.
    pub as_of_position: u64,
}

/// What was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// SHA-256 of the content, hexadecimal.
    pub sha256: String,
    /// Bytes.
    pub size_bytes: i64,
    /// Lines.
    pub rows: i64,
    /// Position in the user's journal up to which events are in it.
    pub as_of_position: u64,
}

/// A report.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Report {
    /// Nobody asked for it.
    #[default]
    Unknown,
    /// To be made.
    Requested(Terms),
    /// Made, or given up.
    Ended,
}

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// A user wants a report.
    Request {
        /// Which.
        terms: Terms,
        /// The time it is, in nanoseconds since 1970.
        now_ns: i64,
        /// Reports of the user that wait to be made.
        open: usize,
    },
    /// It was made.
    Complete(Outcome),
    /// It cannot be made.
    Fail {
        /// Why, in words for the user.
        message: String,
    },
}

/// Why the answer can be no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// Nobody knows how the account will stand.
    #[error("a report cannot be as of a time that is still to come")]
    AsOfInFuture,
    /// The period ends before it begins.
    #[error("the period of a report must begin before the time it is as of")]
    EmptyPeriod,
    /// Enough are on their way.
    #[error("{OPEN_MAX} reports are being made for you; wait for one of them")]
    TooMany,
    /// There is one with this id.
    #[error("the report is there already")]
    Exists,
    /// It is not waiting to be made.
    #[error("the report does not wait to be made")]
    NotOpen,
}

// === impl Report ===

impl Decider for Report {
    type Command = Command;
    type Event = ReportEvent;
    type Rejection = Rejection;

    fn decide(&self, command: &Command) -> Result<Vec<ReportEvent>, Rejection> {
        match (self, command) {
            (
                Report::Unknown,
                Command::Request {
                    terms,
                    now_ns,
                    open,
                },
            ) => {
                if terms.as_of_ns > *now_ns {
                    return Err(Rejection::AsOfInFuture);
                }
                if terms.from_ns.is_some_and(|from| from > terms.as_of_ns) {
                    return Err(Rejection::EmptyPeriod);
                }
                if *open >= OPEN_MAX {
                    return Err(Rejection::TooMany);
                }
                Ok(vec![terms.to_event().into()])
            }
            (_, Command::Request { .. }) => Err(Rejection::Exists),
            (Report::Requested(terms), Command::Complete(outcome)) => {
                let completed = ReportCompletedEvent {
                    report_id: terms.report_id.clone(),
                    user_id: terms.user_id.clone(),
                    sha256: outcome.sha256.clone(),
                    size_bytes: outcome.size_bytes,
                    rows: outcome.rows,
                    as_of_position: outcome.as_of_position,
                };
                Ok(vec![completed.into()])
            }
            (Report::Requested(terms), Command::Fail { message }) => {
                let failed = ReportFailedEvent {
                    report_id: terms.report_id.clone(),
                    user_id: terms.user_id.clone(),
                    message: message.chars().take(MESSAGE_MAX).collect(),
                };
                Ok(vec![failed.into()])
            }
            (Report::Unknown | Report::Ended, Command::Complete(_) | Command::Fail { .. }) => {
                Err(Rejection::NotOpen)
            }
        }
    }

    fn evolve(self, event: &ReportEvent) -> Report {
        match event {
            ReportEvent::Requested(requested) => Report::Requested(Terms::of(requested)),
            ReportEvent::Completed(_) | ReportEvent::Failed(_) => Report::Ended,
        }
    }
}

// === impl Terms ===

impl Terms {
    fn of(event: &ReportRequestedEvent) -> Terms {
        let period = event.period.unwrap_or_default();
        let (as_of, as_of_position) = match period.end {
            None => (None, 0),
            Some(End::AsOf(time)) => (Some(time), 0),
            Some(End::Place(place)) => (place.as_of, place.position),
        };
        Terms {
            report_id: event.report_id.clone(),
            user_id: event.user_id.clone(),
            kind: event.r#type(),
            format: event.format(),
            from_ns: period.from.map(|from| timestamp_ns(&from)),
            as_of_ns: as_of.map_or(0, |as_of| timestamp_ns(&as_of)),
            as_of_position,
        }
    }

    fn to_event(&self) -> ReportRequestedEvent {
        let as_of = time_of(self.as_of_ns).into();
        let end = match self.as_of_position {
            0 => End::AsOf(as_of),
            position => End::Place(JournalPlace {
                position,
                as_of: Some(as_of),
            }),
        };
        ReportRequestedEvent {
            report_id: self.report_id.clone(),
            user_id: self.user_id.clone(),
            r#type: self.kind.into(),
            format: self.format.into(),
            period: Some(ReportPeriod {
                from: self.from_ns.map(|from| time_of(from).into()),
                end: Some(end),
            }),
        }
    }

    /// Whether something that happened then is in the period.
    #[must_use]
    pub fn in_period(&self, at_ns: i64) -> bool {
        at_ns <= self.as_of_ns && self.from_ns.is_none_or(|from| at_ns >= from)
    }
}

/// A time on the wire in nanoseconds; far times become the earliest or latest there is.
#[must_use]
pub fn timestamp_ns(at: &prost_types::Timestamp) -> i64 {
    at.seconds
        .saturating_mul(1_000_000_000)
        .saturating_add(i64::from(at.nanos))
}

// === impl Rejection ===

impl Refusal for Rejection {
    fn code(&self) -> Code {
        match self {
            Self::AsOfInFuture | Self::EmptyPeriod => Code::InvalidArgument,
            Self::TooMany => Code::ResourceExhausted,
            Self::Exists => Code::AlreadyExists,
            Self::NotOpen => Code::FailedPrecondition,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::AsOfInFuture => "AS_OF_IN_FUTURE",
            Self::EmptyPeriod => "EMPTY_PERIOD",
            Self::TooMany => "TOO_MANY_REPORTS",
            Self::Exists => "REPORT_EXISTS",
            Self::NotOpen => "REPORT_NOT_OPEN",
        }
    }
}

#[cfg(test)]
mod tests {
    use outcry_service::testing::given;

    use super::*;

    fn terms() -> Terms {
        Terms {
            report_id: "00000000-0000-0000-0000-000000000001".to_owned(),
            user_id: "00000000-0000-0000-0000-000000000002".to_owned(),
            kind: ReportType::Activity,
            format: ReportFormat::Csv,
            from_ns: Some(10),
            as_of_ns: 1_000_000_020,
            as_of_position: 7,
        }
    }

    fn request(terms: Terms) -> Command {
        Command::Request {
            terms,
            now_ns: 1_000_000_020,
            open: 0,
        }
    }

    fn requested() -> ReportEvent {
        terms().to_event().into()
    }

    fn complete() -> Command {
        Command::Complete(Outcome {
            sha256: "00".repeat(32),
            size_bytes: 1,
            rows: 1,
            as_of_position: 1,
        })
    }

    #[test]
    fn a_report_up_to_now_can_be_asked_for_and_is_read_back_as_it_was() {
        let report = given::<Report>([])
            .when(request(terms()))
            .then([requested()]);
        assert_eq!(report.state(), &Report::Requested(terms()));
    }

    #[test]
    fn a_report_of_a_time_to_come_is_refused() {
        let mut later = terms();
        later.as_of_ns += 1;
        given::<Report>([])
            .when(request(later))
            .then_refused(Rejection::AsOfInFuture);
    }

    #[test]
    fn a_period_that_ends_before_it_begins_is_refused() {
        let mut backwards = terms();
        backwards.from_ns = Some(backwards.as_of_ns + 1);
        given::<Report>([])
            .when(request(backwards))
            .then_refused(Rejection::EmptyPeriod);
    }

    #[test]
    fn no_more_than_a_few_reports_wait_at_once() {
        let command = Command::Request {
            terms: terms(),
            now_ns: i64::MAX,
            open: OPEN_MAX,
        };
        given::<Report>([])
            .when(command)
            .then_refused(Rejection::TooMany);
    }

    #[test]
    fn a_report_ends_once() {
        let fail = Command::Fail {
            message: "é".repeat(300),
        };
        let events = given::<Report>([requested()]).when(fail).then_events();
        let [ReportEvent::Failed(failed)] = events.as_slice() else {
            panic!("{events:?}")
        };
        assert_eq!(failed.message.chars().count(), MESSAGE_MAX);
        let ended = [requested(), events[0].clone()];
        given::<Report>(ended)
            .when(complete())
            .then_refused(Rejection::NotOpen);
        given::<Report>([])
            .when(complete())
            .then_refused(Rejection::NotOpen);
    }
}
