//! What rounds say together: counts become rates and percentiles, replicas become services.

use std::collections::{BTreeMap, VecDeque};

use outcry_contracts::operations::v1::{
    ClassCounts, ClassStatus, GetStatusResponse, GroupCounts, GroupStatus, MethodClass,
    ReplicaState, ReplicaStatus, ServiceStatus,
};
use tokio::time::Instant;

use super::round::Answer;

/// Rounds that rates are taken over, the first and the last included: five seconds, long enough to be
/// read and short enough to be believed.
const ROUNDS: usize = 6;

/// The last rounds, by replica.
#[derive(Debug, Default)]
pub(super) struct Rates {
    /// By service and run.
    replicas: BTreeMap<(String, String), Told>,
}

/// What one replica told in the last rounds, oldest first and never empty.
type Told = VecDeque<(Instant, GetStatusResponse)>;

// === impl Rates ===

impl Rates {
    /// Takes one more round, and tells how every service stands. A replica that did not answer begins
    /// anew when it does.
    pub(super) fn take(&mut self, at: Instant, answers: Vec<Answer>) -> Vec<ServiceStatus> {
        let mut before = std::mem::take(&mut self.replicas);
        let mut services: BTreeMap<String, Vec<ReplicaStatus>> = BTreeMap::new();
        for answer in answers {
            let replicas = services.entry(answer.service.clone()).or_default();
            let told = match answer.told {
                Err(problem) => {
                    replicas.push(silent(answer.address, problem));
                    continue;
                }
                Ok(told) => told,
            };
            let key = (answer.service, told.instance.clone());
            // The same run may be known by its name and by its address.
            if self.replicas.contains_key(&key) {
                continue;
            }
            replicas.push(answered(answer.address, &told));
            let mut rounds = before.remove(&key).unwrap_or_default();
            rounds.push_back((at, told));
            while rounds.len() > ROUNDS {
                rounds.pop_front();
            }
            self.replicas.insert(key, rounds);
        }
        let services = services.into_iter();
        services
            .map(|(service, replicas)| self.service(service, replicas))
            .collect()
    }

    fn service(&self, service: String, replicas: Vec<ReplicaStatus>) -> ServiceStatus {
        let told = self.replicas.iter();
        let spans: Vec<Span<'_>> = told
            .filter(|((of, _), _)| *of == service)
            .filter_map(|(_, rounds)| Span::of(rounds))
            .collect();
        let mut status = ServiceStatus {
            replicas,
            groups: groups(&spans),
            calls: classes(&spans),
            service,
            ..ServiceStatus::default()
        };
        for span in &spans {
            let (first, last) = (span.first.relay.unwrap_or_default(), span.last.relay);
            let last = last.unwrap_or_default();
            status.published_per_second += span.rate(first.published, last.published);
            status.publish_failures_per_second += span.rate(first.failed, last.failed);
            // All replicas see the same events wait, at different moments.
            status.unsent_events = status.unsent_events.max(last.unsent);
            status.oldest_unsent_ms = status.oldest_unsent_ms.max(last.oldest_unsent_ms);
        }
        status.published_per_second = readable(status.published_per_second);
        status.publish_failures_per_second = readable(status.publish_failures_per_second);
        status
    }
}

/// The rounds of one replica from the first to the last.
struct Span<'told> {
    first: &'told GetStatusResponse,
    last: &'told GetStatusResponse,
    seconds: f64,
}

impl Span<'_> {
    fn of(rounds: &Told) -> Option<Span<'_>> {
        let ((from, first), (to, last)) = (rounds.front()?, rounds.back()?);
        Some(Span {
            first,
            last,
            seconds: (*to - *from).as_secs_f64(),
        })
    }

    /// How much more there was in a second; nothing while there is one round only.
    #[expect(
        clippy::cast_precision_loss,
        reason = "counts of five seconds are far below 2^53"
    )]
    fn rate(&self, first: u64, last: u64) -> f64 {
        if self.seconds > 0.0 {
            last.saturating_sub(first) as f64 / self.seconds
        } else {
            0.0
        }
    }
}

fn silent(address: String, problem: String) -> ReplicaStatus {
    ReplicaStatus {
        address,
        state: ReplicaState::Silent.into(),
        problem,
        ..ReplicaStatus::default()
    }
}

fn answered(address: String, told: &GetStatusResponse) -> ReplicaStatus {
    let state = if told.ready {
        ReplicaState::Ready
    } else {
        ReplicaState::NotReady
    };
    ReplicaStatus {
        instance: told.instance.clone(),
        address,
        version: told.version.clone(),
        state: state.into(),
        problem: String::new(),
        started_at: told.started_at,
        pools: told.pools.clone(),
        retry_budgets: told.retry_budgets.clone(),
        certificate: told.certificate,
    }
}

/// The groups of a service over all its replicas.
fn groups(spans: &[Span<'_>]) -> Vec<GroupStatus> {
    let mut groups: BTreeMap<&str, GroupStatus> = BTreeMap::new();
    for span in spans {
        for last in &span.last.groups {
            let none = GroupCounts::default();
            let mut known = span.first.groups.iter();
            let first = known.find(|one| one.group == last.group).unwrap_or(&none);
            let group = groups.entry(&last.group).or_default();
            group.handled_per_second += span.rate(first.handled, last.handled);
            group.retried_per_second += span.rate(first.retried, last.retried);
            group.parked_per_second += span.rate(first.parked, last.parked);
            // What waits, waits for all replicas together; the one that saw most of it is believed.
            let lag = last.partition_lag.iter().sum();
            if lag >= group.lag {
                group.lag = lag;
                group.partition_lag.clone_from(&last.partition_lag);
            }
            group.parked_keys = group.parked_keys.max(last.parked_keys);
        }
    }
    groups
        .into_iter()
        .map(|(name, group)| GroupStatus {
            group: name.to_owned(),
            handled_per_second: readable(group.handled_per_second),
            retried_per_second: readable(group.retried_per_second),
            parked_per_second: readable(group.parked_per_second),
            ..group
        })
        .collect()
}

/// The calls of a service over all its replicas, by class.
fn classes(spans: &[Span<'_>]) -> Vec<ClassStatus> {
    let mut classes: BTreeMap<i32, (ClassStatus, BTreeMap<u64, u64>)> = BTreeMap::new();
    for span in spans {
        for last in &span.last.calls {
            let none = ClassCounts::default();
            let mut known = span.first.calls.iter();
            let first = known
                .find(|one| one.method_class == last.method_class)
                .unwrap_or(&none);
            let (class, durations) = classes.entry(last.method_class).or_default();
            class.calls_per_second += span.rate(first.started, last.started);
            class.refused_per_second += span.rate(first.refused, last.refused);
            class.failed_per_second += span.rate(first.failed, last.failed);
            for bucket in &last.durations {
                let mut known = first.durations.iter();
                let before = known.find(|one| one.upper_us == bucket.upper_us);
                let before = before.map_or(0, |one| one.calls);
                *durations.entry(bucket.upper_us).or_default() +=
                    bucket.calls.saturating_sub(before);
            }
        }
    }
    classes
        .into_iter()
        .map(|(number, (class, durations))| ClassStatus {
            method_class: MethodClass::try_from(number).unwrap_or_default().into(),
            calls_per_second: readable(class.calls_per_second),
            refused_per_second: readable(class.refused_per_second),
            failed_per_second: readable(class.failed_per_second),
            p50_us: at_most(&durations, 50),
            p99_us: at_most(&durations, 99),
        })
        .collect()
}

/// What so many calls of a hundred took at most: the bound of the bucket with the last of them; 0
/// without any.
fn at_most(durations: &BTreeMap<u64, u64>, of_a_hundred: u64) -> u64 {
    let all: u64 = durations.values().sum();
    let wanted = (all * of_a_hundred).div_ceil(100);
    let mut so_far = 0;
    let reached = durations.iter().find(|(_, calls)| {
        so_far += **calls;
        so_far >= wanted && wanted > 0
    });
    reached.map_or(0, |(upper, _)| *upper)
}

/// A rate in tenths: more is noise, and would make every picture another one.
fn readable(rate: f64) -> f64 {
    (rate * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use outcry_contracts::operations::v1::{DurationBucket, RelayCounts};

    use super::*;

    fn told(instance: &str, published: u64) -> GetStatusResponse {
        GetStatusResponse {
            service: "orders".into(),
            instance: instance.into(),
            ready: true,
            relay: Some(RelayCounts {
                published,
                unsent: published,
                ..RelayCounts::default()
            }),
            ..GetStatusResponse::default()
        }
    }

    fn answer(address: &str, told: GetStatusResponse) -> Answer {
        Answer {
            service: "orders".into(),
            address: address.into(),
            told: Ok(told),
        }
    }

    fn second(number: u64, start: Instant) -> Instant {
        start + Duration::from_secs(number)
    }

    fn one(mut services: Vec<ServiceStatus>) -> ServiceStatus {
        assert_eq!(services.len(), 1, "{services:?}");
        services.remove(0)
    }

    #[test]
    fn rates_are_those_of_all_replicas_over_the_last_rounds() {
        let (mut rates, start) = (Rates::default(), Instant::now());
        let round = |number| {
            // One publishes 10 a second, the other 5, and far more before anybody looked.
            vec![
                answer("http://a", told("a", 1000 + 10 * number)),
                answer("http://b", told("b", 500 + 5 * number)),
            ]
        };
        let first = one(rates.take(start, round(0)));
        assert!(first.published_per_second.abs() < f64::EPSILON);
        assert_eq!(first.unsent_events, 1000, "both see the same events wait");
        for number in 1..=20 {
            let status = one(rates.take(second(number, start), round(number)));
            assert!(
                (status.published_per_second - 15.0).abs() < 0.01,
                "{status:?}"
            );
            assert_eq!(status.replicas.len(), 2);
        }
        assert!(rates.replicas.values().all(|rounds| rounds.len() == ROUNDS));
    }

    #[test]
    fn a_replica_that_starts_again_counts_from_its_start() {
        let (mut rates, start) = (Rates::default(), Instant::now());
        rates.take(start, vec![answer("http://a", told("a", 1000))]);
        let again = rates.take(second(1, start), vec![answer("http://a", told("a2", 3))]);
        let status = one(again);
        assert!(
            status.published_per_second.abs() < f64::EPSILON,
            "{status:?}"
        );
        assert_eq!(rates.replicas.len(), 1, "the run before is forgotten");
    }

    #[test]
    fn a_replica_known_twice_is_shown_once_and_a_silent_one_with_its_reason() {
        let mut rates = Rates::default();
        let gone = Answer {
            service: "orders".into(),
            address: "http://b".into(),
            told: Err("nobody there".into()),
        };
        let round = vec![
            answer("", told("a", 1)),
            answer("http://a", told("a", 1)),
            gone,
        ];
        let status = one(rates.take(Instant::now(), round));
        let seen = status.replicas.iter();
        let seen: Vec<_> = seen
            .map(|one| (one.address.as_str(), one.state(), one.problem.as_str()))
            .collect();
        assert_eq!(
            seen,
            [
                ("", ReplicaState::Ready, ""),
                ("http://b", ReplicaState::Silent, "nobody there"),
            ]
        );
    }

    #[test]
    fn lag_is_what_one_replica_saw_and_handled_events_are_everybodys() {
        let (mut rates, start) = (Rates::default(), Instant::now());
        let group = |handled, lag: &[u64]| GroupCounts {
            group: "orders".into(),
            handled,
            partition_lag: lag.to_vec(),
            parked_keys: 2,
            ..GroupCounts::default()
        };
        let with = |instance, group| GetStatusResponse {
            groups: vec![group],
            ..told(instance, 0)
        };
        let round = |handled| {
            vec![
                answer("a", with("a", group(handled, &[1, 2]))),
                answer("b", with("b", group(handled, &[1, 3]))),
            ]
        };
        rates.take(start, round(10));
        let status = one(rates.take(second(1, start), round(14)));
        let [group] = status.groups.as_slice() else {
            panic!("{status:?}");
        };
        assert!((group.handled_per_second - 8.0).abs() < 0.01);
        assert_eq!((group.lag, group.parked_keys), (4, 2));
        assert_eq!(group.partition_lag, [1, 3]);
    }

    #[test]
    fn percentiles_are_of_the_calls_of_the_last_rounds_only() {
        let (mut rates, start) = (Rates::default(), Instant::now());
        let round = |slow_before: u64, quick: u64, slow: u64| {
            let bucket = |upper_us, calls| DurationBucket { upper_us, calls };
            let calls = ClassCounts {
                method_class: MethodClass::Read.into(),
                started: slow_before + quick + slow,
                durations: vec![bucket(1000, quick), bucket(50_000, slow_before + slow)],
                ..ClassCounts::default()
            };
            let told = GetStatusResponse {
                calls: vec![calls],
                ..told("a", 0)
            };
            vec![answer("a", told)]
        };
        let class = |services| one(services).calls[0];
        let first = class(rates.take(start, round(900, 0, 0)));
        assert_eq!((first.p50_us, first.p99_us), (0, 0), "they are from before");
        let next = class(rates.take(second(1, start), round(900, 98, 2)));
        assert_eq!((next.p50_us, next.p99_us), (1000, 50_000));
        assert!((next.calls_per_second - 100.0).abs() < 0.01);
    }
}
