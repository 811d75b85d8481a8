//! docs/features.md is true: its calls are in the contract, its tests are in the code.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Defects of the original that the page answers for.
const DEFECTS: usize = 35;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// Every file below `folder` with this ending.
fn files(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if name != "target" && !name.starts_with('.') {
                files(&path, ending, found);
            }
        } else if name.ends_with(ending) {
            found.push(path);
        }
    }
}

/// Cells of the rows of the tables below a heading.
fn rows(page: &str, heading: &str) -> Vec<Vec<String>> {
    let below = page.split(&format!("## {heading}\n")).nth(1).unwrap();
    let section = below.split("\n## ").next().unwrap();
    section
        .lines()
        .filter(|line| line.starts_with('|'))
        .skip(2)
        .map(|line| {
            let cells = line.trim_matches('|').split('|');
            cells.map(|cell| cell.trim().to_owned()).collect()
        })
        .collect()
}

/// What stands between backquotes.
fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// `Service.Method` of every method in the contract.
fn methods() -> BTreeSet<String> {
    let mut protos = Vec::new();
    files(&root().join("proto/outcry"), ".proto", &mut protos);
    let mut methods = BTreeSet::new();
    for path in protos {
        let mut service = String::new();
        for line in fs::read_to_string(path).unwrap().lines() {
            if let Some(rest) = line.strip_prefix("service ") {
                service = rest.split_whitespace().next().unwrap().to_owned();
            }
            if let Some(rest) = line.trim_start().strip_prefix("rpc ") {
                let method = rest.split('(').next().unwrap();
                methods.insert(format!("{service}.{method}"));
            }
        }
    }
    methods
}

/// Names of all functions in Rust files that are tests.
fn tests() -> BTreeSet<String> {
    let mut sources = Vec::new();
    for folder in ["crates", "services", "xtask", "src", "tests", "build"] {
        let folder = root().join(folder);
        if folder.is_dir() {
            files(&folder, ".rs", &mut sources);
        }
    }
    let mut tests = BTreeSet::new();
    for path in sources {
        let text = fs::read_to_string(path).unwrap();
        let mut is_test = false;
        for line in text.lines().map(str::trim) {
            if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
                is_test = true;
            } else if let Some(at) = line.find("fn ")
                && !line.starts_with("//")
            {
                let name: String = line[at + 3..]
                    .chars()
                    .take_while(|letter| letter.is_alphanumeric() || *letter == '_')
                    .collect();
                if is_test {
                    tests.insert(name);
                }
                is_test = false;
            }
        }
    }
    tests
}

#[test]
fn every_endpoint_has_a_call_or_a_reason() {
    let page = fs::read_to_string(root().join("docs/features.md")).unwrap();
    let methods = methods();
    let rows = rows(&page, "Endpoints");
    assert!(rows.len() > 80, "the table is there");
    for row in &rows {
        let [original, call, note] = row.as_slice() else {
            panic!("not three cells: {row:?}");
        };
        if call == "–" {
            assert!(!note.is_empty(), "{original} has neither call nor reason");
            continue;
        }
        for name in quoted(call) {
            assert!(methods.contains(name), "{original}: there is no {name}");
        }
    }
}

#[test]
fn every_defect_of_the_original_has_a_test_that_exists() {
    let page = fs::read_to_string(root().join("docs/features.md")).unwrap();
    let tests = tests();
    let rows = rows(&page, "Defects");
    let numbers: Vec<usize> = rows.iter().map(|row| row[0].parse().unwrap()).collect();
    let wanted: Vec<usize> = (1..=DEFECTS).collect();
    assert_eq!(numbers, wanted);
    for row in &rows {
        let named = quoted(row.last().unwrap());
        assert!(!named.is_empty(), "defect {} names no test", row[0]);
        for name in named {
            let name = name.rsplit("::").next().unwrap();
            assert!(
                tests.contains(name),
                "defect {}: there is no test {name}",
                row[0]
            );
        }
    }
}
