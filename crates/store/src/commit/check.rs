//! What can be wrong with a commit without looking at the store.

use std::time::SystemTime;

use super::{Answer, Append, Commit, Handled};
use crate::error::InvalidCommit;
use crate::limits::{
    ANSWER_BYTES_MAX, COMMIT_EVENTS_MAX, COMMIT_WRITES_MAX, EVENT_BYTES_MAX, KEY_BYTES_MAX,
    PARKED_BYTES_MAX, ROW_INDEXES_MAX, TEXT_BYTES_MAX, TIMER_BYTES_MAX, VIEW_BYTES_MAX,
};
use crate::parking::{Asked, ParkWrite, ParkedEvent, RedriveScope};
use crate::timer::{TimerWrite, nanos};
use crate::view::{Change, ViewWrite};

type Checked = Result<(), InvalidCommit>;

impl Commit {
    /// Judges the commit by itself: every event in its place, nothing too large. Every store calls
    /// this before applying it.
    ///
    /// # Errors
    /// A programming error of whoever made the commit; trying again does not help.
    pub fn check(&self) -> Checked {
        let events = self.appends.iter().map(|append| append.events.len()).sum();
        most("events", events, COMMIT_EVENTS_MAX)?;
        let writes = self.views.len() + self.timers.len() + self.parked.len();
        most("writes", writes, COMMIT_WRITES_MAX)?;
        self.appends.iter().try_for_each(Append::check)?;
        self.handled.iter().try_for_each(Handled::check)?;
        self.answered.iter().try_for_each(Answer::check)?;
        self.views.iter().try_for_each(ViewWrite::check)?;
        self.timers.iter().try_for_each(TimerWrite::check)?;
        self.parked.iter().try_for_each(ParkWrite::check)?;
        let unparks = self
            .parked
            .iter()
            .filter(|write| matches!(write, ParkWrite::Unpark { .. }));
        // One cause: the unparked event is the handled one.
        if unparks.count() > usize::from(self.handled.is_some()) {
            return Err(InvalidCommit::UnparkWithoutHandled);
        }
        Ok(())
    }
}

impl Append {
    fn check(&self) -> Checked {
        size("stream name", self.stream.len(), KEY_BYTES_MAX)?;
        for (event, place) in self.events.iter().zip(self.expected + 1..) {
            size("event", event.bytes().len(), EVENT_BYTES_MAX)?;
            if event.stream() != self.stream {
                return Err(InvalidCommit::OtherStream {
                    stream: self.stream.clone(),
                    found: event.stream(),
                });
            }
            if event.sequence() != place {
                return Err(InvalidCommit::Sequence {
                    stream: self.stream.clone(),
                    place,
                    found: event.sequence(),
                });
            }
            time("event", event.recorded_at().unwrap_or(event.occurred_at()))?;
        }
        Ok(())
    }
}

impl Handled {
    fn check(&self) -> Checked {
        size("group", self.group.len(), KEY_BYTES_MAX)?;
        size("partition key", self.key.len(), KEY_BYTES_MAX)?;
        time("handled mark", self.at)
    }
}

impl Answer {
    fn check(&self) -> Checked {
        size("principal", self.principal.len(), KEY_BYTES_MAX)?;
        size("method", self.method.len(), KEY_BYTES_MAX)?;
        size("request id", self.request_id.len(), KEY_BYTES_MAX)?;
        size("answer", self.response.len(), ANSWER_BYTES_MAX)?;
        time("answer", self.at)
    }
}

impl ViewWrite {
    fn check(&self) -> Checked {
        size("view key", self.key.len(), KEY_BYTES_MAX)?;
        if let Change::Put { body, indexes } = &self.change {
            size("view row", body.len(), VIEW_BYTES_MAX)?;
            most("sort keys", indexes.len(), ROW_INDEXES_MAX)?;
            for (_, sort_key) in indexes {
                size("sort key", sort_key.len(), KEY_BYTES_MAX)?;
            }
        }
        Ok(())
    }
}

impl TimerWrite {
    fn check(&self) -> Checked {
        match self {
            Self::Set(timer) => {
                size("timer id", timer.id.len(), KEY_BYTES_MAX)?;
                size("timer payload", timer.payload.len(), TIMER_BYTES_MAX)?;
                time("timer", timer.due)
            }
            Self::Clear { id } => size("timer id", id.len(), KEY_BYTES_MAX),
            Self::Fired { id, due } => {
                size("timer id", id.len(), KEY_BYTES_MAX)?;
                time("timer", *due)
            }
        }
    }
}

impl ParkWrite {
    fn check(&self) -> Checked {
        match self {
            Self::Park(event) | Self::ParkBehind(event) => event.check(),
            Self::Unpark { at, .. } => time("unparking", *at),
            Self::FailedAgain { reason, at, .. } => {
                size("reason", reason.len(), TEXT_BYTES_MAX)?;
                time("redrive", *at)
            }
            Self::RequestRedrive(request) => {
                size("group", request.group.len(), KEY_BYTES_MAX)?;
                if let RedriveScope::Key(key) = &request.scope {
                    size("partition key", key.len(), KEY_BYTES_MAX)?;
                }
                request.asked.check()
            }
            Self::CancelRedrive { group, key, asked } => {
                size("group", group.len(), KEY_BYTES_MAX)?;
                size("partition key", key.len(), KEY_BYTES_MAX)?;
                asked.check()
            }
            Self::Discard { asked, .. } => asked.check(),
        }
    }
}

impl ParkedEvent {
    fn check(&self) -> Checked {
        size("group", self.group.len(), KEY_BYTES_MAX)?;
        size("partition key", self.key.len(), KEY_BYTES_MAX)?;
        size("topic", self.topic.len(), KEY_BYTES_MAX)?;
        size("reason", self.reason.len(), TEXT_BYTES_MAX)?;
        let headers: usize = self
            .headers
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum();
        size("parked event", self.bytes.len() + headers, PARKED_BYTES_MAX)?;
        time("parked event", self.parked_at)
    }
}

impl Asked {
    fn check(&self) -> Checked {
        size("name", self.by.len(), KEY_BYTES_MAX)?;
        size("reason", self.why.len(), TEXT_BYTES_MAX)?;
        time("request", self.at)
    }
}

fn size(what: &'static str, bytes: usize, max: usize) -> Checked {
    if bytes > max {
        return Err(InvalidCommit::TooLarge { what, bytes, max });
    }
    Ok(())
}

fn most(what: &'static str, count: usize, max: usize) -> Checked {
    if count > max {
        return Err(InvalidCommit::TooMany { what, count, max });
    }
    Ok(())
}

/// Times are kept as nanoseconds since 1970 in 64 bits, which end in 2262.
fn time(what: &'static str, at: SystemTime) -> Checked {
    match nanos(at) {
        Some(_) => Ok(()),
        None => Err(InvalidCommit::Time { what }),
    }
}
