//! The Broker seam: ordered topic fan-out to consumer groups; embedded in the process or on
//! RabbitMQ.
//!
//! Owns: how events travel from the services that publish them to the groups that want them.
//!
//! Rooms, in reading order:
//! - [`message`] – what travels: an event's bytes, its routing and its headers
//! - [`group`] – who wants which topics, and in how many ordered partitions
//! - [`broker`] – the seam itself
//! - [`subscription`] – what a group receives, and how it answers
//! - [`error`] – why not
//! - [`limits`] – how large anything may be
//! - [`embedded`] – the broker inside the process
//! - [`topology`] – what must exist on RabbitMQ, as values
//! - [`rabbitmq`] – RabbitMQ as the broker, and its plan
//! - [`conformance`] – what every broker must do, as tests
//!
//! ```
//! use std::time::UNIX_EPOCH;
//!
//! use outcry_broker::{Broker, CloudEvents, EmbeddedBroker, Group, Message, partition_of};
//! use outcry_contracts::orders::v1::{OrderRejectedEvent, RejectReason, Side};
//! use outcry_events::{Cause, Stamp, seal};
//! use outcry_sqlite::Database;
//! use uuid::Uuid;
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! let database = Database::open(&folder.path().join("outcry.db"))?;
//! let broker = EmbeddedBroker::open(&database).await?;
//! let alerts = Group {
//!     name: "alerts",
//!     topics: vec!["order.*".to_owned()],
//!     partitions: 8,
//!     prefetch: 64,
//! };
//! broker.declare(&alerts).await?;
//! let rejected = OrderRejectedEvent {
//!     order_id: Uuid::from_u128(1).to_string(),
//!     user_id: Uuid::from_u128(2).to_string(),
//!     symbol: "MSFT".to_owned(),
//!     side: Side::Buy.into(),
//!     reason: RejectReason::InsufficientFunds.into(),
//!     ..OrderRejectedEvent::default()
//! };
//! let stamp = Stamp {
//!     event_id: Uuid::from_u128(3),
//!     sequence: 1,
//!     occurred_at: UNIX_EPOCH,
//!     recorded_at: UNIX_EPOCH,
//!     cause: &Cause::root(Uuid::from_u128(4), "user"),
//! };
//! let message = Message::of(&seal(&rejected, stamp)?, CloudEvents::Plain);
//! for outcome in broker.publish(vec![message]).await {
//!     outcome?;
//! }
//!
//! // All events of one order are in one partition, in their order.
//! let partition = partition_of(&rejected.order_id, alerts.partitions);
//! let mut partition = broker.subscribe(&alerts, partition).await?;
//! let delivery = partition.recv().await.ok_or("the subscription ended")?;
//! assert_eq!(delivery.message.topic, "order.rejected");
//! delivery.ack().await?;
//! broker.close().await?;
//! # Ok(())
//! # }
//! ```
//!
//! Invariants:
//! 1. A message counts as published when it is durable and at least one group will get it.
//! 2. Every group gets every message of its topics at least once; acknowledged ones are not
//!    delivered again, except after a crash.
//! 3. Messages with the same partition key reach a group in the order they were published, also
//!    across redelivery and restart.
//! 4. A partition is consumed by one subscription at a time.
//! 5. A partition never has more unsettled deliveries than the group's prefetch; a slow one does
//!    not hold up the others.

pub mod message;

pub mod group;

pub mod broker;

pub mod subscription;

pub mod error;

pub mod limits;

pub mod embedded;

pub mod topology;

pub mod rabbitmq;

pub mod conformance;

pub use broker::{Broker, GroupStatus};
pub use embedded::EmbeddedBroker;
pub use error::{BrokerError, PublishError};
pub use group::{Group, partition_of};
pub use message::{CloudEvents, Message};
pub use rabbitmq::{RabbitMq, RabbitOptions};
pub use subscription::{Delivery, Partition, Settle, Source};
