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
