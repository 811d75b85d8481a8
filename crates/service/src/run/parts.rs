//! The running parts of a service, and how they stop.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use outcry_broker::Broker;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::{RunError, pools};
use crate::call_record;
use crate::consumer::Consumer;
use crate::context::Context;
use crate::faults::chain;
use crate::relay::{Relay, RelayShare};
use crate::service::Service;
use crate::shift::Shift;
use crate::tenant::Tenant;

/// How long what was begun may take to finish once the service stops: longer than one reaction or
/// timer takes when all is well, shorter than an orchestrator waits before it kills.
pub const DRAIN_MAX: Duration = Duration::from_secs(15);

/// How long the relay may then take to bring the last events to the broker. What is left stays in
/// the store, and another replica or the next start takes it there.
pub const FLUSH_MAX: Duration = Duration::from_secs(5);

/// How long giving back all slots may take at the end. Else others wait until the leases run out.
pub const LEAVE_MAX: Duration = Duration::from_secs(2);

/// How long writing down the last calls may take at the end. What is left is not recorded: its
/// events still say whose doing it was.
pub const RECORD_MAX: Duration = Duration::from_secs(3);

/// How long one kind of work may keep the next from stopping: with six of them all have been told
/// to stop by the time [`DRAIN_MAX`] is over, and what hangs does not cost the others their end.
const STEP_MAX: Duration = Duration::from_millis(2500);

/// How often lag and parked keys are measured.
const MEASURE_EVERY: Duration = Duration::from_secs(5);

/// The running parts of a service; dropping them breaks them off.
pub(super) struct Parts {
    /// The service's tasks and housekeeping.
    tasks: JoinSet<Part>,
    /// The relay: the last to stop working.
    relaying: JoinSet<Part>,
    /// The tenant, whose slots are all the other work.
    holding: JoinSet<Part>,
    /// What writes calls down, once the last of them is answered.
    recording: JoinSet<Part>,
    shifts: Shifts,
    stop_recording: CancellationToken,
    stop_relaying: CancellationToken,
    stop_holding: CancellationToken,
}

/// The kinds of work in the order in which they stop.
#[derive(Default)]
pub(super) struct Shifts {
    calls: Shift,
    pub(super) consumers: Shift,
    pub(super) redrivers: Shift,
    pub(super) timers: Shift,
    pub(super) own: Shift,
    pub(super) tasks: Shift,
    /// Holding shares of the outbox, which goes on until the relay has flushed.
    pub(super) relay: Shift,
}

/// Name of a part, and whether it may end by itself.
type Part = (String, MayEnd);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MayEnd {
    /// Tasks of the service.
    AnyTime,
    /// All else.
    WhenStopped,
}

// === impl Parts ===

impl Parts {
    pub(super) fn start(
        ctx: &Context,
        service: Service,
        consumers: Vec<Arc<Consumer>>,
        broker: &Arc<dyn Broker>,
        calls: Shift,
    ) -> Self {
        let shifts = Shifts {
            calls,
            ..Shifts::default()
        };
        let share = RelayShare::default();
        let mut pools = vec![
            pools::relay(share.clone(), &shifts),
            pools::retention(ctx, &shifts),
        ];
        for consumer in &consumers {
            pools.push(pools::partitions(consumer, broker, &shifts));
            pools.push(pools::redrives(consumer, &shifts));
        }
        let timers = service.timers.into_iter();
        pools.extend(timers.map(|handler| pools::timers(ctx, handler, &shifts)));
        let own = service.slots.into_iter();
        pools.extend(own.map(|slots| pools::own(slots, &shifts)));

        let stop_holding = CancellationToken::new();
        let mut holding = JoinSet::new();
        let tenant = Tenant::new(ctx.clone(), pools).run(stop_holding.clone());
        spawn(&mut holding, "tenant", tenant);
        let stop_relaying = CancellationToken::new();
        let mut relaying = JoinSet::new();
        let relay = Relay::new(ctx.clone(), Arc::clone(broker), share).run(stop_relaying.clone());
        spawn(&mut relaying, "relay", relay);
        let stop_recording = CancellationToken::new();
        let mut recording = JoinSet::new();
        if let Some(records) = ctx.call_records() {
            let writing = call_record::write(ctx.clone(), records, stop_recording.clone());
            spawn(&mut recording, "call records", writing);
        }
        let mut tasks = JoinSet::new();
        let measuring = measure(ctx.clone(), Arc::clone(broker), shifts.tasks.stop_signal());
        spawn(&mut tasks, "measuring", shifts.tasks.part(measuring));
        for task in service.tasks {
            let work = (task.work)(shifts.tasks.stop_signal());
            let work = shifts.tasks.part(work);
            tasks.spawn(async move {
                work.await;
                (format!("task {}", task.name), MayEnd::AnyTime)
            });
        }
        Self {
            tasks,
            relaying,
            holding,
            recording,
            shifts,
            stop_recording,
            stop_relaying,
            stop_holding,
        }
    }

    /// Waits for `shutdown`, or for a part that ends before its time.
    pub(super) async fn until(
        &mut self,
        service: &'static str,
        shutdown: CancellationToken,
    ) -> Result<(), RunError> {
        loop {
            let ended = tokio::select! {
                biased;
                () = shutdown.cancelled() => return Ok(()),
                Some(ended) = self.tasks.join_next() => ended,
                Some(ended) = self.relaying.join_next() => ended,
                Some(ended) = self.holding.join_next() => ended,
                Some(ended) = self.recording.join_next() => ended,
            };
            let part = match ended {
                Ok((_, MayEnd::AnyTime)) => continue,
                Ok((part, MayEnd::WhenStopped)) => part,
                Err(error) => broken(&error),
            };
            error!(service, part, "ended unexpectedly");
            return Err(RunError::Ended { service, part });
        }
    }

    /// Stops the parts in order, each phase within its bound.
    pub(super) async fn drain(mut self, ctx: &Context) {
        let service = ctx.service;
        info!(service, "draining");
        if !self.shifts.finish().await {
            warn!(
                service,
                "work in flight did not finish in time; it is given up and comes again"
            );
        }
        self.stop_recording.cancel();
        if !finish(&mut self.recording, RECORD_MAX).await {
            warn!(service, "not all calls could be written down");
        }
        self.stop_relaying.cancel();
        if !finish(&mut self.relaying, FLUSH_MAX).await {
            warn!(
                service,
                "not all events reached the broker; they leave later"
            );
        }
        // Nobody may renew a lease after the member has left.
        self.stop_holding.cancel();
        self.shifts.relay.stop();
        let left = async {
            while self.holding.join_next().await.is_some() {}
            ctx.store.leave(&ctx.member.id).await
        };
        match timeout(LEAVE_MAX, left).await {
            Ok(Ok(())) => info!(service, "stopped"),
            Ok(Err(error)) => {
                let error = chain(&error);
                warn!(service, error, "stopped; its leases run out by themselves");
            }
            Err(_) => warn!(service, "stopped; its leases run out by themselves"),
        }
    }
}

// === impl Shifts ===

impl Shifts {
    /// Stops all but the relay's in order, within [`DRAIN_MAX`], and breaks off what takes longer;
    /// whether nothing did.
    async fn finish(&self) -> bool {
        let deadline = Instant::now() + DRAIN_MAX;
        let shifts = [
            &self.calls,
            &self.consumers,
            &self.redrivers,
            &self.timers,
            &self.own,
            &self.tasks,
        ];
        for shift in shifts {
            shift.stop();
            // Late is late only at the deadline, which is for all of them together.
            let _ = timeout(STEP_MAX, shift.ended()).await;
        }
        let all = join_all(shifts.map(Shift::ended));
        if timeout_at(deadline, all).await.is_ok() {
            return true;
        }
        for shift in shifts {
            shift.break_off();
        }
        false
    }
}

fn spawn(parts: &mut JoinSet<Part>, name: &str, work: impl Future<Output = ()> + Send + 'static) {
    let name = name.to_owned();
    parts.spawn(async move {
        work.await;
        (name, MayEnd::WhenStopped)
    });
}

/// Waits for all of `parts`, breaks off those that take longer than `bound`; whether none did.
async fn finish(parts: &mut JoinSet<Part>, bound: Duration) -> bool {
    let all = async { while parts.join_next().await.is_some() {} };
    if timeout(bound, all).await.is_ok() {
        return true;
    }
    parts.shutdown().await;
    false
}

/// What is known of a part that did not end by returning.
fn broken(error: &JoinError) -> String {
    format!("a part ({error})")
}

/// Measures lag and parked keys until `stop`.
async fn measure(ctx: Context, broker: Arc<dyn Broker>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let statuses = broker.groups().await.unwrap_or_default();
        for (group, counts) in ctx.metrics().groups() {
            if let Some(status) = statuses.iter().find(|status| status.name == group) {
                counts.set_lag(&status.partition_lag);
            }
            if let Ok(keys) = ctx.store.parked_keys(group).await {
                counts.parked_keys.set(keys.len() as u64);
            }
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = tokio::time::sleep(MEASURE_EVERY) => {}
        }
    }
}
