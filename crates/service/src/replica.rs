//! How this run of a service stands: what it has counted, for the gateway, which asks all of them.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use outcry_contracts::operations::v1 as api;
use outcry_contracts::operations::v1::replica_service_server::{
    ReplicaService, ReplicaServiceServer,
};
use outcry_mesh::authorize::Rule;
use outcry_mesh::{Credentials, Served};
use prost_types::Timestamp;
use tonic::{Request, Response, Status, async_trait};

use crate::context::Context;
use crate::metrics::{GroupMetrics, Metrics};

/// Owners of methods that the gateway serves: counted there, since what a method's calls are
/// counted in does not tell services of one process apart.
const GATEWAYS: [&str; 2] = ["eventlog", "operations"];

/// The service with those methods.
const GATEWAY: &str = "gateway";

/// Retry budgets told at most, by service and in order of their names: three times as many as there
/// are services.
const BUDGETS_MAX: usize = 32;

/// This run of a service.
pub(crate) struct Replica {
    ctx: Context,
    started_at: SystemTime,
}

// === impl Replica ===

impl Replica {
    /// The run with this context, which begins now.
    pub(crate) fn new(ctx: Context) -> Self {
        let started_at = ctx.clock.now();
        Self { ctx, started_at }
    }

    /// As a gRPC service.
    pub(crate) fn server(self) -> ReplicaServiceServer<Self> {
        ReplicaServiceServer::new(self)
    }

    fn status(&self) -> api::GetStatusResponse {
        let (ctx, metrics) = (&self.ctx, self.ctx.metrics());
        let budgets = ctx.directory.retries_left().into_iter().take(BUDGETS_MAX);
        api::GetStatusResponse {
            service: ctx.service.to_owned(),
            instance: ctx.member.id.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ready: ctx.directory.is_ready(),
            started_at: Some(Timestamp::from(self.started_at)),
            relay: Some(relay(metrics)),
            groups: metrics
                .groups()
                .iter()
                .map(|(name, group)| group_counts(name, group))
                .collect(),
            pools: metrics
                .leases
                .held()
                .into_iter()
                .map(|(pool, held)| api::PoolCounts { pool, held })
                .collect(),
            calls: self.calls(),
            retry_budgets: budgets
                .map(|(target, left)| api::RetryBudget {
                    target,
                    left: whole(left),
                })
                .collect(),
            certificate: self.certificate(),
        }
    }

    /// Calls of the service's own methods, by class.
    fn calls(&self) -> Vec<api::ClassCounts> {
        let rules = self.ctx.directory.rules();
        let served = self.ctx.directory.metrics().served();
        let own = served.iter().filter_map(|served| {
            let rule = rules.rule(&served.path)?;
            // What is asked for this is not what anybody wants to see of the service.
            let asked = served
                .path
                .starts_with("/outcry.operations.v1.ReplicaService/");
            (server_of(rule) == self.ctx.service && !asked).then_some((class_of(rule), served))
        });
        by_class(own)
    }

    fn certificate(&self) -> Option<api::CertificateState> {
        match self.ctx.directory.credentials() {
            Some(Credentials::Certificates(certificates)) => {
                let status = certificates.status();
                Some(api::CertificateState {
                    not_after: Some(Timestamp::from(status.not_after)),
                    reload_failing: status.reload_failing,
                })
            }
            _ => None,
        }
    }
}

#[async_trait]
impl ReplicaService for Replica {
    async fn get_status(
        &self,
        _: Request<api::GetStatusRequest>,
    ) -> Result<Response<api::GetStatusResponse>, Status> {
        Ok(Response::new(self.status()))
    }
}

fn relay(metrics: &Metrics) -> api::RelayCounts {
    let relay = &metrics.relay;
    api::RelayCounts {
        published: relay.published.get(),
        failed: relay.failed.get(),
        unsent: relay.unsent.get(),
        oldest_unsent_ms: relay.oldest_unsent_ms.get(),
    }
}

fn group_counts(name: &str, group: &GroupMetrics) -> api::GroupCounts {
    api::GroupCounts {
        group: name.to_owned(),
        handled: group.handled.get(),
        retried: group.retried.get(),
        parked: group.parked.get(),
        paused: group.paused.get(),
        partition_lag: group.partition_lag(),
        parked_keys: group.parked_keys.get(),
    }
}

/// Name of the service that answers a method.
fn server_of(rule: &Rule) -> &str {
    let owner = rule.owner.as_str();
    if GATEWAYS.contains(&owner) {
        GATEWAY
    } else {
        owner
    }
}

fn class_of(rule: &Rule) -> api::MethodClass {
    if rule.streaming {
        api::MethodClass::Stream
    } else if rule.safe {
        api::MethodClass::Read
    } else {
        api::MethodClass::Change
    }
}

/// Sums of the methods of each class.
fn by_class<'served>(
    all: impl Iterator<Item = (api::MethodClass, &'served Served)>,
) -> Vec<api::ClassCounts> {
    let mut classes: BTreeMap<i32, (api::ClassCounts, BTreeMap<Duration, u64>)> = BTreeMap::new();
    for (class, served) in all {
        let (counts, durations) = classes.entry(class as i32).or_default();
        counts.method_class = class as i32;
        counts.started += served.started;
        counts.refused += served.refused;
        counts.failed += served.failed;
        if class == api::MethodClass::Stream {
            continue;
        }
        for (upper, calls) in &served.durations {
            *durations.entry(*upper).or_default() += calls;
        }
    }
    let classes = classes.into_values();
    classes
        .map(|(counts, durations)| api::ClassCounts {
            durations: durations.into_iter().map(bucket).collect(),
            ..counts
        })
        .collect()
}

fn bucket((upper, calls): (Duration, u64)) -> api::DurationBucket {
    api::DurationBucket {
        upper_us: u64::try_from(upper.as_micros()).unwrap_or(u64::MAX),
        calls,
    }
}

/// A budget in whole retries: a part of one buys nothing.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a budget has between 0 and 100 retries"
)]
fn whole(retries: f64) -> u32 {
    retries.max(0.0) as u32
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use outcry_mesh::Directory;
    use outcry_sqlite::Database;
    use outcry_store::SqliteStore;

    use super::*;
    use crate::clock::SystemClock;

    fn served(started: u64, durations: &[(u64, u64)]) -> Served {
        let durations = durations.iter();
        Served {
            path: String::new(),
            started,
            refused: 1,
            failed: 0,
            durations: durations
                .map(|(ms, calls)| (Duration::from_millis(*ms), *calls))
                .collect(),
        }
    }

    #[test]
    fn methods_of_a_class_are_counted_together_and_streams_without_their_durations() {
        let (one, other) = (served(3, &[(1, 2), (5, 1)]), served(4, &[(5, 4)]));
        let classes = by_class(
            [
                (api::MethodClass::Read, &one),
                (api::MethodClass::Stream, &one),
                (api::MethodClass::Read, &other),
            ]
            .into_iter(),
        );
        let [reads, streams] = classes.as_slice() else {
            panic!("{classes:?}");
        };
        assert_eq!(reads.method_class(), api::MethodClass::Read);
        assert_eq!((reads.started, reads.refused), (7, 2));
        let buckets = reads.durations.iter();
        let buckets: Vec<_> = buckets.map(|one| (one.upper_us, one.calls)).collect();
        assert_eq!(buckets, [(1000, 2), (5000, 5)]);
        assert_eq!(streams.started, 3);
        assert!(streams.durations.is_empty());
    }

    #[tokio::test]
    async fn a_replica_tells_what_it_has_counted() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(&folder.path().join("t.db")).unwrap();
        let store = SqliteStore::open(&database, "orders").await.unwrap();
        let clock = Arc::new(SystemClock::new());
        let ctx = Context::new("orders", Arc::new(store), clock, Directory::new());
        ctx.metrics().relay.published.add(7);
        ctx.metrics().relay.unsent.set(2);
        ctx.metrics().group("orders").handled.add(3);
        ctx.metrics().group("orders").set_lag(&[0, 5]);
        ctx.metrics().leases.pool("outbox").set(4);
        let status = Replica::new(ctx.clone()).status();
        assert_eq!(
            (status.service.as_str(), &status.instance),
            ("orders", &ctx.member.id)
        );
        assert!(!status.ready);
        let relay = status.relay.unwrap();
        assert_eq!((relay.published, relay.unsent), (7, 2));
        let [group] = status.groups.as_slice() else {
            panic!("{:?}", status.groups);
        };
        assert_eq!(
            (group.handled, group.partition_lag.as_slice()),
            (3, &[0, 5][..])
        );
        assert_eq!(
            (status.pools[0].pool.as_str(), status.pools[0].held),
            ("outbox", 4)
        );
        assert!(status.calls.is_empty() && status.certificate.is_none());
    }
}
