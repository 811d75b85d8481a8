//! `outcry topology`: what the services need on RabbitMQ, compared with what is there.

mod show;

use std::process::ExitCode;

use anyhow::Context as _;
use outcry_broker::rabbitmq::{self, ApplyOptions, Done, Management, Plan};
use outcry_broker::topology::{ServiceSpec, Topology};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use crate::arguments::{self, TopologyApply, TopologyPlan};
use crate::brokers;
use crate::config::{Config, without_password};
use crate::failure::Usage;
use crate::output::{Output, Paint};
use crate::services::{NAMES, groups};

/// The virtual host of an address that names none.
const DEFAULT_VHOST: &str = "/";

/// `outcry topology …`
///
/// # Errors
/// The broker or its management API cannot be reached, or does not let us in.
pub async fn run(topology: arguments::Topology, out: Output) -> anyhow::Result<ExitCode> {
    match topology {
        arguments::Topology::Plan(asked) => plan(asked, out).await,
        arguments::Topology::Apply(asked) => apply(asked, out).await,
        arguments::Topology::Show => show(out),
    }
}

async fn plan(asked: TopologyPlan, out: Output) -> anyhow::Result<ExitCode> {
    let config = Config::load(&asked.settings)?;
    let desired = desired(&config);
    let plan = compared(&management(&config)?, &desired).await?;
    let drifts: Vec<String> = plan.drifts.iter().map(ToString::to_string).collect();
    if out.is_json() {
        out.document(&json!({ "drifts": drifts, "permissions": show::permissions(&desired) }))?;
    } else if drifts.is_empty() {
        out.line(format_args!("as it should be: {} groups", groups().len()))?;
    } else {
        for drift in &drifts {
            out.line(drift)?;
        }
        out.line(out.paint(Paint::Dim, "`outcry topology apply` puts it right"))?;
    }
    Ok(code(drifts.is_empty()))
}

async fn apply(asked: TopologyApply, out: Output) -> anyhow::Result<ExitCode> {
    let config = Config::load(&asked.settings)?;
    let management = management(&config)?;
    let plan = compared(&management, &desired(&config)).await?;
    let broker = brokers::rabbit(&config, "outcry topology").await?;
    let options = ApplyOptions {
        remove_with_messages: asked.remove_with_messages,
        passwords: config.broker.passwords.clone(),
    };
    let done = rabbitmq::apply(&broker, &management, &plan, &options).await?;
    if out.is_json() {
        let rows: Vec<Value> = done
            .iter()
            .map(|one| {
                json!({
                    "drift": one.drift.to_string(),
                    "needed": one.drift.is_needed(),
                    "left": one.left,
                })
            })
            .collect();
        out.document(&json!({ "done": rows }))?;
    } else {
        for one in &done {
            out.line(told(one))?;
        }
        if done.is_empty() {
            out.line("as it should be: nothing to do")?;
        }
    }
    Ok(code(suffices(&done, asked.strict)))
}

/// Whether the services can run on what is there now. Queues of an older version that its replicas still consume stay
/// until the next time: that is no reason to stop an upgrade, unless somebody asks to be `strict`.
fn suffices(done: &[Done], strict: bool) -> bool {
    let mut left = done.iter().filter(|one| one.left.is_some());
    !left.any(|one| strict || one.drift.is_needed())
}

/// What became of a drift, for people.
fn told(done: &Done) -> String {
    match &done.left {
        None => format!("put right: {}", done.drift),
        Some(why) if done.drift.is_needed() => {
            format!("NOT put right, and needed: {} ({why})", done.drift)
        }
        Some(why) => format!("left for later: {} ({why})", done.drift),
    }
}

fn show(out: Output) -> anyhow::Result<ExitCode> {
    let everything = of_all_services();
    if out.is_json() {
        out.document(&show::json(&everything))?;
    } else {
        for line in show::lines(&everything) {
            out.line(line)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn code(is_as_it_should_be: bool) -> ExitCode {
    if is_as_it_should_be {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

async fn compared(management: &Management, desired: &Topology) -> anyhow::Result<Plan> {
    rabbitmq::plan(management, desired)
        .await
        .context("reading the broker's exchanges, queues and bindings")
}

/// What all services need; users of their own only where passwords for them are configured.
pub fn desired(config: &Config) -> Topology {
    let mut desired = of_all_services();
    desired
        .accesses
        .retain(|access| config.broker.passwords.contains_key(&access.user));
    desired
}

/// What all services need, each with a user of its own.
fn of_all_services() -> Topology {
    let services: Vec<ServiceSpec> = NAMES
        .into_iter()
        .map(|name| ServiceSpec {
            name: name.to_owned(),
            publishes: outcry_contracts::EVENTS
                .iter()
                .filter(|event| event.owner == name)
                .map(|event| event.topic.to_owned())
                .collect(),
            groups: groups()
                .into_iter()
                .filter(|group| group.name == name)
                .collect(),
        })
        .collect();
    Topology::desired(&services)
}

/// The management API that the configuration names.
///
/// # Errors
/// It names none, or one that cannot be.
pub fn management(config: &Config) -> anyhow::Result<Management> {
    let url = &config.broker.management_url;
    if url.is_empty() || config.broker.url.is_empty() {
        return Err(Usage::new(
            "say where RabbitMQ and its management API are: `url` and `management_url` in \
             [broker], for example amqp://user:password@host:5672/%2f and \
             http://user:password@host:15672",
        )
        .into());
    }
    let vhost = vhost(&config.broker.url);
    let authorities = brokers::authorities(config)?;
    Management::new(url, &vhost, authorities.as_deref())
        .with_context(|| format!("the management API at {}", without_password(url)))
}

/// The virtual host that the path of an AMQP address names.
fn vhost(url: &str) -> String {
    let path = url
        .split_once("://")
        .and_then(|(_, rest)| rest.split_once('/'))
        .map_or("", |(_, path)| path);
    let path = path.split(['?', '#']).next().unwrap_or_default();
    if path.is_empty() {
        return DEFAULT_VHOST.to_owned();
    }
    percent_decode_str(path).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use outcry_broker::topology::{ActualQueue, Drift, Queue};

    use super::*;

    fn queue() -> Queue {
        Queue {
            name: "outcry.funds.0".to_owned(),
            arguments: Default::default(),
        }
    }

    fn left(drift: Drift, why: Option<&str>) -> Done {
        Done {
            drift,
            left: why.map(str::to_owned),
        }
    }

    #[test]
    fn what_is_left_and_needed_fails_and_what_is_only_too_much_does_when_asked_to_be_strict() {
        let surplus = Drift::SurplusQueue(ActualQueue {
            queue: queue(),
            messages: 0,
            consumers: 1,
        });
        let surplus = left(surplus, Some("it has 1 consumers"));
        let different = Drift::DifferentQueue {
            desired: queue(),
            actual: queue(),
        };
        let different = left(different, Some("drain it"));
        let made = left(Drift::MissingQueue(queue()), None);
        let all = [made.clone(), surplus.clone(), different];
        for (done, strict, expected) in [
            (&all[..0], true, true),
            (&all[..1], true, true),
            (&all[..2], false, true),
            (&all[..2], true, false),
            (&all[..], false, false),
        ] {
            assert_eq!(suffices(done, strict), expected, "{done:?}, {strict}");
        }
        assert!(told(&made).starts_with("put right: queue outcry.funds.0"));
        assert!(told(&surplus).starts_with("left for later: "));
        assert!(told(&all[2]).contains("needed: queue"), "{}", told(&all[2]));
    }

    #[test]
    fn the_virtual_host_is_the_path() {
        for (url, expected) in [
            ("amqp://a:b@host", "/"),
            ("amqp://a:b@host:5672/", "/"),
            ("amqp://a:b@host:5672/%2f", "/"),
            ("amqps://host/prod%2Feu?heartbeat=5", "prod/eu"),
        ] {
            assert_eq!(vhost(url), expected);
        }
    }
}
