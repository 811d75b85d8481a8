//! What order means on this broker.

use outcry_broker::{Broker, PublishError};

use super::support::{connect, group, message, number, publish, recv};

#[tokio::test(flavor = "multi_thread")]
async fn of_many_in_flight_exactly_those_nobody_wants_are_unroutable() {
    if !outcry_servers::present() {
        return;
    }
    let server = outcry_servers::shared_rabbitmq().await.unwrap();
    let broker = connect(&server.create_vhost("returned").await.unwrap()).await;
    let orders = group("orders", "order.*", 3, 16);
    broker.declare(&orders).await.unwrap();
    let calls = (0..8).map(|call| {
        let broker = broker.clone();
        tokio::spawn(async move {
            for round in 0..20 {
                let topic = |at: u64| match (at + round) % 3 {
                    0 => "trade.executed",
                    _ => "order.created",
                };
                let messages: Vec<_> = (0..60)
                    .map(|at| message(topic(at), &format!("{call}-{at}"), round))
                    .collect();
                let results = broker.publish(messages.clone()).await;
                for (message, result) in messages.iter().zip(results) {
                    match message.topic.as_str() {
                        "order.created" => result.unwrap(),
                        topic => assert!(
                            matches!(&result, Err(PublishError::Unroutable { topic: found }) if found == topic),
                            "{result:?}"
                        ),
                    }
                }
            }
        })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap();
    }
    assert_eq!(broker.groups().await.unwrap()[0].lag, 8 * 20 * 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_unsettled_messages_come_again_in_order_however_often() {
    if !outcry_servers::present() {
        return;
    }
    let server = outcry_servers::shared_rabbitmq().await.unwrap();
    let broker = connect(&server.create_vhost("unsettled-many").await.unwrap()).await;
    let group = group("group", "#", 1, 200);
    broker.declare(&group).await.unwrap();
    let all = (1..=500).map(|number| message("order.created", &format!("key-{number}"), number));
    // Different keys of one wave keep the order in which they were sent.
    publish(&broker, all.collect()).await;
    let mut first = 1;
    for round in 0..6 {
        let mut partition = broker.subscribe(&group, 0).await.unwrap();
        let mut in_hand = Vec::new();
        for expected in first..first + 150 {
            let delivery = recv(&mut partition).await;
            assert_eq!(number(&delivery.message), expected, "in round {round}");
            in_hand.push(delivery);
        }
        // Some in the middle are settled, and the first five.
        let mut settled = 0;
        for delivery in in_hand {
            if number(&delivery.message) < first + 5 {
                delivery.ack().await.unwrap();
                settled += 1;
            }
        }
        first += settled;
    }
}
