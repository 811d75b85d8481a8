//! What the log says, and what it does not.

use std::io;
use std::sync::{Arc, Mutex};

use outcry_contracts::notifications::v1::{ChannelKind, DeliveryStatus};
use outcry_notifications::{Config, EmailConfig, Encryption};
use outcry_servers::smtp::{self, Behaviour, Smtp};
use tracing_subscriber::filter::LevelFilter;

use crate::house::{House, here};
use crate::receiver::{Manner, Receiver};

/// Keeps what is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn addresses_urls_and_secrets_are_in_no_log_and_in_no_reason_of_a_failure() {
    if !smtp::present() {
        return;
    }
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(LevelFilter::DEBUG)
        .with_writer(move || writer.clone())
        .finish();
    // For all threads: what another test's thread is first to log would count as not wanted by anybody, for good.
    tracing::subscriber::set_global_default(subscriber).unwrap();

    let server = Smtp::start().await.unwrap();
    let receiver = Receiver::open().await;
    let house = House::with(Config {
        email: EmailConfig {
            url: server.url(),
            encryption: Encryption::None,
            from: "notices@example.com".to_owned(),
            ..EmailConfig::default()
        },
        ..here()
    })
    .await;
    house.uses(ChannelKind::Email, "ann@example.org").await;
    let secret = house.uses(ChannelKind::Webhook, &receiver.url()).await;
    // The server repeats the address in its answer.
    server.behave(Behaviour::Answer(550)).unwrap();
    receiver.behave(Manner::Answer(500));
    house.reject("told to nobody").await;
    let dead = house.delivery(DeliveryStatus::Dead, 1).await;
    let failed = house.delivery(DeliveryStatus::Pending, 1).await;
    receiver.behave(Manner::Answer(200));
    server.behave(Behaviour::Keep).unwrap();
    house.clock.advance(crate::house::LONG);
    house.retry(&dead.delivery_id).await.unwrap();
    house.delivery(DeliveryStatus::Delivered, 1).await;
    house.delivery(DeliveryStatus::Delivered, 2).await;
    house.platform.stop().await;

    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    for told in ["delivery failed", "delivery given up"] {
        assert!(log.contains(told), "{told} is missing in {log}");
    }
    for personal in ["ann@example.org", "/hooks?of=ann", &secret] {
        for said in [&log, &dead.last_error, &failed.last_error] {
            assert!(!said.contains(personal), "{personal} is told");
        }
    }
}
