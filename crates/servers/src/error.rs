//! What can go wrong with a server.

use std::time::Duration;

/// Why a server did not do what a test asked of it.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// A program it consists of is not installed.
    #[error("{0} is not installed")]
    Missing(&'static str),
    /// A file, process or socket could not be used.
    #[error("cannot {doing}")]
    Io {
        /// What was being done.
        doing: String,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// It ended by itself.
    #[error("{program} ended by itself ({status}); it said: {log}")]
    Ended {
        /// Which program.
        program: &'static str,
        /// How it ended.
        status: String,
        /// The last it wrote.
        log: String,
    },
    /// It did not come to a state within the time that is far more than it needs.
    #[error("{program} is not {state} after {waited:?}; it said: {log}")]
    Late {
        /// Which program.
        program: &'static str,
        /// What it was to be.
        state: &'static str,
        /// How long was waited.
        waited: Duration,
        /// The last it wrote.
        log: String,
    },
    /// It was asked for something while it does not run.
    #[error("{0} does not run")]
    Down(&'static str),
    /// It was to be started while it runs.
    #[error("{0} runs already")]
    Up(&'static str),
    /// PostgreSQL refused.
    #[error("postgres refused")]
    Postgres(#[from] tokio_postgres::Error),
    /// RabbitMQ's management interface refused or did not answer.
    #[error("rabbitmq refused {request}: {reason}")]
    RabbitMq {
        /// The request: method and path.
        request: String,
        /// Status or failure.
        reason: String,
    },
    /// A name that would have to be escaped somewhere.
    #[error("{0:?} is no name for a database or virtual host: use letters, digits, '_' and '-'")]
    Name(String),
}

impl ServerError {
    pub(crate) fn io(doing: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let doing = doing.into();
        |source| Self::Io { doing, source }
    }
}
