//! What can go wrong with a database, in words for whoever runs it.

use std::error::Error;
use std::time::Duration;

use tokio_postgres::error::SqlState;

use crate::error::{CommitError, StoreError};

/// Why the database did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    /// The URL or a name in the options cannot be used.
    #[error("the settings of the database cannot be used: {reason}")]
    Settings {
        /// What is wrong.
        reason: String,
    },
    /// Nobody answers.
    #[error("no database server can be reached at {server}")]
    Unreachable {
        /// Host and port.
        server: String,
        /// Why.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// The password is wrong, or the role may not log in from here.
    #[error("the database server at {server} does not let role {role} in")]
    Refused {
        /// Host and port.
        server: String,
        /// The role.
        role: String,
        /// What the server says.
        #[source]
        source: tokio_postgres::Error,
    },
    /// There is no such database.
    #[error("there is no database {database} at {server}; create it first")]
    NoDatabase {
        /// Its name.
        database: String,
        /// Host and port.
        server: String,
    },
    /// The server takes no more connections.
    #[error(
        "the database server at {server} has no connection left: raise its max_connections or \
         lower the connections of each process"
    )]
    Full {
        /// Host and port.
        server: String,
    },
    /// The role lacks a right.
    #[error("the role of the database URL lacks a right: {reason}")]
    Rights {
        /// Which, and what helps.
        reason: String,
        /// What the server says.
        #[source]
        source: tokio_postgres::Error,
    },
    /// All connections of the pool were in use.
    #[error("all {connections} connections were busy for {waited:?}")]
    Busy {
        /// How many the pool has.
        connections: usize,
        /// How long one was waited for.
        waited: Duration,
    },
    /// No answer came.
    #[error("the database server did not answer within {within:?}")]
    Late {
        /// How long it was waited for.
        within: Duration,
    },
    /// The database has been closed by this process.
    #[error("the database has been closed")]
    Closed,
    /// The tables were made by a newer version of this program.
    #[error(
        "they are at step {found}, this version knows steps up to {known}: run the version that made them, or a \
         newer one"
    )]
    Newer {
        /// Where they are.
        found: i32,
        /// What this version knows.
        known: i32,
    },
    /// The tables have not been made, or not all of them, and whoever looks is not to make them.
    #[error("they are at step {found} of {known}: `outcry migrate` brings them up to date")]
    Older {
        /// Where they are; 0 when there are none.
        found: i32,
        /// What this version knows.
        known: i32,
    },
    /// A snapshot is written to.
    #[error("a snapshot can only be read")]
    ReadOnly,
    /// Anything else.
    #[error("the database reports an error")]
    Statement(#[from] tokio_postgres::Error),
}

impl PostgresError {
    /// This, as what is wrong with the tables of a service.
    pub(super) fn of_tables(self, service: &str) -> StoreError {
        StoreError::Tables {
            service: service.to_owned(),
            source: self.into(),
        }
    }

    /// Whether the connection is of no use any more: another one may serve.
    pub(super) fn is_broken(&self) -> bool {
        match self {
            Self::Statement(error) => match error.code() {
                Some(code) => {
                    code.code().starts_with("08")
                        || [
                            SqlState::ADMIN_SHUTDOWN,
                            SqlState::CRASH_SHUTDOWN,
                            SqlState::CANNOT_CONNECT_NOW,
                            SqlState::IDLE_SESSION_TIMEOUT,
                            SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
                        ]
                        .contains(code)
                }
                None => {
                    error.is_closed() || error.source().is_some_and(|e| e.is::<std::io::Error>())
                }
            },
            _ => false,
        }
    }

    /// Whether the server has undone the transaction because of others: it can be repeated. The
    /// locks of a commit keep all others off what is unique in it, so a violation is such a case.
    pub(super) fn is_collision(&self) -> bool {
        match self {
            Self::Statement(error) => error.code().is_some_and(|code| {
                [
                    SqlState::T_R_DEADLOCK_DETECTED,
                    SqlState::T_R_SERIALIZATION_FAILURE,
                    SqlState::UNIQUE_VIOLATION,
                ]
                .contains(code)
            }),
            _ => false,
        }
    }

    /// Whether the server itself has said that nothing was written.
    pub(super) fn is_undone(&self) -> bool {
        match self {
            Self::Statement(error) | Self::Rights { source: error, .. } => {
                error.code().is_some() && !self.is_broken()
            }
            Self::Late { .. } => false,
            _ => true,
        }
    }

    /// What the server says about a statement.
    pub(super) fn of_statement(error: tokio_postgres::Error) -> Self {
        if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) {
            return Self::Rights {
                reason: "it needs to own the schemas, or to be granted their use".to_owned(),
                source: error,
            };
        }
        Self::Statement(error)
    }
}

impl From<PostgresError> for StoreError {
    fn from(error: PostgresError) -> Self {
        Self::Backend(error.into())
    }
}

impl From<PostgresError> for CommitError {
    fn from(error: PostgresError) -> Self {
        Self::Store(error.into())
    }
}

/// A stored value that cannot be read.
pub(super) fn corrupt(
    what: impl Into<String>,
    source: impl Into<Box<dyn Error + Send + Sync>>,
) -> StoreError {
    StoreError::Corrupt {
        what: what.into(),
        source: source.into(),
    }
}
