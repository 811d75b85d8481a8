//! Servers that die, hang or refuse, and connections that are cut.

use std::time::Duration;

use outcry_broker::rabbitmq::Fault;
use outcry_broker::{Broker, BrokerError, PublishError, RabbitMq, RabbitOptions};
use outcry_servers::Proxy;

use super::support::{
    PAUSE, WAIT, all_in_order, connect, consume, group, insist, keys, message, publish, recv,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_and_comes_back_has_lost_nothing_and_moved_no_key() {
    if !outcry_servers::present() {
        return;
    }
    let server = outcry_servers::RabbitMq::start().await.unwrap();
    let broker = connect(&server.url()).await;
    let group = group("group", "#", 12, 8);
    broker.declare(&group).await.unwrap();
    // The server may forget a queue that is only seconds old when it is killed, so it has been
    // stopped in order once.
    server.stop().await.unwrap();
    server.restart().await.unwrap();
    let keys = keys(40);
    for key in &keys {
        insist(&broker, key, 1..=5).await;
    }
    let (consumers, mut seen) = consume(&broker, &group);
    let before = all_in_order(&mut seen, &keys, 1, 5).await;
    drop(consumers);
    // Confirmed, and not consumed when the server dies.
    for key in &keys {
        insist(&broker, key, 6..=8).await;
    }
    server.kill().await.unwrap();
    let down = broker
        .publish(vec![message("order.created", "key-0", 9)])
        .await;
    assert!(matches!(down[0], Err(PublishError::Backend(_))), "{down:?}");
    let publishing = tokio::spawn({
        let (broker, keys) = (broker.clone(), keys.clone());
        async move {
            for key in &keys {
                insist(&broker, key, 9..=10).await;
            }
        }
    });
    server.restart().await.unwrap();
    let (_consumers, mut seen) = consume(&broker, &group);
    let after = all_in_order(&mut seen, &keys, 6, 10).await;
    publishing.await.unwrap();
    assert_eq!(before, after);
    // They are spread out, so that it means something.
    assert!(
        after
            .values()
            .collect::<std::collections::BTreeSet<_>>()
            .len()
            > 6
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn cut_connections_lose_nothing_and_keep_the_order() {
    const EACH: u64 = 150;
    if !outcry_servers::present() {
        return;
    }
    let server = outcry_servers::shared_rabbitmq().await.unwrap();
    let url = server.create_vhost("cut").await.unwrap();
    let proxy = Proxy::start(server.port()).await.unwrap();
    let broker = connect(&proxy.through(&url)).await;
    let group = group("group", "#", 3, 16);
    broker.declare(&group).await.unwrap();
    let keys = keys(8);
    let (_consumers, mut seen) = consume(&broker, &group);
    let mut publishers = tokio::task::JoinSet::new();
    for key in keys.clone() {
        let broker = broker.clone();
        publishers.spawn(async move { insist(&broker, &key, 1..=EACH).await });
    }
    let cutting = tokio::spawn(async move {
        let mut cuts = 0;
        loop {
            tokio::time::sleep(Duration::from_millis(300)).await;
            proxy.cut();
            cuts += 1;
            if cuts % 3 == 0 {
                proxy.refuse().await;
                tokio::time::sleep(PAUSE).await;
                proxy.accept().await.unwrap();
            }
            if cuts == 9 {
                return proxy;
            }
        }
    });
    all_in_order(&mut seen, &keys, 1, EACH).await;
    publishers.join_all().await;
    drop(cutting.await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_whose_connection_broke_ends_and_its_deliveries_are_stale() {
    if !outcry_servers::present() {
        return;
    }
    let server = outcry_servers::shared_rabbitmq().await.unwrap();
    let url = server.create_vhost("stale").await.unwrap();
    let proxy = Proxy::start(server.port()).await.unwrap();
    let broker = connect(&proxy.through(&url)).await;
    let group = group("group", "#", 1, 8);
    broker.declare(&group).await.unwrap();
    publish(
        &broker,
        (1..=3)
            .map(|number| message("order.created", "key", number))
            .collect(),
    )
    .await;
    let mut partition = broker.subscribe(&group, 0).await.unwrap();
    let in_hand = recv(&mut partition).await;
    proxy.cut();
    let waiting = async { while partition.recv().await.is_some() {} };
    tokio::time::timeout(WAIT, waiting).await.unwrap();
    let late = in_hand.ack().await;
    assert!(matches!(late, Err(BrokerError::Stale)), "{late:?}");
    let (_consumers, mut seen) = consume(&broker, &group);
    all_in_order(&mut seen, &["key".to_owned()], 1, 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_is_noticed_and_comes_back() {
    if !outcry_servers::present() {
        return;
    }
    let server = outcry_servers::RabbitMq::start().await.unwrap();
    let broker = RabbitMq::connect(RabbitOptions {
        heartbeat: Duration::from_secs(1),
        ..RabbitOptions::new(server.url(), "tests")
    })
    .await
    .unwrap();
    let group = group("group", "#", 1, 8);
    broker.declare(&group).await.unwrap();
    insist(&broker, "key", 1..=2).await;
    let mut partition = broker.subscribe(&group, 0).await.unwrap();
    let in_hand = recv(&mut partition).await;
    server.pause().await.unwrap();
    let hanging = broker
        .publish(vec![message("order.created", "key", 3)])
        .await;
    assert!(
        matches!(hanging[0], Err(PublishError::Backend(_))),
        "{hanging:?}"
    );
    let waiting = async { while partition.recv().await.is_some() {} };
    tokio::time::timeout(WAIT, waiting).await.unwrap();
    server.resume().await.unwrap();
    assert!(in_hand.ack().await.is_err());
    // It may have been taken after all; then it comes twice.
    insist(&broker, "key", 3..=4).await;
    let (_consumers, mut seen) = consume(&broker, &group);
    all_in_order(&mut seen, &["key".to_owned()], 1, 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_say_what_is_wrong() {
    if !outcry_servers::present() {
        return;
    }
    let server = outcry_servers::shared_rabbitmq().await.unwrap();
    let url = server.create_vhost("refusals").await.unwrap();
    let wrong_password = url.replacen("outcry:", "outcry:not", 1);
    let wrong_vhost = url.replace("refusals", "nowhere");
    for url in [wrong_password, wrong_vhost] {
        let refused = RabbitMq::connect(RabbitOptions::new(url, "tests")).await;
        assert!(matches!(refused, Err(Fault::Unwelcome(_))), "{refused:?}");
    }
    let address = RabbitMq::connect(RabbitOptions::new("no address", "tests")).await;
    assert!(matches!(address, Err(Fault::Address(_))), "{address:?}");

    // Somebody has made a queue of ours otherwise.
    let connection = lapin::Connection::connect(&url, lapin::ConnectionProperties::default())
        .await
        .unwrap();
    let channel = connection.create_channel().await.unwrap();
    channel
        .queue_declare(
            "outcry.group.000".into(),
            lapin::options::QueueDeclareOptions::durable(),
            lapin::types::FieldTable::default(),
        )
        .await
        .unwrap();
    let broker = connect(&url).await;
    let differs = broker
        .declare(&group("group", "#", 1, 8))
        .await
        .unwrap_err();
    let BrokerError::Backend(cause) = &differs else {
        panic!("{differs:?}");
    };
    assert!(
        cause
            .to_string()
            .starts_with("queue outcry.group.000 exists, but differently"),
        "{cause}"
    );
    for name in ["events", "unrouted"] {
        let taken = broker.declare(&group(name, "#", 1, 8)).await;
        assert!(
            matches!(taken, Err(BrokerError::InvalidGroup { .. })),
            "{taken:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_stranger_published_is_delivered_and_not_lost() {
    if !outcry_servers::present() {
        return;
    }
    let server = outcry_servers::shared_rabbitmq().await.unwrap();
    let url = server.create_vhost("stranger").await.unwrap();
    let broker = connect(&url).await;
    let group = group("group", "#", 4, 8);
    broker.declare(&group).await.unwrap();
    let connection = lapin::Connection::connect(&url, lapin::ConnectionProperties::default())
        .await
        .unwrap();
    let channel = connection.create_channel().await.unwrap();
    channel
        .basic_publish(
            "outcry.events".into(),
            "order.created".into(),
            lapin::options::BasicPublishOptions::default(),
            b"?",
            lapin::BasicProperties::default(),
        )
        .await
        .unwrap();
    let mut partitions = Vec::new();
    for index in 0..group.partitions {
        partitions.push(broker.subscribe(&group, index).await.unwrap());
    }
    let receiving = partitions
        .iter_mut()
        .map(|partition| Box::pin(recv(partition)));
    let (delivery, ..) = futures::future::select_all(receiving).await;
    assert_eq!(delivery.message.body, "?");
    assert_eq!(delivery.message.partition_key, "order.created");
    delivery.ack().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn many_that_declare_at_once_agree() {
    if !outcry_servers::present() {
        return;
    }
    let server = outcry_servers::shared_rabbitmq().await.unwrap();
    let url = server.create_vhost("at-once").await.unwrap();
    let group = group("group", "#", 6, 8);
    let declaring = (0..5).map(|_| {
        let (url, group) = (url.clone(), group.clone());
        tokio::spawn(async move {
            let broker = connect(&url).await;
            broker.declare(&group).await.unwrap();
            let mine = consume(&broker, &group);
            insist(&broker, "key", 1..=1).await;
            mine
        })
    });
    let declaring: Vec<_> = declaring.collect();
    for one in declaring {
        one.await.unwrap();
    }
    let broker = connect(&url).await;
    let more = super::support::group("group", "#", 7, 8);
    let fewer = super::support::group("group", "#", 2, 8);
    insist(&broker, "key", 1..=1).await;
    for other in [more, fewer] {
        let refused = broker.declare(&other).await;
        assert!(
            matches!(
                refused,
                Err(BrokerError::InvalidGroup { .. } | BrokerError::InUse { .. })
            ),
            "{refused:?}"
        );
    }
}
