//! PostgreSQL: reachable, of a version that was tried, with room for connections, near, and with the tables of this
//! version.

use std::time::Duration;

use outcry_store::{PostgresDatabase, PostgresStanding};

use super::finding::Finding;
use crate::config::{Config, Migrate, without_password};
use crate::stores;

const AREA: &str = "database";

/// The first major version that was tried.
const MAJOR_TRIED: u32 = 15;

/// A question and its answer should take no longer: every commit is one.
const ROUND_TRIP_DOUBTFUL: Duration = Duration::from_millis(5);

/// With longer ones, calls reach their deadlines.
const ROUND_TRIP_FAILED: Duration = Duration::from_millis(200);

/// What is known of the database.
#[derive(Debug, Clone)]
pub struct Facts {
    /// Where it is, without the password; `None` for a file in the data folder.
    url: Option<String>,
    /// What it says; why not.
    standing: Option<Result<PostgresStanding, String>>,
    /// Who makes tables.
    migrate: Migrate,
    /// Connections that a process opens, with the one for news.
    connections: u64,
}

/// Looks at the database that the configuration names, for these services.
pub async fn gather(config: &Config, services: &[&str]) -> Facts {
    let database = &config.database;
    let mut facts = Facts {
        url: None,
        standing: None,
        migrate: database.migrate,
        connections: u64::try_from(database.connections_max)
            .unwrap_or(u64::MAX)
            .saturating_add(1),
    };
    if database.url.is_empty() {
        return facts;
    }
    let standing =
        PostgresDatabase::standing(&database.url, &stores::options(database), services).await;
    facts.url = Some(without_password(&database.url));
    facts.standing = Some(standing.map_err(|error| format!("{:#}", anyhow::Error::from(error))));
    facts
}

// === impl Facts ===

impl Facts {
    /// What the server said, when it answered.
    pub fn standing(&self) -> Option<&PostgresStanding> {
        self.standing.as_ref()?.as_ref().ok()
    }
}

/// Judges the database.
pub fn judge(facts: &Facts) -> Vec<Finding> {
    let (Some(url), Some(standing)) = (&facts.url, &facts.standing) else {
        return vec![Finding::ok(AREA, "a file in the data folder")];
    };
    match standing {
        Err(why) => vec![Finding::failed(
            AREA,
            format!("{url} cannot be used: {why}"),
            "start it, or correct host, role, password and database of `url` in [database]",
        )],
        Ok(standing) => {
            let mut found = vec![version(standing), connections(standing, facts.connections)];
            found.push(distance(standing.round_trip));
            found.extend(tables(standing, facts.migrate));
            found
        }
    }
}

fn version(standing: &PostgresStanding) -> Finding {
    let says = format!("PostgreSQL {}", standing.version);
    if standing.major >= MAJOR_TRIED {
        return Finding::ok(AREA, says);
    }
    let says = format!("{says} is older than what was tried");
    Finding::warning(AREA, says, format!("upgrade it to {MAJOR_TRIED} or later"))
}

fn connections(standing: &PostgresStanding, own: u64) -> Finding {
    let left = standing
        .connections_max
        .saturating_sub(standing.connections);
    let says = format!(
        "{left} of {} connections are left",
        standing.connections_max
    );
    let mend =
        "raise its `max_connections`, or lower `connections_max` in [database] of each process";
    match left {
        0 => Finding::failed(AREA, says, mend),
        left if left < own => {
            let says = format!("{says}; a process opens up to {own}");
            Finding::warning(AREA, says, mend)
        }
        _ => Finding::ok(AREA, says),
    }
}

fn distance(round_trip: Duration) -> Finding {
    #[expect(clippy::cast_precision_loss, reason = "microseconds of a question")]
    let says = format!(
        "answers within {:.1} ms",
        round_trip.as_micros() as f64 / 1000.0
    );
    let mend = "run processes near it: every commit is at least one question";
    match round_trip {
        trip if trip >= ROUND_TRIP_FAILED => Finding::failed(AREA, says, mend),
        trip if trip >= ROUND_TRIP_DOUBTFUL => Finding::warning(AREA, says, mend),
        _ => Finding::ok(AREA, says),
    }
}

fn tables(standing: &PostgresStanding, migrate: Migrate) -> Vec<Finding> {
    let known = standing.step;
    let at = |is_so: &dyn Fn(i32) -> bool| {
        let schemas = standing.schemas.iter().filter(|schema| is_so(schema.step));
        let names: Vec<&str> = schemas.map(|schema| schema.service.as_str()).collect();
        names.join(", ")
    };
    let mut found = Vec::new();
    let newer = at(&|step| step > known);
    if !newer.is_empty() {
        found.push(Finding::failed(
            AREA,
            format!("the tables of {newer} were made by a newer version"),
            "run that version, or a newer one",
        ));
    }
    let older = at(&|step| step < known);
    if !older.is_empty() {
        let says = format!("the tables of {older} are not there yet, or older than this version");
        found.push(match migrate {
            Migrate::Never => Finding::failed(
                AREA,
                says,
                "run `outcry migrate`: with `migrate = \"never\"` services do not make them",
            ),
            Migrate::Start if !standing.may_make_schemas => Finding::failed(
                AREA,
                format!("{says}, and the role may not make schemas"),
                "GRANT CREATE ON DATABASE … TO the role, or run `outcry migrate` as one that may",
            ),
            Migrate::Start => {
                Finding::ok(AREA, format!("{says}; services make them when they start"))
            }
        });
    }
    if found.is_empty() {
        found.push(Finding::ok(AREA, format!("all tables are at step {known}")));
    }
    found
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use outcry_store::SchemaStanding;

    use super::super::finding::testing::{counts, saying};
    use super::*;

    fn standing() -> PostgresStanding {
        PostgresStanding {
            version: "15.4".to_owned(),
            major: 15,
            connections_max: 97,
            connections: 10,
            may_make_schemas: true,
            round_trip: Duration::from_micros(300),
            clock: UNIX_EPOCH,
            clock_here: UNIX_EPOCH,
            step: 3,
            schemas: vec![SchemaStanding {
                service: "orders".to_owned(),
                step: 3,
            }],
        }
    }

    fn judged(migrate: Migrate, alter: impl FnOnce(&mut PostgresStanding)) -> Vec<Finding> {
        let mut standing = standing();
        alter(&mut standing);
        judge(&Facts {
            url: Some("postgres://pg/outcry".to_owned()),
            standing: Some(Ok(standing)),
            migrate,
            connections: 9,
        })
    }

    #[test]
    fn a_server_with_all_tables_is_fine_and_so_is_none() {
        let found = judged(Migrate::Never, |_| ());
        assert_eq!(counts(&found), (0, 0));
        saying(&found, "87 of 97 connections are left");
        saying(&found, "answers within 0.3 ms");
        let file = Facts {
            url: None,
            standing: None,
            migrate: Migrate::Start,
            connections: 9,
        };
        assert_eq!(counts(&judge(&file)), (0, 0));
    }

    #[test]
    fn tables_that_are_missing_matter_when_services_may_not_make_them() {
        let missing = |migrate, may| {
            counts(&judged(migrate, |standing| {
                standing.schemas[0].step = 0;
                standing.may_make_schemas = may;
            }))
        };
        assert_eq!(missing(Migrate::Start, true), (0, 0));
        assert_eq!(missing(Migrate::Start, false), (1, 0));
        assert_eq!(missing(Migrate::Never, true), (1, 0));
        let newer = judged(Migrate::Start, |standing| standing.schemas[0].step = 9);
        assert_eq!(counts(&newer), (1, 0));
    }

    #[test]
    fn connections_distance_and_version_are_measured() {
        let used =
            |connections| counts(&judged(Migrate::Start, |one| one.connections = connections));
        assert_eq!(used(88), (0, 0));
        assert_eq!(used(89), (0, 1));
        assert_eq!(used(97), (1, 0));
        let far = |ms| {
            let trip = Duration::from_millis(ms);
            counts(&judged(Migrate::Start, |one| one.round_trip = trip))
        };
        assert_eq!((far(4), far(5), far(200)), ((0, 0), (0, 1), (1, 0)));
        assert_eq!(
            counts(&judged(Migrate::Start, |one| one.major = 13)),
            (0, 1)
        );
    }
}
