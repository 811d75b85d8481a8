use std::time::{Duration, UNIX_EPOCH};

use outcry_contracts::EVENTS;
use proptest::prelude::*;
use prost_types::{Any, Timestamp};

use super::*;
use crate::samples::{AlertCleared, AlertRaised, moment, raised, root, stamp};
use crate::stamp::Stamp;

/// An envelope that follows all rules, with a payload of this type.
fn envelope(topic: &str, aggregate: &str, type_url: &str) -> EventEnvelope {
    let cause = root();
    let sealed = seal(&raised("full"), stamp(&cause)).expect("sealed");
    let mut envelope = sealed.envelope().clone();
    envelope.event_type = topic.to_owned();
    envelope.aggregate_type = aggregate.to_owned();
    envelope.payload = Some(Any {
        type_url: type_url.to_owned(),
        value: Vec::new(),
    });
    envelope
}

fn open(envelope: &EventEnvelope) -> Result<SealedEvent, OpenError> {
    SealedEvent::open(Bytes::from(envelope.encode_to_vec()))
}

#[test]
fn what_was_sealed_opens_as_the_same_event() {
    let cause = Cause {
        causation_id: Some(Uuid::from_u128(0xca)),
        ..root()
    };
    let sealed = seal(&raised("disk full"), stamp(&cause)).expect("sealed");
    let opened = SealedEvent::open(sealed.bytes().clone()).expect("opened");

    assert_eq!(opened, sealed);
    for event in [&sealed, &opened] {
        assert_eq!(
            event.payload::<AlertRaised>().expect("payload"),
            raised("disk full")
        );
        assert_eq!(event.envelope(), sealed.envelope());
        assert_eq!(event.id(), Uuid::from_u128(0xe1));
        assert_eq!(event.topic(), "alert.raised");
        assert_eq!(
            event.type_url(),
            "type.googleapis.com/outcry.samples.v1.AlertRaised"
        );
        assert_eq!(event.source(), "/samples");
        assert_eq!(event.partition_key(), "a-1");
        assert_eq!(event.aggregate_id(), "a-1");
        assert_eq!(event.stream(), "alert-a-1");
        assert_eq!(event.sequence(), 1);
        assert_eq!(event.correlation_id(), cause.correlation_id);
        assert_eq!(event.causation_id(), cause.causation_id);
        assert_eq!(event.occurred_at(), moment());
        assert_eq!(
            event.recorded_at(),
            Some(moment() + Duration::from_millis(5))
        );
        assert_eq!(event.envelope().actor, "service:samples");
        assert!(event.facts().is_none());
        assert!(event.subjects().expect("subjects").is_empty());
    }
}

#[test]
fn what_an_event_leads_to_stays_in_its_flow() {
    let cause = root();
    let sealed = seal(&raised("disk full"), stamp(&cause)).expect("sealed");
    assert_eq!(
        sealed.cause("service:pager"),
        Cause {
            correlation_id: cause.correlation_id,
            causation_id: Some(sealed.id()),
            actor: "service:pager".to_owned(),
            traceparent: cause.traceparent.clone(),
        }
    );
}

#[test]
fn the_bytes_are_also_a_cloud_event() {
    /// The attributes of `io.cloudevents.v1.CloudEvent` that have tags of their own.
    #[derive(Clone, PartialEq, prost::Message)]
    struct CloudEvent {
        #[prost(string, tag = "1")]
        id: String,
        #[prost(string, tag = "2")]
        source: String,
        #[prost(string, tag = "3")]
        spec_version: String,
        #[prost(string, tag = "4")]
        kind: String,
        #[prost(message, optional, tag = "8")]
        proto_data: Option<Any>,
    }
    let cause = root();
    let sealed = seal(&raised("disk full"), stamp(&cause)).expect("sealed");
    let cloud_event = CloudEvent::decode(sealed.bytes().as_ref()).expect("a cloud event");
    assert_eq!(cloud_event.id, sealed.id().to_string());
    assert_eq!(cloud_event.source, "/samples");
    assert_eq!(cloud_event.spec_version, "1.0");
    assert_eq!(cloud_event.kind, "alert.raised");
    assert_eq!(cloud_event.proto_data, sealed.envelope().payload);
}

#[test]
fn unknown_fields_stay_in_the_bytes() {
    #[derive(Clone, PartialEq, prost::Message)]
    struct Future {
        #[prost(string, tag = "900")]
        news: String,
    }
    let cause = root();
    let sealed = seal(&raised("disk full"), stamp(&cause)).expect("sealed");
    let mut bytes = sealed.bytes().to_vec();
    bytes.extend(
        Future {
            news: "later".to_owned(),
        }
        .encode_to_vec(),
    );

    let opened = SealedEvent::open(Bytes::from(bytes.clone())).expect("opened");
    assert_eq!(opened.bytes().as_ref(), bytes.as_slice());
    assert_eq!(opened.envelope(), sealed.envelope());
}

#[test]
fn an_event_that_breaks_its_rules_is_not_sealed() {
    let cause = root();
    let refused = seal(&AlertRaised::default(), stamp(&cause));
    assert!(matches!(
        refused,
        Err(SealError::Payload {
            topic: "alert.raised",
            ..
        })
    ));
}

#[test]
fn an_envelope_that_breaks_its_rules_is_not_sealed() {
    let cause = root();
    let no_place = Stamp {
        sequence: 0,
        ..stamp(&cause)
    };
    let refused = seal(&raised("x"), no_place);
    assert!(matches!(
        refused,
        Err(SealError::Envelope {
            topic: "alert.raised",
            ..
        })
    ));

    let long_id = AlertRaised {
        alert_id: "a".repeat(129),
        text: String::new(),
    };
    assert!(matches!(
        seal(&long_id, stamp(&cause)),
        Err(SealError::Envelope { .. })
    ));
}

#[test]
fn an_event_too_large_for_brokers_is_not_sealed() {
    let cause = root();
    let refused = seal(&raised(&"x".repeat(EVENT_BYTES_MAX)), stamp(&cause));
    assert!(matches!(refused, Err(SealError::TooLarge { .. })));
}

#[test]
fn a_time_out_of_range_is_not_sealed() {
    let cause = root();
    for seconds in [253_402_300_800, i64::MAX as u64] {
        let after = UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
        let before = UNIX_EPOCH.checked_sub(Duration::from_secs(seconds));
        for time in [after, before].into_iter().flatten() {
            let stamp = Stamp {
                recorded_at: time,
                ..stamp(&cause)
            };
            assert!(matches!(
                seal(&raised("x"), stamp),
                Err(SealError::Time { .. })
            ));
        }
    }
}

#[test]
fn bytes_that_are_no_envelope_do_not_open() {
    let garbage = SealedEvent::open(Bytes::from_static(b"\xff\xff\xff"));
    assert!(matches!(garbage, Err(OpenError::Undecodable(_))));
    assert!(matches!(
        SealedEvent::open(Bytes::new()),
        Err(OpenError::Envelope(_))
    ));
}

#[test]
fn an_envelope_without_a_payload_does_not_open() {
    let without = EventEnvelope {
        payload: None,
        ..envelope("alert.raised", "alert", "x/outcry.X")
    };
    assert!(matches!(open(&without), Err(OpenError::Envelope(_))));
}

#[test]
fn a_time_out_of_range_does_not_open() {
    let mut late = envelope("alert.raised", "alert", "x/outcry.X");
    late.recorded_at = Some(Timestamp {
        seconds: 1,
        nanos: -1,
    });
    assert!(matches!(
        open(&late),
        Err(OpenError::Time {
            field: "recorded_at"
        })
    ));
    late.occurred_at = Some(Timestamp {
        seconds: i64::MAX,
        nanos: 0,
    });
    assert!(matches!(
        open(&late),
        Err(OpenError::Time {
            field: "occurred_at"
        })
    ));
}

#[test]
fn every_known_event_opens_only_when_topic_aggregate_and_payload_agree() {
    let unknown = "type.googleapis.com/outcry.samples.v1.AlertRaised";
    for facts in EVENTS {
        let agreed = open(&envelope(facts.topic, facts.aggregate, facts.type_url));
        let agreed = agreed.expect("agreed");
        assert_eq!(agreed.facts().map(|facts| facts.topic), Some(facts.topic));

        for wrong in [
            envelope("alert.raised", facts.aggregate, facts.type_url),
            envelope(facts.topic, "alert", facts.type_url),
            envelope(facts.topic, facts.aggregate, unknown),
        ] {
            assert!(
                matches!(open(&wrong), Err(OpenError::Disagreement { .. })),
                "{wrong:?}"
            );
        }
    }
}

#[test]
fn an_event_of_a_newer_contract_opens_but_its_payload_is_not_read() {
    let newer = EventEnvelope {
        schema_version: 2,
        ..envelope(
            "alert.raised",
            "alert",
            &<AlertRaised as prost::Name>::type_url(),
        )
    };
    let opened = open(&newer).expect("opened");
    assert!(opened.is::<AlertRaised>());
    assert!(matches!(
        opened.payload::<AlertRaised>(),
        Err(PayloadError::NewerVersion { version: 2, .. })
    ));
}

#[test]
fn a_known_event_of_a_newer_version_has_no_facts() {
    let facts = EVENTS.first().expect("events");
    let newer = EventEnvelope {
        schema_version: facts.schema_version + 1,
        ..envelope(facts.topic, facts.aggregate, facts.type_url)
    };
    assert!(open(&newer).expect("opened").facts().is_none());
}

#[test]
fn a_fact_that_breaks_todays_rules_is_still_read() {
    let old = envelope(
        "alert.raised",
        "alert",
        &<AlertRaised as prost::Name>::type_url(),
    );
    let opened = open(&old).expect("opened");
    let payload = opened.payload::<AlertRaised>().expect("payload");
    assert!(payload.validate().is_err());
}

#[test]
fn another_event_is_not_read() {
    let cause = root();
    let sealed = seal(&raised("x"), stamp(&cause)).expect("sealed");
    assert!(sealed.is::<AlertRaised>());
    assert!(!sealed.is::<AlertCleared>());
    assert!(matches!(
        sealed.payload::<AlertCleared>(),
        Err(PayloadError::OtherEvent {
            wanted: "alert.cleared",
            ..
        })
    ));
}

#[test]
fn a_damaged_payload_opens_but_is_not_read() {
    let mut damaged = envelope(
        "alert.raised",
        "alert",
        &<AlertRaised as prost::Name>::type_url(),
    );
    damaged.payload.as_mut().expect("payload").value = vec![0x0a, 0xff];
    let opened = open(&damaged).expect("opened");
    assert!(matches!(
        opened.payload::<AlertRaised>(),
        Err(PayloadError::Undecodable { .. })
    ));
}

#[test]
fn debug_shows_nothing_of_the_payload() {
    let cause = root();
    let sealed = seal(&raised("a secret text"), stamp(&cause)).expect("sealed");
    let shown = format!("{sealed:?}");
    assert!(shown.contains("alert.raised") && shown.contains("alert-a-1"));
    assert!(!shown.contains("secret"));
}

proptest! {
    #[test]
    fn the_same_input_gives_the_same_bytes(
        text in ".*", sequence in 1u64.., seconds in 0u64..4_000_000_000, id: u128,
    ) {
        let cause = root();
        let occurred_at = UNIX_EPOCH + Duration::from_secs(seconds);
        let stamp = Stamp {
            sequence, occurred_at, event_id: Uuid::from_u128(id), ..stamp(&cause)
        };
        let first = seal(&raised(&text), stamp).expect("sealed");
        let second = seal(&raised(&text), stamp).expect("sealed");
        prop_assert_eq!(first.bytes(), second.bytes());
        let opened = SealedEvent::open(first.bytes().clone()).expect("opened");
        prop_assert_eq!(opened.envelope(), first.envelope());
        prop_assert_eq!(opened.occurred_at(), occurred_at);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
        let _ = SealedEvent::open(Bytes::from(bytes));
    }

    #[test]
    fn a_flipped_byte_never_panics(index: prop::sample::Index, byte: u8) {
        let cause = root();
        let mut bytes = seal(&raised("text"), stamp(&cause)).expect("sealed").bytes().to_vec();
        let index = index.index(bytes.len());
        bytes[index] = byte;
        if let Ok(opened) = SealedEvent::open(Bytes::from(bytes)) {
            let _ = opened.payload::<AlertRaised>();
        }
    }
}
