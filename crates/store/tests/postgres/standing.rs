//! What a server says of itself and of the tables, for whoever operates it.

use outcry_store::{PostgresDatabase, PostgresOptions, SchemaStanding};

use super::fixtures::new_database;

#[tokio::test]
async fn a_server_is_looked_at_without_making_anything_in_it() {
    if !outcry_servers::present() {
        return;
    }
    let url = new_database("standing").await;
    let options = PostgresOptions::default();
    let services = ["orders", "funds"];
    let look = async || {
        PostgresDatabase::standing(&url, &options, &services)
            .await
            .unwrap()
    };
    let steps = |schemas: &[SchemaStanding]| schemas.iter().map(|one| one.step).collect::<Vec<_>>();
    for _ in 0..2 {
        let standing = look().await;
        assert_eq!(steps(&standing.schemas), [0, 0]);
        assert!(standing.version.starts_with(&standing.major.to_string()));
        assert!(standing.may_make_schemas);
        assert!(standing.connections >= 1);
        assert!(standing.connections < standing.connections_max);
    }
    let database = PostgresDatabase::connect(&url, options.clone())
        .await
        .unwrap();
    let made = database.migrate("orders").await.unwrap();
    let standing = look().await;
    assert_eq!(made.to, standing.step);
    assert_eq!(steps(&standing.schemas), [standing.step, 0]);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_an_error() {
    let url = "postgres://me:secret@127.0.0.1:1/outcry";
    let looked = PostgresDatabase::standing(url, &PostgresOptions::default(), &[]).await;
    assert!(looked.is_err());
}
