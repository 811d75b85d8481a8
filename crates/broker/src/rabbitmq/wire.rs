//! A message as AMQP 0-9-1 carries it.

use bytes::Bytes;
use lapin::BasicProperties;
use lapin::message::Delivery;
use lapin::types::{AMQPValue, FieldTable, ShortString};
use outcry_events::catalog::catalog;

use crate::message::{CONTENT_TYPE, Message};
use crate::topology::{SLOT_VALUE, slot_header};

/// Delivery mode of a message that a server keeps on disk.
const PERSISTENT: u8 = 2;

/// The header in which publishers of whatever language say the partition key.
const KEY_HEADER: &str = "ce-partitionkey";

/// The fingerprint of the schema the event was made with: readers built from another one can tell.
const SCHEMA: &str = "outcry-schema";

/// Says the partition key when the message's own headers do not.
const KEY_ADDED: &str = "outcry-key";

/// Headers that the sender puts on for the way begin so. A message's own never do.
const OURS: &str = "outcry-";

/// Headers that servers add for themselves begin so.
const TRANSPORT: &str = "x-";

/// Properties of a message that has been checked. Its slot is a header: it decides the partition.
pub(super) fn properties(message: &Message) -> BasicProperties {
    let mut headers = FieldTable::default();
    for (name, value) in &message.headers {
        if let Ok(name) = ShortString::try_new(name.as_str()) {
            headers.insert(name, text(value));
        }
    }
    if message.header(KEY_HEADER) != Some(&message.partition_key) {
        headers.insert(KEY_ADDED.into(), text(&message.partition_key));
    }
    if let Some(event) = catalog().by_topic(&message.topic) {
        headers.insert(SCHEMA.into(), text(&event.fingerprint));
    }
    let slot = slot_header(&message.partition_key);
    headers.insert(slot.into(), text(SLOT_VALUE));
    BasicProperties::default()
        .with_content_type(CONTENT_TYPE.into())
        .with_delivery_mode(PERSISTENT)
        .with_message_id(message.event_id.as_str().into())
        .with_correlation_id(message.correlation_id.as_str().into())
        .with_type(message.topic.as_str().into())
        .with_app_id(message.source.as_str().into())
        .with_headers(headers)
}

/// Whatever was delivered as a message, also from a publisher who knows nothing of ours. Its body
/// stays as it is.
pub(super) fn message(delivery: &mut Delivery) -> Message {
    let properties = &delivery.properties;
    let mut headers: Vec<_> = properties
        .headers()
        .iter()
        .flat_map(FieldTable::inner)
        .filter(|(name, _)| !name.as_str().starts_with(TRANSPORT))
        .filter_map(|(name, value)| Some((name.to_string(), shown(value)?)))
        .collect();
    let said = |wanted: &str| headers.iter().find(|(name, _)| name == wanted);
    let key = said(KEY_ADDED).or_else(|| said(KEY_HEADER));
    let key = key.map(|(_, key)| key.clone());
    headers.retain(|(name, _)| !name.starts_with(OURS));
    let property = |property: &Option<ShortString>| {
        property
            .as_ref()
            .map_or_else(String::new, ShortString::to_string)
    };
    let topic = delivery.routing_key.to_string();
    Message {
        partition_key: key.unwrap_or_else(|| topic.clone()),
        topic,
        event_id: property(properties.message_id()),
        correlation_id: property(properties.correlation_id()),
        source: property(properties.app_id()),
        headers,
        body: Bytes::from(std::mem::take(&mut delivery.data)),
    }
}

fn text(text: &str) -> AMQPValue {
    AMQPValue::LongString(text.into())
}

/// A header's value as text; none for lists, tables and nothing.
fn shown(value: &AMQPValue) -> Option<String> {
    Some(match value {
        AMQPValue::LongString(text) => String::from_utf8_lossy(text.as_bytes()).into_owned(),
        AMQPValue::ShortString(text) => text.to_string(),
        AMQPValue::Boolean(flag) => flag.to_string(),
        AMQPValue::ShortShortInt(number) => number.to_string(),
        AMQPValue::ShortShortUInt(number) => number.to_string(),
        AMQPValue::ShortInt(number) => number.to_string(),
        AMQPValue::ShortUInt(number) => number.to_string(),
        AMQPValue::LongInt(number) => number.to_string(),
        AMQPValue::LongUInt(number) => number.to_string(),
        AMQPValue::LongLongInt(number) => number.to_string(),
        AMQPValue::Timestamp(seconds) => seconds.to_string(),
        AMQPValue::Float(number) => number.to_string(),
        AMQPValue::Double(number) => number.to_string(),
        AMQPValue::ByteArray(bytes) => String::from_utf8_lossy(bytes.as_slice()).into_owned(),
        AMQPValue::DecimalValue(_)
        | AMQPValue::FieldArray(_)
        | AMQPValue::FieldTable(_)
        | AMQPValue::Void => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain() -> Message {
        Message {
            topic: "order.created".to_owned(),
            partition_key: "account-1".to_owned(),
            event_id: "id".to_owned(),
            correlation_id: "flow".to_owned(),
            source: "/orders".to_owned(),
            headers: Vec::new(),
            body: Bytes::from_static(b"body"),
        }
    }

    fn delivered(properties: BasicProperties, body: &[u8]) -> Message {
        let (exchange, key) = ("outcry.events".into(), "order.created".into());
        let mut delivery = Delivery::mock(1, exchange, key, false, body.to_vec());
        delivery.properties = properties;
        message(&mut delivery)
    }

    #[test]
    fn a_message_is_the_same_again() {
        let plain = plain();
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        for headers in [
            vec![],
            vec![header("ce-type", "order.created")],
            vec![
                header("ce-partitionkey", "account-1"),
                header("ce-type", "ünïcödé"),
            ],
        ] {
            let message = Message {
                headers,
                ..plain.clone()
            };
            assert_eq!(delivered(properties(&message), b"body"), message);
        }
    }

    #[test]
    fn a_known_event_travels_with_the_fingerprint_of_its_schema() {
        let sent = |topic: &str| {
            let message = Message {
                topic: topic.to_owned(),
                ..plain()
            };
            let headers = properties(&message).headers().clone();
            headers.and_then(|all| all.inner().get(SCHEMA).and_then(shown))
        };
        let created = catalog().by_topic("order.created");
        assert_eq!(
            sent("order.created").as_deref(),
            created.map(|event| event.fingerprint.as_str())
        );
        assert_eq!(sent("nothing.happened"), None);
    }

    #[test]
    fn what_a_stranger_sent_keeps_its_body_and_gets_a_key() {
        let mut headers = FieldTable::default();
        headers.insert("x-delivery-count".into(), AMQPValue::LongLongInt(3));
        headers.insert("number".into(), AMQPValue::LongInt(7));
        headers.insert("nothing".into(), AMQPValue::Void);
        let message = delivered(BasicProperties::default().with_headers(headers), b"?");
        assert_eq!(message.partition_key, "order.created");
        assert_eq!(message.headers, [("number".to_owned(), "7".to_owned())]);
        assert_eq!(message.body, "?");
        assert_eq!(message.event_id, "");
    }
}
