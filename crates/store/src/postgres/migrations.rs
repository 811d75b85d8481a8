//! Making the tables and bringing them up to date.

use super::connector::Connector;
use super::failure::PostgresError;
use super::session::Session;

/// Steps that lead to the tables of this version; `@` stands for the schema.
///
/// A step that is out in the world is never changed. Functions carry a number: a later step adds
/// the next one and leaves the old one to replicas that have not been replaced yet.
const STEPS: [&[&str]; 1] = [&[
    include_str!("sql/tables.sql"),
    include_str!("sql/commit.sql"),
    include_str!("sql/parking.sql"),
    include_str!("sql/leases.sql"),
]];

/// How long one replica waits for another that is bringing the tables up to date.
const WAIT: &str = "2min";

/// What bringing the tables of a service up to date came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migration {
    /// The step the tables were at; 0 when there were none.
    pub from: i32,
    /// The step they are at.
    pub to: i32,
}

/// Step the tables of this version are at.
pub(super) fn known() -> i32 {
    i32::try_from(STEPS.len()).unwrap_or(i32::MAX)
}

/// Brings the tables in `schema` up to date. Replicas that start at the same time do it one after
/// the other.
pub(super) async fn apply(connector: &Connector, schema: &str) -> Result<Migration, PostgresError> {
    let session = connector.connect().await?;
    let done = |from| Migration { from, to: known() };
    if found(&session, schema).await? == known() {
        return Ok(done(known()));
    }
    // The lock lasts as long as the connection. The transaction begins behind it, so that it sees
    // all that others have made.
    session
        .batch(&format!(
            "SET statement_timeout = '{WAIT}'; SET lock_timeout = '{WAIT}';
             SELECT pg_advisory_lock(hashtext('{schema}'), -1)"
        ))
        .await?;
    session.batch("BEGIN").await?;
    let found = found(&session, schema).await?;
    let mut script = String::new();
    if found == 0 {
        script.push_str(&format!(
            "CREATE SCHEMA IF NOT EXISTS {schema};
             CREATE TABLE {schema}.steps (
                 step integer PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now()
             );"
        ));
    }
    for (step, parts) in (1..).zip(STEPS) {
        if step > found {
            script.extend(parts.iter().map(|part| part.replace('@', schema)));
            script.push_str(&format!(
                "INSERT INTO {schema}.steps (step) VALUES ({step});"
            ));
        }
    }
    script.push_str("COMMIT;");
    session.batch(&script).await.map_err(|error| match error {
        PostgresError::Rights { source, .. } => PostgresError::Rights {
            reason: format!(
                "it must be allowed to make schema {schema} (GRANT CREATE ON DATABASE) or own it"
            ),
            source,
        },
        other => other,
    })?;
    Ok(done(found))
}

/// Looks whether the tables in `schema` are those of this version, and changes nothing.
///
/// # Errors
/// They are older, newer, or not there.
pub(super) async fn check(session: &Session, schema: &str) -> Result<(), PostgresError> {
    let (found, known) = (found(session, schema).await?, known());
    if found < known {
        return Err(PostgresError::Older { found, known });
    }
    Ok(())
}

/// The step the tables are at; 0 when there are none.
///
/// # Errors
/// They are newer than this version.
pub(super) async fn found(session: &Session, schema: &str) -> Result<i32, PostgresError> {
    let statement = |failure: super::session::Failure| failure.error;
    let exists = session
        .query(
            "SELECT to_regclass($1) IS NOT NULL",
            &[&format!("{schema}.steps")],
        )
        .await
        .map_err(statement)?;
    match exists.first().map(|row| row.try_get(0)).transpose()? {
        Some(true) => {}
        _ => return Ok(0),
    }
    let step = session
        .query(&format!("SELECT max(step) FROM {schema}.steps"), &[])
        .await
        .map_err(statement)?;
    let step: Option<Option<i32>> = step.first().map(|row| row.try_get(0)).transpose()?;
    let found = step.flatten().unwrap_or_default();
    if found > known() {
        return Err(PostgresError::Newer {
            found,
            known: known(),
        });
    }
    Ok(found)
}
