//! Plans: what they find, what they do, and whom they let do what.

use std::collections::BTreeMap;

use outcry_broker::rabbitmq::{ApplyOptions, Done, Management, NodeStanding, apply, plan};
use outcry_broker::topology::{Drift, ServiceSpec, Topology, user_of};
use outcry_broker::{Broker, BrokerError, PublishError, RabbitMq, RabbitOptions};
use outcry_servers::RabbitMq as Server;

use super::support::{connect, group, insist, message, number, publish, recv};

fn services(partitions: u32) -> Vec<ServiceSpec> {
    vec![
        ServiceSpec {
            name: "orders".to_owned(),
            publishes: vec!["order.created".to_owned()],
            groups: vec![group("orders", "trade.*", 2, 8)],
        },
        ServiceSpec {
            name: "trades".to_owned(),
            publishes: vec!["trade.executed".to_owned()],
            groups: vec![group("trades", "order.*", partitions, 8)],
        },
    ]
}

fn management(server: &Server, vhost: &str) -> Management {
    Management::new(&server.management_url(), vhost, None).unwrap()
}

/// Users are the server's: all tests give them the same password.
const PASSWORD: &str = "secret of tests";

fn passwords() -> ApplyOptions {
    let password = |service: &str| (user_of(service), PASSWORD.to_owned());
    ApplyOptions {
        passwords: BTreeMap::from(["orders", "trades"].map(password)),
        ..ApplyOptions::default()
    }
}

/// What was left, with the reason.
fn left(done: &[Done]) -> Vec<String> {
    done.iter()
        .filter_map(|done| Some(format!("{}: {}", done.drift, done.left.as_ref()?)))
        .collect()
}

/// The server's counts may be some seconds old.
async fn drifts_become(management: &Management, desired: &Topology, expected: &[&str]) {
    let mut found = Vec::new();
    for _ in 0..300 {
        let plan = plan(management, desired).await.unwrap();
        found = plan.drifts.iter().map(ToString::to_string).collect();
        if found == expected {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("the drifts are {found:?}, not {expected:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_changes_nothing_and_applying_it_twice_changes_nothing_more() {
    if !outcry_servers::present() {
        return;
    }
    let server = outcry_servers::shared_rabbitmq().await.unwrap();
    let url = server.create_vhost("plan").await.unwrap();
    let management = management(server, "plan");
    let desired = Topology::desired(&services(3));
    let before = server.get("/api/definitions/plan").await.unwrap();
    let first = plan(&management, &desired).await.unwrap();
    assert!(first.drifts.len() > 10);
    assert_eq!(server.get("/api/definitions/plan").await.unwrap(), before);

    let broker = connect(&url).await;
    let options = passwords();
    assert!(
        first.drifts.iter().all(Drift::is_needed),
        "{:?}",
        first.drifts
    );
    let done = apply(&broker, &management, &first, &options).await.unwrap();
    assert_eq!(left(&done), [""; 0]);
    drifts_become(&management, &desired, &[]).await;
    let after = server.get("/api/definitions/plan").await.unwrap();
    let done = apply(&broker, &management, &first, &options).await.unwrap();
    assert_eq!(left(&done), [""; 0]);
    assert_eq!(server.get("/api/definitions/plan").await.unwrap(), after);

    // The broker finds everything as it wants it.
    for service in services(3) {
        for group in service.groups {
            broker.declare(&group).await.unwrap();
        }
    }
    drifts_become(&management, &desired, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn leftovers_go_only_when_nothing_is_lost() {
    if !outcry_servers::present() {
        return;
    }
    let server = outcry_servers::shared_rabbitmq().await.unwrap();
    let url = server.create_vhost("leftovers").await.unwrap();
    let management = management(server, "leftovers");
    let broker = connect(&url).await;
    let old = group("old", "order.*", 1, 8);
    broker.declare(&old).await.unwrap();
    insist(&broker, "key", 1..=3).await;
    let desired = Topology::shared();
    drifts_become(
        &management,
        &desired,
        &[
            "exchange outcry.old is not wanted",
            "exchange outcry.old.strays is not wanted",
            "queue outcry.old.000 is not wanted (3 messages, 0 consumers)",
        ],
    )
    .await;
    let plan = plan(&management, &desired).await.unwrap();
    let careful = ApplyOptions::default();
    let done = apply(&broker, &management, &plan, &careful).await.unwrap();
    assert_eq!(
        left(&done),
        ["queue outcry.old.000 is not wanted (3 messages, 0 consumers): it holds 3 messages"]
    );
    assert!(
        done.iter().all(|one| !one.drift.is_needed()),
        "too much is in nobody's way"
    );
    let told = ApplyOptions {
        remove_with_messages: true,
        ..ApplyOptions::default()
    };
    let done = apply(&broker, &management, &plan, &told).await.unwrap();
    assert_eq!(left(&done), [""; 0]);
    drifts_become(&management, &desired, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_change_only_while_no_key_can_be_overtaken() {
    if !outcry_servers::present() {
        return;
    }
    let server = outcry_servers::shared_rabbitmq().await.unwrap();
    let url = server.create_vhost("partitions").await.unwrap();
    let management = management(server, "partitions");
    let broker = connect(&url).await;
    let two = group("trades", "order.*", 2, 8);
    broker.declare(&two).await.unwrap();
    for key in 0..20 {
        insist(&broker, &format!("key-{key}"), 1..=1).await;
    }
    let mut desired = Topology::desired(&services(3)[1..]);
    desired.accesses.clear();
    let growing = plan(&management, &desired).await.unwrap();
    let careful = ApplyOptions::default();
    let done = apply(&broker, &management, &growing, &careful)
        .await
        .unwrap();
    assert_eq!(left(&done).len(), 1, "{done:?}");
    for index in 0..2 {
        let mut partition = broker.subscribe(&two, index).await.unwrap();
        while broker.groups().await.unwrap()[0].partition_lag[index as usize] > 0 {
            recv(&mut partition).await.ack().await.unwrap();
        }
    }
    // The consumers are gone as soon as the server has seen it.
    let mut attempts = 0;
    loop {
        let done = apply(&broker, &management, &growing, &careful)
            .await
            .unwrap();
        attempts += 1;
        if left(&done).is_empty() {
            break;
        }
        assert!(attempts < 100, "{done:?}");
        tokio::time::sleep(super::support::PAUSE).await;
    }
    drifts_become(&management, &desired, &[]).await;
    let mut desired = Topology::desired(&services(1)[1..]);
    desired.accesses.clear();
    let shrinking = plan(&management, &desired).await.unwrap();
    let done = apply(&broker, &management, &shrinking, &careful)
        .await
        .unwrap();
    assert_eq!(left(&done), [""; 0]);
    drifts_become(&management, &desired, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_services_user_can_do_its_work_and_nothing_else() {
    if !outcry_servers::present() {
        return;
    }
    let server = outcry_servers::shared_rabbitmq().await.unwrap();
    let url = server.create_vhost("limited").await.unwrap();
    let management = management(server, "limited");
    let admin = connect(&url).await;
    let desired = Topology::desired(&services(2));
    let first = plan(&management, &desired).await.unwrap();
    let options = passwords();
    let done = apply(&admin, &management, &first, &options).await.unwrap();
    assert_eq!(left(&done), [""; 0]);

    let as_user = |service: &str| {
        let host = url.rsplit_once('@').unwrap().1;
        let user = user_of(service);
        RabbitOptions::new(format!("amqp://{user}:secret%20of%20tests@{host}"), service)
    };
    let [orders, trades] = ["orders", "trades"].map(as_user);
    let orders = RabbitMq::connect(orders).await.unwrap();
    let trades = RabbitMq::connect(trades).await.unwrap();
    let (its, others) = (
        group("orders", "trade.*", 2, 8),
        group("trades", "order.*", 2, 8),
    );
    orders.declare(&its).await.unwrap();
    trades.declare(&others).await.unwrap();

    // Its work.
    insist(&orders, "key", 1..=3).await;
    publish(&trades, vec![message("trade.executed", "key", 7)]).await;
    let mut partitions = Vec::new();
    for index in 0..its.partitions {
        partitions.push(orders.subscribe(&its, index).await.unwrap());
    }
    let receiving = partitions
        .iter_mut()
        .map(|partition| Box::pin(recv(partition)));
    let (delivery, ..) = futures::future::select_all(receiving).await;
    assert_eq!(number(&delivery.message), 7);
    delivery.ack().await.unwrap();

    // Nothing else: not another's topic, not another's queue, not a group of its own invention.
    let foreign = orders
        .publish(vec![message("trade.executed", "key", 8)])
        .await;
    assert!(
        matches!(&foreign[0], Err(PublishError::Backend(cause)) if cause.to_string().contains("not allow")),
        "{foreign:?}"
    );
    let refused = orders.subscribe(&others, 0).await.unwrap_err();
    assert!(is_forbidden(&refused), "{refused:?}");
    let invented = group("invented", "#", 1, 8);
    let refused = orders.declare(&invented).await.unwrap_err();
    assert!(matches!(refused, BrokerError::Backend(_)), "{refused:?}");
    let wider = group("orders", "#", 2, 8);
    drop(partitions);
    let again = RabbitMq::connect(as_user("orders")).await.unwrap();
    let refused = again.declare(&wider).await.unwrap_err();
    assert!(is_forbidden(&refused), "{refused:?}");
    // And still can do its work.
    insist(&orders, "key", 4..=5).await;
}

fn is_forbidden(error: &BrokerError) -> bool {
    matches!(error, BrokerError::Backend(cause) if cause.to_string().contains("not allow"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_says_how_it_stands() {
    if !outcry_servers::present() {
        return;
    }
    let server = outcry_servers::shared_rabbitmq().await.unwrap();
    server.create_vhost("standing").await.unwrap();
    let management = management(server, "standing");
    let standing = management.standing().await.unwrap();
    let release = standing.version.split('.').next().unwrap();
    assert!(release.parse::<u32>().unwrap() >= 3, "{standing:?}");
    let node = seen_by_itself(&management).await;
    assert!(node.runs && node.partitions.is_empty(), "{node:?}");
    assert!(node.plugins.contains("rabbitmq_management"), "{node:?}");
}

/// The one node, once it has looked at itself: of a server that has just started, only the name is known for some
/// seconds.
async fn seen_by_itself(management: &Management) -> NodeStanding {
    let mut found = None;
    for _ in 0..300 {
        let standing = management.standing().await.unwrap();
        let [node] = <[NodeStanding; 1]>::try_from(standing.nodes).unwrap();
        if node.disk_free.is_some() {
            return node;
        }
        found = Some(node);
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("the node has not looked at itself: {found:?}");
}
