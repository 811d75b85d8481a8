//! A running platform: what its public port says of each service, and what its port for operators counts.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use futures::future::join_all;
use outcry_mesh::Rules;
use outcry_mesh::authorize::service_of;
use tonic::Request;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::finding::Finding;
use crate::arguments::Target;
use crate::config::Config;
use crate::folder::Folder;
use crate::operators::{self, Reading};
use crate::site::Site;

const AREA: &str = "platform";

/// How long a question for health may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Age of an unsent event from which on the broker does not take what is published.
const UNSENT_LATE_S: f64 = 5.0;

/// Waiting events from which on a group does not keep up.
const LAG_DOUBTFUL: f64 = 10_000.0;

/// What is known of the platform.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Where it is; `None`: none is named, and none runs in the data folder.
    address: Option<String>,
    /// What it says of itself; why it does not.
    health: Option<Result<Health, String>>,
    /// What its port for operators says; `None`: none is configured.
    counted: Option<Result<Counted, String>>,
}

#[derive(Debug, Clone, Default)]
struct Health {
    /// Services that calls can reach, and those that they cannot.
    reached: Vec<String>,
    missing: Vec<String>,
    /// The clock there and here.
    clock: Option<(SystemTime, SystemTime)>,
}

#[derive(Debug, Clone, Default)]
struct Counted {
    is_ready: bool,
    reading: Reading,
}

/// Looks at the platform that is named, or that runs in the data folder.
pub async fn gather(target: &Target, config: &Config) -> Facts {
    let named = target.address.clone();
    let address = named.or_else(|| Folder::at(&config.data).address().ok().flatten());
    let Some(address) = address else {
        return Facts::default();
    };
    let mut authorities: Vec<PathBuf> = target.ca.iter().cloned().collect();
    let own = &config.gateway.tls.certificate;
    if authorities.is_empty() && own.is_file() {
        authorities.push(own.clone());
    }
    let health = health(&address, &authorities).await;
    let counted = match config.admin.listen {
        Some(listen) => Some(counted(&format!("http://{listen}")).await),
        None => None,
    };
    Facts {
        address: Some(address),
        health: Some(health.map_err(|error| format!("{error:#}"))),
        counted: counted.map(|counted| counted.map_err(|error| format!("{error:#}"))),
    }
}

async fn health(address: &str, authorities: &[PathBuf]) -> anyhow::Result<Health> {
    let channel = Site::new(address, authorities)?.connect().await?;
    let mut services: Vec<String> = Rules::of_the_contract()
        .iter()
        .filter(|(_, rule)| rule.at_the_edge())
        .filter_map(|(path, _)| service_of(path))
        .map(str::to_owned)
        .collect();
    services.sort();
    services.dedup();
    let (_, clock) = serves(channel.clone(), "")
        .await
        .context("asking for its health")?;
    let asked = services.into_iter().map(|service| {
        let channel = channel.clone();
        async move {
            // A service it does not know is of another version, which is told elsewhere.
            let is_served = serves(channel, &service)
                .await
                .is_ok_and(|(is_so, _)| is_so);
            (service, is_served)
        }
    });
    let mut health = Health {
        clock,
        ..Health::default()
    };
    for (service, is_served) in join_all(asked).await {
        if is_served {
            health.reached.push(service);
        } else {
            health.missing.push(service);
        }
    }
    Ok(health)
}

/// Whether a service is served, and the clock there and here.
async fn serves(
    channel: Channel,
    service: &str,
) -> anyhow::Result<(bool, Option<(SystemTime, SystemTime)>)> {
    let mut request = Request::new(HealthCheckRequest {
        service: service.to_owned(),
    });
    request.set_timeout(ANSWER_WITHIN);
    let asked_at = SystemTime::now();
    let mut client = HealthClient::new(channel);
    let asking = tokio::time::timeout(ANSWER_WITHIN, client.check(request));
    let answer = asking.await.context("no answer in time")??;
    let date = answer
        .metadata()
        .get("date")
        .and_then(|date| date.to_str().ok());
    let clock = date
        .and_then(operators::http_date)
        .map(|there| (there, asked_at));
    let status = answer.into_inner().status();
    Ok((status == ServingStatus::Serving, clock))
}

async fn counted(origin: &str) -> anyhow::Result<Counted> {
    let metrics = operators::page(origin, "/metrics").await?;
    let ready = operators::page(origin, "/readyz").await?;
    Ok(Counted {
        is_ready: ready.status == 200,
        reading: Reading::parse(&metrics.body),
    })
}

// === impl Facts ===

impl Facts {
    /// The clock there and here, when it answered.
    pub fn clock(&self) -> Option<(SystemTime, SystemTime)> {
        self.health.as_ref()?.as_ref().ok()?.clock
    }
}

/// Judges the platform, with a program of this version.
pub fn judge(facts: &Facts, version: &str) -> Vec<Finding> {
    let Some(address) = &facts.address else {
        return vec![Finding::ok(
            AREA,
            "none is named with --address, and none runs in the data folder",
        )];
    };
    let mut found = match &facts.health {
        None => Vec::new(),
        Some(Err(why)) => vec![Finding::failed(
            AREA,
            format!("{address} does not answer: {why}"),
            "start it with `outcry up` or `outcry serve`; after a crash, its address stays in the data folder until \
             the next start",
        )],
        Some(Ok(health)) => vec![reached(address, health)],
    };
    match &facts.counted {
        None => found.push(Finding::warning(
            AREA,
            "its version, parked keys and unsent events were not looked at",
            "start it with --admin ADDRESS, and name that here, too",
        )),
        Some(Err(why)) => found.push(Finding::failed(
            AREA,
            format!("its port for operators does not answer: {why}"),
            "name the port that the process has: --admin, or `listen` in [admin]",
        )),
        Some(Ok(counted)) => found.extend(numbers(counted, version)),
    }
    found
}

fn reached(address: &str, health: &Health) -> Finding {
    if health.missing.is_empty() {
        let count = health.reached.len();
        return Finding::ok(
            AREA,
            format!("{address} reaches all {count} public services"),
        );
    }
    Finding::failed(
        AREA,
        format!("{address} does not reach {}", health.missing.join(", ")),
        "start the processes that run them, and see that [mesh.peers] of the gateway names them",
    )
}

fn numbers(counted: &Counted, version: &str) -> Vec<Finding> {
    let reading = &counted.reading;
    let mut found = vec![if counted.is_ready {
        Finding::ok(AREA, "the process is ready")
    } else {
        let mend = "it is starting or stopping; its log says what it waits for";
        Finding::warning(AREA, "the process is not ready", mend)
    }];
    found.push(match reading.version() {
        Some(other) if other == version => {
            Finding::ok(AREA, format!("of version {version}, as this program"))
        }
        other => Finding::warning(
            AREA,
            format!(
                "of version {}, and this program of {version}",
                other.unwrap_or("unknown")
            ),
            "use the program of the platform's version, or upgrade the platform",
        ),
    });
    found.push(match reading.sum("outcry_consumer_parked_keys") {
        0.0 => Finding::ok(AREA, "no key is parked"),
        keys => Finding::warning(
            AREA,
            format!("{keys} keys are parked: their events could not be handled"),
            "`outcry dlq list` shows why; mend the cause, then `outcry dlq redrive`",
        ),
    });
    let unsent = reading.sum("outcry_relay_unsent_events");
    let oldest = reading.max("outcry_relay_oldest_unsent_seconds");
    found.push(if oldest < UNSENT_LATE_S {
        Finding::ok(AREA, format!("{unsent} events wait to be published"))
    } else {
        Finding::failed(
            AREA,
            format!("{unsent} events wait to be published, the oldest for {oldest:.0} s"),
            "the broker does not take them: see what is said of it above, and the log of the process",
        )
    });
    let lag = reading.max("outcry_consumer_lag_events");
    if lag >= LAG_DOUBTFUL {
        found.push(Finding::warning(
            AREA,
            format!("{lag} events wait for one group"),
            "`outcry top` shows which; run more replicas of its service, or see what holds it up",
        ));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::finding::testing::{counts, saying};
    use super::*;

    fn judged(missing: &[&str], is_ready: bool, metrics: &str) -> Vec<Finding> {
        let health = Health {
            reached: vec!["outcry.orders.v1.OrderService".to_owned()],
            missing: missing.iter().map(|&name| name.to_owned()).collect(),
            clock: None,
        };
        let counted = Counted {
            is_ready,
            reading: Reading::parse(metrics),
        };
        let facts = Facts {
            address: Some("http://127.0.0.1:7400".to_owned()),
            health: Some(Ok(health)),
            counted: Some(Ok(counted)),
        };
        judge(&facts, "0.1.0")
    }

    const BUILD: &str = "outcry_build_info{version=\"0.1.0\"} 1\n";

    #[test]
    fn a_platform_that_is_well_is_fine_and_so_is_none() {
        assert_eq!(counts(&judged(&[], true, BUILD)), (0, 0));
        assert_eq!(counts(&judge(&Facts::default(), "0.1.0")), (0, 0));
    }

    #[test]
    fn services_that_are_not_reached_are_named() {
        let found = judged(&["outcry.funds.v1.FundsService"], true, BUILD);
        assert_eq!(counts(&found), (1, 0));
        saying(&found, "does not reach outcry.funds.v1.FundsService");
    }

    #[test]
    fn another_version_parked_keys_and_events_that_stay_are_told() {
        let metrics = "outcry_build_info{version=\"0.2.0\"} 1\n\
                       outcry_consumer_parked_keys{group=\"funds\"} 2\n\
                       outcry_consumer_lag_events{group=\"funds\"} 20000\n\
                       outcry_relay_unsent_events{service=\"orders\"} 7\n\
                       outcry_relay_oldest_unsent_seconds{service=\"orders\"} 61.5\n";
        let found = judged(&[], false, metrics);
        assert_eq!(counts(&found), (1, 4), "{found:#?}");
        saying(&found, "of version 0.2.0");
        assert!(
            saying(&found, "2 keys")
                .mend
                .as_ref()
                .unwrap()
                .contains("dlq")
        );
        saying(&found, "7 events wait to be published, the oldest for 62 s");
        saying(&found, "20000 events wait for one group");
    }

    #[test]
    fn what_does_not_answer_says_why() {
        let facts = Facts {
            address: Some("http://127.0.0.1:7400".to_owned()),
            health: Some(Err("connection refused".to_owned())),
            counted: None,
        };
        let found = judge(&facts, "0.1.0");
        assert_eq!(counts(&found), (1, 1));
        assert!(
            saying(&found, "connection refused")
                .mend
                .as_ref()
                .unwrap()
                .contains("outcry up")
        );
    }
}
