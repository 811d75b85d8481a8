//! Random values over those of continuous integration: the chart renders, or is refused by the schema
//! or by `_validate.tpl`, in words; and what it renders can be used.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};
use tempfile::NamedTempFile;
use tokio::process::Command;

use super::draw::{Draw, LONG, merge};
use super::render::{attempt, chart, name_of, objects, of_kind, values_files};
use super::tools::present;

/// Sets of values in continuous integration; rendering one takes about half a second.
const SETS: u64 = 60;

/// How many sets to draw instead.
const SETS_VARIABLE: &str = "OUTCRY_CHART_SETS";

/// The first set's seed; each further one has the next. Zero unless given.
const SEED_VARIABLE: &str = "OUTCRY_CHART_SEED";

/// Blocks of values that are drawn at once.
const BLOCKS_MAX: usize = 5;

/// What is not drawn: the mode comes with the file; the rest is not the chart's own.
const NOT_DRAWN: [&str; 3] = ["mode", "global", "extraObjects"];

/// What may stop a template on purpose: everything else that does is a mistake in it.
const REFUSES: &str = "configmap.yaml:1:";

/// Longest name that a label, and a host, can have.
const NAME_MAX: usize = 63;

/// Labels of every object.
const LABELS: [&str; 6] = [
    "app.kubernetes.io/instance",
    "app.kubernetes.io/managed-by",
    "app.kubernetes.io/name",
    "app.kubernetes.io/part-of",
    "app.kubernetes.io/version",
    "helm.sh/chart",
];

fn variable(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{name}={text} is no number"))
    })
}

/// Messages of `_validate.tpl`, in the parts between what is filled in.
pub fn refusals() -> Vec<Vec<String>> {
    let template = chart().join("templates/_validate.tpl");
    let template = std::fs::read_to_string(template).unwrap();
    let messages = template.split("{{- fail ").skip(1).map(|rest| {
        let format = rest.strip_prefix("(printf ");
        let text = format.unwrap_or(rest).strip_prefix('"');
        let (message, _) = text
            .and_then(|text| text.split_once('"'))
            .expect("a message in quotes");
        match format {
            Some(_) => message
                .replace("%d", "%s")
                .split("%s")
                .map(str::to_owned)
                .collect(),
            None => vec![message.to_owned()],
        }
    });
    let messages: Vec<Vec<String>> = messages.collect();
    assert!(messages.len() > 30, "{messages:?}");
    messages
}

/// Whether a text has the parts of a message one after the other.
pub fn says(text: &str, parts: &[String]) -> bool {
    let mut rest = text;
    parts.iter().all(|part| {
        let found = rest.split_once(part.as_str());
        rest = found.map_or("", |(_, after)| after);
        found.is_some()
    })
}

#[tokio::test]
async fn random_values_render_or_are_refused_in_words() {
    if !present().await {
        return;
    }
    let schema = std::fs::read_to_string(chart().join("values.schema.json")).unwrap();
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let mut bases = Vec::new();
    for file in values_files() {
        let yaml = std::fs::read_to_string(file).unwrap();
        bases.push(objects(&yaml).await.remove(0));
    }
    let refusals = refusals();
    let first = variable(SEED_VARIABLE, 0);
    let mut outcomes: BTreeMap<String, u64> = BTreeMap::new();
    for seed in first..first + variable(SETS_VARIABLE, SETS) {
        let values = drawn(seed, &schema, &bases);
        let outcome = tried(&values, &refusals).await.unwrap_or_else(|problem| {
            panic!(
                "seed {seed}: {problem}\nagain: {SEED_VARIABLE}={seed} {SETS_VARIABLE}=1; the values:\n{values:#}"
            )
        });
        *outcomes.entry(outcome).or_default() += 1;
    }
    for (outcome, count) in &outcomes {
        println!("{count:5}  {outcome}");
    }
    let rendered = outcomes.get("rendered").copied().unwrap_or(0);
    let all: u64 = outcomes.values().sum();
    assert!(
        rendered > 0 && rendered < all || all < SETS,
        "values that all render, or never do, try nothing: {outcomes:?}"
    );
}

#[tokio::test]
async fn the_longest_name_leaves_room_for_what_comes_behind_it() {
    if !present().await {
        return;
    }
    for file in values_files() {
        let yaml = std::fs::read_to_string(&file).unwrap();
        let mut values = objects(&yaml).await.remove(0);
        values["extraObjects"] = json!([]);
        values["fullnameOverride"] = json!(LONG);
        let outcome = tried(&values, &[]).await;
        assert_eq!(outcome, Ok("rendered".to_owned()), "{}", file.display());
    }
}

/// Some blocks of random values over one of the files.
fn drawn(seed: u64, schema: &Value, bases: &[Value]) -> Value {
    let mut draw = Draw::new(seed, &schema["definitions"]);
    let mut values = draw.one(bases).clone();
    // Objects of others have names and labels of their own.
    values["extraObjects"] = json!([]);
    let blocks = schema["properties"].as_object().unwrap();
    let blocks: Vec<(&String, &Value)> = blocks
        .iter()
        .filter(|(key, _)| !NOT_DRAWN.contains(&key.as_str()))
        .collect();
    for (key, block) in draw.some(&blocks, BLOCKS_MAX) {
        let block = draw.value(block);
        // Refused whatever is in it, again and again.
        if *key == "services" && values["mode"] == "single" {
            continue;
        }
        merge(&mut values, json!({ *key: block }));
    }
    values
}

/// What came of the values.
async fn tried(values: &Value, refusals: &[Vec<String>]) -> Result<String, String> {
    let mut file = NamedTempFile::with_suffix(".yaml").unwrap();
    // JSON is YAML.
    file.write_all(values.to_string().as_bytes()).unwrap();
    let yaml = match attempt(&chart(), file.path()).await {
        Ok(yaml) => yaml,
        Err(refused) => return judged(&refused, refusals),
    };
    let objects = objects(&yaml).await;
    fit(&objects)?;
    for map in of_kind(&objects, "ConfigMap") {
        if let Some(config) = map["data"]["outcry.toml"].as_str() {
            is_read(config).await?;
        }
    }
    Ok("rendered".to_owned())
}

/// Whether a refusal is one in words, and which.
fn judged(refused: &str, refusals: &[Vec<String>]) -> Result<String, String> {
    if refused.contains("don't meet the specifications of the schema") {
        return Err(format!(
            "the schema refuses what was drawn from it: {refused}"
        ));
    }
    if !(refused.contains("execution error at") && refused.contains(REFUSES)) {
        return Err(format!("a template fails: {refused}"));
    }
    let message = refusals.iter().find(|parts| says(refused, parts));
    let message = message.ok_or_else(|| format!("nobody's refusal: {refused}"))?;
    Ok(format!("refused: {}", message.join("…")))
}

/// What holds for all objects together.
fn fit(objects: &[Value]) -> Result<(), String> {
    let mut names = BTreeSet::new();
    for object in objects {
        let kind = object["kind"].as_str().ok_or("an object has no kind")?;
        let name = name_of(object);
        if name.len() > NAME_MAX {
            return Err(format!("{kind} {name}: the name is too long"));
        }
        if kind == "Service" && !is_host(name) {
            return Err(format!("{kind} {name}: no host can be called so"));
        }
        if !names.insert((kind, name)) {
            return Err(format!("{kind} {name} is there twice"));
        }
        let labels = &object["metadata"]["labels"];
        for label in LABELS {
            if !labels[label].is_string() {
                return Err(format!("{kind} {name} has no label {label}"));
            }
        }
    }
    let scaled = |kind, target: &str| -> BTreeSet<String> {
        let scalers = of_kind(objects, kind).into_iter();
        scalers
            .map(|scaler| scaler["spec"][target]["name"].to_string())
            .collect()
    };
    let by_load = scaled("HorizontalPodAutoscaler", "scaleTargetRef");
    let by_events = scaled("ScaledObject", "scaleTargetRef");
    match by_load.intersection(&by_events).next() {
        Some(both) => Err(format!("{both} is scaled twice")),
        None => Ok(()),
    }
}

/// Whether Kubernetes lets a Service have the name.
fn is_host(name: &str) -> bool {
    let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && !name.ends_with('-')
        && name.bytes().all(plain)
}

/// The binary reads the configuration.
async fn is_read(config: &str) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("outcry.toml");
    std::fs::write(&file, config).unwrap();
    let output = read(&file).await;
    if output.status.success() {
        return Ok(());
    }
    Err(format!(
        "the binary does not read its configuration: {}\n{config}",
        String::from_utf8_lossy(&output.stderr)
    ))
}

async fn read(file: &Path) -> std::process::Output {
    let mut outcry = Command::new(env!("CARGO_BIN_EXE_outcry"));
    outcry
        .args(["config", "--config"])
        .arg(file)
        .env_clear()
        .stdin(Stdio::null());
    outcry.output().await.unwrap()
}

#[test]
fn what_is_wrong_with_objects_is_seen() {
    let labels: Value = LABELS
        .iter()
        .map(|&label| (label.to_owned(), json!("x")))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let object = |kind: &str, name: &str| {
        json!({
            "kind": kind,
            "metadata": { "name": name, "labels": labels },
            "spec": { "scaleTargetRef": { "name": "orders" } },
        })
    };
    let problem = |objects: &[Value]| fit(objects).unwrap_err();
    let scaler = object("HorizontalPodAutoscaler", "a");
    assert_eq!(fit(std::slice::from_ref(&scaler)), Ok(()));
    assert!(problem(&[scaler.clone(), scaler.clone()]).contains("twice"));
    assert!(problem(&[scaler, object("ScaledObject", "a")]).contains("scaled twice"));
    assert!(problem(&[object("Queue", &"x".repeat(64))]).contains("too long"));
    assert!(problem(&[object("Service", "a.b")]).contains("no host"));
    let mut bare = object("Queue", "a");
    bare["metadata"]["labels"] = json!({});
    assert!(problem(&[bare]).contains("no label"));
    let refusals = [vec!["services.".to_owned(), ": too many".to_owned()]];
    let fails = "execution error at (outcry/templates/configmap.yaml:1:4): ";
    let known = judged(&format!("{fails}services.a: too many"), &refusals);
    assert_eq!(known.unwrap(), "refused: services.…: too many");
    for unknown in [
        "nil pointer evaluating interface {}.name".to_owned(),
        format!("{fails}something else"),
        "values don't meet the specifications of the schema(s)".to_owned(),
    ] {
        judged(&unknown, &refusals).unwrap_err();
    }
}
