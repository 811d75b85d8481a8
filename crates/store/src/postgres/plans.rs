//! Every read walks an index: nothing is looked at that is not wanted, and nothing is sorted but
//! the rows of one page.

use outcry_servers::shared_postgres;
use uuid::Uuid;

use super::source::Source;
use super::{PostgresDatabase, PostgresOptions, PostgresStore};
use crate::parking::ParkedFilter;

/// The plan of a statement whose parameters are not known.
async fn plan(source: &Source, sql: &str) -> String {
    let params: Vec<_> = (1..)
        .take_while(|number| sql.contains(&format!("${number}")))
        .collect();
    let name = format!("p{}", Uuid::now_v7().simple());
    let database = source.database().unwrap();
    let nulls = vec!["NULL"; params.len()].join(", ");
    let arguments = if params.is_empty() {
        String::new()
    } else {
        format!("({nulls})")
    };
    let prepare = format!("SET plan_cache_mode = force_generic_plan; PREPARE {name} AS {sql}");
    let explain = format!("EXPLAIN EXECUTE {name}{arguments}");
    let lines = database.script(&prepare, &explain).await.unwrap();
    let lines: Vec<String> = lines.iter().map(|row| row.get(0)).collect();
    lines.join("\n")
}

#[tokio::test]
async fn every_read_walks_an_index() {
    if !outcry_servers::present() {
        return;
    }
    let url = shared_postgres()
        .await
        .unwrap()
        .create_database("plans")
        .await
        .unwrap();
    let options = PostgresOptions {
        connections: 1,
        ..PostgresOptions::default()
    };
    let database = PostgresDatabase::connect(&url, options).await.unwrap();
    let store = PostgresStore::open(&database, "orders").await.unwrap();
    let statements = &store.statements;
    let listing = |filter: ParkedFilter| statements.parking.listing(&filter, 1).0;
    let group = Some("orders".to_owned());
    let mut all = vec![
        listing(ParkedFilter {
            group: group.clone(),
            key: Some("key".to_owned()),
            ..ParkedFilter::default()
        }),
        listing(ParkedFilter {
            position: Some(1),
            ..ParkedFilter::default()
        }),
        listing(ParkedFilter {
            group,
            ..ParkedFilter::default()
        }),
    ];
    for in_order in [false, true] {
        for has_end in [false, true] {
            for reverse in [false, true] {
                all.push(statements.views.listing(in_order, has_end, reverse));
            }
        }
    }
    all.extend(
        [
            &statements.events.stream,
            &statements.events.all,
            &statements.events.of_key,
            &statements.events.unsent,
            &statements.events.oldest_unsent,
            &statements.events.mark_sent,
            &statements.marks.handled,
            &statements.marks.answer,
            &statements.marks.forget_handled,
            &statements.marks.forget_answers,
            &statements.views.row,
            &statements.timers.due,
            &statements.timers.next,
            &statements.parking.first,
            &statements.parking.keys,
            &statements.parking.redrives,
            &statements.parking.audit,
            &statements.parking.audit_of_group,
            &statements.leases.holder,
        ]
        .map(String::clone),
    );
    for sql in all {
        let plan = plan(&store.source, &sql).await;
        assert!(
            plan.contains("Index") && !plan.contains("Seq Scan") && !plan.contains("Hash Join"),
            "{plan}\n{sql}"
        );
        // Rows that are looked up one by one may be sorted afterwards; an index is not.
        let sorts = plan.contains("Sort") && !sql.contains("JOIN") && !sql.contains("DELETE");
        assert!(!sorts, "{plan}\n{sql}");
    }
}
