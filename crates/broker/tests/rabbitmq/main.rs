//! RabbitMQ as the broker, against real servers.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod faults;
mod order;
mod plans;
mod support;

use std::collections::HashMap;
use std::sync::Arc;

use outcry_broker::{Broker, RabbitMq, RabbitOptions, conformance};
use tokio::sync::Mutex;

async fn conforms() {
    let server = outcry_servers::shared_rabbitmq().await.unwrap();
    // One virtual host per name: what was there before is there again.
    let vhosts: Mutex<HashMap<String, String>> = Mutex::default();
    let make = async |name: &str| {
        let url = {
            let mut vhosts = vhosts.lock().await;
            match vhosts.get(name) {
                Some(url) => url.clone(),
                None => {
                    let vhost = format!("conformance-{name}");
                    let url = server.create_vhost(&vhost).await.unwrap();
                    vhosts.insert(name.to_owned(), url.clone());
                    url
                }
            }
        };
        let options = RabbitOptions::new(url, "conformance");
        let broker: Arc<dyn Broker> = Arc::new(RabbitMq::connect(options).await.unwrap());
        broker
    };
    conformance::all(make).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_does_what_every_broker_must_do() {
    if outcry_servers::present() {
        conforms().await;
    }
}
