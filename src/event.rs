//! What the contract says about each event.

use prost::DecodeError;

use crate::validate::{Validate, Verdict, of_bytes};

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
    /// The version after this one; none for the newest.
    pub successor: Option<Successor>,
    /// Decodes a payload and validates it.
    pub validate: fn(&[u8]) -> Verdict,
    /// Decodes a payload and lists [`Event::subjects`].
    pub subjects: fn(&[u8]) -> Result<Vec<String>, DecodeError>,
}

/// The next version of an event, and how long the one before is still published beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Successor {
    /// Topic of the next version.
    pub topic: &'static str,
    /// Last day, in UTC, on which the version before is published, as `2027-06-30`.
    pub published_until: &'static str,
    /// When that day is over, in seconds since 1970.
    pub over_s: u64,
}

impl EventFacts {
    const fn of<E: Event>(
        full_name: &'static str,
        type_url: &'static str,
        successor: Option<Successor>,
    ) -> EventFacts {
        EventFacts {
            full_name,
            type_url,
            topic: E::TOPIC,
            owner: E::OWNER,
            aggregate: E::AGGREGATE,
            schema_version: E::SCHEMA_VERSION,
            extension: E::EXTENSION,
            successor,
            validate: of_bytes::<E>,
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

fn subjects_of_payload<E: Event>(payload: &[u8]) -> Result<Vec<String>, DecodeError> {
    let event = E::decode(payload)?;
    Ok(event.subjects().into_iter().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;
    use crate::sample::v1::GreetingSentEvent;

    mod sample {
        use super::*;

        include!(concat!(env!("OUT_DIR"), "/samples/events.rs"));
    }

    fn greeting(receiver: &str) -> GreetingSentEvent {
        GreetingSentEvent {
            greeting_id: "g-1".to_owned(),
            sender_id: "u-1".to_owned(),
            receiver_id: receiver.to_owned(),
        }
    }

    #[test]
    fn an_event_knows_its_place_and_whom_it_is_about() {
        let event = greeting("u-2");

        assert_eq!(GreetingSentEvent::TOPIC, "greeting.sent");
        assert_eq!(GreetingSentEvent::OWNER, "greetings");
        assert_eq!(GreetingSentEvent::AGGREGATE, "greeting");
        assert_eq!(GreetingSentEvent::SCHEMA_VERSION, 1);
        const { assert!(GreetingSentEvent::EXTENSION) };
        assert_eq!(
            (event.aggregate_id(), event.partition_key()),
            ("g-1", "u-1")
        );
        assert_eq!(event.subjects(), ["u-1", "u-2"]);
    }

    #[test]
    fn an_event_is_not_about_users_it_does_not_name() {
        assert_eq!(greeting("").subjects(), ["u-1"]);
    }

    #[test]
    fn events_are_validated_and_attributed_by_their_bytes_alone() {
        let [facts] = sample::EVENTS else {
            panic!("{:?}", sample::EVENTS);
        };
        let valid = greeting("u-2").encode_to_vec();

        assert_eq!(
            facts.type_url,
            "type.googleapis.com/outcry.sample.v1.GreetingSentEvent"
        );
        assert_eq!((facts.validate)(&valid), Ok(Ok(())));
        assert_eq!((facts.subjects)(&valid).unwrap(), ["u-1", "u-2"]);
        let violations = (facts.validate)(&[]).unwrap().unwrap_err();
        assert_eq!(violations.list[0].field, "greeting_id");
        assert!((facts.validate)(&[0xff]).is_err());
        assert!((facts.subjects)(&[0xff]).is_err());
    }

    #[test]
    fn every_event_of_the_contract_is_found_by_topic_and_by_type() {
        for event in EVENTS {
            assert_eq!(
                EventFacts::of_topic(event.topic).map(|e| e.full_name),
                Some(event.full_name)
            );
            assert_eq!(
                EventFacts::of_type_url(event.type_url).map(|e| e.topic),
                Some(event.topic)
            );
            assert_eq!(
                event.type_url,
                format!("type.googleapis.com/{}", event.full_name)
            );
        }
        assert!(EventFacts::of_topic("nothing.happened").is_none());
    }
}
