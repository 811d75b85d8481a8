//! What orders write, table by table: the file before them beside the file after them.
//!
//! Rows that stay are found by comparing. Of a read model's rows, each says how often it was written.
//! What comes and goes leaves no row, and is known from what it belongs to: every event waits to be
//! sent once, and is in the broker's log once. Timers that were set and cleared again are not
//! counted, nor are positions saved now and then: the limit is a little higher for it.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, ensure};
use outcry_broker::Message;
use outcry_events::SealedEvent;
use outcry_sqlite::rusqlite::types::Value;
use outcry_sqlite::rusqlite::{Connection, OpenFlags, params_from_iter};

/// The broker's log in the file.
const LOG: &str = "broker_log";

/// Ends of the names of tables that are treated by themselves.
const EVENTS: &str = "_events";
const UNSENT: &str = "_unsent";

/// Where a table of events has the partition key's slot, of those that wait to be sent. Any slot
/// costs the same.
const SLOT: i64 = 0;

/// One kind of write.
#[derive(Debug)]
pub struct Write {
    pub table: String,
    sql: String,
    rows: Vec<Vec<Value>>,
    /// How often, which is more than there are rows where rows are written again.
    pub count: usize,
    /// Takes away what another one has put: comes later than that.
    is_after: bool,
}

/// Everything that so many orders wrote.
#[derive(Debug)]
pub struct Written {
    pub orders: usize,
    pub writes: Vec<Write>,
    /// Commits of an order, about: each answers one request or handles one event.
    pub commits: usize,
}

/// Copies a file as it is at this moment, also while a platform writes to it.
pub fn copy(database: &Path, to: &Path) -> anyhow::Result<()> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(database, flags)?;
    let name = to.to_str().context("the folder's name is no text")?;
    connection.execute("VACUUM INTO ?1", [name])?;
    Ok(())
}

// === impl Written ===

impl Written {
    /// What is in the later copy and not in the earlier one.
    pub fn between(before: &Path, after: &Path, orders: usize) -> anyhow::Result<Self> {
        let connection = Connection::open(after)?;
        let name = before.to_str().context("the folder's name is no text")?;
        connection.execute("ATTACH ?1 AS earlier", [name])?;
        let mut writes = Vec::new();
        for table in tables(&connection)? {
            if table == LOG || table.ends_with(UNSENT) {
                continue;
            }
            writes.extend(written(&connection, &table)?);
        }
        let (passing, logged) = passing(&writes, log_length(&connection)?)?;
        writes.extend(passing);
        writes.extend(logged);
        let marks = writes
            .iter()
            .filter(|write| write.table.ends_with("_handled") || write.table.ends_with("_answers"));
        let marks: usize = marks.map(|write| write.count).sum();
        ensure!(orders > 0 && marks > 0, "no order was written");
        Ok(Self {
            orders,
            commits: marks.div_ceil(orders),
            writes,
        })
    }

    /// Writes of one order by kind of table: name, how many.
    pub fn of_an_order(&self) -> BTreeMap<String, f64> {
        let mut kinds = BTreeMap::new();
        for write in &self.writes {
            let kind = match write.table.as_str() {
                LOG => LOG,
                // `orders_events` and `funds_events` are of one kind.
                table => table.split_once('_').map_or(table, |(_, kind)| kind),
            };
            let each = write.count as f64 / self.orders as f64;
            *kinds.entry(kind.to_owned()).or_default() += each;
        }
        kinds
    }

    /// Makes one of so many equal parts of all writes.
    pub fn write(
        &self,
        connection: &Connection,
        part: usize,
        parts: usize,
    ) -> Result<(), outcry_sqlite::Error> {
        for write in &self.writes {
            // One order later: so it was in earnest, too.
            let behind = if write.is_after {
                parts / self.orders
            } else {
                0
            };
            let Some(part) = part.checked_sub(behind) else {
                continue;
            };
            let mut statement = connection.prepare_cached(&write.sql)?;
            for place in write.count * part / parts..write.count * (part + 1) / parts {
                let row = &write.rows[place * write.rows.len() / write.count];
                statement.execute(params_from_iter(row))?;
            }
        }
        Ok(())
    }
}

fn tables(connection: &Connection) -> anyhow::Result<Vec<String>> {
    let sql = "SELECT name FROM main.sqlite_master
               WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name";
    let mut statement = connection.prepare(sql)?;
    let names = statement.query_map([], |row| row.get(0))?;
    Ok(names.collect::<Result<_, _>>()?)
}

/// The rows of a table that are new or changed; nothing when there are none.
fn written(connection: &Connection, table: &str) -> anyhow::Result<Option<Write>> {
    let sql = format!("SELECT * FROM main.{table} EXCEPT SELECT * FROM earlier.{table}");
    let mut statement = connection.prepare(&sql)?;
    let columns = statement.column_count();
    let mut found = statement.query([])?;
    let mut rows = Vec::new();
    while let Some(row) = found.next()? {
        let row: Vec<Value> = (0..columns)
            .map(|place| row.get(place))
            .collect::<Result<_, _>>()?;
        rows.push(row);
    }
    if rows.is_empty() {
        return Ok(None);
    }
    let again = match table.ends_with("_views") {
        true => versions(connection, table)?,
        false => 0,
    };
    let marks = vec!["?"; columns].join(", ");
    Ok(Some(Write {
        table: table.to_owned(),
        sql: format!("INSERT OR REPLACE INTO {table} VALUES ({marks})"),
        count: rows.len().max(again),
        rows,
        is_after: false,
    }))
}

/// How often rows of a read model were written.
fn versions(connection: &Connection, table: &str) -> anyhow::Result<usize> {
    let sum = |schema: &str| {
        let sql = format!("SELECT coalesce(sum(version), 0) FROM {schema}.{table}");
        connection.query_row(&sql, [], |row| row.get::<_, i64>(0))
    };
    Ok(usize::try_from(sum("main")? - sum("earlier")?).unwrap_or(0))
}

/// How many messages came into the broker's log.
fn log_length(connection: &Connection) -> anyhow::Result<usize> {
    let last = |schema: &str| {
        let sql = format!(
            "SELECT coalesce(max(seq), 0) FROM {schema}.sqlite_sequence WHERE name = '{LOG}'"
        );
        connection.query_row(&sql, [], |row| row.get::<_, i64>(0))
    };
    Ok(usize::try_from(last("main")? - last("earlier")?).unwrap_or(0))
}

/// What comes and goes with every event: its place among the unsent, and in the broker's log.
fn passing(writes: &[Write], logged: usize) -> anyhow::Result<(Vec<Write>, Vec<Write>)> {
    let (mut unsent, mut messages) = (Vec::new(), Vec::new());
    for write in writes.iter().filter(|write| write.table.ends_with(EVENTS)) {
        let table = write.table.replace(EVENTS, UNSENT);
        let positions = write.rows.iter().filter_map(|row| row.first().cloned());
        let positions: Vec<Value> = positions.collect();
        unsent.extend(in_and_out(
            &table,
            format!("INSERT OR REPLACE INTO {table} (position, slot) VALUES (?1, ?2)"),
            positions
                .iter()
                .map(|position| vec![position.clone(), Value::Integer(SLOT)])
                .collect(),
            format!("DELETE FROM {table} WHERE position = ?1"),
            positions
                .into_iter()
                .map(|position| vec![position])
                .collect(),
        ));
        for row in &write.rows {
            if let Some(Value::Blob(bytes)) = row.last()
                && messages.len() < logged
            {
                messages.push(message(bytes)?);
            }
        }
    }
    let ids = messages.iter().filter_map(|row| row.get(2).cloned());
    let ids = ids.map(|id| vec![id]).collect();
    let log = in_and_out(
        LOG,
        format!(
            "INSERT OR IGNORE INTO {LOG}
                 (topic, partition_key, event_id, correlation_id, source, headers, body)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"
        ),
        messages,
        format!("DELETE FROM {LOG} WHERE event_id = ?1"),
        ids,
    );
    Ok((unsent, log))
}

fn in_and_out(
    table: &str,
    put: String,
    rows: Vec<Vec<Value>>,
    take: String,
    keys: Vec<Vec<Value>>,
) -> Vec<Write> {
    let write = |sql, rows: Vec<Vec<Value>>, is_after| Write {
        table: table.to_owned(),
        sql,
        count: rows.len(),
        rows,
        is_after,
    };
    let both = [write(put, rows, false), write(take, keys, true)];
    both.into_iter().filter(|write| write.count > 0).collect()
}

/// A row of the broker's log.
fn message(bytes: &[u8]) -> anyhow::Result<Vec<Value>> {
    let event = SealedEvent::open(bytes.to_vec().into())?;
    let message = Message::from(&event);
    let headers = serde_json::to_string(&message.headers)?;
    Ok(vec![
        Value::Text(message.topic),
        Value::Text(message.partition_key),
        Value::Text(message.event_id),
        Value::Text(message.correlation_id),
        Value::Text(message.source),
        Value::Text(headers),
        Value::Blob(message.body.to_vec()),
    ])
}
