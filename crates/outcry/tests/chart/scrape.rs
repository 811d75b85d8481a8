//! Metrics, as Prometheus takes them by the ServiceMonitor, and those that alerts and dashboards ask for.

use std::collections::BTreeSet;

use regex::Regex;
use serde_json::Value;

use super::cluster::Cluster;
use super::namespace::selects;
use super::render::chart;

/// Names of all metrics with a value in some pod, and of all that are declared.
#[derive(Default)]
pub struct Metrics {
    pub measured: BTreeSet<String>,
    pub declared: BTreeSet<String>,
    /// Pods that were asked.
    pub pods: usize,
}

/// Asks every pod that the ServiceMonitor leads to.
pub async fn scrape(cluster: &Cluster) -> Metrics {
    let monitors = cluster.namespace.of_kind("ServiceMonitor");
    let [monitor] = monitors[..] else {
        panic!("{} ServiceMonitors", monitors.len());
    };
    let endpoint = &monitor["spec"]["endpoints"][0];
    let path = endpoint["path"].as_str().unwrap();
    let mut metrics = Metrics::default();
    for service in cluster.namespace.of_kind("Service") {
        let labels = &service["metadata"]["labels"];
        if !selects(&monitor["spec"]["selector"]["matchLabels"], labels) {
            continue;
        }
        let ports = service["spec"]["ports"].as_array().unwrap();
        let named = ports.iter().find(|port| port["name"] == endpoint["port"]);
        let port = &named.unwrap_or_else(|| panic!("{service} has no such port"))["targetPort"];
        for pod in &cluster.pods {
            if selects(&service["spec"]["selector"], &pod.labels) {
                let (status, text) = cluster.get(pod, port, path).await.unwrap();
                assert_eq!(status, 200, "{}", pod.facts.name);
                metrics.read(&text);
                metrics.pods += 1;
            }
        }
    }
    metrics
}

// === impl Metrics ===

impl Metrics {
    fn read(&mut self, text: &str) {
        for line in text.lines() {
            if let Some(declared) = line.strip_prefix("# TYPE ") {
                let mut words = declared.split(' ');
                let name = words.next().unwrap();
                let endings: &[&str] = match words.next() {
                    Some("counter") => &["", "_total"],
                    Some("histogram") => &["_bucket", "_count", "_sum"],
                    _ => &[""],
                };
                let names = endings.iter().map(|ending| format!("{name}{ending}"));
                self.declared.extend(names);
            } else if !line.starts_with('#') {
                let end = line.find(['{', ' ']).unwrap_or(line.len());
                self.measured.insert(line[..end].to_owned());
            }
        }
    }
}

/// Names of the metrics that alerts and dashboards ask for.
pub fn asked_for() -> BTreeSet<String> {
    let files = chart().join("files");
    let mut texts = vec![std::fs::read_to_string(files.join("alerts.yaml")).unwrap()];
    for file in std::fs::read_dir(files.join("dashboards")).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        let dashboard: Value = serde_json::from_str(&text).unwrap();
        expressions(&dashboard, &mut texts);
    }
    // Every metric is asked for with a matcher, so this is a name and no label or function.
    let name = Regex::new(r"([a-z][a-z0-9_]*)\{[a-z]").unwrap();
    let texts = texts.iter();
    texts
        .flat_map(|text| name.captures_iter(text))
        .map(|found| found[1].to_owned())
        .collect()
}

fn expressions(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, inner) in fields {
                match inner {
                    Value::String(text) if name == "expr" => into.push(text.clone()),
                    other => expressions(other, into),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| expressions(item, into)),
        _ => {}
    }
}
