//! The declared groups in the file, and up to where each partition has settled.

use std::collections::HashMap;
use std::sync::Arc;

use outcry_sqlite::Error;
use outcry_sqlite::rusqlite::types::Type;
use outcry_sqlite::rusqlite::{self, Connection, params};

use super::groups::{GroupState, Record};

/// A partition that has settled more than the file knows.
#[derive(Debug)]
pub(super) struct Advance {
    pub(super) group: String,
    pub(super) partition: usize,
    pub(super) floor: u64,
}

/// All groups. What is in the log now may have been delivered before.
pub(super) fn load(
    connection: &Connection,
    end: u64,
) -> Result<HashMap<String, Arc<GroupState>>, Error> {
    let mut groups = connection.prepare("SELECT name, topics FROM broker_groups")?;
    let mut cursors = connection
        .prepare("SELECT position FROM broker_cursors WHERE name = ?1 ORDER BY partition")?;
    let mut found = HashMap::new();
    let mut rows = groups.query([])?;
    while let Some(row) = rows.next()? {
        let name: String = row.get(0)?;
        let topics = serde_json::from_str(row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?)
            .map_err(|error| {
                rusqlite::Error::FromSqlConversionFailure(1, Type::Text, error.into())
            })?;
        let floors = cursors
            .query_map([&name], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        let record = Record {
            name: name.clone(),
            topics,
            floors,
        };
        found.insert(name, Arc::new(GroupState::from_record(record, end)));
    }
    Ok(found)
}

/// Keeps a group, in the place of what was kept of it.
pub(super) fn declare(connection: &Connection, record: &Record) -> Result<(), Error> {
    remove(connection, &record.name)?;
    let topics = serde_json::to_string(&record.topics)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    connection
        .prepare_cached("INSERT INTO broker_groups (name, topics) VALUES (?1, ?2)")?
        .execute(params![record.name, topics])?;
    let mut cursor = connection.prepare_cached(
        "INSERT INTO broker_cursors (name, partition, position) VALUES (?1, ?2, ?3)",
    )?;
    for (partition, floor) in record.floors.iter().enumerate() {
        cursor.execute(params![record.name, partition, floor])?;
    }
    Ok(())
}

pub(super) fn remove(connection: &Connection, name: &str) -> Result<(), Error> {
    for sql in [
        "DELETE FROM broker_groups WHERE name = ?1",
        "DELETE FROM broker_cursors WHERE name = ?1",
    ] {
        connection.prepare_cached(sql)?.execute([name])?;
    }
    Ok(())
}

/// Keeps how far partitions have come.
pub(super) fn save(connection: &Connection, advances: &[Advance]) -> Result<(), Error> {
    let mut statement = connection.prepare_cached(
        "UPDATE broker_cursors SET position = ?3 WHERE name = ?1 AND partition = ?2",
    )?;
    for advance in advances {
        statement.execute(params![advance.group, advance.partition, advance.floor])?;
    }
    Ok(())
}
