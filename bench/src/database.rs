//! The driver's own connections to PostgreSQL.

use tokio_postgres::{Client, NoTls};

/// A connection whose work is done in the background until it is dropped.
pub async fn connect(url: &str) -> anyhow::Result<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}
