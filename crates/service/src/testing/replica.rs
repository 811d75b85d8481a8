//! One of several runs of a service on the same store and broker.

use std::sync::Arc;

use outcry_broker::Broker;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::waiting::eventually;
use crate::context::Context;
use crate::run::{RunError, run};
use crate::service::Service;

/// A replica of a service: what a process of its own would be, but for the memory it shares.
pub struct Replica {
    /// Its context.
    pub ctx: Context,
    running: JoinSet<Result<(), RunError>>,
    shutdown: CancellationToken,
}

// === impl Replica ===

impl Replica {
    /// Runs a service with a context of its own. Comes back when it is running.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start(
        ctx: Context,
        make: impl FnOnce(&Context) -> Service,
        broker: Arc<dyn Broker>,
    ) -> Self {
        let service = make(&ctx);
        let shutdown = CancellationToken::new();
        let mut running = JoinSet::new();
        running.spawn(run(ctx.clone(), service, broker, shutdown.clone()));
        eventually("the replica is running", async || {
            if let Some(ended) = running.try_join_next() {
                panic!("the replica did not start: {ended:?}");
            }
            !ctx.directory.names().is_empty()
        })
        .await;
        Self {
            ctx,
            running,
            shutdown,
        }
    }

    /// Stops it in order: it drains and leaves.
    ///
    /// # Panics
    /// When it ends with an error.
    pub async fn stop(mut self) {
        self.shutdown.cancel();
        match self.running.join_next().await {
            Some(Ok(Ok(()))) => {}
            ended => panic!("the replica did not stop: {ended:?}"),
        }
    }

    /// Drops it where it stands, as a crash would: what it holds is held until the leases run out.
    pub async fn crash(mut self) {
        self.running.shutdown().await;
    }

    /// Slots of `pool` it holds, as far as it knows.
    pub fn held(&self, pool: &str) -> u64 {
        self.ctx.metrics().leases.held_of(pool)
    }

    /// Whether it is the holder of a slot now.
    ///
    /// # Panics
    /// When the store does not answer.
    pub async fn holds(&self, pool: &str, slot: u32) -> bool {
        match self.ctx.store.holder(pool, slot).await {
            Ok(holder) => holder.is_some_and(|holder| holder.id == self.ctx.member.id),
            Err(error) => panic!("asking for the holder of {pool} {slot}: {error}"),
        }
    }
}
