//! The counters of services as Prometheus reads them.

use std::collections::BTreeMap;
use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::context::Context;
use crate::metrics::{Family, GroupMetrics, Metrics, Numbers, Value};

/// All services of a process: a family of metrics appears once, with a label for the service.
#[derive(Clone)]
pub struct Exposition {
    contexts: Vec<Context>,
}

/// A family of one number per service.
type OfService = (&'static str, &'static str, fn(&Metrics) -> &Value);

/// A family of one number per consumer group.
type OfGroup = (&'static str, &'static str, fn(&GroupMetrics) -> &Value);

const SERVICE_COUNTERS: [OfService; 8] = [
    (
        "outcry_relay_published",
        "Events confirmed and routed by the broker",
        |metrics| &metrics.relay.published,
    ),
    (
        "outcry_relay_failed",
        "Events the broker did not take at a try",
        |metrics| &metrics.relay.failed,
    ),
    (
        "outcry_relay_copies",
        "Copies of events in older versions, confirmed and routed by the broker",
        |metrics| &metrics.relay.copies,
    ),
    (
        "outcry_relay_uncopied",
        "Events published without a copy in their older version since none could be made",
        |metrics| &metrics.relay.uncopied,
    ),
    (
        "outcry_timers_fired",
        "Timers whose commit is durable",
        |metrics| &metrics.timers.fired,
    ),
    (
        "outcry_timers_retried",
        "Timers whose try failed and is repeated",
        |metrics| &metrics.timers.retried,
    ),
    (
        "outcry_leases_fenced",
        "Commits refused since another replica has the slot",
        |metrics| &metrics.leases.fenced,
    ),
    (
        "outcry_leases_failed",
        "Times the store did not renew the leases",
        |metrics| &metrics.leases.failed,
    ),
];

const GROUP_COUNTERS: [OfGroup; 9] = [
    (
        "outcry_consumer_handled",
        "Events whose commit is durable",
        |group| &group.handled,
    ),
    (
        "outcry_consumer_duplicates",
        "Events delivered again after they were handled",
        |group| &group.duplicates,
    ),
    (
        "outcry_consumer_retried",
        "Tries that failed and were repeated",
        |group| &group.retried,
    ),
    (
        "outcry_consumer_parked",
        "Events parked, those behind a parked one included",
        |group| &group.parked,
    ),
    (
        "outcry_consumer_skipped",
        "Events of a type or version that is not known here",
        |group| &group.skipped,
    ),
    (
        "outcry_consumer_copies",
        "Copies of events in older versions, skipped since the events come, too",
        |group| &group.copies,
    ),
    (
        "outcry_consumer_discarded",
        "Events a reaction discarded",
        |group| &group.discarded,
    ),
    (
        "outcry_consumer_redriven",
        "Parked events that a redrive brought through",
        |group| &group.redriven,
    ),
    (
        "outcry_consumer_paused",
        "Times the group waited for its store",
        |group| &group.paused,
    ),
];

const GROUP_GAUGES: [OfGroup; 2] = [
    (
        "outcry_consumer_lag_events",
        "Events waiting at the broker, as last seen",
        |group| &group.lag,
    ),
    (
        "outcry_consumer_parked_keys",
        "Keys with parked events, as last seen",
        |group| &group.parked_keys,
    ),
];

// === impl Exposition ===

impl Exposition {
    /// The counters of the services with these contexts.
    pub fn of(contexts: impl IntoIterator<Item = Context>) -> Exposition {
        Exposition {
            contexts: contexts.into_iter().collect(),
        }
    }

    /// One number of each service.
    fn per_service(
        &self,
        mut family: MetricEncoder<'_>,
        write: impl Fn(&Metrics, MetricEncoder<'_>) -> fmt::Result,
    ) -> fmt::Result {
        self.contexts.iter().try_for_each(|ctx| {
            let labels = [("service", ctx.service)];
            write(ctx.metrics(), family.encode_family(&labels)?)
        })
    }

    /// What services show besides, each family once.
    fn own_numbers(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut families: BTreeMap<&Family, Vec<(&str, Numbers)>> = BTreeMap::new();
        for ctx in &self.contexts {
            for (family, numbers) in ctx.metrics().own() {
                families
                    .entry(family)
                    .or_default()
                    .push((ctx.service, numbers));
            }
        }
        for (family, of_services) in families {
            let mut lines =
                encoder.encode_descriptor(family.name, family.help, None, MetricType::Gauge)?;
            for (service, numbers) in of_services {
                for (value, number) in numbers {
                    let labels = [("service", service), (family.label, value.as_str())];
                    ConstGauge::new(number).encode(lines.encode_family(&labels)?)?;
                }
            }
        }
        Ok(())
    }

    /// One number of each group of each service.
    fn per_group(
        &self,
        mut family: MetricEncoder<'_>,
        write: impl Fn(&GroupMetrics, MetricEncoder<'_>) -> fmt::Result,
    ) -> fmt::Result {
        for ctx in &self.contexts {
            for (name, group) in ctx.metrics().groups() {
                let labels = [("service", ctx.service), ("group", name)];
                write(&group, family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Exposition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.contexts.iter().map(|ctx| ctx.service);
        f.debug_list().entries(names).finish()
    }
}

impl Collector for Exposition {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for (name, help, value) in SERVICE_COUNTERS {
            let family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            self.per_service(family, |metrics, encoder| {
                ConstCounter::new(value(metrics).get()).encode(encoder)
            })?;
        }
        for (name, help, value) in GROUP_COUNTERS {
            let family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            self.per_group(family, |group, encoder| {
                ConstCounter::new(value(group).get()).encode(encoder)
            })?;
        }
        for (name, help, value) in GROUP_GAUGES {
            let family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            self.per_group(family, |group, encoder| {
                ConstGauge::new(value(group).get()).encode(encoder)
            })?;
        }
        let mut family = encoder.encode_descriptor(
            "outcry_consumer_partition_lag_events",
            "Events waiting at the broker for a partition, as last seen",
            None,
            MetricType::Gauge,
        )?;
        for ctx in &self.contexts {
            for (name, group) in ctx.metrics().groups() {
                for (partition, lag) in group.partition_lag().into_iter().enumerate() {
                    let partition = partition.to_string();
                    let labels = [
                        ("service", ctx.service),
                        ("group", name),
                        ("partition", &partition),
                    ];
                    ConstGauge::new(lag).encode(family.encode_family(&labels)?)?;
                }
            }
        }
        let family = encoder.encode_descriptor(
            "outcry_relay_unsent_events",
            "Events waiting to be published, as last seen",
            None,
            MetricType::Gauge,
        )?;
        self.per_service(family, |metrics, encoder| {
            ConstGauge::new(metrics.relay.unsent.get()).encode(encoder)
        })?;
        let family = encoder.encode_descriptor(
            "outcry_relay_oldest_unsent_seconds",
            "Age of the oldest event waiting to be published, as last seen",
            None,
            MetricType::Gauge,
        )?;
        self.per_service(family, |metrics, encoder| {
            ConstGauge::new(in_seconds(metrics.relay.oldest_unsent_ms.get())).encode(encoder)
        })?;
        let mut family = encoder.encode_descriptor(
            "outcry_leases_held",
            "Slots of a pool held by this replica, as last seen",
            None,
            MetricType::Gauge,
        )?;
        for ctx in &self.contexts {
            for (pool, held) in ctx.metrics().leases.held() {
                let labels = [("service", ctx.service), ("pool", pool.as_str())];
                ConstGauge::new(held).encode(family.encode_family(&labels)?)?;
            }
        }
        self.own_numbers(encoder)
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "milliseconds are exact up to 2^53, some hundred thousand years"
)]
fn in_seconds(milliseconds: u64) -> f64 {
    milliseconds as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use outcry_mesh::Directory;
    use outcry_sqlite::Database;
    use outcry_store::SqliteStore;
    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::Registry;

    use super::*;
    use crate::clock::SystemClock;

    static OWN: Family = Family {
        name: "outcry_own",
        help: "Something",
        label: "asset",
    };

    static GONE: Family = Family {
        name: "outcry_gone",
        help: "Something that was shown before",
        label: "asset",
    };

    #[tokio::test]
    async fn every_family_appears_once_with_a_line_for_each_service() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(&folder.path().join("t.db")).unwrap();
        let mut contexts = Vec::new();
        for service in ["orders", "funds"] {
            let store = SqliteStore::open(&database, service).await.unwrap();
            let clock = Arc::new(SystemClock::new());
            let ctx = Context::new(service, Arc::new(store), clock, Directory::new());
            ctx.metrics().group("main").handled.add(3);
            ctx.metrics().relay.oldest_unsent_ms.set(1500);
            ctx.metrics().leases.pool("outbox").set(4);
            ctx.metrics().show(
                &OWN,
                [("USD".to_owned(), 2.5), ("ACME".to_owned(), 0.0)].into(),
            );
            ctx.metrics().show(&GONE, [(String::new(), 1.0)].into());
            ctx.metrics().show(&GONE, Numbers::new());
            contexts.push(ctx);
        }
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Exposition::of(contexts)));
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        for line in [
            "outcry_consumer_handled_total{service=\"orders\",group=\"main\"} 3",
            "outcry_consumer_handled_total{service=\"funds\",group=\"main\"} 3",
            "outcry_relay_oldest_unsent_seconds{service=\"funds\"} 1.5",
            "outcry_leases_held{service=\"funds\",pool=\"outbox\"} 4",
            "outcry_own{service=\"orders\",asset=\"USD\"} 2.5",
            "outcry_own{service=\"funds\",asset=\"ACME\"} 0.0",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
        for family in ["outcry_consumer_handled", "outcry_own"] {
            let types = text
                .lines()
                .filter(|line| line.starts_with(&format!("# TYPE {family} ")));
            assert_eq!(types.count(), 1, "{text}");
        }
        assert!(!text.contains(GONE.name), "{text}");
    }
}
