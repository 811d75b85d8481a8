//! A group in runs: the events of a partition in one order, and as many of them in one write to the disk as are there.

use std::collections::VecDeque;

use futures::FutureExt as _;
use outcry_broker::{Delivery, Partition};
use outcry_events::SealedEvent;
use outcry_store::Commit;
use tracing::{debug, trace};

use super::attempt::contained;
use super::partition::{Closed, acknowledge};
use super::{Consumer, Stopped};
use crate::faults::chain;
use crate::messaging;
use crate::tenure::Tenure;

/// Events of one run at most: as many as the broker hands over ahead of time, and few enough that a reader of the
/// same store does not wait long for their write.
const RUN_MAX: usize = 64;

impl Consumer {
    /// As [`work`](Self::work), for a group in runs.
    pub(super) async fn work_in_order(
        &self,
        mut partition: Partition,
        system: &'static str,
        tenure: &Tenure,
    ) -> Result<Closed, Stopped> {
        let index = partition.index;
        let mut run = VecDeque::new();
        let outcome = loop {
            if tenure.stop.is_cancelled() {
                break Err(Stopped);
            }
            if run.is_empty() {
                let first = tokio::select! {
                    biased;
                    () = tenure.stop.cancelled() => break Err(Stopped),
                    first = partition.recv() => first,
                };
                let Some(first) = first else {
                    break Ok(Closed);
                };
                run.push_back(first);
            }
            while run.len() < RUN_MAX
                && let Some(Some(next)) = partition.recv().now_or_never()
            {
                run.push_back(next);
            }
            if self.settle_run(&mut run, index, system, tenure).await > 0 {
                continue;
            }
            if let Some(first) = run.pop_front() {
                let (first, settled) = self.settled(first, index, system, tenure).await;
                if self.end(first, settled).await.is_err() {
                    break Err(Stopped);
                }
            }
        };
        for delivery in run {
            delivery.release().await;
        }
        outcome
    }

    /// Handles as many of the first events of a run as can be handled together, and says how many. Whatever is
    /// unusual about one ends the run before it: that is for [`settled`](Self::settled).
    async fn settle_run(
        &self,
        run: &mut VecDeque<Delivery>,
        partition: u32,
        system: &'static str,
        tenure: &Tenure,
    ) -> usize {
        let mut events = Vec::new();
        let came = run.iter();
        let came: Vec<_> = came
            .map(|one| (one.message.body.clone(), one.redelivered))
            .collect();
        for (body, redelivered) in came {
            let is_first = !redelivered && !tenure.has_parked();
            match SealedEvent::open(body) {
                Ok(event) if self.is_usual(&event, is_first).await => events.push(event),
                _ => break,
            }
        }
        if events.len() < 2 {
            return 0;
        }
        let traced: Vec<_> = run
            .iter()
            .take(events.len())
            .map(|one| messaging::process(self.ctx.service, system, self.spec.name, &one.message))
            .collect();
        let turn = self.turn.lock().await;
        let commits = self.react_to_run(&events, tenure).await;
        if commits.len() < 2 {
            return 0;
        }
        let (applied, refused) = self.ctx.store.commit_all(commits).await;
        drop((traced, turn));
        if let Some(refused) = refused {
            debug!(
                group = self.spec.name,
                applied,
                reason = chain(&refused),
                "a run ends early"
            );
        }
        for event in events.iter().take(applied) {
            self.reaction.committed(event).await;
        }
        for delivery in run.drain(..applied).collect::<Vec<_>>() {
            self.metrics.handled.count();
            self.span(&delivery.message, partition)
                .in_scope(|| trace!("event settled"));
            acknowledge(delivery).await;
        }
        applied
    }

    /// Whether an event is known, new, and its key free; one that comes for the first time while no key is parked is
    /// taken for new.
    async fn is_usual(&self, event: &SealedEvent, is_first: bool) -> bool {
        let is_refused = self.ctx.directory.refuses(self.ctx.service, event.topic());
        if event.copy_of().is_some() || is_refused || self.unknown(event).is_some() {
            return false;
        }
        is_first || matches!(self.inbox(event).await, Ok((false, None)))
    }

    /// A commit for each of the first events, and each of them the one effect of its event.
    async fn react_to_run(&self, events: &[SealedEvent], tenure: &Tenure) -> Vec<Commit> {
        // What takes too long or panics is met again one by one, and told then.
        let Ok(mut commits) = contained(self.reaction.react_to_run(events)).await else {
            return Vec::new();
        };
        for (commit, event) in commits.iter_mut().zip(events) {
            self.finish(commit, event, None);
            if tenure.bind(commit).is_err() {
                return Vec::new();
            }
        }
        commits.truncate(events.len());
        commits
    }
}
