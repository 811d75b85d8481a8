//! A message that nobody can read.

use outcry_broker::{Broker, EmbeddedBroker, Message};
use outcry_sqlite::Database;

use super::outcry::Outcry;

/// Puts bytes that are no event among the messages of a platform that is not running.
pub async fn poison(outcry: &Outcry) {
    let database = Database::open(&outcry.data().join("outcry.db")).unwrap();
    let broker = EmbeddedBroker::open(&database).await.unwrap();
    let message = Message {
        topic: "order.filled".to_owned(),
        partition_key: "poisoned".to_owned(),
        event_id: "0190a000-0000-7000-8000-0000000000ff".to_owned(),
        correlation_id: String::new(),
        source: "/orders".to_owned(),
        headers: vec![("made-by".to_owned(), "a story".to_owned())],
        body: b"\xffnot an event".to_vec().into(),
    };
    let outcomes = broker.publish(vec![message]).await;
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    broker.close().await.unwrap();
    drop(broker);
    database.close().await.unwrap();
}
