//! Settings from three places: a TOML file, `OUTCRY_…` variables over it, flags over both.
//!
//! A variable names a key by its path: `OUTCRY_GATEWAY__REFLECTION=true` is `reflection = true` in
//! the table `[gateway]`.

use anyhow::{Context as _, bail};
use toml::{Table, Value};

/// What the names of variables begin with.
const PREFIX: &str = "OUTCRY_";

/// Between the tables of a path.
const SEPARATOR: &str = "__";

/// Variables that are flags of the command line and no settings.
const FLAGS: [&str; 5] = ["CONFIG", "ADDRESS", "CA", "EMAIL", "PASSWORD"];

/// Puts the variables over the table.
///
/// # Errors
/// A variable goes through a key that is no table.
pub fn overlay(
    mut table: Table,
    variables: impl IntoIterator<Item = (String, String)>,
) -> anyhow::Result<Table> {
    for (variable, text) in variables {
        let Some(path) = variable.strip_prefix(PREFIX) else {
            continue;
        };
        if FLAGS.contains(&path) {
            continue;
        }
        let path = path.to_lowercase();
        set(&mut table, &path, value(&text)).with_context(|| format!("variable {variable}"))?;
    }
    Ok(table)
}

fn set(table: &mut Table, path: &str, value: Value) -> anyhow::Result<()> {
    match path.split_once(SEPARATOR) {
        None => {
            table.insert(path.to_owned(), value);
            Ok(())
        }
        Some((name, rest)) => {
            let inner = table
                .entry(name)
                .or_insert_with(|| Value::Table(Table::new()));
            match inner {
                Value::Table(inner) => set(inner, rest, value),
                _ => bail!("`{name}` is a value, not a table of settings"),
            }
        }
    }
}

/// A number, a boolean or a list where the text is one in TOML, else the text itself.
fn value(text: &str) -> Value {
    let parsed: Result<Table, _> = toml::from_str(&format!("value = {text}"));
    parsed
        .ok()
        .and_then(|mut table| table.remove("value"))
        .filter(|value| !value.is_datetime())
        .unwrap_or_else(|| Value::String(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(variables: &[(&str, &str)]) -> anyhow::Result<Table> {
        let file: Table =
            toml::from_str("listen = \"a\"\n[gateway]\nreflection = false\n").unwrap();
        let owned = variables
            .iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        overlay(file, owned)
    }

    #[test]
    fn variables_go_over_the_file_by_their_path() {
        let table = with(&[
            ("OUTCRY_GATEWAY__REFLECTION", "true"),
            ("OUTCRY_GATEWAY__CALLS_MAX", "7"),
            ("OUTCRY_LISTEN", "127.0.0.1:1"),
            ("OUTCRY_PASSWORD", "never a setting"),
            ("HOME", "/nowhere"),
        ])
        .unwrap();
        assert_eq!(table["gateway"]["reflection"], Value::Boolean(true));
        assert_eq!(table["gateway"]["calls_max"], Value::Integer(7));
        assert_eq!(table["listen"], Value::String("127.0.0.1:1".to_owned()));
        assert!(!table.contains_key("password"));
    }

    #[test]
    fn a_path_through_a_value_is_an_error_that_names_the_variable() {
        let error = with(&[("OUTCRY_LISTEN__PORT", "1")]).unwrap_err();
        assert!(format!("{error:#}").contains("OUTCRY_LISTEN__PORT"));
    }
}
