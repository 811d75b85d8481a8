//! Each template's own tests, `helm/outcry/tests`, and that none is without.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use tokio::process::Command;

use super::render::{chart, objects};
use super::tools::{Tool, present, prints, tool};
use super::values::refusals;

/// How long all suites may take: each test renders templates anew.
const SUITES_MAX: Duration = Duration::from_secs(600);

/// A suite as it is written.
struct Suite {
    file: String,
    /// Templates that all of its tests are of.
    templates: Vec<String>,
    tests: Vec<Value>,
}

async fn suites() -> Vec<Suite> {
    let mut files: Vec<PathBuf> = fs::read_dir(chart().join("tests"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().ends_with("_test.yaml"))
        .collect();
    files.sort();
    let mut suites = Vec::new();
    for path in files {
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        for suite in objects(&fs::read_to_string(&path).unwrap()).await {
            suites.push(Suite {
                file: file.clone(),
                templates: texts(&suite["templates"]),
                tests: suite["tests"].as_array().unwrap().clone(),
            });
        }
    }
    suites
}

fn texts(list: &Value) -> Vec<String> {
    let texts = list.as_array().into_iter().flatten();
    texts
        .map(|text| text.as_str().unwrap().to_owned())
        .collect()
}

/// Files of templates that render something, as suites name them.
fn templates(folder: &Path, prefix: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type().unwrap().is_dir() {
            found.extend(templates(&entry.path(), &format!("{name}/")));
        } else if !name.ends_with(".tpl") {
            found.insert(name);
        }
    }
    found
}

#[tokio::test]
async fn every_suite_passes() {
    if !present().await {
        return;
    }
    let mut suites_of_tests = Command::new(tool(Tool::HelmUnittest).await);
    suites_of_tests.arg("--strict").arg(chart());
    let printed = prints(suites_of_tests, SUITES_MAX, "tests of templates").await;
    let count: usize = suites().await.iter().map(|suite| suite.tests.len()).sum();
    assert!(count > 90, "{count} tests");
    let passed = format!("{count} passed, {count} total");
    let line = printed.lines().find(|line| line.starts_with("Tests:"));
    assert!(line.is_some_and(|line| line.contains(&passed)), "{printed}");
}

#[tokio::test]
async fn every_template_has_a_test_of_its_own() {
    if !present().await {
        return;
    }
    let mut tested = BTreeSet::new();
    for suite in suites().await {
        for test in &suite.tests {
            assert!(
                test["asserts"]
                    .as_array()
                    .is_some_and(|all| !all.is_empty()),
                "{}: {} asserts nothing",
                suite.file,
                test["it"]
            );
            let mut named = texts(&test["templates"]);
            named.extend(test["template"].as_str().map(str::to_owned));
            if named.is_empty() && suite.templates.len() == 1 {
                named.clone_from(&suite.templates);
            }
            tested.extend(named);
        }
    }
    let there = templates(&chart().join("templates"), "");
    assert!(there.len() > 15, "{there:?}");
    assert_eq!(tested, there);
}

#[tokio::test]
async fn every_refusal_has_a_test() {
    if !present().await {
        return;
    }
    let mut patterns = Vec::new();
    for suite in suites().await {
        for test in &suite.tests {
            for assert in test["asserts"].as_array().unwrap() {
                let pattern = assert["failedTemplate"]["errorPattern"].as_str();
                patterns.extend(pattern.map(str::to_owned));
            }
        }
    }
    // A pattern that fits two messages says of neither that it was given.
    let covers = |pattern: &str, parts: &[String]| parts.iter().any(|part| part.contains(pattern));
    let refusals = refusals();
    let decisive: Vec<&String> = patterns
        .iter()
        .filter(|pattern| {
            refusals
                .iter()
                .filter(|parts| covers(pattern, parts))
                .count()
                == 1
        })
        .collect();
    let untested: Vec<String> = refusals
        .iter()
        .filter(|parts| !decisive.iter().any(|pattern| covers(pattern, parts)))
        .map(|parts| parts.join("…"))
        .collect();
    assert!(untested.is_empty(), "{untested:#?}");
}
