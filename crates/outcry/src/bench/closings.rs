//! When trades were closed, which is when every fill of an order is settled: from the events, as anybody may read them
//! who administers the platform.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use outcry_contracts::eventlog::v1::event_log_service_client::EventLogServiceClient;
use outcry_contracts::eventlog::v1::{SubscribeRequest, SubscribeResponse};
use outcry_contracts::trades::v1::TradeClosedEvent;
use outcry_events::Event as _;
use prost::Message as _;
use tokio::task::JoinSet;
use tonic::{Status, Streaming};

use crate::session::SignedChannel;

/// Before a stream that has ended is opened again.
const AGAIN: Duration = Duration::from_millis(100);

/// How often it is looked whether all are there.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Orders whose trades are closed, and when that was seen. Watches until it is dropped.
pub struct Closings {
    seen: Arc<Mutex<HashMap<String, Instant>>>,
    _watching: JoinSet<()>,
}

// === impl Closings ===

impl Closings {
    /// Watches from now on.
    ///
    /// # Errors
    /// Who asks may not read events, or the platform cannot be reached.
    pub async fn watch(admin: &SignedChannel) -> anyhow::Result<Self> {
        // Open before anybody places an order: nothing is missed.
        let stream = subscribe(admin, None).await.context("reading events")?;
        let seen = Arc::default();
        let mut watching = JoinSet::new();
        watching.spawn(watch(admin.clone(), stream, Arc::clone(&seen)));
        Ok(Self {
            seen,
            _watching: watching,
        })
    }

    /// When the trade of an order was closed.
    pub fn at(&self, order_id: &str) -> Option<Instant> {
        locked(&self.seen).get(order_id).copied()
    }

    /// Waits until so many are closed, but not for ever.
    pub async fn until(&self, count: usize, most: Duration) {
        let end = Instant::now() + most;
        while locked(&self.seen).len() < count && Instant::now() < end {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

fn locked(seen: &Mutex<HashMap<String, Instant>>) -> MutexGuard<'_, HashMap<String, Instant>> {
    // Nothing that panics happens while it is held.
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn subscribe(
    admin: &SignedChannel,
    after: Option<u64>,
) -> Result<Streaming<SubscribeResponse>, Status> {
    let request = SubscribeRequest {
        topics: vec![TradeClosedEvent::TOPIC.to_owned()],
        from_now: after.is_none(),
        after_position: after.unwrap_or_default(),
        ..SubscribeRequest::default()
    };
    let mut log = EventLogServiceClient::new(admin.clone());
    Ok(log.subscribe(request).await?.into_inner())
}

async fn watch(
    admin: SignedChannel,
    mut stream: Streaming<SubscribeResponse>,
    seen: Arc<Mutex<HashMap<String, Instant>>>,
) {
    let mut after = None;
    loop {
        while let Ok(Some(reply)) = stream.message().await {
            let Some(logged) = reply.logged else { continue };
            after = Some(logged.position);
            let payload = logged.event.and_then(|event| event.payload);
            let payload = payload.unwrap_or_default();
            if let Ok(closed) = TradeClosedEvent::decode(payload.value.as_slice()) {
                let now = Instant::now();
                locked(&seen).entry(closed.order_id).or_insert(now);
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
