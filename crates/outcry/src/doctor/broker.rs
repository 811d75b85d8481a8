//! RabbitMQ: reachable, of a version that will do, not in need, and with the topology that services need.

use std::time::Duration;

use outcry_broker::rabbitmq::{self, NodeStanding, ServerStanding};
use outcry_broker::{Broker as _, RabbitMq};

use super::finding::Finding;
use super::folder::size;
use crate::brokers;
use crate::config::{Config, without_password};
use crate::topology;

const AREA: &str = "broker";

/// The first version with all that queues and groups need.
const VERSION_MIN: (u32, u32) = (3, 10);

/// How long connecting may take: whoever waits for a doctor wants to know soon.
const CONNECT_WITHIN: Duration = Duration::from_secs(15);

/// Drifts told one by one; with more the installation has no topology at all.
const DRIFTS_TOLD: usize = 5;

/// What is known of the broker.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Where it is, without the password; `None` for the embedded one.
    url: Option<String>,
    /// Whether services are let in; why not.
    amqp: Option<Result<(), String>>,
    /// What the management API says; `None` when it is not set.
    standing: Option<Result<ServerStanding, String>>,
    /// What differs from what services need.
    drifts: Option<Result<Vec<Difference>, String>>,
}

#[derive(Debug, Clone)]
struct Difference {
    what: String,
    is_needed: bool,
}

/// Looks at the broker that the configuration names.
pub async fn gather(config: &Config) -> Facts {
    if config.broker.url.is_empty() {
        return Facts::default();
    }
    let connecting = tokio::time::timeout(CONNECT_WITHIN, brokers::rabbit(config, "outcry doctor"));
    let amqp = match connecting.await {
        Ok(Ok(connected)) => {
            leave(connected).await;
            Ok(())
        }
        Ok(Err(error)) => Err(format!("{error:#}")),
        Err(_) => Err(format!("no answer within {CONNECT_WITHIN:?}")),
    };
    let mut facts = Facts {
        url: Some(without_password(&config.broker.url)),
        amqp: Some(amqp),
        ..Facts::default()
    };
    if config.broker.management_url.is_empty() {
        return facts;
    }
    match topology::management(config) {
        Ok(management) => {
            let standing = management.standing().await;
            facts.standing = Some(standing.map_err(|error| told(&error)));
            let plan = rabbitmq::plan(&management, &topology::desired(config)).await;
            let differences = plan.map(|plan| {
                let drifts = plan.drifts.iter();
                drifts
                    .map(|drift| Difference {
                        what: drift.to_string(),
                        is_needed: drift.is_needed(),
                    })
                    .collect()
            });
            facts.drifts = Some(differences.map_err(|error| told(&error)));
        }
        Err(error) => facts.standing = Some(Err(format!("{error:#}"))),
    }
    facts
}

async fn leave(connected: RabbitMq) {
    // It was only knocked at.
    let _closed = connected.close().await;
}

fn told(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// Judges the broker.
pub fn judge(facts: &Facts) -> Vec<Finding> {
    let Some(url) = &facts.url else {
        return vec![Finding::ok(AREA, "the embedded one, in the data folder")];
    };
    let mut found = Vec::new();
    match &facts.amqp {
        Some(Ok(())) => found.push(Finding::ok(AREA, format!("{url} lets services in"))),
        Some(Err(why)) => found.push(Finding::failed(
            AREA,
            format!("{url} cannot be used: {why}"),
            "start it, or correct host, user, password and virtual host of `url` in [broker]",
        )),
        None => {}
    }
    match &facts.standing {
        None => found.push(Finding::warning(
            AREA,
            "its version, alarms and topology were not looked at",
            "set `management_url` in [broker] to its management API, with the user of an administrator",
        )),
        Some(Err(why)) => found.push(Finding::failed(
            AREA,
            format!("its management API cannot be used: {why}"),
            "enable the plugin (`rabbitmq-plugins enable rabbitmq_management`), or correct `management_url` in \
             [broker], whose user must be an administrator",
        )),
        Some(Ok(standing)) => found.extend(server(standing)),
    }
    match &facts.drifts {
        None => {}
        Some(Err(why)) => found.push(Finding::failed(
            AREA,
            format!("its topology cannot be read: {why}"),
            "give the user of `management_url` in [broker] the tag `administrator`",
        )),
        Some(Ok(differences)) => found.extend(topology_of(differences)),
    }
    found
}

fn server(standing: &ServerStanding) -> Vec<Finding> {
    let version = &standing.version;
    let mut found = vec![match release(version) {
        Some(release) if release >= VERSION_MIN => Finding::ok(AREA, format!("RabbitMQ {version}")),
        Some(_) => Finding::failed(
            AREA,
            format!("RabbitMQ {version} lacks what queues need"),
            format!("upgrade it to {}.{} or later", VERSION_MIN.0, VERSION_MIN.1),
        ),
        None => Finding::warning(
            AREA,
            format!("its version `{version}` cannot be read"),
            format!(
                "make sure that it is {}.{} or later",
                VERSION_MIN.0, VERSION_MIN.1
            ),
        ),
    }];
    found.extend(standing.nodes.iter().flat_map(node));
    found
}

fn node(node: &NodeStanding) -> Vec<Finding> {
    let name = &node.name;
    if !node.runs {
        return vec![Finding::failed(
            AREA,
            format!("node {name} does not run"),
            "start it; quorum queues stop when most of their nodes do not run",
        )];
    }
    let mut found = Vec::new();
    if node.memory_alarm {
        found.push(Finding::failed(
            AREA,
            format!("node {name} has a memory alarm: nothing can be published"),
            "let consumers catch up (`outcry top` shows what waits), or give it more memory",
        ));
    }
    if node.disk_alarm {
        let left = node
            .disk_free
            .map(|free| format!(", {} are left", size(free)));
        found.push(Finding::failed(
            AREA,
            format!(
                "node {name} has a disk alarm{}: nothing can be published",
                left.unwrap_or_default()
            ),
            "make room on its disk, or lower its `disk_free_limit`",
        ));
    }
    if !node.partitions.is_empty() {
        found.push(Finding::failed(
            AREA,
            format!(
                "node {name} has lost sight of {}",
                node.partitions.join(", ")
            ),
            "mend the network between them and restart the side with fewer nodes",
        ));
    }
    found
}

fn topology_of(differences: &[Difference]) -> Vec<Finding> {
    if differences.is_empty() {
        return vec![Finding::ok(AREA, "its topology is as services need it")];
    }
    let told = differences.iter().take(DRIFTS_TOLD);
    let mut found: Vec<Finding> = told
        .map(|difference| {
            if difference.is_needed {
                let mend = "`outcry topology apply` makes it, or says what to do by hand";
                Finding::failed(AREA, &difference.what, mend)
            } else {
                let mend = "`outcry topology apply` removes it once it is empty and not consumed";
                Finding::warning(AREA, &difference.what, mend)
            }
        })
        .collect();
    let rest = &differences[found.len()..];
    if !rest.is_empty() {
        let says = format!(
            "{} more differences from the topology that services need",
            rest.len()
        );
        let mend = "`outcry topology plan` lists all";
        found.push(if rest.iter().any(|difference| difference.is_needed) {
            Finding::failed(AREA, says, mend)
        } else {
            Finding::warning(AREA, says, mend)
        });
    }
    found
}

/// The first two parts of a version.
fn release(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split(['.', '-', '+']);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::super::finding::testing::{counts, saying};
    use super::*;

    fn standing(version: &str) -> ServerStanding {
        ServerStanding {
            version: version.to_owned(),
            nodes: vec![NodeStanding {
                name: "rabbit@a".to_owned(),
                runs: true,
                ..NodeStanding::default()
            }],
        }
    }

    fn facts(standing: ServerStanding) -> Facts {
        Facts {
            url: Some("amqp://rabbit".to_owned()),
            amqp: Some(Ok(())),
            standing: Some(Ok(standing)),
            drifts: Some(Ok(Vec::new())),
        }
    }

    #[test]
    fn the_embedded_broker_and_a_server_that_is_well_are_fine() {
        assert_eq!(counts(&judge(&Facts::default())), (0, 0));
        assert_eq!(counts(&judge(&facts(standing("3.10.8")))), (0, 0));
        assert_eq!(counts(&judge(&facts(standing("4.1.0-rc.1")))), (0, 0));
    }

    #[test]
    fn versions_are_compared_as_numbers() {
        assert_eq!(counts(&judge(&facts(standing("3.9.29")))), (1, 0));
        assert_eq!(counts(&judge(&facts(standing("3.13.1")))), (0, 0));
        assert_eq!(counts(&judge(&facts(standing("unknown")))), (0, 1));
    }

    #[test]
    fn alarms_and_lost_nodes_are_wrong() {
        let mut standing = standing("4.0.1");
        standing.nodes[0].memory_alarm = true;
        standing.nodes[0].disk_alarm = true;
        standing.nodes[0].disk_free = Some(10 << 20);
        standing.nodes[0].partitions = vec!["rabbit@b".to_owned()];
        standing.nodes.push(NodeStanding {
            name: "rabbit@b".to_owned(),
            ..NodeStanding::default()
        });
        let found = judge(&facts(standing));
        assert_eq!(counts(&found), (4, 0), "{found:#?}");
        saying(&found, "disk alarm, 10.0 MiB are left");
        saying(&found, "rabbit@b does not run");
    }

    #[test]
    fn drifts_are_wrong_when_services_need_what_is_missing() {
        let drifts = |needed: usize, surplus: usize| {
            let difference = |place: usize| Difference {
                what: format!("queue {place}"),
                is_needed: place < needed,
            };
            Facts {
                drifts: Some(Ok((0..needed + surplus).map(difference).collect())),
                ..facts(standing("4.0.1"))
            }
        };
        assert_eq!(counts(&judge(&drifts(2, 1))), (2, 1));
        // Five are told, the others only counted.
        assert_eq!(counts(&judge(&drifts(20, 0))), (6, 0));
        assert_eq!(counts(&judge(&drifts(1, 20))), (1, 5));
    }

    #[test]
    fn what_could_not_be_looked_at_says_why() {
        let found = judge(&Facts {
            amqp: Some(Err("nobody answers".to_owned())),
            standing: None,
            drifts: None,
            ..facts(standing("4.0.1"))
        });
        assert_eq!(counts(&found), (1, 1));
        assert!(
            saying(&found, "nobody answers")
                .mend
                .as_ref()
                .unwrap()
                .contains("[broker]")
        );
    }
}
