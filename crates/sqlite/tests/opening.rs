//! Opening: who may, what is refused, and how tables come up to date.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::PathBuf;

use outcry_sqlite::rusqlite::Connection;
use outcry_sqlite::{Database, Error, MigrateError, OpenError, Schema};
use tempfile::TempDir;

fn file(folder: &TempDir) -> PathBuf {
    folder.path().join("outcry.db")
}

fn schema(steps: &[&str]) -> Schema {
    Schema {
        namespace: "store/orders".to_owned(),
        steps: steps.iter().map(|&step| step.to_owned()).collect(),
    }
}

const ONE: &str = "CREATE TABLE one (id INTEGER)";
const TWO: &str = "CREATE TABLE two (id INTEGER)";

async fn tables(database: &Database) -> Vec<String> {
    database
        .read(|connection| -> Result<_, Error> {
            let mut statement = connection.prepare(
                "SELECT name FROM sqlite_schema
                 WHERE type = 'table' AND name <> 'schema_versions' ORDER BY name",
            )?;
            let rows = statement.query_map([], |row| row.get(0))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
        .unwrap()
}

#[test]
fn missing_folders_are_made() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("deep/er/outcry.db");
    Database::open(&path).unwrap();
    assert!(path.exists());
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let folder = TempDir::new().unwrap();
    let blocked = folder.path().join("blocked");
    std::fs::write(&blocked, "a file where the folder should be").unwrap();
    let error = Database::open(&blocked.join("outcry.db")).unwrap_err();
    assert!(matches!(&error, OpenError::Folder { folder, .. } if *folder == blocked));
    assert!(error.to_string().contains("blocked"), "{error}");
}

#[tokio::test]
async fn a_second_writer_is_refused_until_the_first_has_gone() {
    let folder = TempDir::new().unwrap();
    let first = Database::open(&file(&folder)).unwrap();
    let error = Database::open(&file(&folder)).unwrap_err();
    let OpenError::InUse { holder, .. } = &error else {
        panic!("{error:?}")
    };
    assert_eq!(*holder, Some(std::process::id()));
    first.close().await.unwrap();
    let second = Database::open(&file(&folder)).unwrap();
    drop(second);
    Database::open(&file(&folder)).unwrap();
}

#[tokio::test]
async fn readers_come_in_while_somebody_writes() {
    let folder = TempDir::new().unwrap();
    let writer = Database::open(&file(&folder)).unwrap();
    writer.migrate(schema(&[ONE])).await.unwrap();
    let reader = Database::open_read_only(&file(&folder)).unwrap();
    assert!(reader.is_read_only());
    assert_eq!(tables(&reader).await, ["one"]);
    writer.migrate(schema(&[ONE, TWO])).await.unwrap();
    assert_eq!(tables(&reader).await, ["one", "two"]);
    let write = reader.write(|_| Ok::<_, Error>(())).await;
    assert!(matches!(write, Err(Error::ReadOnly)));
    let sly = reader
        .read(|connection| -> Result<_, Error> { Ok(connection.execute("DROP TABLE one", [])?) })
        .await;
    assert!(matches!(sly, Err(Error::Statement(_))));
}

#[tokio::test]
async fn readers_come_in_when_nobody_writes() {
    let folder = TempDir::new().unwrap();
    let writer = Database::open(&file(&folder)).unwrap();
    writer.migrate(schema(&[ONE])).await.unwrap();
    writer.close().await.unwrap();
    let reader = Database::open_read_only(&file(&folder)).unwrap();
    assert_eq!(tables(&reader).await, ["one"]);
}

#[test]
fn reading_a_file_that_is_not_there_is_refused() {
    let folder = TempDir::new().unwrap();
    let error = Database::open_read_only(&file(&folder)).unwrap_err();
    assert!(matches!(error, OpenError::Missing { .. }), "{error:?}");
}

#[test]
fn foreign_files_are_refused_and_left_alone() {
    let folder = TempDir::new().unwrap();
    let text = folder.path().join("text.db");
    std::fs::write(&text, "not a database at all, but long enough to look at").unwrap();
    let other = folder.path().join("other.db");
    Connection::open(&other)
        .unwrap()
        .execute_batch(ONE)
        .unwrap();
    for path in [&text, &other] {
        let before = std::fs::read(path).unwrap();
        for result in [Database::open(path), Database::open_read_only(path)] {
            let error = result.unwrap_err();
            assert!(matches!(error, OpenError::Foreign { .. }), "{error:?}");
        }
        assert_eq!(std::fs::read(path).unwrap(), before);
    }
}

#[test]
fn a_file_of_a_newer_layout_is_refused_with_both_numbers() {
    let folder = TempDir::new().unwrap();
    drop(Database::open(&file(&folder)).unwrap());
    Connection::open(file(&folder))
        .unwrap()
        .pragma_update(None, "user_version", 9)
        .unwrap();
    let error = Database::open(&file(&folder)).unwrap_err();
    assert!(matches!(
        error,
        OpenError::Newer {
            found: 9,
            known: 1,
            ..
        }
    ));
}

#[tokio::test]
async fn steps_are_applied_once_and_in_order() {
    let folder = TempDir::new().unwrap();
    let database = Database::open(&file(&folder)).unwrap();
    database.migrate(schema(&[ONE])).await.unwrap();
    database.migrate(schema(&[ONE])).await.unwrap();
    database
        .migrate(schema(&[ONE, TWO, "INSERT INTO two VALUES (2)"]))
        .await
        .unwrap();
    assert_eq!(tables(&database).await, ["one", "two"]);
}

#[tokio::test]
async fn newer_tables_are_refused_with_both_versions() {
    let folder = TempDir::new().unwrap();
    let database = Database::open(&file(&folder)).unwrap();
    database.migrate(schema(&[ONE, TWO])).await.unwrap();
    let error = database.migrate(schema(&[ONE])).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the tables of store/orders have version 2, this version knows up to 1; use a newer version"
    );
}

#[tokio::test]
async fn a_failing_step_leaves_the_tables_as_they_were() {
    let folder = TempDir::new().unwrap();
    let database = Database::open(&file(&folder)).unwrap();
    database.migrate(schema(&[ONE])).await.unwrap();
    let error = database
        .migrate(schema(&[ONE, TWO, "CREATE TABLE two (again INTEGER)"]))
        .await
        .unwrap_err();
    assert!(matches!(error, MigrateError::Step { version: 3, .. }));
    assert_eq!(tables(&database).await, ["one"]);
    database.migrate(schema(&[ONE, TWO])).await.unwrap();
}

#[tokio::test]
async fn reading_older_tables_is_refused() {
    let folder = TempDir::new().unwrap();
    let database = Database::open(&file(&folder)).unwrap();
    database.migrate(schema(&[ONE])).await.unwrap();
    let reader = Database::open_read_only(&file(&folder)).unwrap();
    reader.migrate(schema(&[ONE])).await.unwrap();
    let error = reader.migrate(schema(&[ONE, TWO])).await.unwrap_err();
    assert!(matches!(
        error,
        MigrateError::Older {
            found: 1,
            known: 2,
            ..
        }
    ));
}
