//! Alerts and dashboards: whether Prometheus understands them, what alerts fire on, and where they lead.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::promtool::{promtool, says};
use super::render::{chart, objects, of_kind, rendered};
use super::tools::{present, root};

/// Files of `promtool test rules`, below the chart's tests: what alerts fire on, and what they do not.
const FIRING: &str = "tests/prometheus/alerts.yaml";
const SILENT: &str = "tests/prometheus/health.yaml";

/// Values that ask for everything there is to see.
const VALUES: &str = "ci/operators-values.yaml";

/// What Prometheus appends to the names of counters and histograms, and the binary's library to those with a unit.
const SUFFIXES: [&str; 6] = ["_total", "_bucket", "_sum", "_count", "_bytes", "_seconds"];

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The one document of a file of the chart.
async fn document(file: &str) -> Value {
    let mut found = objects(&read(&chart().join(file))).await;
    assert_eq!(found.len(), 1, "{file}");
    found.pop().expect("one document")
}

/// The rules of all groups.
fn rules(file: &Value) -> Vec<&Value> {
    let groups = file["groups"].as_array().unwrap();
    groups
        .iter()
        .flat_map(|group| group["rules"].as_array().unwrap())
        .collect()
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field]
        .as_str()
        .unwrap_or_else(|| panic!("no {field} in {value}"))
}

fn alerts(file: &Value) -> BTreeSet<String> {
    let all = rules(file);
    let names: BTreeSet<String> = all
        .iter()
        .map(|rule| text(rule, "alert").to_owned())
        .collect();
    assert_eq!(names.len(), all.len(), "a name is there twice");
    names
}

/// Alerts that a file of tests asks for, by whether they are to fire.
async fn tested(file: &str, firing: bool) -> BTreeSet<String> {
    let tests = document(file).await;
    let asked = tests["tests"].as_array().unwrap().iter();
    let asked = asked.flat_map(|test| test["alert_rule_test"].as_array().unwrap());
    asked
        .filter(|one| one["exp_alerts"].as_array().unwrap().is_empty() != firing)
        .map(|one| text(one, "alertname").to_owned())
        .collect()
}

/// Dashboards by file.
fn dashboards() -> Vec<(PathBuf, Value)> {
    let folder = chart().join("files/dashboards");
    let files = std::fs::read_dir(folder).unwrap();
    let read_one = |path: PathBuf| {
        let parsed = serde_json::from_str(&read(&path));
        let parsed = parsed.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        (path, parsed)
    };
    let found: Vec<_> = files.map(|file| read_one(file.unwrap().path())).collect();
    assert!(found.len() >= 3);
    found
}

/// Expressions of a dashboard, with a namespace in the place of the one that is chosen.
fn expressions(dashboard: &Value) -> Vec<String> {
    let panels = dashboard["panels"].as_array().unwrap().iter();
    panels
        .flat_map(|panel| panel["targets"].as_array().unwrap())
        .map(|target| text(target, "expr").replace("$namespace", "trading"))
        .collect()
}

/// Names of metrics in an expression.
fn metrics(expression: &str) -> BTreeSet<String> {
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    // What is in braces are labels and their values.
    let outside = expression
        .split('{')
        .flat_map(|part| part.rsplit('}').take(1));
    let words = outside.flat_map(|part| part.split(|c| !is_of_name(c)));
    words
        .filter(|word| {
            // These two are labels that sums are kept by.
            let is_label = ["grpc_target", "grpc_method", "grpc_status"].contains(word);
            !is_label && (word.starts_with("outcry_") || word.starts_with("grpc_"))
        })
        .map(str::to_owned)
        .collect()
}

/// The Rust code of what runs in a process.
fn code() -> String {
    let mut folders = vec![root().join("crates"), root().join("services")];
    let mut code = String::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("tests") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                code.push_str(&read(&path));
            }
        }
    }
    code
}

/// Whether some name with less and less at its end is a name in the code.
fn is_exported(metric: &str, code: &str) -> bool {
    let mut name = metric;
    loop {
        if code.contains(&format!("\"{name}\"")) {
            return true;
        }
        match SUFFIXES.iter().find_map(|end| name.strip_suffix(end)) {
            Some(shorter) => name = shorter,
            None => return false,
        }
    }
}

/// What the chart makes of the alerts, laid out as the tests expect the file.
async fn rendered_rules() -> (TempDir, Value) {
    let all = rendered(&chart().join(VALUES)).await;
    let of_operator = of_kind(&all, "PrometheusRule");
    assert_eq!(of_operator.len(), 1);
    let spec = of_operator[0]["spec"].clone();
    let folder = tempfile::tempdir().unwrap();
    for below in ["files", "tests/prometheus"] {
        std::fs::create_dir_all(folder.path().join(below)).unwrap();
    }
    std::fs::write(folder.path().join("files/alerts.yaml"), spec.to_string()).unwrap();
    for tests in [FIRING, SILENT] {
        std::fs::copy(chart().join(tests), folder.path().join(tests)).unwrap();
    }
    (folder, spec)
}

/// Checks the rules below a folder, and runs their tests.
async fn hold(folder: &Path) {
    for arguments in [
        &["check", "rules", "files/alerts.yaml"][..],
        &["test", "rules", FIRING, SILENT],
    ] {
        let Some(mut promtool) = promtool().await else {
            return;
        };
        promtool.args(arguments).current_dir(folder);
        let said = says(promtool, &format!("promtool {}", arguments.join(" "))).await;
        assert!(said.contains("SUCCESS"), "{said}");
    }
}

#[tokio::test]
async fn every_alert_fires_when_it_should_and_is_silent_when_all_is_well() {
    if !present().await {
        return;
    }
    let known = alerts(&document("files/alerts.yaml").await);
    assert_eq!(tested(FIRING, true).await, known, "alerts that are to fire");
    assert_eq!(
        tested(FIRING, false).await,
        known,
        "alerts that are to wait"
    );
    assert_eq!(
        tested(SILENT, false).await,
        known,
        "alerts that are to be silent"
    );
    assert_eq!(tested(SILENT, true).await, BTreeSet::new());
    hold(&chart()).await;
}

#[tokio::test]
async fn what_the_chart_makes_of_the_alerts_is_the_same() {
    if !present().await {
        return;
    }
    let (folder, spec) = rendered_rules().await;
    assert_eq!(alerts(&spec), alerts(&document("files/alerts.yaml").await));
    hold(folder.path()).await;
}

#[tokio::test]
async fn every_alert_says_what_is_wrong_and_leads_to_what_helps() {
    if !present().await {
        return;
    }
    let file = document("files/alerts.yaml").await;
    let page = read(&root().join("docs/kubernetes.md"));
    let (_, section) = page
        .split_once("\n## Alerts\n")
        .expect("a section about alerts");
    let section = section.split("\n## ").next().unwrap();
    let entries: BTreeSet<String> = section
        .split("\n### ")
        .skip(1)
        .map(|entry| {
            let (name, text) = entry.split_once('\n').unwrap();
            assert!(text.trim().len() > 20, "{name} says nothing");
            name.to_owned()
        })
        .collect();
    assert_eq!(entries, alerts(&file));
    for rule in rules(&file) {
        let name = text(rule, "alert");
        let annotations = &rule["annotations"];
        let anchor = format!("docs/kubernetes.md#{}", name.to_lowercase());
        assert!(
            text(annotations, "runbook_url").ends_with(&anchor),
            "{name}"
        );
        for field in ["summary", "description"] {
            assert!(!text(annotations, field).is_empty(), "{name}");
        }
        let severity = text(&rule["labels"], "severity");
        assert!(["critical", "warning"].contains(&severity), "{name}");
    }
}

#[tokio::test]
async fn prometheus_understands_every_expression_of_the_dashboards() {
    let rules: Vec<Value> = dashboards()
        .iter()
        .flat_map(|(_, dashboard)| expressions(dashboard))
        .enumerate()
        .map(|(number, expr)| json!({ "record": format!("panel:{number}"), "expr": expr }))
        .collect();
    assert!(rules.len() > 30, "{}", rules.len());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("panels.yaml");
    let content = json!({ "groups": [{ "name": "panels", "rules": rules }] });
    std::fs::write(&file, content.to_string()).unwrap();
    let Some(mut promtool) = promtool().await else {
        return;
    };
    promtool.args(["check", "rules"]).arg(&file);
    says(promtool, "checking what dashboards ask for").await;
}

#[tokio::test]
async fn alerts_and_dashboards_ask_only_for_what_the_binary_counts() {
    if !present().await {
        return;
    }
    let file = document("files/alerts.yaml").await;
    let mut asked: BTreeSet<String> = rules(&file)
        .into_iter()
        .flat_map(|rule| metrics(text(rule, "expr")))
        .collect();
    for (_, dashboard) in dashboards() {
        asked.extend(expressions(&dashboard).iter().flat_map(|one| metrics(one)));
    }
    assert!(asked.len() > 20, "{asked:?}");
    let code = code();
    let unknown: Vec<&String> = asked
        .iter()
        .filter(|metric| !is_exported(metric, &code))
        .collect();
    assert!(unknown.is_empty(), "nobody counts {unknown:?}");
}

#[test]
fn dashboards_have_names_of_their_own_and_say_what_they_show() {
    let mut names = BTreeSet::new();
    for (path, dashboard) in dashboards() {
        let path = path.display();
        assert!(names.insert(text(&dashboard, "uid").to_owned()), "{path}");
        let mut ids = BTreeSet::new();
        for panel in dashboard["panels"].as_array().unwrap() {
            assert!(ids.insert(panel["id"].as_u64().unwrap()), "{path}: {panel}");
            assert!(!text(panel, "title").is_empty(), "{path}: {panel}");
            let targets = panel["targets"].as_array().unwrap();
            let letters: BTreeSet<&str> =
                targets.iter().map(|target| text(target, "refId")).collect();
            assert_eq!(letters.len(), targets.len(), "{path}: {panel}");
        }
    }
}
