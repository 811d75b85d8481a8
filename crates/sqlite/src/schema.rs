//! Tables of one namespace, brought up to date step by step.

use rusqlite::{Connection, OptionalExtension as _, params};

use crate::error::MigrateError;

/// Which version the tables of each namespace have.
pub(crate) const VERSIONS_TABLE: &str = "CREATE TABLE schema_versions (
    namespace TEXT PRIMARY KEY NOT NULL,
    version   INTEGER NOT NULL
) WITHOUT ROWID;";

/// The tables one owner keeps in the file, as the steps that lead to them.
///
/// Step 1 makes the first version out of nothing. Steps are only ever added: a file remembers how
/// many it has seen.
#[derive(Debug, Clone)]
pub struct Schema {
    /// Whose tables, for example `broker`.
    pub namespace: String,
    /// SQL of each step.
    pub steps: Vec<String>,
}

// === impl Schema ===

impl Schema {
    fn known(&self) -> u32 {
        u32::try_from(self.steps.len()).unwrap_or(u32::MAX)
    }

    /// Applies the steps the file has not seen. All of them or none.
    pub(crate) fn apply(&self, connection: &Connection) -> Result<(), MigrateError> {
        let found = self.checked_version(connection)?;
        for (step, version) in self.steps.iter().zip(1..).skip(found as usize) {
            connection
                .execute_batch(step)
                .map_err(|source| MigrateError::Step {
                    namespace: self.namespace.clone(),
                    version,
                    source,
                })?;
        }
        if found < self.known() {
            connection.execute(
                "INSERT INTO schema_versions (namespace, version) VALUES (?1, ?2)
                 ON CONFLICT (namespace) DO UPDATE SET version = excluded.version",
                params![self.namespace, self.known()],
            )?;
        }
        Ok(())
    }

    /// Whether the tables are exactly those of this version; for files that may not be changed.
    pub(crate) fn check(&self, connection: &Connection) -> Result<(), MigrateError> {
        match self.checked_version(connection)? {
            found if found < self.known() => Err(MigrateError::Older {
                namespace: self.namespace.clone(),
                found,
                known: self.known(),
            }),
            _ => Ok(()),
        }
    }

    fn checked_version(&self, connection: &Connection) -> Result<u32, MigrateError> {
        let found = connection
            .query_row(
                "SELECT version FROM schema_versions WHERE namespace = ?1",
                [&self.namespace],
                |row| row.get(0),
            )
            .optional()?
            .unwrap_or(0);
        if found > self.known() {
            return Err(MigrateError::Newer {
                namespace: self.namespace.clone(),
                found,
                known: self.known(),
            });
        }
        Ok(found)
    }
}
