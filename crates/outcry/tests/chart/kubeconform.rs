//! What several versions of Kubernetes and the operators say, by their schemas.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::process::Command;

use super::render::{chart, objects, template, values_files};
use super::schemas::{newest, schemas, versions};
use super::tools::{Tool, present, tool};

/// How long one file of objects may take.
const CHECK_MAX: Duration = Duration::from_secs(120);

/// Values over those of a file: they switch on whatever a chart with it may have.
const EVERYTHING: &str = r#"
publicPort:
  tls: {source: existingSecret, existingSecret: outcry-public}
networkPolicy: {enabled: true}
routes:
  parentRefs: [{name: public, namespace: gateways, sectionName: grpc}]
  grpc: {enabled: true, hostnames: [grpc.example.com]}
  http: {enabled: true, hostnames: [web.example.com]}
  backendTLS: {enabled: true, hostname: grpc.example.com, caConfigMap: public-authority}
monitoring:
  serviceMonitor: {enabled: true, labels: {release: prometheus}}
  rules: {enabled: true, labels: {release: prometheus}}
  dashboards: {enabled: true, annotations: {folder: outcry}}
tests:
  orderRoundTrip: {enabled: true, symbol: TSLA, caConfigMap: public-authority}
"#;

/// The same for what only a distributed chart has.
const EVERY_SCALER: &str = r#"
serviceDefaults: {replicas: 2}
services:
  gateway: {hpa: {enabled: true}}
  portfolio: {keda: {enabled: true}}
"#;

/// What the chart renders for a version of Kubernetes, with a file of values as it is and with
/// everything that can be switched on.
pub async fn renderings(values: &Path, version: &str) -> [String; 2] {
    let folder = tempfile::tempdir().unwrap();
    let overlay = folder.path().join("everything.yaml");
    let text = std::fs::read_to_string(values).unwrap();
    let scalers = if text.contains("mode: distributed") {
        EVERY_SCALER
    } else {
        ""
    };
    std::fs::write(&overlay, format!("{EVERYTHING}{scalers}")).unwrap();
    let version = ["--kube-version", version];
    let as_it_is = template(values, &version).await;
    let more = ["--values", overlay.to_str().unwrap()];
    let everything = template(values, &[version, more].concat()).await;
    [as_it_is, everything]
}

/// What kubeconform says of each object.
async fn verdicts(text: &str, version: &str) -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("objects.yaml");
    std::fs::write(&file, text).unwrap();
    let mut kubeconform = Command::new(tool(Tool::Kubeconform).await);
    kubeconform
        .args(["-strict", "-verbose", "-output", "json"])
        .args(["-kubernetes-version", version])
        .kill_on_drop(true)
        .stdin(Stdio::null());
    for place in ["{{.NormalizedKubernetesVersion}}", "operators"] {
        let schemas = schemas().await.join(place);
        let name = "{{.Group}}/{{.ResourceKind}}-{{.ResourceAPIVersion}}.json";
        kubeconform
            .arg("-schema-location")
            .arg(format!("{}/{name}", schemas.display()));
    }
    kubeconform.arg(&file);
    let output = tokio::time::timeout(CHECK_MAX, kubeconform.output())
        .await
        .unwrap()
        .unwrap();
    let said: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {output:?}"));
    said["resources"].as_array().unwrap().clone()
}

/// The kinds of objects that templates make: those that begin a line.
fn kinds_of_templates() -> BTreeSet<String> {
    let templates = chart().join("templates");
    let mut kinds = BTreeSet::new();
    for folder in [templates.clone(), templates.join("tests")] {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|name| name == "yaml") {
                let text = std::fs::read_to_string(path).unwrap();
                kinds.extend(text.lines().filter_map(|line| {
                    line.strip_prefix("kind: ")
                        .map(|kind| kind.trim().to_owned())
                }));
            }
        }
    }
    kinds
}

#[tokio::test]
async fn every_object_is_as_three_versions_of_kubernetes_and_the_operators_define_it() {
    if !present().await {
        return;
    }
    for version in versions().await {
        let mut kinds = BTreeSet::new();
        for values in values_files() {
            for text in renderings(&values, &version).await {
                let verdicts = verdicts(&text, &version).await;
                let rendered = objects(&text).await.len();
                assert_eq!(verdicts.len(), rendered, "{}", values.display());
                for verdict in &verdicts {
                    assert_eq!(
                        verdict["status"],
                        "statusValid",
                        "{version} {}: {verdict}",
                        values.display()
                    );
                    kinds.insert(verdict["kind"].as_str().unwrap().to_owned());
                }
            }
        }
        let left_out: Vec<_> = kinds_of_templates().difference(&kinds).cloned().collect();
        assert!(left_out.is_empty(), "never rendered: {left_out:?}");
    }
}

#[tokio::test]
async fn an_object_of_any_kind_with_a_field_that_is_not_defined_is_refused() {
    if !present().await {
        return;
    }
    let version = newest().await;
    let mut one_of_each: BTreeMap<String, Value> = BTreeMap::new();
    for values in values_files() {
        for text in renderings(&values, &version).await {
            for object in objects(&text).await {
                let kind = object["kind"].as_str().unwrap().to_owned();
                one_of_each.entry(kind).or_insert(object);
            }
        }
    }
    let mut misspelt = Vec::new();
    for object in one_of_each.values() {
        for part in ["", "/metadata", "/spec", "/spec/template/spec/containers/0"] {
            let mut object = object.clone();
            if let Some(part) = object.pointer_mut(part) {
                part["misspelt"] = json!("yes");
                misspelt.push(object);
            }
        }
    }
    let text: Vec<String> = misspelt.iter().map(Value::to_string).collect();
    let verdicts = verdicts(&text.join("\n---\n"), &version).await;
    assert_eq!(verdicts.len(), misspelt.len());
    assert!(verdicts.len() > 3 * 20, "{}", verdicts.len());
    for verdict in &verdicts {
        let said = verdict["msg"].as_str().unwrap();
        assert_eq!(verdict["status"], "statusInvalid", "{verdict}");
        assert!(said.contains("misspelt"), "{verdict}");
    }
}
