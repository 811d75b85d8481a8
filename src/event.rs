//! What the contract says about each event.

use prost::DecodeError;

use crate::validate::{Validate, Violations};

include!(concat!(env!("OUT_DIR"), "/events.rs"));

/// A message the contract declares to be an event.
pub trait Event: prost::Message + prost::Name + Default + Validate {
    /// Routing key, for example `order.created`.
    const TOPIC: &'static str;
    /// The one service that publishes it.
    const OWNER: &'static str;
    /// Kind of aggregate it belongs to: the prefix of its stream.
    const AGGREGATE: &'static str;
    /// Major version of its contract.
    const SCHEMA_VERSION: u32;
    /// Added by Outcry beyond the decision record.
    const EXTENSION: bool;

    /// Id of the aggregate it belongs to.
    fn aggregate_id(&self) -> &str;

    /// Consumers see events with the same key in order.
    fn partition_key(&self) -> &str;

    /// Ids of the users it is about: the only customers who may read it. Unset ids are left out.
    fn subjects(&self) -> Vec<&str>;
}

/// What the contract says about one event, for code that does not know its type.
#[derive(Debug, Clone, Copy)]
pub struct EventFacts {
    /// Full protobuf name, `outcry.orders.v1.OrderCreatedEvent`.
    pub full_name: &'static str,
    /// Type URL of the payload, `type.googleapis.com/outcry.orders.v1.OrderCreatedEvent`.
    pub type_url: &'static str,
    /// [`Event::TOPIC`].
    pub topic: &'static str,
    /// [`Event::OWNER`].
    pub owner: &'static str,
    /// [`Event::AGGREGATE`].
    pub aggregate: &'static str,
    /// [`Event::SCHEMA_VERSION`].
    pub schema_version: u32,
    /// [`Event::EXTENSION`].
    pub extension: bool,
    /// Decodes a payload and validates it.
    pub validate: fn(&[u8]) -> Result<Result<(), Violations>, DecodeError>,
    /// Decodes a payload and lists [`Event::subjects`].
    pub subjects: fn(&[u8]) -> Result<Vec<String>, DecodeError>,
}

impl EventFacts {
    const fn of<E: Event>(full_name: &'static str, type_url: &'static str) -> EventFacts {
        EventFacts {
            full_name,
            type_url,
            topic: E::TOPIC,
            owner: E::OWNER,
            aggregate: E::AGGREGATE,
            schema_version: E::SCHEMA_VERSION,
            extension: E::EXTENSION,
            validate: validate_payload::<E>,
            subjects: subjects_of_payload::<E>,
        }
    }

    /// The event with this topic.
    #[must_use]
    pub fn of_topic(topic: &str) -> Option<&'static EventFacts> {
        let index = EVENTS
            .binary_search_by(|event| event.topic.cmp(topic))
            .ok()?;
        EVENTS.get(index)
    }

    /// The event whose payload carries this type URL.
    #[must_use]
    pub fn of_type_url(type_url: &str) -> Option<&'static EventFacts> {
        EVENTS.iter().find(|event| event.type_url == type_url)
    }
}

fn validate_payload<E: Event>(payload: &[u8]) -> Result<Result<(), Violations>, DecodeError> {
    E::decode(payload).map(|event| event.validate())
}

fn subjects_of_payload<E: Event>(payload: &[u8]) -> Result<Vec<String>, DecodeError> {
    let event = E::decode(payload)?;
    Ok(event.subjects().into_iter().map(str::to_owned).collect())
}
