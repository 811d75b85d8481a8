//! Parked events brought through again: in order, key by key, when somebody asked for it.

use std::sync::Arc;
use std::time::Duration;

use outcry_events::SealedEvent;
use outcry_store::limits::TEXT_BYTES_MAX;
use outcry_store::{Commit, CommitError, ParkWrite, Parked, ParkedFilter, Redrive};
use tracing::{Instrument, debug, error_span, info, warn};

use super::attempt::Effect;
use super::parking::shortened;
use super::{Consumer, Stopped};
use crate::faults::{Trouble, chain, unknown};
use crate::messaging;
use crate::reaction::Unknown;
use crate::tenure::Tenure;

/// How often requests are looked for without being woken.
const SWEEP: Duration = Duration::from_secs(5);

/// Requests read at a time; each is one key.
const REQUESTS_MAX: usize = 100;

/// What comes after one parked event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// The next event of the key, if there is one.
    Event,
    /// Another key.
    Key,
}

impl Consumer {
    /// Carries out requested redrives until the tenure ends.
    ///
    /// Requests are rows of the store, so they survive a crash; each event leaves its row in the
    /// commit that holds its effect, so it has that effect once.
    pub(crate) async fn redrive(self: Arc<Self>, tenure: Tenure) {
        let mut commits = self.ctx.store.commits();
        while !tenure.stop.is_cancelled() {
            // Seen before looking: a request made during the look wakes the next one.
            commits.mark_unchanged();
            if let Err(Stopped) = self.redrive_requested(&tenure).await {
                return;
            }
            tokio::select! {
                biased;
                () = tenure.stop.cancelled() => {}
                _ = commits.changed() => {}
                () = tokio::time::sleep(SWEEP) => {}
            }
        }
    }

    /// Carries out the requests there are. Doing so is news, so if there are more they come next.
    async fn redrive_requested(&self, tenure: &Tenure) -> Result<(), Stopped> {
        let requests = self
            .insist(tenure, || {
                self.ctx.store.redrives(self.spec.name, REQUESTS_MAX)
            })
            .await?;
        for request in &requests {
            let span = error_span!("redrive", group = self.spec.name, key = request.key);
            self.redrive_key(request, tenure).instrument(span).await?;
        }
        Ok(())
    }

    /// Brings the events of one key through from the front, until none is left or one fails.
    async fn redrive_key(&self, request: &Redrive, tenure: &Tenure) -> Result<(), Stopped> {
        let pause = pace(request.per_second);
        loop {
            if tenure.stop.is_cancelled() {
                return Err(Stopped);
            }
            let Some(row) = self.front(&request.key, tenure).await? else {
                return self.withdraw(request, tenure).await;
            };
            if request.only.is_some_and(|only| only != row.position) {
                // The one asked for has gone another way.
                return self.withdraw(request, tenure).await;
            }
            let span = error_span!(
                "parked",
                group = self.spec.name,
                position = row.position,
                topic = row.topic,
                event_id = %row.event_id,
                correlation_id = tracing::field::Empty,
            );
            let traced = messaging::process_again(self.ctx.service, self.spec.name, &row);
            let redriven = traced.within(self.redrive_event(&row, tenure));
            let next = redriven.instrument(span).await?;
            drop(traced);
            if next == Next::Key || request.only.is_some() {
                return Ok(());
            }
            if !pause.is_zero() {
                tokio::select! {
                    biased;
                    () = tenure.stop.cancelled() => return Err(Stopped),
                    () = tokio::time::sleep(pause) => {}
                }
            }
        }
    }

    /// The first parked event of a key.
    async fn front(&self, key: &str, tenure: &Tenure) -> Result<Option<Parked>, Stopped> {
        let filter = ParkedFilter {
            group: Some(self.spec.name.to_owned()),
            key: Some(key.to_owned()),
            limit: 1,
            ..ParkedFilter::default()
        };
        let rows = self
            .insist(tenure, || self.ctx.store.parked(&filter))
            .await?;
        Ok(rows.into_iter().next())
    }

    /// Lets the reaction see one parked event again.
    async fn redrive_event(&self, row: &Parked, tenure: &Tenure) -> Result<Next, Stopped> {
        let event = match SealedEvent::open(row.bytes.clone()) {
            Ok(event) => event,
            Err(error) => return self.failed_again(row, &chain(&error), tenure).await,
        };
        let correlation_id = tracing::field::display(event.correlation_id());
        tracing::Span::current().record("correlation_id", correlation_id);
        if event.copy_of().is_some() {
            // Parked by a release that did not know copies; skipped as one that comes now.
            self.take_away(row, &event, tenure).await?;
            self.metrics.copies.count();
            info!("parked copy in an older version skipped");
            return Ok(Next::Event);
        }
        if self.spec.unknown != Unknown::Handle
            && let Some(reason) = unknown(&event)
        {
            return self.failed_again(row, &reason, tenure).await;
        }
        let mut pauses = 0;
        loop {
            match self.attempt(&event, Some(row.position), tenure).await {
                Ok(Effect::Committed) => {
                    self.metrics.redriven.count();
                    info!("parked event handled");
                    return Ok(Next::Event);
                }
                // Somebody else is at this key: the sweep comes back to what they leave.
                Ok(Effect::AlreadyDone | Effect::KeyParked(_) | Effect::RowMoved) => {
                    return Ok(Next::Key);
                }
                Err(Trouble::Store(reason)) => {
                    pauses += 1;
                    self.pause(pauses, &reason, tenure).await?;
                }
                Err(Trouble::Retry(reason) | Trouble::Park(reason)) => {
                    return self.failed_again(row, &reason, tenure).await;
                }
                Err(Trouble::Fenced(reason)) => return Err(self.fenced(&reason)),
                Err(Trouble::Discard(reason)) => {
                    info!(reason, "event discarded");
                    self.take_away(row, &event, tenure).await?;
                    return Ok(Next::Event);
                }
            }
        }
    }

    /// Marks an event handled that has no effect, and takes its row away with that.
    async fn take_away(
        &self,
        row: &Parked,
        event: &SealedEvent,
        tenure: &Tenure,
    ) -> Result<(), Stopped> {
        let mut commit = Commit::default();
        self.finish(&mut commit, event, Some(row.position));
        self.settle_row(commit, tenure).await
    }

    /// Keeps a row whose event failed again; its key stops here.
    async fn failed_again(
        &self,
        row: &Parked,
        reason: &str,
        tenure: &Tenure,
    ) -> Result<Next, Stopped> {
        warn!(reason, "parked event failed again; its key stays parked");
        let commit = Commit {
            parked: vec![ParkWrite::FailedAgain {
                position: row.position,
                reason: shortened(reason, TEXT_BYTES_MAX).to_owned(),
                attempts: 1,
                at: self.ctx.clock.now(),
            }],
            ..Commit::default()
        };
        self.settle_row(commit, tenure).await?;
        Ok(Next::Key)
    }

    /// Ends a request that has nothing left to do.
    async fn withdraw(&self, request: &Redrive, tenure: &Tenure) -> Result<(), Stopped> {
        let commit = Commit {
            parked: vec![ParkWrite::CancelRedrive {
                group: request.group.clone(),
                key: request.key.clone(),
                asked: request.asked.clone(),
            }],
            ..Commit::default()
        };
        self.settle_row(commit, tenure).await
    }

    /// Commits a change of rows; that they have changed otherwise meanwhile is fine.
    async fn settle_row(&self, commit: Commit, tenure: &Tenure) -> Result<(), Stopped> {
        match self.insist_commit(tenure, commit).await? {
            Ok(()) => {}
            Err(CommitError::Invalid(error)) => {
                warn!(error = chain(&error), "parked event could not be changed");
            }
            Err(overtaken) => debug!(reason = chain(&overtaken), "row has changed meanwhile"),
        }
        Ok(())
    }
}

/// The pause between two events of a key.
fn pace(per_second: u32) -> Duration {
    match per_second {
        0 => Duration::ZERO,
        limit => Duration::from_secs(1) / limit,
    }
}
