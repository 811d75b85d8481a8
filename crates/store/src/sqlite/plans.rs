//! Every read walks an index: nothing is looked at that is not wanted, and nothing is sorted.

use outcry_sqlite::rusqlite::{Connection, params_from_iter, types::Value};
use uuid::Uuid;

use super::tables::{Tables, schema};
use crate::parking::ParkedFilter;

fn plan(connection: &Connection, sql: &str) -> Vec<String> {
    let mut statement = connection
        .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
        .unwrap();
    let nulls = vec![Value::Null; statement.parameter_count()];
    let rows = statement
        .query_map(params_from_iter(nulls), |row| row.get(3))
        .unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

#[test]
fn every_read_walks_an_index() {
    let connection = Connection::open_in_memory().unwrap();
    for step in schema("orders").unwrap().steps {
        connection.execute_batch(&step).unwrap();
    }
    let tables = Tables::of("orders");
    let parking = &tables.parking;
    let listing = |filter: ParkedFilter| parking.rows.listing(&filter).0;
    let group = Some("orders".to_owned());
    let narrowed = [
        listing(ParkedFilter {
            group: group.clone(),
            key: Some("key".to_owned()),
            ..ParkedFilter::default()
        }),
        listing(ParkedFilter {
            group: group.clone(),
            event_id: Some(Uuid::nil()),
            ..ParkedFilter::default()
        }),
        listing(ParkedFilter {
            position: Some(1),
            ..ParkedFilter::default()
        }),
        // Walks the rows in their order from where the page begins.
        listing(ParkedFilter {
            group,
            ..ParkedFilter::default()
        }),
    ];
    let statements = [
        &tables.events.stream,
        &tables.events.all,
        &tables.events.of_key,
        &tables.inbox.contains,
        &tables.inbox.forget,
        &tables.answers.contains,
        &tables.answers.find,
        &tables.answers.forget,
        &tables.views.row,
        &tables.views.state,
        &tables.views.by_key,
        &tables.views.by_key_reverse,
        &tables.views.by_order,
        &tables.views.by_order_reverse,
        &tables.timers.due,
        &parking.rows.find,
        &parking.rows.first,
        &parking.rows.head,
        &parking.rows.keys,
        &parking.rows.reset_key,
        &parking.redrives.asked_by,
        &parking.audit.all,
        &parking.audit.of_group,
    ];
    for sql in statements.into_iter().chain(&narrowed) {
        for line in plan(&connection, sql) {
            assert!(
                !line.contains("SCAN") && !line.contains("TEMP B-TREE"),
                "{line}\n{sql}"
            );
        }
    }
}

#[test]
fn small_tables_are_walked_in_order() {
    let connection = Connection::open_in_memory().unwrap();
    for step in schema("orders").unwrap().steps {
        connection.execute_batch(&step).unwrap();
    }
    let tables = Tables::of("orders");
    // The first walks the unsent rows from the front, the second the end of an index.
    for sql in [&tables.events.unsent, &tables.timers.next] {
        for line in plan(&connection, sql) {
            assert!(!line.contains("TEMP B-TREE"), "{line}\n{sql}");
        }
    }
}
