//! When the streams of a connection have to end, and why.

use tokio::sync::watch;
use tonic::{Code, Status};

use crate::refusal;

/// Why a stream ends that could have gone on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leaving {
    /// The process stops: its readers go on at another replica.
    Draining,
    /// The connection is old: its readers go on on another one.
    Aged,
}

/// How far a connection is on its way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Open,
    /// No new calls; streams still go on.
    Refusing,
    StreamsEnd(Leaving),
}

/// Tells the calls of a connection when it goes. Among the extensions of every request that came in
/// by a [`Door`](super::Door); all clones are of one connection.
#[derive(Debug, Clone)]
pub struct Departure(watch::Receiver<Stage>);

/// The other side of it.
#[derive(Debug)]
pub(super) struct Announcer(watch::Sender<Stage>);

pub(super) fn departure() -> (Announcer, Departure) {
    let (sender, receiver) = watch::channel(Stage::Open);
    (Announcer(sender), Departure(receiver))
}

impl Announcer {
    /// New calls are not begun any more.
    pub(super) fn refuse(&self) {
        self.0.send_if_modified(|stage| {
            let open = *stage == Stage::Open;
            if open {
                *stage = Stage::Refusing;
            }
            open
        });
    }

    /// Streams end now.
    pub(super) fn end_streams(&self, why: Leaving) {
        self.0.send_replace(Stage::StreamsEnd(why));
    }
}

impl Departure {
    /// Whether the process drains: what comes now should go to another one.
    pub fn is_draining(&self) -> bool {
        matches!(
            *self.0.borrow(),
            Stage::Refusing | Stage::StreamsEnd(Leaving::Draining)
        )
    }

    /// Comes back when streams have to end.
    pub async fn over(mut self) -> Leaving {
        loop {
            if let Stage::StreamsEnd(why) = *self.0.borrow_and_update() {
                return why;
            }
            if self.0.changed().await.is_err() {
                // The connection is gone, and whatever waits here goes with it.
                return std::future::pending().await;
            }
        }
    }
}

impl Leaving {
    /// What the reader of a stream is told.
    pub fn status(self) -> Status {
        match self {
            Leaving::Draining => draining(),
            Leaving::Aged => refusal::with_reason(
                Code::Unavailable,
                "RECONNECT",
                "this connection has served its time: open the stream again, on a new connection, \
                 from the last position you have",
            ),
        }
    }
}

/// What a call is told that comes while the process drains.
pub(crate) fn draining() -> Status {
    refusal::retry_after(
        Code::Unavailable,
        "DRAINING",
        "this process is stopping; call another replica",
        std::time::Duration::from_secs(1),
    )
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn refusing_comes_before_streams_end_and_never_after() {
        let (announcer, departure) = departure();
        let mut over = Box::pin(departure.clone().over());
        assert!(!departure.is_draining() && over.as_mut().now_or_never().is_none());
        announcer.refuse();
        assert!(departure.is_draining() && over.as_mut().now_or_never().is_none());
        announcer.end_streams(Leaving::Draining);
        announcer.refuse();
        assert_eq!(over.now_or_never(), Some(Leaving::Draining));
        assert!(departure.is_draining());
    }

    #[test]
    fn calls_on_an_old_connection_are_not_refused() {
        let (announcer, departure) = departure();
        announcer.end_streams(Leaving::Aged);
        assert!(!departure.is_draining());
        assert_eq!(departure.over().now_or_never(), Some(Leaving::Aged));
    }

    #[test]
    fn nobody_is_told_to_leave_by_a_connection_that_is_gone() {
        let (announcer, departure) = departure();
        drop(announcer);
        assert_eq!(departure.over().now_or_never(), None);
    }
}
