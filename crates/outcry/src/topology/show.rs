//! `outcry topology show`: what the services need on RabbitMQ, without asking one.

use outcry_broker::topology::{Access, Binding, Exchange, Queue, Topology};
use serde_json::{Value, json};

/// Everything, for those who declare it by other means.
pub fn json(desired: &Topology) -> Value {
    json!({
        "exchanges": desired.exchanges.iter().map(exchange).collect::<Vec<_>>(),
        "queues": desired.queues.iter().map(queue).collect::<Vec<_>>(),
        "bindings": desired.bindings.iter().map(binding).collect::<Vec<_>>(),
        "permissions": permissions(desired),
    })
}

/// One line for each, to be read.
pub fn lines(desired: &Topology) -> Vec<String> {
    let exchanges = desired.exchanges.iter();
    let exchanges = exchanges.map(|one| format!("exchange {} ({})", one.name, one.kind));
    let queues = desired.queues.iter();
    let queues = queues.map(|one| format!("queue {}", one.name));
    let bindings = desired.bindings.iter();
    let bindings = bindings.map(|one| format!("binding {one}"));
    let users = desired.accesses.iter();
    let users = users.map(|one| format!("user {}", one.user));
    exchanges
        .chain(queues)
        .chain(bindings)
        .chain(users)
        .collect()
}

/// Permissions of the services' users, for those who make the users themselves.
pub fn permissions(desired: &Topology) -> Vec<Value> {
    desired.accesses.iter().map(access).collect()
}

fn exchange(exchange: &Exchange) -> Value {
    json!({
        "name": exchange.name,
        "type": exchange.kind,
        "durable": true,
        "arguments": exchange.arguments,
    })
}

fn queue(queue: &Queue) -> Value {
    json!({ "name": queue.name, "durable": true, "arguments": queue.arguments })
}

fn binding(binding: &Binding) -> Value {
    json!({
        "source": binding.source,
        "destination": binding.destination,
        "destinationType": binding.to,
        "routingKey": binding.key,
        "arguments": binding.arguments,
    })
}

fn access(access: &Access) -> Value {
    json!({
        "user": access.user,
        "configure": access.configure,
        "write": access.write,
        "read": access.read,
        "topicsWritten": access.topics_written,
        "topicsRead": access.topics_read,
    })
}

#[cfg(test)]
mod tests {
    use outcry_broker::Group;
    use outcry_broker::topology::ServiceSpec;

    use super::*;

    #[test]
    fn everything_is_shown_both_ways() {
        let desired = Topology::desired(&[ServiceSpec {
            name: "funds".to_owned(),
            publishes: vec!["funds.locked".to_owned()],
            groups: vec![Group {
                name: "funds",
                topics: vec!["order.*".to_owned()],
                partitions: 2,
                prefetch: 8,
            }],
        }]);
        let json = json(&desired);
        let count = |key: &str| json[key].as_array().unwrap().len();
        assert_eq!(count("exchanges"), 4);
        assert_eq!(count("queues"), 3);
        assert_eq!(count("bindings"), 5);
        assert_eq!(count("permissions"), 1);
        assert_eq!(json["bindings"][4]["destinationType"], "exchange");
        assert_eq!(
            json["queues"][1]["arguments"]["x-delivery-limit"],
            1_000_000_000
        );
        let lines = lines(&desired);
        assert_eq!(lines.len(), 4 + 3 + 5 + 1);
        assert!(lines.contains(&"binding outcry.events -> outcry.funds (order.*)".to_owned()));
    }
}
