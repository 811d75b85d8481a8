//! A partition that is held: subscribed to for as long as that lasts.

use std::sync::Arc;
use std::time::Duration;

use outcry_broker::{Broker, Group};
use tracing::warn;

use super::partition::Closed;
use super::{Consumer, Stopped};
use crate::backoff::Backoff;
use crate::faults::chain;
use crate::reaction::GroupSpec;
use crate::tenure::Tenure;

/// Events handed to a partition ahead of time, so that it does not wait for the broker between two.
const PREFETCH: usize = 64;

/// Waits before a closed subscription is opened again.
const SUBSCRIBE_BACKOFF: Backoff = Backoff {
    first: Duration::from_millis(50),
    most: Duration::from_secs(5),
};

impl From<&GroupSpec> for Group {
    /// The group as the broker needs it: what it does with events is its consumer's business.
    fn from(spec: &GroupSpec) -> Group {
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
}

impl Consumer {
    /// Keeps one partition subscribed and settles its events until the tenure ends.
    pub(crate) async fn consume(self: Arc<Self>, broker: Arc<dyn Broker>, tenure: Tenure) {
        let group = Group::from(&self.spec);
        let mut failures = 0;
        loop {
            let subscribed = tokio::select! {
                biased;
                () = tenure.stop.cancelled() => return,
                subscribed = broker.subscribe(&group, tenure.lease.slot) => subscribed,
            };
            let reason = match subscribed {
                Ok(partition) => {
                    failures = 0;
                    match self.work(partition, broker.system(), &tenure).await {
                        Ok(Closed) => "the broker closed it".to_owned(),
                        Err(Stopped) => return,
                    }
                }
                Err(error) => chain(&error),
            };
            failures += 1;
            warn!(
                group = group.name,
                partition = tenure.lease.slot,
                failures,
                reason,
                "not subscribed; subscribing again"
            );
            if !SUBSCRIBE_BACKOFF.wait(failures, &tenure.stop).await {
                return;
            }
        }
    }
}
