//! When what became of orders was seen: by whom it matters to, over the streams they would use.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use outcry_contracts::eventlog::v1::event_log_service_client::EventLogServiceClient;
use outcry_contracts::eventlog::v1::{SubscribeRequest, SubscribeResponse};
use outcry_contracts::notifications::v1::notification_service_client::NotificationServiceClient;
use outcry_contracts::notifications::v1::{Priority, StreamNotificationsRequest};
use outcry_contracts::orders::v1::order_service_client::OrderServiceClient;
use outcry_contracts::orders::v1::{OrderStatus, StreamOrderUpdatesRequest};
use outcry_contracts::trades::v1::TradeClosedEvent;
use outcry_events::Event as _;
use prost::Message as _;
use tokio::task::JoinSet;
use tonic::Streaming;

use super::people::Person;

/// What tells of a fill.
const FILLED: &str = "order.filled";

/// Before a stream that has ended is opened again: a token has run out, and a new one is there.
const AGAIN: Duration = Duration::from_millis(100);

/// Orders, each with the moment it was first seen at. Cheap to clone.
#[derive(Clone, Default)]
pub struct Sightings(Arc<Mutex<HashMap<String, Instant>>>);

/// Everybody who looks, until it is dropped.
#[derive(Default)]
pub struct Lookouts {
    /// Orders whose trades are closed: filled, and every fill is settled.
    pub closed: Sightings,
    /// Orders whose owners saw them filled.
    pub filled: Sightings,
    /// Orders whose owners were notified that they are filled.
    pub told: Sightings,
    tasks: JoinSet<()>,
}

// === impl Sightings ===

impl Sightings {
    /// Notes that an order was seen now, unless it was before.
    pub fn note(&self, order_id: String) {
        let now = Instant::now();
        self.all().entry(order_id).or_insert(now);
    }

    /// When an order was seen.
    pub fn at(&self, order_id: &str) -> Option<Instant> {
        self.all().get(order_id).copied()
    }

    /// How many were.
    pub fn count(&self) -> usize {
        self.all().len()
    }

    /// The last moment at which one was.
    pub fn last(&self) -> Option<Instant> {
        self.all().values().max().copied()
    }

    /// Forgets all of them.
    pub fn clear(&self) {
        self.all().clear();
    }

    fn all(&self) -> MutexGuard<'_, HashMap<String, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Lookouts ===

impl Lookouts {
    /// Has an administrator look for trades that close, from now on.
    pub async fn at_closing(admin: &Person) -> anyhow::Result<Self> {
        let mut lookouts = Self::default();
        // Open before anybody places an order: nothing is missed.
        let stream = subscribe(admin, None).await?;
        let closed = lookouts.closed.clone();
        lookouts
            .tasks
            .spawn(see_closed(admin.clone(), stream, closed));
        Ok(lookouts)
    }

    /// Has somebody look at their own orders and messages, too.
    pub fn join(&mut self, person: &Person) {
        let (filled, told) = (self.filled.clone(), self.told.clone());
        self.tasks.spawn(see_filled(person.clone(), filled));
        self.tasks.spawn(see_told(person.clone(), told));
    }

    /// Forgets everything seen.
    pub fn clear(&self) {
        self.closed.clear();
        self.filled.clear();
        self.told.clear();
    }
}

async fn subscribe(
    admin: &Person,
    after: Option<u64>,
) -> Result<Streaming<SubscribeResponse>, tonic::Status> {
    let request = SubscribeRequest {
        topics: vec![TradeClosedEvent::TOPIC.to_owned()],
        from_now: after.is_none(),
        after_position: after.unwrap_or_default(),
        ..SubscribeRequest::default()
    };
    let mut log = EventLogServiceClient::new(admin.signed.clone());
    Ok(log.subscribe(request).await?.into_inner())
}

async fn see_closed(admin: Person, mut stream: Streaming<SubscribeResponse>, seen: Sightings) {
    let mut after = None;
    loop {
        while let Ok(Some(reply)) = stream.message().await {
            let Some(logged) = reply.logged else { continue };
            after = Some(logged.position);
            let payload = logged.event.and_then(|event| event.payload);
            let payload = payload.unwrap_or_default();
            if let Ok(closed) = TradeClosedEvent::decode(payload.value.as_slice()) {
                seen.note(closed.order_id);
            }
        }
        stream = loop {
            tokio::time::sleep(AGAIN).await;
            if let Ok(stream) = subscribe(&admin, after).await {
                break stream;
            }
        };
    }
}

async fn see_filled(person: Person, seen: Sightings) {
    let mut orders = OrderServiceClient::new(person.signed);
    let mut after_sequence = 0;
    loop {
        let request = StreamOrderUpdatesRequest {
            after_sequence,
            symbol: String::new(),
        };
        if let Ok(reply) = orders.stream_order_updates(request).await {
            let mut updates = reply.into_inner();
            while let Ok(Some(update)) = updates.message().await {
                after_sequence = update.sequence;
                let order = update.order.unwrap_or_default();
                if order.status() == OrderStatus::Filled {
                    seen.note(order.order_id);
                }
            }
        }
        tokio::time::sleep(AGAIN).await;
    }
}

async fn see_told(person: Person, seen: Sightings) {
    let mut notifications = NotificationServiceClient::new(person.signed);
    let mut after_sequence = 0;
    loop {
        let request = StreamNotificationsRequest { after_sequence };
        if let Ok(reply) = notifications.stream_notifications(request).await {
            let mut messages = reply.into_inner();
            while let Ok(Some(message)) = messages.message().await {
                let told = message.notification.unwrap_or_default();
                after_sequence = told.sequence;
                // Of lower priority are those that tell of a part.
                if told.topic == FILLED && told.priority() == Priority::High {
                    seen.note(told.reference);
                }
            }
        }
        tokio::time::sleep(AGAIN).await;
    }
}
