//! A service from start to orderly end.

mod parts;
mod pools;

use std::collections::BTreeSet;
use std::sync::Arc;

use outcry_broker::{Broker, BrokerError, Group};
use outcry_mesh::RegisterError;
use outcry_store::limits::POOL_SLOTS_MAX;
use tokio_util::sync::CancellationToken;
use tracing::info;

use self::parts::Parts;
use crate::calls::counted;
use crate::consumer::Consumer;
use crate::context::Context;
use crate::dead_letters::DeadLetters;
use crate::replica::Replica;
use crate::service::Service;
use crate::shift::Shift;

pub use self::parts::{DRAIN_MAX, FLUSH_MAX, LEAVE_MAX, RECORD_MAX};

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
    /// The service has a pool of slots that cannot be.
    #[error("service {service} cannot have a pool {pool}: {reason}")]
    Pool {
        /// The service.
        service: &'static str,
        /// The pool.
        pool: &'static str,
        /// What is wrong with it.
        reason: &'static str,
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
        .map(|reaction| Group::from(&reaction.group()))
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

/// Runs a service until `shutdown`, then drains it and returns. Any number of processes may run the
/// same service on the same store; they share its work.
///
/// Draining goes: calls are refused and those begun finish; events are no longer taken; redrives,
/// timers, the service's own slots and its tasks stop, in this order (all at most [`DRAIN_MAX`]);
/// the last calls are written down (at most [`RECORD_MAX`]) and the last events go to the broker (at
/// most [`FLUSH_MAX`]); other replicas take over (at most [`LEAVE_MAX`]).
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
    let calls = Shift::default();
    let routes = service
        .routes
        .clone()
        .add_service(dead_letters.server())
        .add_service(Replica::new(ctx.clone()).server());
    ctx.directory
        .register_recorded(name, counted(routes, &calls), ctx.call_recorder())
        .map_err(|source| RunError::Register {
            service: name,
            source,
        })?;
    let mut parts = Parts::start(&ctx, service, consumers, &broker, calls);
    info!(service = name, "running");
    let outcome = parts.until(name, shutdown).await;
    ctx.directory.deregister(name);
    if outcome.is_ok() {
        parts.drain(&ctx).await;
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
    let mut pools = BTreeSet::new();
    for slots in &service.slots {
        let pool = slots.pool();
        let reason = if !pools.insert(pool) {
            "there is another one of that name"
        } else if pools::is_taken(pool) {
            "the name is the runtime's own"
        } else if !(1..=POOL_SLOTS_MAX).contains(&slots.count()) {
            "it must have between 1 and 1024 slots"
        } else {
            continue;
        };
        return Err(RunError::Pool {
            service: service.name,
            pool,
            reason,
        });
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
