//! How tables are made, and who may not use them.

use std::error::Error as _;

use outcry_servers::shared_postgres;
use outcry_store::{
    Commit, Expect, PostgresDatabase, PostgresOptions, PostgresStore, Scan, Store, StoreError,
    Timer, TimerWrite, ViewWrite,
};
use tokio::task::JoinSet;

use super::fixtures::{appending, length, new_database, process, raw};

/// The chain of an error's causes.
fn chain(error: &StoreError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

async fn connect(url: &str) -> PostgresDatabase {
    PostgresDatabase::connect(url, PostgresOptions::default())
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_that_start_at_once_make_the_tables_once() {
    if !outcry_servers::present() {
        return;
    }
    let url = new_database("at-once").await;
    let mut starts = JoinSet::new();
    for replica in 0..12_u64 {
        let url = url.clone();
        starts.spawn(async move {
            let database = connect(&url).await;
            let service = ["orders", "funds", "trades"][replica as usize % 3];
            let store = PostgresStore::open(&database, service).await.unwrap();
            store
                .commit(appending(&format!("r{replica}"), 0, "key"))
                .await
                .unwrap();
        });
    }
    starts.join_all().await;
    let store = process(&url).await;
    for replica in [0, 3, 6, 9] {
        assert_eq!(length(store.as_ref(), &format!("r{replica}")).await, 1);
    }
    assert_eq!(length(store.as_ref(), "r1").await, 0, "of another service");
}

#[tokio::test]
async fn who_is_not_to_make_the_tables_waits_for_who_does() {
    if !outcry_servers::present() {
        return;
    }
    let url = new_database("migrated").await;
    let database = connect(&url).await;
    let missing = PostgresStore::open_migrated(&database, "orders").await;
    let text = chain(&missing.unwrap_err());
    assert!(
        text.contains("orders") && text.contains("`outcry migrate`"),
        "{text}"
    );
    let client = raw(&url).await;
    let made = client.query(
        "SELECT 1 FROM pg_namespace WHERE nspname = 'outcry_orders'",
        &[],
    );
    assert_eq!(made.await.unwrap().len(), 0, "looking makes nothing");
    let made = database.migrate("orders").await.unwrap();
    assert!(made.from == 0 && made.to > 0, "{made:?}");
    let store = PostgresStore::open_migrated(&database, "orders")
        .await
        .unwrap();
    store.commit(appending("a", 0, "a")).await.unwrap();
    let again = database.migrate("orders").await.unwrap();
    assert_eq!((again.from, again.to), (made.to, made.to));
    assert_eq!(length(&store, "a").await, 1);
}

#[tokio::test]
async fn tables_of_a_newer_version_are_refused() {
    if !outcry_servers::present() {
        return;
    }
    let url = new_database("newer").await;
    process(&url).await;
    let client = raw(&url).await;
    client
        .batch_execute("INSERT INTO outcry_orders.steps (step) VALUES (99)")
        .await
        .unwrap();
    let error = PostgresStore::open(&connect(&url).await, "orders")
        .await
        .unwrap_err();
    let text = chain(&error);
    assert!(text.contains("orders") && text.contains("99"), "{text}");
    let database = connect(&url).await;
    assert!(database.migrate("orders").await.is_err());
    assert!(
        PostgresStore::open_migrated(&database, "orders")
            .await
            .is_err()
    );
    let snapshot = PostgresDatabase::snapshot(&url, &PostgresOptions::default())
        .await
        .unwrap();
    assert!(snapshot.store("orders").await.is_err());
}

#[tokio::test]
async fn a_role_without_rights_is_told_what_it_lacks() {
    if !outcry_servers::present() {
        return;
    }
    let url = new_database("rights").await;
    let client = raw(&url).await;
    client
        .batch_execute(
            "CREATE ROLE visitor LOGIN PASSWORD 'visitor';
             REVOKE CREATE ON DATABASE rights FROM PUBLIC",
        )
        .await
        .unwrap();
    let (_, place) = url.split_once('@').unwrap();
    let visitor = connect(&format!("postgres://visitor:visitor@{place}")).await;
    let error = PostgresStore::open(&visitor, "orders").await.unwrap_err();
    let text = chain(&error);
    assert!(
        text.contains("GRANT CREATE ON DATABASE") && text.contains("outcry_orders"),
        "{text}"
    );
    // With the tables made by somebody else, use is enough.
    process(&url).await;
    let seen = PostgresStore::open(&visitor, "orders").await;
    assert!(seen.is_err(), "the schema is not theirs to see");
    client
        .batch_execute(
            "GRANT USAGE ON SCHEMA outcry_orders TO visitor;
             GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA outcry_orders TO visitor",
        )
        .await
        .unwrap();
    let store = PostgresStore::open(&visitor, "orders").await.unwrap();
    store.commit(appending("a", 0, "a")).await.unwrap();
    let store = PostgresStore::open_migrated(&visitor, "orders").await;
    store.unwrap().commit(appending("b", 0, "b")).await.unwrap();
}

#[tokio::test]
async fn names_that_cannot_name_schemas_are_refused() {
    if !outcry_servers::present() {
        return;
    }
    let url = new_database("names").await;
    let database = connect(&url).await;
    let long = "a".repeat(60);
    for name in ["", "1st", "a-b", "a;b", "Orders", "ü", &long] {
        let store = PostgresStore::open(&database, name).await;
        assert!(matches!(store, Err(StoreError::Tables { .. })), "{name}");
    }
    let options = PostgresOptions {
        prefix: "a\"b".to_owned(),
        ..PostgresOptions::default()
    };
    assert!(PostgresDatabase::connect(&url, options).await.is_err());
}

#[tokio::test]
async fn whoever_cannot_get_in_is_told_why() {
    if !outcry_servers::present() {
        return;
    }
    let server = shared_postgres().await.unwrap();
    let url = new_database("let-in").await;
    let (_, place) = url.split_once('@').unwrap();
    let refused = async |url: &str| {
        let database = PostgresDatabase::connect(url, PostgresOptions::default()).await;
        chain(&database.unwrap_err())
    };
    let text = refused(&format!("postgres://outcry:wrong@{place}")).await;
    assert!(text.contains("does not let role outcry in"), "{text}");
    assert!(!text.contains("wrong"), "{text}");
    let text = refused(&url.replace("let-in", "nowhere")).await;
    assert!(text.contains("no database nowhere"), "{text}");
    let text = refused(&url.replace(&server.port().to_string(), "1")).await;
    assert!(text.contains("can be reached at 127.0.0.1:1"), "{text}");
    let text = refused("secret:password").await;
    assert!(
        text.contains("postgres://") && !text.contains("secret"),
        "{text}"
    );
    // The server has no TLS.
    let text = refused(&format!("{url}?sslmode=require")).await;
    assert!(text.contains("TLS"), "{text}");

    let client = raw(&url).await;
    client
        .batch_execute(
            "ALTER DATABASE \"let-in\" CONNECTION LIMIT 2; CREATE ROLE many LOGIN PASSWORD 'many'",
        )
        .await
        .unwrap();
    let many = format!("postgres://many:many@{place}");
    let first = raw(&many).await;
    let text = refused(&many).await;
    assert!(text.contains("has no connection left"), "{text}");
    drop(first);
}

#[tokio::test]
async fn any_text_is_a_name() {
    if !outcry_servers::present() {
        return;
    }
    let url = new_database("any-text").await;
    let store = process(&url).await;
    let keys = ["\0", "\0\u{1}", "a\0", "a\0b", "a\u{1}", "a\u{2}", "b"];
    let views = keys.iter().map(|key| {
        ViewWrite::put("rows", *key, &"x")
            .unwrap()
            .index("order", format!("{key}!"))
    });
    let timers = keys.iter().map(|key| {
        TimerWrite::Set(Timer {
            id: (*key).to_owned(),
            due: std::time::UNIX_EPOCH,
            payload: Vec::new(),
        })
    });
    let commit = Commit {
        views: views.collect(),
        timers: timers.collect(),
        ..Commit::default()
    };
    store.commit(commit).await.unwrap();
    for scan in [Scan::new("rows"), Scan::new("rows").index("order")] {
        let rows = store.scan(&scan).await.unwrap();
        let found: Vec<_> = rows.iter().map(|row| row.key.as_str()).collect();
        let mut expected = keys.to_vec();
        if scan.index.is_some() {
            expected.sort_unstable_by_key(|key| format!("{key}!"));
        }
        assert_eq!(found, expected);
    }
    let with_zero = store.scan(&Scan::new("rows").prefix("a\0")).await.unwrap();
    assert_eq!(with_zero.len(), 2);
    let due = store.timers_due(std::time::UNIX_EPOCH, 10).await.unwrap();
    let ids: Vec<_> = due.iter().map(|timer| timer.id.as_str()).collect();
    assert_eq!(ids, keys);
}

#[tokio::test]
async fn the_longest_names_fit() {
    if !outcry_servers::present() {
        return;
    }
    let url = new_database("longest").await;
    let store = process(&url).await;
    // Nothing that could be compressed.
    let long = |seed: u64| {
        let mut state = seed;
        let mut text = String::new();
        while text.len() < 1024 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            text.push(char::from(b'!' + u8::try_from((state >> 33) % 90).unwrap()));
        }
        text
    };
    let mut commit = appending(&long(1)[..100], 0, &long(2)[..128]);
    commit.views = vec![
        ViewWrite::put("rows", long(3), &"x")
            .unwrap()
            .index("order", long(4))
            .expect(0),
    ];
    commit.timers = vec![TimerWrite::Set(Timer {
        id: long(5),
        due: std::time::UNIX_EPOCH,
        payload: Vec::new(),
    })];
    store.commit(commit.clone()).await.unwrap();
    assert!(matches!(commit.views[0].expect, Expect::Version(0)));
    let rows = store.scan(&Scan::new("rows").index("order")).await.unwrap();
    assert_eq!(rows[0].key, long(3));
}
