//! RabbitMQ and PostgreSQL of a story's own, each behind a proxy that can cut the way to it.

use std::future::Future;

use outcry_servers::{Postgres, Proxy, RabbitMq};
use tokio::runtime::Runtime;

/// The servers a platform of several processes stands on.
pub struct Backbone {
    pub rabbit: RabbitMq,
    pub postgres: Postgres,
    pub to_rabbit: Proxy,
    pub to_postgres: Proxy,
    runtime: Runtime,
}

// === impl Backbone ===

impl Backbone {
    /// Starts both; `None` on a machine that is said to have no servers.
    pub fn start() -> Option<Self> {
        if !outcry_servers::present() {
            return None;
        }
        let runtime = Runtime::new().unwrap();
        let (rabbit, postgres) = runtime
            .block_on(async { tokio::try_join!(RabbitMq::start(), Postgres::start()) })
            .unwrap();
        let (to_rabbit, to_postgres) = runtime
            .block_on(async {
                tokio::try_join!(Proxy::start(rabbit.port()), Proxy::start(postgres.port()))
            })
            .unwrap();
        Some(Self {
            rabbit,
            postgres,
            to_rabbit,
            to_postgres,
            runtime,
        })
    }

    /// What a platform on these servers is told.
    pub fn variables(&self) -> Vec<(String, String)> {
        let broker = self.to_rabbit.through(&self.rabbit.url());
        let database = self.to_postgres.through(&self.postgres.url());
        [
            ("OUTCRY_BROKER__URL", broker),
            (
                "OUTCRY_BROKER__MANAGEMENT_URL",
                self.rabbit.management_url(),
            ),
            ("OUTCRY_DATABASE__URL", database),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    /// Waits for something to be done with the servers.
    pub fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// What RabbitMQ holds and who consumes it, for a story that has failed.
    pub fn queues(&self) -> String {
        let rows = self.block_on(self.rabbit.get("/api/queues")).unwrap();
        let lines = rows.as_array().unwrap().iter().map(|queue| {
            format!(
                "{} ready {} unacknowledged {} consumers {} active {}",
                queue["name"],
                queue["messages_ready"],
                queue["messages_unacknowledged"],
                queue["consumers"],
                queue["single_active_consumer_tag"],
            )
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    /// Starts something that goes on beside the story.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(work);
    }
}
