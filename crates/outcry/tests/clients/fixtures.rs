//! Messages that a consumer must not take on trust, made from a real one.

use outcry_contracts::events::v1::EventEnvelope;
use outcry_contracts::orders::v1::OrderFilledEvent;
use prost::Message as _;
use uuid::Uuid;

/// What every client must do with a message, and why.
pub struct Fixture {
    pub body: Vec<u8>,
    pub action: &'static str,
    /// The header `outcry-reason` of one that is put aside.
    pub reason: &'static str,
    /// Its header `outcry-rules`.
    pub rules: &'static str,
}

/// How many there are.
pub const COUNT: usize = 7;

/// One of each kind. `filled` is the body of a real `order.filled`.
pub fn all(filled: &[u8]) -> [Fixture; COUNT] {
    let mut broken = fresh(filled);
    change(&mut broken, |event| {
        event.last_quantity = 0;
        event.execution_id.clear();
    });
    let mut nameless = fresh(filled);
    nameless.source = "orders".to_owned();
    change(&mut nameless, |event| event.order_id = "7".to_owned());
    let mut unknown = fresh(filled);
    if let Some(payload) = &mut unknown.payload {
        payload.type_url = "type.googleapis.com/outcry.orders.v9.OrderFilledEvent".to_owned();
    }
    let mut newer = fresh(filled);
    newer.schema_version = 9;
    let mut torn = fresh(filled);
    if let Some(payload) = &mut torn.payload {
        payload.value = vec![0x0a, 0xff];
    }
    [
        Fixture {
            body: filled.to_vec(),
            action: "duplicate",
            reason: "",
            rules: "",
        },
        Fixture {
            body: broken.encode_to_vec(),
            action: "dead",
            reason: "INVALID",
            rules: "payload.execution_id string.min_len, payload.last_quantity int64.gte_lte",
        },
        Fixture {
            body: nameless.encode_to_vec(),
            action: "dead",
            reason: "INVALID",
            rules: "payload.order_id string.uuid, source string.pattern",
        },
        Fixture {
            body: unknown.encode_to_vec(),
            action: "ignored",
            reason: "",
            rules: "",
        },
        Fixture {
            body: newer.encode_to_vec(),
            action: "dead",
            reason: "NEWER_SCHEMA",
            rules: "",
        },
        Fixture {
            body: torn.encode_to_vec(),
            action: "dead",
            reason: "UNREADABLE",
            rules: "",
        },
        Fixture {
            body: b"\xffnot an event".to_vec(),
            action: "dead",
            reason: "UNREADABLE",
            rules: "",
        },
    ]
}

/// The same fact under an id that nobody has seen.
fn fresh(filled: &[u8]) -> EventEnvelope {
    let mut envelope = EventEnvelope::decode(filled).unwrap();
    envelope.event_id = Uuid::now_v7().to_string();
    envelope
}

fn change(envelope: &mut EventEnvelope, edit: impl FnOnce(&mut OrderFilledEvent)) {
    let payload = envelope.payload.as_mut().unwrap();
    let mut event = OrderFilledEvent::decode(payload.value.as_slice()).unwrap();
    edit(&mut event);
    payload.value = event.encode_to_vec();
}
