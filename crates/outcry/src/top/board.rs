//! What there is to show: rates from two readings of every process, and numbers as last seen.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use crate::operators::{Reading, Sample, SlowCall};

/// A process at one moment.
#[derive(Debug, Clone)]
pub struct Process {
    /// Where its port for operators is.
    pub origin: String,
    /// `None`: it did not answer.
    pub seen: Option<Seen>,
}

/// What it said.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Whether it is ready.
    pub is_ready: bool,
    /// Its numbers.
    pub reading: Reading,
    /// Its slowest calls of late.
    pub slowest: Vec<SlowCall>,
}

/// Everything there is to show.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Board {
    /// In the order they were named.
    pub processes: Vec<ProcessRow>,
    /// By name.
    pub services: Vec<ServiceRow>,
    /// Those with most to do first.
    pub groups: Vec<GroupRow>,
    /// The slowest first.
    pub calls: Vec<CallRow>,
    /// The slowest flows of late, the slowest first.
    pub traces: Vec<SlowCall>,
}

/// A process.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProcessRow {
    /// Where its port for operators is.
    pub origin: String,
    /// `ready`, `not ready` or `away`.
    pub state: &'static str,
    /// Its version, as far as it says.
    pub version: String,
}

/// A service, all its processes together.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceRow {
    /// Its name.
    pub service: String,
    /// Processes that run it, of those that are looked at.
    pub processes: usize,
    /// Events published a second.
    pub published: f64,
    /// Events handled a second.
    pub handled: f64,
    /// Tries a second that failed and are repeated: events handled, events published.
    pub failed: f64,
    /// Events waiting to be published.
    pub unsent: f64,
    /// Age of the oldest of them in seconds.
    pub oldest_unsent: f64,
}

/// A consumer group, all its processes together.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupRow {
    /// Its name.
    pub group: String,
    /// Events handled a second.
    pub handled: f64,
    /// Tries a second that failed and are repeated.
    pub retried: f64,
    /// Events waiting at the broker.
    pub lag: f64,
    /// Those of the partition where most wait.
    pub worst_partition_lag: f64,
    /// Keys with parked events.
    pub parked_keys: f64,
}

/// A method that was called between the readings.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CallRow {
    /// `outcry.orders.v1.OrderService/PlaceOrder`
    pub method: String,
    /// Calls a second that ended.
    pub rate: f64,
    /// Those among them that ended otherwise than well.
    pub failed: f64,
    /// Milliseconds within which half of them ended, rounded up to what is counted.
    pub p50_ms: f64,
    /// The same for all but one in a hundred.
    pub p99_ms: f64,
}

/// How often and how fast a method was.
#[derive(Debug, Default)]
struct Calls {
    count: f64,
    failed: f64,
    /// Calls within each bound, by the bound in microseconds, so that bounds can be put in order.
    within: BTreeMap<u64, f64>,
}

/// Two readings of every process that answered now; of one that did not answer before, only the second.
struct Pair<'a> {
    before: Option<&'a Reading>,
    now: &'a Reading,
}

// === impl Board ===

impl Board {
    /// What happened in between, and how things are now.
    pub fn between(before: &[Process], now: &[Process], elapsed: Duration) -> Self {
        let pairs: Vec<Pair<'_>> = now
            .iter()
            .filter_map(|process| {
                let former = before.iter().find(|one| one.origin == process.origin);
                Some(Pair {
                    before: former
                        .and_then(|one| one.seen.as_ref())
                        .map(|seen| &seen.reading),
                    now: &process.seen.as_ref()?.reading,
                })
            })
            .collect();
        let seconds = elapsed.as_secs_f64().max(f64::MIN_POSITIVE);
        Self {
            processes: now.iter().map(process_row).collect(),
            services: services(&pairs, seconds),
            groups: groups(&pairs, seconds),
            calls: calls(&pairs, seconds),
            traces: traces(now),
        }
    }

    /// For programs.
    pub fn json(&self) -> Value {
        json!(self)
    }
}

fn process_row(process: &Process) -> ProcessRow {
    let (state, version) = match &process.seen {
        None => ("away", None),
        Some(seen) if seen.is_ready => ("ready", seen.reading.version()),
        Some(seen) => ("not ready", seen.reading.version()),
    };
    ProcessRow {
        origin: process.origin.clone(),
        state,
        version: version.unwrap_or_default().to_owned(),
    }
}

fn services(pairs: &[Pair<'_>], seconds: f64) -> Vec<ServiceRow> {
    let mut rows: BTreeMap<String, ServiceRow> = BTreeMap::new();
    for pair in pairs {
        let mut row = |sample: &Sample, change: &dyn Fn(&mut ServiceRow)| {
            let service = sample.label("service");
            let row = rows.entry(service.to_owned()).or_default();
            service.clone_into(&mut row.service);
            change(row);
        };
        // Every process sees the whole outbox of a service: what it saw is not added up.
        for sample in pair.now.of("outcry_relay_unsent_events") {
            row(sample, &|row| {
                row.processes += 1;
                row.unsent = row.unsent.max(sample.value);
            });
        }
        for sample in pair.now.of("outcry_relay_oldest_unsent_seconds") {
            row(sample, &|row| {
                row.oldest_unsent = row.oldest_unsent.max(sample.value);
            });
        }
        for (sample, more) in pair.more("outcry_relay_published_total") {
            row(sample, &|row| row.published += more / seconds);
        }
        for (sample, more) in pair.more("outcry_consumer_handled_total") {
            row(sample, &|row| row.handled += more / seconds);
        }
        for name in ["outcry_relay_failed_total", "outcry_consumer_retried_total"] {
            for (sample, more) in pair.more(name) {
                row(sample, &|row| row.failed += more / seconds);
            }
        }
    }
    rows.into_values().collect()
}

fn groups(pairs: &[Pair<'_>], seconds: f64) -> Vec<GroupRow> {
    let mut rows: BTreeMap<String, GroupRow> = BTreeMap::new();
    for pair in pairs {
        let mut row = |sample: &Sample, change: &dyn Fn(&mut GroupRow)| {
            let group = sample.label("group");
            let row = rows.entry(group.to_owned()).or_default();
            group.clone_into(&mut row.group);
            change(row);
        };
        // The broker's and the store's numbers are the same for every process.
        for sample in pair.now.of("outcry_consumer_lag_events") {
            row(sample, &|row| row.lag = row.lag.max(sample.value));
        }
        for sample in pair.now.of("outcry_consumer_partition_lag_events") {
            row(sample, &|row| {
                row.worst_partition_lag = row.worst_partition_lag.max(sample.value);
            });
        }
        for sample in pair.now.of("outcry_consumer_parked_keys") {
            row(sample, &|row| {
                row.parked_keys = row.parked_keys.max(sample.value);
            });
        }
        for (sample, more) in pair.more("outcry_consumer_handled_total") {
            row(sample, &|row| row.handled += more / seconds);
        }
        for (sample, more) in pair.more("outcry_consumer_retried_total") {
            row(sample, &|row| row.retried += more / seconds);
        }
    }
    let mut rows: Vec<GroupRow> = rows.into_values().collect();
    let work = |row: &GroupRow| (row.parked_keys, row.lag, row.handled);
    rows.sort_by(|a, b| descending(work(a), work(b)).then_with(|| a.group.cmp(&b.group)));
    rows
}

fn calls(pairs: &[Pair<'_>], seconds: f64) -> Vec<CallRow> {
    let mut methods: BTreeMap<String, Calls> = BTreeMap::new();
    for pair in pairs {
        for (sample, more) in pair.more("grpc_server_call_duration_seconds_count") {
            let calls = methods
                .entry(sample.label("grpc_method").to_owned())
                .or_default();
            calls.count += more;
            if sample.label("grpc_status") != "OK" {
                calls.failed += more;
            }
        }
        for (sample, more) in pair.more("grpc_server_call_duration_seconds_bucket") {
            // Beyond the last bound there is only `+Inf`, which says nothing.
            let Some(bound) = microseconds(sample.label("le")) else {
                continue;
            };
            let calls = methods
                .entry(sample.label("grpc_method").to_owned())
                .or_default();
            *calls.within.entry(bound).or_default() += more;
        }
    }
    let called = methods.into_iter().filter(|(_, calls)| calls.count > 0.0);
    let mut rows: Vec<CallRow> = called
        .map(|(method, calls)| CallRow {
            method,
            rate: calls.count / seconds,
            failed: calls.failed / seconds,
            p50_ms: calls.quantile_ms(0.5),
            p99_ms: calls.quantile_ms(0.99),
        })
        .collect();
    let slow = |row: &CallRow| (row.p99_ms, row.p50_ms, row.rate);
    rows.sort_by(|a, b| descending(slow(a), slow(b)).then_with(|| a.method.cmp(&b.method)));
    rows
}

/// The longest call of each flow: the one around all others.
fn traces(now: &[Process]) -> Vec<SlowCall> {
    let seen = now.iter().filter_map(|process| process.seen.as_ref());
    let mut calls: Vec<SlowCall> = seen.flat_map(|seen| seen.slowest.clone()).collect();
    calls.sort_by(|a, b| b.milliseconds.total_cmp(&a.milliseconds));
    let mut known = BTreeSet::new();
    calls.retain(|call| known.insert(call.correlation_id.clone()));
    calls
}

/// A bound in seconds, `0.005`.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "bounds are a few positive seconds"
)]
fn microseconds(bound: &str) -> Option<u64> {
    let seconds: f64 = bound.parse().ok()?;
    seconds.is_finite().then(|| (seconds * 1e6).round() as u64)
}

fn descending(a: (f64, f64, f64), b: (f64, f64, f64)) -> std::cmp::Ordering {
    let first = b.0.total_cmp(&a.0).then(b.1.total_cmp(&a.1));
    first.then(b.2.total_cmp(&a.2))
}

// === impl Calls ===

impl Calls {
    /// The first bound within which this share of the calls ended; the last one for those beyond all.
    #[expect(
        clippy::cast_precision_loss,
        reason = "bounds are below 2^53 microseconds"
    )]
    fn quantile_ms(&self, share: f64) -> f64 {
        let wanted = self.count * share;
        let reached = self.within.iter().find(|(_, count)| **count >= wanted);
        let bound = reached.or_else(|| self.within.last_key_value());
        bound.map_or(0.0, |(bound, _)| *bound as f64 / 1e3)
    }
}

// === impl Pair ===

impl<'a> Pair<'a> {
    /// By how much each number of a name has grown. One that has become smaller was begun anew, by a process that
    /// was started again; without a reading before, nothing is known to have been counted since.
    fn more(&self, name: &str) -> Vec<(&'a Sample, f64)> {
        let Some(before) = self.before else {
            return Vec::new();
        };
        let former: BTreeMap<&BTreeMap<String, String>, f64> = before
            .of(name)
            .iter()
            .map(|sample| (&sample.labels, sample.value))
            .collect();
        let grown = |sample: &Sample| match former.get(&sample.labels) {
            Some(former) if *former <= sample.value => sample.value - former,
            _ => sample.value,
        };
        let samples = self.now.of(name).iter();
        samples.map(|sample| (sample, grown(sample))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(origin: &str, text: &str) -> Process {
        Process {
            origin: origin.to_owned(),
            seen: Some(Seen {
                is_ready: true,
                reading: Reading::parse(text),
                slowest: Vec::new(),
            }),
        }
    }

    const TWO_SECONDS: Duration = Duration::from_secs(2);

    #[test]
    fn rates_of_processes_add_up_and_what_all_of_them_see_does_not() {
        let text = |published: u32, unsent: u32, lag: u32| {
            format!(
                "outcry_relay_published_total{{service=\"orders\"}} {published}\n\
                 outcry_relay_unsent_events{{service=\"orders\"}} {unsent}\n\
                 outcry_consumer_handled_total{{service=\"orders\",group=\"orders\"}} {published}\n\
                 outcry_consumer_lag_events{{service=\"orders\",group=\"orders\"}} {lag}\n\
                 outcry_consumer_partition_lag_events{{service=\"orders\",group=\"orders\",partition=\"1\"}} {lag}\n"
            )
        };
        let before = [
            process("a", &text(10, 0, 0)),
            process("b", &text(100, 0, 0)),
        ];
        let now = [
            process("a", &text(14, 3, 7)),
            process("b", &text(106, 2, 7)),
        ];
        let board = Board::between(&before, &now, TWO_SECONDS);
        let [orders] = board.services.as_slice() else {
            panic!("{:?}", board.services);
        };
        assert_eq!((orders.processes, orders.published), (2, 5.0));
        assert_eq!((orders.unsent, orders.handled), (3.0, 5.0));
        assert_eq!(board.groups[0].lag, 7.0);
        assert_eq!(board.groups[0].worst_partition_lag, 7.0);
        assert_eq!(board.groups[0].handled, 5.0);
    }

    #[test]
    fn a_process_that_was_started_again_counts_from_nothing_and_one_that_is_new_not_at_all() {
        let text =
            |count: u32| format!("outcry_relay_published_total{{service=\"orders\"}} {count}\n");
        let published = |before: &[Process], now: &[Process]| {
            let board = Board::between(before, now, TWO_SECONDS);
            board.services.iter().map(|row| row.published).sum::<f64>()
        };
        assert_eq!(
            published(&[process("a", &text(1000))], &[process("a", &text(8))]),
            4.0
        );
        assert_eq!(published(&[], &[process("a", &text(8))]), 0.0);
        let away = Process {
            origin: "a".to_owned(),
            seen: None,
        };
        assert_eq!(
            published(std::slice::from_ref(&away), &[process("a", &text(8))]),
            0.0
        );
        let board = Board::between(&[], &[away], TWO_SECONDS);
        assert_eq!(board.processes[0].state, "away");
    }

    #[test]
    fn the_slowest_calls_come_first_and_failures_are_counted() {
        let call = |method: &str, status: &str, fast: u32, all: u32| {
            let labels = format!("grpc_method=\"{method}\",grpc_status=\"{status}\"");
            let name = "grpc_server_call_duration_seconds";
            format!(
                "{name}_count{{{labels}}} {all}\n{name}_bucket{{le=\"0.005\",{labels}}} {fast}\n\
                 {name}_bucket{{le=\"0.1\",{labels}}} {all}\n{name}_bucket{{le=\"+Inf\",{labels}}} {all}\n"
            )
        };
        let before = [process("a", "")];
        let text = [
            call("quick", "OK", 100, 100),
            call("slow", "OK", 60, 100),
            call("slow", "UNAVAILABLE", 2, 2),
            call("never", "OK", 0, 0),
        ]
        .concat();
        let board = Board::between(&before, &[process("a", &text)], TWO_SECONDS);
        let methods: Vec<&str> = board.calls.iter().map(|row| row.method.as_str()).collect();
        assert_eq!(methods, ["slow", "quick"]);
        let slow = &board.calls[0];
        assert_eq!((slow.rate, slow.failed), (51.0, 1.0));
        assert_eq!((slow.p50_ms, slow.p99_ms), (5.0, 100.0));
        assert_eq!(board.calls[1].p99_ms, 5.0);
    }

    #[test]
    fn a_flow_is_as_slow_as_its_longest_call_in_any_process() {
        let call = |flow: &str, method: &str, milliseconds: f64| SlowCall {
            method: method.to_owned(),
            correlation_id: flow.to_owned(),
            milliseconds,
            status: "OK".to_owned(),
            seconds_ago: 1,
        };
        let with = |calls: Vec<SlowCall>| {
            let mut process = process("a", "");
            process.seen.as_mut().unwrap().slowest = calls;
            process
        };
        let now = [
            with(vec![call("1", "inner", 5.0), call("2", "other", 4.0)]),
            with(vec![call("1", "outer", 9.0)]),
        ];
        let board = Board::between(&[], &now, TWO_SECONDS);
        let traces: Vec<&str> = board.traces.iter().map(|row| row.method.as_str()).collect();
        assert_eq!(traces, ["outer", "other"]);
    }
}
