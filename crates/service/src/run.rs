//! A service from start to orderly end.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use outcry_broker::{Broker, BrokerError, Group, Partition};
use outcry_mesh::RegisterError;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::backoff::Backoff;
use crate::consumer::Consumer;
use crate::context::Context;
use crate::dead_letters::DeadLetters;
use crate::faults::chain;
use crate::reaction::GroupSpec;
use crate::relay::Relay;
use crate::retention;
use crate::service::Service;
use crate::timer::Timers;

/// How long what was begun may take to finish once the service stops: longer than one reaction or
/// timer takes when all is well, shorter than an orchestrator waits before it kills.
pub const DRAIN_MAX: Duration = Duration::from_secs(15);

/// How long the relay may then take to bring the last events to the broker. What is left stays in
/// the store and leaves at the next start.
pub const FLUSH_MAX: Duration = Duration::from_secs(5);

/// Events handed to a partition ahead of time, so that it does not wait for the broker between two.
const PREFETCH: usize = 64;

/// Waits before a closed subscription is opened again.
const SUBSCRIBE_BACKOFF: Backoff = Backoff {
    first: Duration::from_millis(50),
    most: Duration::from_secs(5),
};

/// How often lag and parked keys are measured.
const MEASURE_EVERY: Duration = Duration::from_secs(5);

/// Why a service cannot run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The context belongs to another service.
    #[error("service {service} was given the context of {context}")]
    WrongContext {
        /// The service.
        service: &'static str,
        /// Whose context it was.
        context: &'static str,
    },
    /// Two reactions share a group name; each would miss what the other gets.
    #[error("service {service} has two reactions of group {group}")]
    DoubleGroup {
        /// The service.
        service: &'static str,
        /// The name used twice.
        group: &'static str,
    },
    /// The service says it appends events that are not its own.
    #[error("service {service} does not own topic {topic}")]
    ForeignTopic {
        /// The service.
        service: &'static str,
        /// The topic.
        topic: &'static str,
    },
    /// Its methods cannot be served.
    #[error("serving the methods of {service}")]
    Register {
        /// The service.
        service: &'static str,
        /// What is wrong with them.
        #[source]
        source: RegisterError,
    },
    /// The broker does not make the group's queues.
    #[error("declaring group {group}")]
    Declare {
        /// The group.
        group: &'static str,
        /// What the broker said.
        #[source]
        source: BrokerError,
    },
    /// A part of the service ended that never should.
    #[error("{part} of service {service} ended unexpectedly")]
    Ended {
        /// The service.
        service: &'static str,
        /// The part.
        part: String,
    },
}

/// Makes the queues of a service's groups; idempotent.
///
/// Where several services run together, declare all before running any: a group gets the events
/// published after it was declared.
///
/// # Errors
/// [`RunError::Declare`].
pub fn declare<'broker>(
    service: &Service,
    broker: &'broker dyn Broker,
) -> impl Future<Output = Result<(), RunError>> + Send + use<'broker> {
    // A service itself cannot be shared between threads: its tasks are made once.
    let groups: Vec<Group> = service
        .reactions
        .iter()
        .map(|reaction| group(&reaction.group()))
        .collect();
    async move {
        for group in groups {
            let declared = broker.declare(&group).await;
            declared.map_err(|source| RunError::Declare {
                group: group.name,
                source,
            })?;
        }
        Ok(())
    }
}

/// Runs a service until `shutdown`, then drains it and returns.
///
/// Draining goes: calls are refused, events are no longer taken, what was begun finishes (at most
/// [`DRAIN_MAX`]), the last events go to the broker (at most [`FLUSH_MAX`]).
///
/// # Errors
/// [`RunError`]; what was begun before the error is given up, as in a crash.
pub async fn run(
    ctx: Context,
    service: Service,
    broker: Arc<dyn Broker>,
    shutdown: CancellationToken,
) -> Result<(), RunError> {
    check(&ctx, &service)?;
    declare(&service, broker.as_ref()).await?;
    let name = service.name;
    let consumers: Vec<Arc<Consumer>> = service
        .reactions
        .iter()
        .map(|reaction| Arc::new(Consumer::new(ctx.clone(), Arc::clone(reaction))))
        .collect();
    let dead_letters = DeadLetters::new(ctx.clone(), &consumers);
    ctx.directory
        .register(
            name,
            service.routes.clone().add_service(dead_letters.server()),
        )
        .map_err(|source| RunError::Register {
            service: name,
            source,
        })?;
    let mut parts = Parts::start(&ctx, service, consumers, &broker);
    info!(service = name, "running");
    let outcome = parts.until(name, shutdown).await;
    ctx.directory.deregister(name);
    if outcome.is_ok() {
        parts.drain(name).await;
    }
    outcome
}

/// Whether the service fits its context and the contract.
fn check(ctx: &Context, service: &Service) -> Result<(), RunError> {
    if ctx.service != service.name {
        return Err(RunError::WrongContext {
            service: service.name,
            context: ctx.service,
        });
    }
    let mut groups = BTreeSet::new();
    for reaction in &service.reactions {
        let group = reaction.group().name;
        if !groups.insert(group) {
            return Err(RunError::DoubleGroup {
                service: service.name,
                group,
            });
        }
    }
    let owns = |topic: &str| {
        outcry_contracts::EVENTS
            .iter()
            .any(|event| event.topic == topic && event.owner == service.name)
    };
    match service.emits.iter().find(|topic| !owns(topic)) {
        Some(topic) => Err(RunError::ForeignTopic {
            service: service.name,
            topic,
        }),
        None => Ok(()),
    }
}

/// A group as the broker needs it.
fn group(spec: &GroupSpec) -> Group {
    Group {
        name: spec.name,
        topics: spec
            .topics
            .iter()
            .map(|topic| (*topic).to_owned())
            .collect(),
        partitions: spec.partitions,
        prefetch: PREFETCH,
    }
}

/// The running parts of a service; dropping them breaks them off.
struct Parts {
    /// Consumers, redrivers, timers, tasks and housekeeping: those that stop first.
    working: JoinSet<Part>,
    /// The relay: it stops last.
    relaying: JoinSet<Part>,
    stop_working: CancellationToken,
    stop_relaying: CancellationToken,
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
    fn start(
        ctx: &Context,
        service: Service,
        consumers: Vec<Arc<Consumer>>,
        broker: &Arc<dyn Broker>,
    ) -> Self {
        let stop = CancellationToken::new();
        let stop_relaying = CancellationToken::new();
        let mut working = JoinSet::new();
        let mut relaying = JoinSet::new();
        let relay = Relay::new(ctx.clone(), Arc::clone(broker)).run(stop_relaying.clone());
        spawn(&mut relaying, "relay".to_owned(), relay);
        for consumer in consumers {
            let name = consumer.spec().name;
            let redriver = Arc::clone(&consumer).redrive(stop.clone());
            spawn(&mut working, format!("redriver of {name}"), redriver);
            let consuming = consume(consumer, Arc::clone(broker), stop.clone());
            spawn(&mut working, format!("consumer {name}"), consuming);
        }
        if let Some(handler) = service.timers {
            let timers = Timers::new(ctx.clone(), handler).run(stop.clone());
            spawn(&mut working, "timers".to_owned(), timers);
        }
        let forgetting = retention::forget(ctx.clone(), stop.clone());
        spawn(&mut working, "retention".to_owned(), forgetting);
        let measuring = measure(ctx.clone(), Arc::clone(broker), stop.clone());
        spawn(&mut working, "measuring".to_owned(), measuring);
        for task in service.tasks {
            let work = (task.work)(stop.clone());
            working.spawn(async move {
                work.await;
                (format!("task {}", task.name), MayEnd::AnyTime)
            });
        }
        Self {
            working,
            relaying,
            stop_working: stop,
            stop_relaying,
        }
    }

    /// Waits for `shutdown`, or for a part that ends before its time.
    async fn until(
        &mut self,
        service: &'static str,
        shutdown: CancellationToken,
    ) -> Result<(), RunError> {
        loop {
            let ended = tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                Some(ended) = self.working.join_next() => ended,
                Some(ended) = self.relaying.join_next() => ended,
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
    async fn drain(mut self, service: &'static str) {
        info!(service, "draining");
        self.stop_working.cancel();
        if !finish(&mut self.working, DRAIN_MAX).await {
            warn!(
                service,
                "work in flight did not finish in time; it is given up and comes again"
            );
        }
        self.stop_relaying.cancel();
        if !finish(&mut self.relaying, FLUSH_MAX).await {
            warn!(
                service,
                "not all events reached the broker; they leave at the next start"
            );
        }
        info!(service, "stopped");
    }
}

fn spawn(parts: &mut JoinSet<Part>, name: String, work: impl Future<Output = ()> + Send + 'static) {
    parts.spawn(async move {
        work.await;
        (name, MayEnd::WhenStopped)
    });
}

/// Waits for all of `parts`, breaks off those that take longer than `bound`; whether none did.
async fn finish(parts: &mut JoinSet<Part>, bound: Duration) -> bool {
    let all = async { while parts.join_next().await.is_some() {} };
    if tokio::time::timeout(bound, all).await.is_ok() {
        return true;
    }
    parts.shutdown().await;
    false
}

/// What is known of a part that did not end by returning.
fn broken(error: &JoinError) -> String {
    format!("a part ({error})")
}

/// Keeps a group subscribed until `stop`: one worker per partition, and all anew when one is closed.
async fn consume(consumer: Arc<Consumer>, broker: Arc<dyn Broker>, stop: CancellationToken) {
    let group = group(consumer.spec());
    let mut failures = 0;
    while !stop.is_cancelled() {
        let partitions = match subscribe(broker.as_ref(), &group).await {
            Ok(partitions) => partitions,
            Err(error) => {
                failures += 1;
                warn!(
                    group = group.name,
                    failures,
                    error = chain(&error),
                    "subscribing failed"
                );
                SUBSCRIBE_BACKOFF.wait(failures, &stop).await;
                continue;
            }
        };
        failures = 0;
        let stop_partitions = stop.child_token();
        let mut workers = JoinSet::new();
        for partition in partitions {
            workers.spawn(Arc::clone(&consumer).work(partition, stop_partitions.clone()));
        }
        // The first worker that ends takes the others along: a partition is only ever consumed
        // with its siblings.
        while let Some(ended) = workers.join_next().await {
            if let Err(error) = ended {
                error!(group = group.name, error = %error, "a partition's worker broke");
            }
            stop_partitions.cancel();
        }
        if !stop.is_cancelled() {
            warn!(group = group.name, "subscription closed; subscribing again");
            SUBSCRIBE_BACKOFF.wait(1, &stop).await;
        }
    }
}

/// Every partition of a group.
async fn subscribe(broker: &dyn Broker, group: &Group) -> Result<Vec<Partition>, BrokerError> {
    let mut partitions = Vec::new();
    for partition in 0..group.partitions {
        partitions.push(broker.subscribe(group, partition).await?);
    }
    Ok(partitions)
}

/// Measures lag and parked keys until `stop`.
async fn measure(ctx: Context, broker: Arc<dyn Broker>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let statuses = broker.groups().await.unwrap_or_default();
        for (group, counts) in ctx.metrics().groups() {
            if let Some(status) = statuses.iter().find(|status| status.name == group) {
                counts.lag.set(status.lag);
            }
            if let Ok(keys) = ctx.store.parked_keys(group).await {
                counts.parked_keys.set(keys.len() as u64);
            }
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(MEASURE_EVERY) => {}
        }
    }
}
