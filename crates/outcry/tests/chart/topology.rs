//! RabbitMQ gets what the binary would declare: the topology operator's resources, and what KEDA
//! counts, against `outcry topology show`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;

use serde_json::{Value, json};
use tempfile::NamedTempFile;

use super::contract::{contract, outcry};
use super::render::{RELEASE, attempt, chart, name_of, objects, of_kind, rendered, values};
use super::tools::present;

/// The one service that is never scaled by load: symbols rest while they move.
const NOT_SCALED: &str = "trades";

async fn desired() -> Value {
    serde_json::from_str(&outcry(&["topology", "show", "--json"]).await).unwrap()
}

/// Things as text, so that a set of them can be compared, and none is there twice.
fn set(things: impl Iterator<Item = Value>) -> BTreeSet<String> {
    let mut set = BTreeSet::new();
    for thing in things {
        let text = thing.to_string();
        assert!(set.insert(text.clone()), "twice: {text}");
    }
    set
}

fn list(of: &Value) -> impl Iterator<Item = &Value> {
    of.as_array().unwrap().iter()
}

#[tokio::test]
async fn exchanges_queues_and_bindings_are_those_that_the_binary_declares() {
    if !present().await {
        return;
    }
    let desired = desired().await;
    let objects = rendered(&values("operators")).await;
    let specs = |kind| of_kind(&objects, kind).into_iter().map(|one| &one["spec"]);
    let arguments = |spec: &Value| spec.get("arguments").cloned().unwrap_or_else(|| json!({}));

    let exchanges = specs("Exchange").map(|spec| {
        assert_eq!(spec["autoDelete"], false);
        json!({
            "name": spec["name"],
            "type": spec["type"],
            "durable": spec["durable"],
            "arguments": arguments(spec),
        })
    });
    assert_eq!(set(exchanges), set(list(&desired["exchanges"]).cloned()));

    let queues = specs("Queue").map(|spec| {
        assert_eq!(spec["autoDelete"], false);
        // The operator declares the type as this argument.
        let mut arguments = arguments(spec);
        arguments["x-queue-type"] = spec["type"].clone();
        json!({ "name": spec["name"], "durable": spec["durable"], "arguments": arguments })
    });
    assert_eq!(set(queues), set(list(&desired["queues"]).cloned()));

    let bindings = specs("Binding").map(|spec| {
        json!({
            "source": spec["source"],
            "destination": spec["destination"],
            "destinationType": spec["destinationType"],
            "routingKey": spec.get("routingKey").cloned().unwrap_or_else(|| json!("")),
            "arguments": arguments(spec),
        })
    });
    assert_eq!(set(bindings), set(list(&desired["bindings"]).cloned()));
}

#[tokio::test]
async fn users_may_do_what_the_binary_would_let_them() {
    if !present().await {
        return;
    }
    let desired = desired().await;
    let objects = rendered(&values("operators")).await;
    let by_user = |kind| -> BTreeMap<String, &Value> {
        let of_kind = of_kind(&objects, kind);
        let count = of_kind.len();
        let map: BTreeMap<String, &Value> = of_kind
            .into_iter()
            .map(|one| {
                let spec = &one["spec"];
                let user = spec["userReference"]["name"].as_str();
                let user = user.unwrap_or_else(|| name_of(one)).to_owned();
                (user, spec)
            })
            .collect();
        assert_eq!(map.len(), count, "{kind}: two for one user");
        map
    };
    let (users, permissions, topics) = (
        by_user("User"),
        by_user("Permission"),
        by_user("TopicPermission"),
    );
    assert!(users.keys().eq(permissions.keys()) && users.keys().eq(topics.keys()));
    let rendered = permissions.iter().map(|(user, spec)| {
        let (may, topics) = (&spec["permissions"], &topics[user]["permissions"]);
        assert_eq!(topics["exchange"], "outcry.events");
        json!({
            "user": user,
            "configure": may["configure"],
            "write": may["write"],
            "read": may["read"],
            "topicsWritten": topics["write"],
            "topicsRead": topics["read"],
        })
    });
    // The operator gives users names of its own; the resources' names are what stands for them.
    let wanted = list(&desired["permissions"]).map(|one| {
        let mut one = one.clone();
        let service = one["user"].as_str().unwrap().replacen("outcry-", "", 1);
        one["user"] = json!(format!("{RELEASE}-{service}"));
        one
    });
    assert_eq!(set(rendered), set(wanted));
}

#[tokio::test]
async fn scaling_counts_what_waits_in_the_queues_of_the_services_own_group() {
    if !present().await {
        return;
    }
    let contract = contract().await;
    let groups: BTreeMap<&str, u64> = list(&contract["services"])
        .filter(|service| service.get("consumes").is_some())
        .map(|service| {
            let partitions = service["consumes"]["partitions"].as_u64().unwrap();
            (service["name"].as_str().unwrap(), partitions)
        })
        .filter(|(name, _)| *name != NOT_SCALED)
        .collect();
    assert!(groups.len() > 3, "{groups:?}");
    let desired = desired().await;
    let scaled = |more: u64| {
        let mut yaml = std::fs::read_to_string(values("distributed")).unwrap();
        yaml.push_str("services:\n");
        for (name, partitions) in &groups {
            let replicas = partitions + more;
            writeln!(
                yaml,
                "  {name}: {{keda: {{enabled: true, maxReplicas: {replicas}}}}}"
            )
            .unwrap();
        }
        let mut file = NamedTempFile::new().unwrap();
        file.write_all(yaml.as_bytes()).unwrap();
        file
    };
    let yaml = attempt(&chart(), scaled(0).path()).await.unwrap();
    let objects = objects(&yaml).await;
    let scalers = of_kind(&objects, "ScaledObject");
    assert_eq!(scalers.len(), groups.len());
    for scaler in scalers {
        let target = scaler["spec"]["scaleTargetRef"]["name"].as_str().unwrap();
        let name = target.strip_prefix("outcry-").unwrap();
        let counted = &scaler["spec"]["triggers"][0]["metadata"];
        assert_eq!(counted["useRegex"], "true");
        assert_eq!(counted["operation"], "sum");
        // An expression in parts, so that it can be compared with names without an engine for it.
        let prefix = counted["queueName"].as_str().unwrap();
        let prefix = prefix.strip_prefix('^').unwrap();
        let prefix = prefix
            .strip_suffix("[0-9]{3}$")
            .unwrap()
            .replace("\\.", ".");
        let queues = list(&desired["queues"])
            .map(|queue| queue["name"].as_str().unwrap())
            .filter(|queue| {
                let rest = queue.strip_prefix(&prefix).unwrap_or_default();
                rest.len() == 3 && rest.bytes().all(|byte| byte.is_ascii_digit())
            });
        assert_eq!(queues.count() as u64, groups[name], "{name}");
        let page: u64 = counted["pageSize"].as_str().unwrap().parse().unwrap();
        assert!(page >= groups[name], "{name}: a page has not all queues");
    }
    let refused = attempt(&chart(), scaled(1).path()).await.unwrap_err();
    assert!(refused.contains("more replicas would wait"), "{refused}");
}
