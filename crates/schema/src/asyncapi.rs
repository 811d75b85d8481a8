//! The AsyncAPI document: every event as a channel with its message, who sends it and who receives it.
//!
//! Bodies on the wire are protobuf. The schemas in the document are those of the same messages in
//! protobuf's JSON form, because that is what tools can show and check.

use std::collections::BTreeMap;

use outcry_events::catalog::{CatalogEntry, catalog};
use serde_json::{Map, Value, json};

use crate::consumers::Consumers;
use crate::example;
use crate::json_schema::{ENVELOPE, PatternError, Schemas};

/// The topic exchange that every event is published to.
pub const EXCHANGE: &str = "outcry.events";
/// Content type of a message: the envelope is also a CloudEvents protobuf event.
pub const CONTENT_TYPE: &str = "application/cloudevents+protobuf";
/// What the schemas of the document are written in.
const SCHEMA_FORMAT: &str = "application/vnd.aai.asyncapi+json;version=3.0.0";
/// Version of the AMQP bindings.
const BINDING: &str = "0.3.0";
/// Delivery mode of messages that a server keeps on disk.
const PERSISTENT: u32 = 2;
/// Name of the schema of the headers that all messages have.
const HEADERS: &str = "CloudEventsHeaders";
/// Header with the fingerprint of the schema an event was made with.
const SCHEMA_HEADER: &str = "outcry-schema";

/// Headers of every message: name, whether it is always there, what it is.
const ATTRIBUTES: [(&str, bool, &str); 13] = [
    ("ce-specversion", true, "CloudEvents version."),
    ("ce-id", true, "Id of the event: recognise repeats by it."),
    ("ce-type", true, "Topic of the event."),
    ("ce-source", true, "Publishing service as a path."),
    ("ce-subject", true, "Id of the aggregate."),
    ("ce-time", false, "When the fact happened, RFC 3339."),
    ("ce-dataschema", true, "Type of the body."),
    (
        "ce-payloadtype",
        true,
        "Type URL of the payload in the envelope.",
    ),
    (
        "ce-sequence",
        true,
        "Place in the aggregate's history, with leading zeros.",
    ),
    ("ce-correlationid", true, "Id of the flow."),
    ("ce-causationid", false, "Id of what led to the event."),
    (
        "ce-partitionkey",
        true,
        "Messages with the same key stay in order.",
    ),
    (
        "ce-traceparent",
        false,
        "W3C trace context of the decision.",
    ),
];

/// The document.
///
/// # Errors
/// A pattern of the contract means something else outside RE2.
pub fn document(consumers: &Consumers) -> Result<Value, PatternError> {
    let events = &catalog().events;
    let mut operations = BTreeMap::new();
    for entry in events {
        operations.insert(
            format!("{}.sends.{}", entry.owner, entry.topic),
            sending(entry),
        );
        for consumer in consumers.of(entry) {
            let name = format!("{consumer}.receives.{}", entry.topic);
            operations.insert(name, receiving(entry, consumer));
        }
    }
    let channels: Map<String, Value> = events
        .iter()
        .map(|entry| (entry.topic.to_owned(), channel(entry)))
        .collect();
    Ok(json!({
        "asyncapi": "3.0.0",
        "id": "urn:outcry:events",
        "info": info(consumers),
        "defaultContentType": CONTENT_TYPE,
        "servers": {"rabbitmq": server()},
        "channels": channels,
        "operations": operations,
        "components": components()?,
    }))
}

fn info(consumers: &Consumers) -> Value {
    let mut services: Vec<&str> = catalog().events.iter().map(|entry| entry.owner).collect();
    services.extend(consumers.0.iter().map(|consumer| consumer.name.as_str()));
    services.sort_unstable();
    services.dedup();
    let tags: Vec<Value> = services.into_iter().map(tag).collect();
    json!({
        "title": "Outcry",
        "version": env!("CARGO_PKG_VERSION"),
        "description": "Every event of the platform. Bodies are the protobuf message \
            `outcry.events.v1.EventEnvelope`, which is also a CloudEvents protobuf event. The schemas \
            here are of the same messages in protobuf's JSON form; the `.proto` files and the compiled \
            descriptors are exported beside this document.",
        "license": {
            "name": env!("CARGO_PKG_LICENSE"),
            "url": "https://www.apache.org/licenses/LICENSE-2.0",
        },
        "tags": tags,
    })
}

fn tag(service: &str) -> Value {
    json!({"name": service, "description": format!("The service `{service}`.")})
}

fn server() -> Value {
    json!({
        "host": "{host}:{port}",
        "pathname": "/{vhost}",
        "protocol": "amqp",
        "protocolVersion": "0.9.1",
        "title": "RabbitMQ",
        "description": "A consumer of its own declares a queue and binds it to the exchange \
            `outcry.events` by the topics it wants.",
        "variables": {
            "host": {"default": "localhost", "description": "Where RabbitMQ is."},
            "port": {"default": "5672", "description": "5671 with TLS."},
            "vhost": {"default": "%2F", "description": "Virtual host, percent-encoded."},
        },
        "security": [{"$ref": "#/components/securitySchemes/user"}],
    })
}

fn channel(entry: &CatalogEntry) -> Value {
    json!({
        "address": entry.topic,
        "title": short(entry.full_name),
        "description": entry.description,
        "messages": {short(entry.full_name): reference("messages", entry.full_name)},
        "bindings": reference("channelBindings", "events"),
        "tags": [tag(entry.owner)],
        "x-outcry-owner": entry.owner,
        "x-outcry-aggregate": entry.aggregate,
        "x-outcry-version": entry.version,
        "x-outcry-partition-key": entry.partition_key_field,
        "x-outcry-subjects": entry.subject_fields,
    })
}

/// Operation of the one service that publishes an event.
fn sending(entry: &CatalogEntry) -> Value {
    let mut operation = operation(entry, "send", entry.owner);
    operation.insert(
        "bindings".to_owned(),
        reference("operationBindings", "send"),
    );
    Value::Object(operation)
}

/// Operation of a group that gets an event.
fn receiving(entry: &CatalogEntry, group: &str) -> Value {
    let mut operation = operation(entry, "receive", group);
    operation.insert(
        "bindings".to_owned(),
        reference("operationBindings", "receive"),
    );
    operation.insert("x-outcry-group".to_owned(), json!(group));
    Value::Object(operation)
}

fn operation(entry: &CatalogEntry, action: &str, service: &str) -> Map<String, Value> {
    let (channel, message) = (entry.topic, short(entry.full_name));
    let parts = [
        ("action", json!(action)),
        ("title", json!(format!("{service} {action}s {channel}"))),
        ("summary", json!(first_sentence(&entry.description))),
        ("channel", json!({"$ref": format!("#/channels/{channel}")})),
        (
            "messages",
            json!([{"$ref": format!("#/channels/{channel}/messages/{message}")}]),
        ),
        ("tags", json!([tag(service)])),
        ("x-outcry-service", json!(service)),
    ];
    parts
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

fn components() -> Result<Value, PatternError> {
    let mut schemas = Schemas::below("#/components/schemas/");
    schemas.add(ENVELOPE)?;
    for entry in &catalog().events {
        schemas.add(entry.full_name)?;
    }
    let mut schemas = schemas.into_map();
    schemas.insert(HEADERS.to_owned(), headers());
    let messages: Map<String, Value> = catalog()
        .events
        .iter()
        .map(|entry| (entry.full_name.to_owned(), message(entry)))
        .collect();
    let exchange = json!({"name": EXCHANGE, "type": "topic", "durable": true, "autoDelete": false});
    let amqp = |binding: Value| json!({"amqp": binding});
    Ok(json!({
        "schemas": schemas,
        "messages": messages,
        "correlationIds": {"flow": {
            "description": "Id of the command that started the flow.",
            "location": "$message.header#/ce-correlationid",
        }},
        "securitySchemes": {"user": {
            "type": "userPassword",
            "description": "A user of RabbitMQ that may read from the exchange and owns its queues.",
        }},
        "channelBindings": {"events": amqp(json!({
            "is": "routingKey", "exchange": exchange, "bindingVersion": BINDING,
        }))},
        "operationBindings": {
            "send": amqp(json!({
                "deliveryMode": PERSISTENT, "mandatory": false, "bindingVersion": BINDING,
            })),
            "receive": amqp(json!({"ack": true, "bindingVersion": BINDING})),
        },
    }))
}

/// The headers that every message has.
fn headers() -> Value {
    let properties: Map<String, Value> = ATTRIBUTES
        .iter()
        .map(|(name, _, about)| {
            (
                (*name).to_owned(),
                json!({"type": "string", "description": about}),
            )
        })
        .collect();
    let always = ATTRIBUTES.iter().filter(|(_, always, _)| *always);
    let required: Vec<&str> = always.map(|(name, ..)| *name).collect();
    json!({
        "title": "CloudEvents attributes",
        "description": "Other headers may stand beside them.",
        "type": "object",
        "properties": properties,
        "required": required,
    })
}

fn message(entry: &CatalogEntry) -> Value {
    let payload = format!("#/components/schemas/{}", entry.full_name);
    let envelope = json!({
        "allOf": [
            {"$ref": format!("#/components/schemas/{ENVELOPE}")},
            {
                "type": "object",
                "properties": {
                    "source": {"const": format!("/{}", entry.owner)},
                    "eventType": {"const": entry.topic},
                    "schemaVersion": {"const": entry.version},
                    "aggregateType": {"const": entry.aggregate},
                    "payload": {"allOf": [{"$ref": payload}, {"required": ["@type"]}]},
                },
            },
        ],
    });
    let headers = json!({
        "allOf": [
            {"$ref": format!("#/components/schemas/{HEADERS}")},
            {
                "type": "object",
                "properties": {
                    "ce-type": {"const": entry.topic},
                    "ce-source": {"const": format!("/{}", entry.owner)},
                    "ce-payloadtype": {"const": entry.type_url},
                    SCHEMA_HEADER: {
                        "const": entry.fingerprint,
                        "description": "SHA-256 of the schema this version publishes with. Another value \
                            means that the publisher was built from another contract.",
                    },
                },
                "required": [SCHEMA_HEADER],
            },
        ],
    });
    let example = example::event_as_json(entry);
    json!({
        "name": entry.full_name,
        "title": short(entry.full_name),
        "summary": first_sentence(&entry.description),
        "description": entry.description,
        "contentType": CONTENT_TYPE,
        "headers": headers,
        "payload": {"schemaFormat": SCHEMA_FORMAT, "schema": envelope},
        "correlationId": reference("correlationIds", "flow"),
        "bindings": {"amqp": {"messageType": entry.topic, "bindingVersion": BINDING}},
        "examples": [{"name": "example", "headers": example_headers(entry, &example), "payload": example}],
        "tags": [tag(entry.owner)],
        "x-outcry-type": entry.full_name,
        "x-outcry-file": entry.file,
        "x-outcry-fingerprint": entry.fingerprint,
    })
}

/// The headers of the example.
fn example_headers(entry: &CatalogEntry, example: &Value) -> Value {
    let said = |name: &str| {
        example
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    json!({
        "ce-specversion": said("specVersion"),
        "ce-id": said("eventId"),
        "ce-type": entry.topic,
        "ce-source": said("source"),
        "ce-subject": said("aggregateId"),
        "ce-time": said("occurredAt"),
        "ce-dataschema": format!("type.googleapis.com/{ENVELOPE}"),
        "ce-payloadtype": entry.type_url,
        "ce-sequence": format!("{:0>20}", said("aggregateSequence")),
        "ce-correlationid": said("correlationId"),
        "ce-causationid": said("causationId"),
        "ce-partitionkey": said("partitionKey"),
        "ce-traceparent": said("traceparent"),
        SCHEMA_HEADER: entry.fingerprint,
    })
}

fn reference(kind: &str, name: &str) -> Value {
    json!({"$ref": format!("#/components/{kind}/{name}")})
}

/// A name without its package.
fn short(full_name: &str) -> &str {
    full_name
        .rsplit_once('.')
        .map_or(full_name, |(_, name)| name)
}

/// The first sentence of a comment.
fn first_sentence(text: &str) -> &str {
    text.split_once(". ")
        .map_or(text.trim_end_matches('.'), |(first, _)| first)
}

#[cfg(test)]
mod tests;
