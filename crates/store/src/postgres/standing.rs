//! What a server says of itself and of the tables in it, for whoever operates it.

use std::time::{Duration, Instant, SystemTime};

use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

use super::PostgresDatabase;
use super::connector::Connector;
use super::database::schema;
use super::failure::PostgresError;
use super::migrations;
use super::options::PostgresOptions;
use super::session::Session;
use crate::error::StoreError;

/// What the server is asked; one row. Backends are counted as every role may: who they are is hidden from most.
const SERVER: &str = "
    SELECT current_setting('server_version'),
           current_setting('server_version_num')::integer,
           current_setting('max_connections')::integer
             - current_setting('superuser_reserved_connections')::integer,
           (SELECT coalesce(sum(numbackends), 0)::bigint FROM pg_stat_database),
           has_database_privilege(current_database(), 'CREATE')";

const CLOCK: &str = "SELECT clock_timestamp()";

/// How a server stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresStanding {
    /// Its version in its words.
    pub version: String,
    /// The first part of its version, `15`.
    pub major: u32,
    /// Connections it lets ordinary roles have.
    pub connections_max: u64,
    /// Connections there are, the one that asked included.
    pub connections: u64,
    /// Whether the role may make schemas.
    pub may_make_schemas: bool,
    /// How long a question and its answer take.
    pub round_trip: Duration,
    /// What the server's clock said …
    pub clock: SystemTime,
    /// … and this machine's at the middle of the question.
    pub clock_here: SystemTime,
    /// The step that tables of this version are at.
    pub step: i32,
    /// The tables of each service that was asked for.
    pub schemas: Vec<SchemaStanding>,
}

/// The tables of one service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaStanding {
    /// The service.
    pub service: String,
    /// The step they are at; 0 when there are none.
    pub step: i32,
}

impl PostgresDatabase {
    /// Looks at a server and the tables of some services, over one connection. Changes nothing.
    ///
    /// # Errors
    /// Those of [`connect`](Self::connect).
    pub async fn standing(
        url: &str,
        options: &PostgresOptions,
        services: &[&str],
    ) -> Result<PostgresStanding, StoreError> {
        let session = Connector::new(url, options)?.connect().await?;
        let server = one_row(&session, SERVER).await?;
        // Prepared first, so that the second time is one round trip.
        one_row(&session, CLOCK).await?;
        let (asked, asked_at) = (Instant::now(), SystemTime::now());
        let clock = one_row(&session, CLOCK).await?;
        let round_trip = asked.elapsed();
        let mut schemas = Vec::new();
        for service in services {
            let schema = schema(&options.prefix, service)?;
            let step = match migrations::found(&session, &schema).await {
                Err(PostgresError::Newer { found, .. }) => found,
                found => found.map_err(|source| source.of_tables(service))?,
            };
            schemas.push(SchemaStanding {
                service: (*service).to_owned(),
                step,
            });
        }
        let number: i32 = get(&server, 1)?;
        let connections_max: i32 = get(&server, 2)?;
        let connections: i64 = get(&server, 3)?;
        Ok(PostgresStanding {
            version: get(&server, 0)?,
            // Since version 10, 150004 is 15.4.
            major: u32::try_from(number / 10_000).unwrap_or_default(),
            connections_max: u64::try_from(connections_max).unwrap_or_default(),
            connections: u64::try_from(connections).unwrap_or_default(),
            may_make_schemas: get(&server, 4)?,
            round_trip,
            clock: get(&clock, 0)?,
            clock_here: asked_at + round_trip / 2,
            step: migrations::known(),
            schemas,
        })
    }
}

async fn one_row(session: &Session, sql: &str) -> Result<Row, PostgresError> {
    let rows = session
        .query(sql, &[])
        .await
        .map_err(|failure| failure.error)?;
    rows.into_iter().next().ok_or(PostgresError::Late {
        within: Duration::ZERO,
    })
}

fn get<'row, T: FromSql<'row>>(row: &'row Row, column: usize) -> Result<T, PostgresError> {
    Ok(row.try_get(column)?)
}
