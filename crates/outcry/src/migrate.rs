//! `outcry migrate`: the tables of services on PostgreSQL, made and brought up to date before the services start.

use anyhow::Context as _;
use outcry_store::Migration;

use crate::arguments::Migrate;
use crate::config::Config;
use crate::failure::Usage;
use crate::output::Output;
use crate::services::NAMES;
use crate::stores;

/// `outcry migrate`
///
/// # Errors
/// No server is configured, it cannot be reached, or tables are of a newer version or cannot be made. Those of
/// services before the one that fails are up to date by then; doing it again goes on.
pub async fn run(asked: Migrate, out: Output) -> anyhow::Result<()> {
    let config = Config::load(&asked.settings)?;
    if config.database.url.is_empty() {
        return Err(Usage::new(
            "no server is configured: give --database postgres://…; a file in the data folder is brought up to \
             date by `outcry up` when it starts",
        )
        .into());
    }
    let database = stores::server(&config).await?;
    let mut done = Vec::new();
    for service in wanted(&asked.services) {
        let migrated = database.migrate(service).await;
        let migration = migrated.with_context(|| format!("migrating {service}"))?;
        if !out.is_json() {
            out.line(format_args!("{service}: {}", told(migration)))?;
        }
        done.push(serde_json::json!({
            "service": service,
            "from": migration.from,
            "to": migration.to,
        }));
    }
    database.close();
    if out.is_json() {
        out.document(&serde_json::json!({ "services": done }))?;
    }
    Ok(())
}

/// The services that are named, or all; each once, in the platform's order.
fn wanted(named: &[String]) -> impl Iterator<Item = &'static str> {
    NAMES
        .into_iter()
        .filter(|name| named.is_empty() || named.iter().any(|one| one == name))
}

/// What was done, for people.
fn told(migration: Migration) -> String {
    match migration {
        Migration { from: 0, to } => format!("made, at step {to}"),
        Migration { from, to } if from == to => format!("as it should be, at step {to}"),
        Migration { from, to } => format!("brought from step {from} to step {to}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_done_is_told() {
        let told = |from, to| told(Migration { from, to });
        assert_eq!(told(0, 3), "made, at step 3");
        assert_eq!(told(1, 3), "brought from step 1 to step 3");
        assert_eq!(told(3, 3), "as it should be, at step 3");
    }

    #[test]
    fn services_are_migrated_once_and_all_when_none_is_named() {
        let wanted = |named: &[&str]| {
            let named: Vec<String> = named.iter().map(|&name| name.to_owned()).collect();
            wanted(&named).collect::<Vec<_>>()
        };
        assert_eq!(wanted(&[]), NAMES);
        assert_eq!(wanted(&["funds", "orders", "funds"]), ["orders", "funds"]);
    }
}
