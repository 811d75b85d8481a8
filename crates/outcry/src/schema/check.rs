//! `outcry schema check`: what a newer contract changes of an older one, and whom that breaks.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use outcry_events::catalog::catalog;
use outcry_events::descriptors;
use outcry_schema::change::{Change, Verdict};
use outcry_schema::compare::compare;
use outcry_schema::published::{CATALOG, DESCRIPTORS, Parties, Published};
use outcry_schema::shape::Shape;
use serde_json::{Value, json};

use crate::arguments::SchemaCheck;
use crate::output::Output;

/// `outcry schema check …`. Fails with 1 if something breaks.
///
/// # Errors
/// A folder is no export.
pub fn run(check: &SchemaCheck, out: Output) -> anyhow::Result<ExitCode> {
    Ok(if breaks(check, out)? {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// Prints the changes and says whether one of them breaks anything.
fn breaks(check: &SchemaCheck, out: Output) -> anyhow::Result<bool> {
    let old = read(&check.old)?;
    let new = match &check.new {
        Some(folder) => read(folder)?,
        None => own(),
    };
    let changes = compare(&old.shape, &new.shape);
    if out.is_json() {
        let rows: Vec<Value> = changes
            .iter()
            .map(|change| row(change, &old, &new))
            .collect::<Result<_, _>>()?;
        out.document(&Value::Array(rows))?;
    } else {
        print(&changes, &old, &new, out)?;
    }
    Ok(changes.iter().any(Change::is_breaking))
}

/// The contract of this binary.
fn own() -> Published {
    let consumers = super::consumers();
    let events = catalog().events.iter().map(|event| {
        let names = consumers.of(event).into_iter();
        let parties = Parties {
            owner: event.owner.to_owned(),
            consumers: names.map(str::to_owned).collect(),
        };
        (event.topic.to_owned(), parties)
    });
    Published {
        shape: Shape::of(descriptors::pool()),
        parties: events.collect(),
    }
}

/// An export.
fn read(folder: &Path) -> anyhow::Result<Published> {
    let file = |name: &str| {
        fs::read(folder.join(name)).with_context(|| {
            let folder = folder.display();
            format!("{folder} has no readable {name}: name a folder that `outcry schema export` has written")
        })
    };
    if !folder.is_dir() {
        bail!(
            "{} is no folder: name one that `outcry schema export` has written",
            folder.display()
        );
    }
    let (descriptors, catalog) = (file(DESCRIPTORS)?, file(CATALOG)?);
    Published::read(&descriptors, &catalog).with_context(|| {
        let folder = folder.display();
        format!("{folder} is not what `outcry schema export` writes")
    })
}

/// A change with whom it breaks.
fn row(change: &Change, old: &Published, new: &Published) -> anyhow::Result<Value> {
    let mut row = serde_json::to_value(change)?;
    if let Some(row) = row.as_object_mut() {
        row.insert("whom".to_owned(), json!(old.broken_by(change, new)));
    }
    Ok(row)
}

fn print(changes: &[Change], old: &Published, new: &Published, out: Output) -> anyhow::Result<()> {
    let rows: Vec<Vec<String>> = changes
        .iter()
        .map(|change| {
            let values = change.values();
            let what = match values.as_str() {
                "" => change.what.clone(),
                values => format!("{}: {values}", change.what),
            };
            let breaks: Vec<String> = change.breaks.iter().map(ToString::to_string).collect();
            vec![
                change.verdict.to_string(),
                change.place.clone(),
                what,
                breaks.join(", "),
                old.broken_by(change, new).join(", "),
                change.why.clone(),
            ]
        })
        .collect();
    if !rows.is_empty() {
        let headings = ["CHANGE", "WHERE", "WHAT", "BREAKS", "WHOM", "WHY"];
        out.whole_table(&headings, &rows)?;
    }
    let mut counts: BTreeMap<Verdict, usize> = BTreeMap::new();
    for change in changes {
        *counts.entry(change.verdict).or_default() += 1;
    }
    let count = |verdict| counts.get(&verdict).copied().unwrap_or_default();
    out.line(format_args!(
        "{} breaking, {} to review, {} additive",
        count(Verdict::Breaking),
        count(Verdict::Review),
        count(Verdict::Additive)
    ))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use outcry_schema::export;
    use tempfile::TempDir;

    use super::*;

    /// The export of this binary, its compiled contract changed in place.
    fn exported(was: &str, is: &str) -> TempDir {
        assert_eq!(was.len(), is.len());
        let folder = TempDir::new().unwrap();
        for file in export::files(&super::super::consumers()).unwrap() {
            if [DESCRIPTORS, CATALOG].contains(&file.path.as_str()) {
                let mut bytes = file.bytes;
                let places: Vec<usize> = (0..bytes.len())
                    .filter(|place| bytes[*place..].starts_with(was.as_bytes()))
                    .collect();
                for place in places {
                    bytes[place..place + is.len()].copy_from_slice(is.as_bytes());
                }
                fs::write(folder.path().join(&file.path), bytes).unwrap();
            }
        }
        folder
    }

    fn check(old: &Path, new: Option<PathBuf>) -> SchemaCheck {
        SchemaCheck {
            old: old.to_owned(),
            new,
        }
    }

    #[test]
    fn an_export_breaks_nothing_of_itself_and_another_topic_breaks_its_owner_and_consumers() {
        let same = exported("order.filled", "order.filled");
        assert!(!breaks(&check(same.path(), None), Output::plain()).unwrap());
        let other = exported("order.filled", "order.folded");
        assert!(breaks(&check(other.path(), None), Output::plain()).unwrap());
        let both = check(same.path(), Some(other.path().to_owned()));
        assert!(breaks(&both, Output::plain()).unwrap());

        let (old, new) = (read(same.path()).unwrap(), read(other.path()).unwrap());
        assert_eq!(old, own());
        let changes = compare(&old.shape, &new.shape);
        let topic = changes.iter().find(|change| change.what == "topic changed");
        let whom = old.broken_by(topic.unwrap(), &new);
        for party in ["producer orders", "consumer reports", "facts of orders"] {
            assert!(whom.iter().any(|one| one == party), "{party}: {whom:?}");
        }
    }

    #[test]
    fn a_folder_that_is_no_export_is_refused_with_what_to_do() {
        let folder = TempDir::new().unwrap();
        let refused = |path: &Path| {
            format!(
                "{:#}",
                breaks(&check(path, None), Output::plain()).unwrap_err()
            )
        };
        assert!(refused(&folder.path().join("nowhere")).contains("is no folder"));
        assert!(refused(folder.path()).contains("has no readable outcry.binpb"));
        fs::write(folder.path().join(DESCRIPTORS), b"\xff").unwrap();
        fs::write(folder.path().join(CATALOG), b"{}").unwrap();
        assert!(refused(folder.path()).contains("`outcry schema export` writes"));
    }
}
