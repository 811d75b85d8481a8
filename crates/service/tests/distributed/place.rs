//! Where the replicas of one story meet: a database, a virtual host, and the way to both.

use std::sync::Arc;

use outcry_broker::{RabbitMq, RabbitOptions};
use outcry_servers::{shared_postgres, shared_rabbitmq};
use outcry_store::{PostgresDatabase, PostgresOptions, PostgresStore};

/// A database and a virtual host of a story's own.
#[derive(Clone, Debug)]
pub struct Place {
    /// URL of the database.
    pub store: String,
    /// URL of the virtual host.
    pub broker: String,
}

impl Place {
    /// A place with nothing in it.
    pub async fn new(name: &str) -> Self {
        let (postgres, rabbit) = tokio::join!(shared_postgres(), shared_rabbitmq());
        Self {
            store: postgres.unwrap().create_database(name).await.unwrap(),
            broker: rabbit.unwrap().create_vhost(name).await.unwrap(),
        }
    }

    /// The store of `service`, over connections of its own.
    pub async fn store(&self, service: &str) -> Arc<PostgresStore> {
        let options = PostgresOptions::default();
        let database = PostgresDatabase::connect(&self.store, options)
            .await
            .unwrap();
        Arc::new(PostgresStore::open(&database, service).await.unwrap())
    }

    /// The broker, over connections of its own.
    pub async fn broker(&self, name: &str) -> RabbitMq {
        let options = RabbitOptions::new(&self.broker, name);
        RabbitMq::connect(options).await.unwrap()
    }
}
