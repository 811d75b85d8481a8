//! `outcry schema services`: who calls each service, what it publishes and what it consumes. The
//! chart is rendered from it, and so may be manifests that somebody else writes.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use anyhow::Context as _;
use outcry_broker::Group;
use outcry_broker::topology::SLOTS;
use outcry_mesh::authorize::service_of;
use outcry_mesh::{Directory, Endpoints, Rules};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::services::{NAMES, groups};

/// The service that users' calls come through.
const GATEWAY: &str = "gateway";

/// What stands above the list.
const LEGEND: &str = "\
# What the contract says about each service, as far as manifests need it. Written by `outcry schema services`;
# in the project by `cargo xtask chart`: what is changed here by hand is lost.
#
# callers    services that may call one of its methods (`callers` of the methods' `access` options), and `gateway`
#            where a method is open to signed-in users or to anybody
# publishes  topics of the events it owns
# consumes   its consumer group: partitions, and the topic patterns it is bound by
#
# In the order of services in the binary. Everything the chart derives from the contract (NetworkPolicies, users and
# topology on RabbitMQ, KEDA triggers) is derived from here.
";

/// What is said of one service.
struct Entry<'contract> {
    name: &'contract str,
    callers: Vec<&'contract str>,
    publishes: Vec<&'contract str>,
    consumes: Option<Group>,
}

/// The list as YAML.
///
/// # Errors
/// A service's name is none that a host could have.
pub fn print() -> anyhow::Result<String> {
    Ok(yaml(entries()?.into_iter()))
}

/// The same as JSON.
///
/// # Errors
/// As [`print()`].
pub fn json() -> anyhow::Result<Value> {
    let entries = entries()?;
    let services: Vec<Value> = entries.iter().map(as_json).collect();
    Ok(json!({ "services": services, "slots": SLOTS }))
}

fn as_json(entry: &Entry<'_>) -> Value {
    let mut shown = json!({
        "name": entry.name,
        "callers": entry.callers,
        "publishes": entry.publishes,
    });
    if let Some(group) = &entry.consumes {
        shown["consumes"] = json!({ "partitions": group.partitions, "topics": group.topics });
    }
    shown
}

fn entries() -> anyhow::Result<Vec<Entry<'static>>> {
    let rules = Rules::of_the_contract();
    let directory = everywhere(&rules)?;
    let edges = edges(&rules, |grpc_service| directory.serving(grpc_service));
    let entries = NAMES.into_iter().map(|name| Entry {
        name,
        callers: callers(&edges, name),
        publishes: outcry_contracts::EVENTS
            .iter()
            .filter(|event| event.owner == name)
            .map(|event| event.topic)
            .collect(),
        consumes: groups().into_iter().find(|group| group.name == name),
    });
    Ok(entries.collect())
}

/// A directory that knows every service, each in a process of its own: it says who serves what.
fn everywhere(rules: &Rules) -> anyhow::Result<Directory> {
    let directory = Directory::with(rules.clone(), Uuid::now_v7);
    for name in NAMES {
        let endpoints: Endpoints = format!("http://{name}:1")
            .parse()
            .with_context(|| format!("a place for {name}"))?;
        directory.remote(name, endpoints);
    }
    Ok(directory)
}

/// Pairs of a caller and who is called, by the network.
fn edges(rules: &Rules, serving: impl Fn(&str) -> Vec<String>) -> BTreeSet<(String, String)> {
    let mut edges = BTreeSet::new();
    for (path, rule) in rules.iter() {
        let servers = service_of(path).map(&serving).unwrap_or_default();
        // What every service serves, each asks itself within its own process, and so does the
        // gateway for users. What only it serves and may call, it asks of its other replicas.
        let itself = servers.len() == 1;
        for server in servers {
            for caller in &rule.callers {
                if *caller != server || itself {
                    edges.insert((caller.clone(), server.clone()));
                }
            }
            if rule.at_the_edge() && server != GATEWAY {
                edges.insert((GATEWAY.to_owned(), server.clone()));
            }
        }
    }
    edges
}

fn callers(edges: &BTreeSet<(String, String)>, server: &str) -> Vec<&'static str> {
    let calls = |caller: &&str| edges.contains(&((*caller).to_owned(), server.to_owned()));
    NAMES.into_iter().filter(calls).collect()
}

fn yaml<'contract>(entries: impl Iterator<Item = Entry<'contract>>) -> String {
    let mut yaml = format!("{LEGEND}services:\n");
    // Writing to a String does not fail.
    for entry in entries {
        let _ = writeln!(yaml, "  - name: {}", entry.name);
        let _ = writeln!(yaml, "    callers: [{}]", entry.callers.join(", "));
        list(&mut yaml, "    ", "publishes", &entry.publishes);
        if let Some(group) = &entry.consumes {
            let _ = writeln!(yaml, "    consumes:");
            let _ = writeln!(yaml, "      partitions: {}", group.partitions);
            let topics: Vec<&str> = group.topics.iter().map(String::as_str).collect();
            list(&mut yaml, "      ", "topics", &topics);
        }
    }
    let _ = writeln!(
        yaml,
        "# Shares of the keys on RabbitMQ, each with a header of its own: a slot goes to partition `slot mod partitions`.\n\
         slots: {SLOTS}"
    );
    yaml
}

fn list(yaml: &mut String, indent: &str, key: &str, items: &[&str]) {
    if items.is_empty() {
        let _ = writeln!(yaml, "{indent}{key}: []");
        return;
    }
    let _ = writeln!(yaml, "{indent}{key}:");
    for item in items {
        let is_plain = item
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
        // `*` and `#` mean something else to YAML.
        let quote = if is_plain { "" } else { "\"" };
        let _ = writeln!(yaml, "{indent}  - {quote}{item}{quote}");
    }
}

#[cfg(test)]
mod tests {
    use outcry_mesh::Role;
    use outcry_mesh::authorize::Rule;

    use super::*;

    fn rules(of: &[(&str, &[Role], &[&str])]) -> Rules {
        let rule = |roles: &[Role], callers: &[&str]| Rule {
            roles: roles.to_vec(),
            callers: callers.iter().map(|&caller| caller.to_owned()).collect(),
            ..Rule::default()
        };
        of.iter()
            .map(|(path, roles, callers)| ((*path).to_owned(), rule(roles, callers)))
            .collect()
    }

    fn pairs(of: &[(&str, &[Role], &[&str])]) -> Vec<String> {
        let serving = |grpc_service: &str| match grpc_service {
            "all" => vec!["funds".to_owned(), GATEWAY.to_owned()],
            one => vec![one.to_owned()],
        };
        let edges = edges(&rules(of), serving);
        let arrow = |(caller, server): &(String, String)| format!("{caller} -> {server}");
        edges.iter().map(arrow).collect()
    }

    #[test]
    fn callers_are_those_that_the_contract_names_and_the_gateway_for_users() {
        assert_eq!(
            pairs(&[
                ("/funds/Lock", &[], &["orders"]),
                ("/funds/List", &[Role::User], &[]),
                ("/trades/Ask", &[], &["trades"]),
            ]),
            ["gateway -> funds", "orders -> funds", "trades -> trades"]
        );
    }

    #[test]
    fn nobody_asks_itself_for_what_its_own_process_answers() {
        assert_eq!(
            pairs(&[
                ("/all/ListDeadLetters", &[Role::Admin], &["gateway"]),
                ("/gateway/Subscribe", &[Role::User], &[]),
            ]),
            ["gateway -> funds"]
        );
    }

    #[test]
    fn what_yaml_would_read_as_something_else_is_quoted() {
        let entry = Entry {
            name: "reports",
            callers: vec!["gateway"],
            publishes: Vec::new(),
            consumes: Some(Group {
                name: "reports",
                topics: vec!["#".to_owned(), "user.created".to_owned()],
                partitions: 3,
                prefetch: 8,
            }),
        };
        let yaml = yaml([entry].into_iter());
        let expected = "\
services:
  - name: reports
    callers: [gateway]
    publishes: []
    consumes:
      partitions: 3
      topics:
        - \"#\"
        - user.created
";
        assert!(yaml.contains(expected), "{yaml}");
    }
}
