//! How a process uses its database.

use std::path::PathBuf;
use std::time::Duration;

/// Settings of [`PostgresDatabase::connect`](super::PostgresDatabase::connect).
#[derive(Debug, Clone)]
pub struct PostgresOptions {
    /// Connections of the pool at most, opened when they are needed. The process has one more, for
    /// news.
    pub connections: usize,
    /// How long a call waits for a free connection.
    pub acquire_timeout: Duration,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// How long the server works on one statement. A server that does not answer a little later is
    /// given up.
    pub statement_timeout: Duration,
    /// How long a statement waits for a lock.
    pub lock_timeout: Duration,
    /// How long the server lets a transaction be in which nothing happens.
    pub idle_in_transaction_timeout: Duration,
    /// How long a connection is silent before the system looks whether the other end is there.
    pub keepalive: Duration,
    /// What the server calls the connections of this process.
    pub application_name: String,
    /// How the names of the schemas begin: `outcry` means `outcry_orders` and so on.
    pub prefix: String,
    /// Certificates (PEM) that vouch for the server, when the URL asks for TLS; otherwise those the
    /// system trusts.
    pub root_certificates: Option<PathBuf>,
}

/// How much later than the server's own limit an answer is given up, in which the server's word on
/// the matter can arrive.
const GRACE: Duration = Duration::from_secs(2);

impl Default for PostgresOptions {
    fn default() -> Self {
        Self {
            connections: 16,
            acquire_timeout: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(10),
            lock_timeout: Duration::from_secs(5),
            idle_in_transaction_timeout: Duration::from_secs(10),
            keepalive: Duration::from_secs(15),
            application_name: "outcry".to_owned(),
            prefix: "outcry".to_owned(),
            root_certificates: None,
        }
    }
}

impl PostgresOptions {
    /// How long an answer is waited for.
    pub(super) fn answer_timeout(&self) -> Duration {
        self.statement_timeout + GRACE
    }
}
