//! What travels: an event's bytes, its routing and its headers.

use std::fmt;
use std::time::SystemTime;

use bytes::Bytes;
use outcry_events::SealedEvent;

use crate::error::PublishError;
use crate::limits::{BODY_BYTES_MAX, TEXT_BYTES_MAX};

/// Content type of a message's body: the envelope is also a CloudEvents protobuf event.
pub const CONTENT_TYPE: &str = "application/cloudevents+protobuf";

/// What the body is, for readers that know the contract. CloudEvents wants a whole URI.
const DATA_SCHEMA: &str = "https://type.googleapis.com/outcry.events.v1.EventEnvelope";

/// An event on its way.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// Decides which groups get it.
    pub topic: String,
    /// Messages with the same key stay in order.
    pub partition_key: String,
    /// The event's id.
    pub event_id: String,
    /// The flow's id.
    pub correlation_id: String,
    /// Publishing service as a path.
    pub source: String,
    /// CloudEvents attributes and whatever else the publisher adds.
    pub headers: Vec<(String, String)>,
    /// The event's one byte string.
    pub body: Bytes,
}

/// In which dialects a message's headers repeat the CloudEvents attributes. No reader knows both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CloudEvents {
    /// `ce-type`: the convention of RabbitMQ clients (AMQP 0-9-1).
    #[default]
    Plain,
    /// Also `cloudEvents:type`: the AMQP 1.0 binding. Adds about half a kilobyte to a message.
    Both,
}

// === impl Message ===

impl Message {
    /// The message of an event, with its CloudEvents attributes as headers.
    #[must_use]
    pub fn of(event: &SealedEvent, dialects: CloudEvents) -> Self {
        let attributes = attributes(event);
        let mut headers = Vec::with_capacity(attributes.len() * 2);
        if dialects == CloudEvents::Both {
            headers.extend(
                attributes
                    .iter()
                    .map(|(name, value)| (format!("cloudEvents:{name}"), value.clone())),
            );
        }
        headers.extend(
            attributes
                .into_iter()
                .map(|(name, value)| (format!("ce-{name}"), value)),
        );
        Self {
            topic: event.topic().to_owned(),
            partition_key: event.partition_key().to_owned(),
            event_id: event.id().to_string(),
            correlation_id: event.correlation_id().to_string(),
            source: event.source().to_owned(),
            headers,
            body: event.bytes().clone(),
        }
    }

    /// The value of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(found, _)| found == name)
            .map(|(_, value)| value.as_str())
    }

    /// Judges the message by itself. Every broker calls this before publishing it.
    ///
    /// # Errors
    /// [`PublishError::TooLarge`].
    pub fn check(&self) -> Result<(), PublishError> {
        let size = |what, bytes, max| {
            if bytes > max {
                return Err(PublishError::TooLarge { what, bytes, max });
            }
            Ok(())
        };
        size("topic", self.topic.len(), TEXT_BYTES_MAX)?;
        size("partition key", self.partition_key.len(), TEXT_BYTES_MAX)?;
        size("event id", self.event_id.len(), TEXT_BYTES_MAX)?;
        size("correlation id", self.correlation_id.len(), TEXT_BYTES_MAX)?;
        size("source", self.source.len(), TEXT_BYTES_MAX)?;
        size("message", self.body.len(), BODY_BYTES_MAX)
    }
}

impl From<&SealedEvent> for Message {
    /// With the plain CloudEvents headers only.
    fn from(event: &SealedEvent) -> Self {
        Self::of(event, CloudEvents::Plain)
    }
}

impl fmt::Debug for Message {
    /// Shows which event it is and nothing of what it says.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("topic", &self.topic)
            .field("partition_key", &self.partition_key)
            .field("event_id", &self.event_id)
            .finish_non_exhaustive()
    }
}

/// The CloudEvents attributes of an event; extensions in small letters, as the standard wants.
fn attributes(event: &SealedEvent) -> Vec<(&'static str, String)> {
    let envelope = event.envelope();
    let mut attributes = vec![
        ("specversion", envelope.spec_version.clone()),
        ("id", envelope.event_id.clone()),
        ("type", envelope.event_type.clone()),
        ("source", envelope.source.clone()),
        ("subject", envelope.aggregate_id.clone()),
        ("dataschema", DATA_SCHEMA.to_owned()),
        ("payloadtype", event.type_url().to_owned()),
        // With leading zeros it sorts as text, which the standard's `sequence` demands.
        ("sequence", format!("{:020}", envelope.aggregate_sequence)),
        ("correlationid", envelope.correlation_id.clone()),
        ("partitionkey", envelope.partition_key.clone()),
    ];
    let optional = [
        ("time", rfc_3339(event.occurred_at())),
        ("causationid", present(&envelope.causation_id)),
        ("traceparent", present(&envelope.traceparent)),
        ("copyof", present(&envelope.copy_of)),
    ];
    attributes.extend(
        optional
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    attributes
}

fn present(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// In UTC with a `Z`; none for years the format cannot write.
fn rfc_3339(at: SystemTime) -> Option<String> {
    jiff::Timestamp::try_from(at).ok().map(|at| at.to_string())
}
