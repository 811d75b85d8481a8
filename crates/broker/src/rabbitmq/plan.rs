//! Compares a server with a topology, and puts it right.

use std::collections::BTreeMap;

use super::declarer::Declarer;
use super::fault::Fault;
use super::{Management, ManagementError, PATIENCE, RabbitMq};
use crate::topology::{Access, ActualQueue, Binding, Drift, Queue, Topology, diff};

/// What would have to be done to a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// In the order in which it is done.
    pub drifts: Vec<Drift>,
    topology: Topology,
}

/// How far applying may go.
#[derive(Debug, Clone, Default)]
pub struct ApplyOptions {
    /// Also delete queues that still hold messages. The messages are lost.
    pub remove_with_messages: bool,
    /// Passwords for users that are missing, by user.
    pub passwords: BTreeMap<String, String>,
}

/// What became of one drift.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// The drift.
    pub drift: Drift,
    /// Why it was left; none when it was put right.
    pub left: Option<String>,
}

/// Why a plan could not be applied to the end. What was done by then stays; plan again.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ApplyError {
    /// The broker failed.
    #[error("putting right that {drift}")]
    Broker {
        /// What was being put right.
        drift: String,
        /// Why.
        #[source]
        source: Fault,
    },
    /// Its management interface failed.
    #[error("putting right that {drift}")]
    Management {
        /// What was being put right.
        drift: String,
        /// Why.
        #[source]
        source: ManagementError,
    },
}

/// What would have to be done to make the server as desired. Changes nothing.
///
/// # Errors
/// [`ManagementError`].
pub async fn plan(management: &Management, desired: &Topology) -> Result<Plan, ManagementError> {
    let actual = management.read().await?;
    Ok(Plan {
        drifts: diff(desired, &actual),
        topology: desired.clone(),
    })
}

/// Does what a plan says, as far as that is safe: nothing that holds messages is deleted unless told
/// to, and nothing that is consumed. Doing it again does nothing more.
///
/// # Errors
/// [`ApplyError`], at the first drift that could not be put right for lack of an answer.
pub async fn apply(
    broker: &RabbitMq,
    management: &Management,
    plan: &Plan,
    options: &ApplyOptions,
) -> Result<Vec<Done>, ApplyError> {
    let mut all = Vec::new();
    for drift in &plan.drifts {
        let left = match drift {
            Drift::MissingUser(user) => put_user(management, user, options).await,
            Drift::DifferentAccess(access) => put_access(management, access).await,
            drift => {
                let done = broker
                    .shared
                    .consuming
                    .with_connection(PATIENCE, async |connection| {
                        let mut declarer = Declarer::new(connection);
                        let left = put_right(&mut declarer, drift, plan, options).await?;
                        declarer.finish().await;
                        Ok(left)
                    })
                    .await;
                let left = done.map_err(|source| ApplyError::Broker {
                    drift: drift.to_string(),
                    source,
                })?;
                all.push(Done {
                    drift: drift.clone(),
                    left,
                });
                continue;
            }
        };
        let left = left.map_err(|source| ApplyError::Management {
            drift: drift.to_string(),
            source,
        })?;
        all.push(Done {
            drift: drift.clone(),
            left,
        });
    }
    Ok(all)
}

/// Why it was left, if it was.
type Left = Option<String>;

async fn put_user(
    management: &Management,
    user: &str,
    options: &ApplyOptions,
) -> Result<Left, ManagementError> {
    let Some(password) = options.passwords.get(user) else {
        return Ok(Some("no password was given for it".to_owned()));
    };
    management.put_user(user, password).await?;
    Ok(None)
}

async fn put_access(management: &Management, access: &Access) -> Result<Left, ManagementError> {
    if !management.users().await?.contains(&access.user) {
        return Ok(Some("the user does not exist".to_owned()));
    }
    management.put_access(access).await?;
    Ok(None)
}

async fn put_right(
    declarer: &mut Declarer<'_>,
    drift: &Drift,
    plan: &Plan,
    options: &ApplyOptions,
) -> Result<Left, Fault> {
    match drift {
        Drift::MissingExchange(exchange) => declarer.exchange(exchange).await?,
        Drift::MissingQueue(queue) => declarer.queue(queue).await?,
        Drift::MissingBinding(binding) => declarer.binding(binding).await?,
        Drift::SurplusBinding(binding) => declarer.unbind(binding).await?,
        Drift::SurplusExchange(exchange) => declarer.delete_exchange(&exchange.name).await?,
        Drift::SurplusQueue(found) => return remove(declarer, &found.queue.name, options).await,
        Drift::Partitions {
            exchange,
            desired,
            surplus,
            stale,
            ..
        } => {
            let wanted = plan.topology.bindings.iter();
            let wanted: Vec<_> = wanted
                .filter(|binding| binding.source == *exchange)
                .collect();
            return repartition(declarer, desired, surplus, &wanted, stale).await;
        }
        Drift::DifferentExchange { .. } | Drift::DifferentQueue { .. } => {
            return Ok(Some(
                "only deleting it would change it: drain it, delete it, apply again".to_owned(),
            ));
        }
        Drift::Collected { .. } => return Ok(Some("somebody has to look at them".to_owned())),
        Drift::MissingUser(_) | Drift::DifferentAccess(_) => {}
    }
    Ok(None)
}

/// Deletes a queue that is not wanted; the server is asked again what is in it.
async fn remove(
    declarer: &mut Declarer<'_>,
    queue: &str,
    options: &ApplyOptions,
) -> Result<Left, Fault> {
    let Some(look) = declarer.look(queue).await? else {
        return Ok(None);
    };
    // What a consumer has in hand does not show, so nothing that is consumed counts as empty.
    if look.consumers > 0 {
        return Ok(Some(format!("it has {} consumers", look.consumers)));
    }
    if look.ready > 0 && !options.remove_with_messages {
        return Ok(Some(format!("it holds {} messages", look.ready)));
    }
    declarer.delete_queue(queue).await?;
    Ok(None)
}

/// Gives a group other partitions, while it has nothing that a moving key could overtake.
async fn repartition(
    declarer: &mut Declarer<'_>,
    desired: &[Queue],
    surplus: &[ActualQueue],
    wanted: &[&Binding],
    stale: &[Binding],
) -> Result<Left, Fault> {
    let names = desired
        .iter()
        .chain(surplus.iter().map(|found| &found.queue));
    for queue in names {
        if let Some(look) = declarer.look(&queue.name).await?
            && (look.ready > 0 || look.consumers > 0)
        {
            return Ok(Some(format!(
                "keys would move while {} holds {} messages and has {} consumers: let it run empty \
                 without publishers, and stop its consumers",
                queue.name, look.ready, look.consumers
            )));
        }
    }
    for queue in desired {
        declarer.queue(queue).await?;
    }
    // What comes in between goes both ways: twice is safe, in another order is not.
    for binding in wanted {
        declarer.binding(binding).await?;
    }
    for binding in stale {
        declarer.unbind(binding).await?;
    }
    for found in surplus {
        declarer.delete_queue(&found.queue.name).await?;
    }
    Ok(None)
}
