//! Every value is described, checked by the schema, and written about as it is; none can be mistyped.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;

use serde_json::{Value, json};
use tempfile::NamedTempFile;

use super::contract::contract;
use super::draw::merge;
use super::render::{attempt, chart, objects};
use super::tools::{present, root};

/// Objects of the schema that take any key, with the reason.
const OPEN: [(&str, &str); 32] = [
    (
        "global",
        "Helm's own, for charts that have this one as a part",
    ),
    ("commonLabels", "names of labels are the operator's"),
    ("podLabels", "names of labels are the operator's"),
    ("podAnnotations", "names of annotations are the operator's"),
    (
        "publicPort.service.annotations",
        "names of annotations are the operator's",
    ),
    (
        "persistence.annotations",
        "names of annotations are the operator's",
    ),
    (
        "monitoring.serviceMonitor.labels",
        "names of labels are the operator's",
    ),
    (
        "monitoring.rules.labels",
        "names of labels are the operator's",
    ),
    (
        "monitoring.dashboards.labels",
        "names of labels are the operator's",
    ),
    (
        "monitoring.dashboards.annotations",
        "names of annotations are the operator's",
    ),
    (
        "serviceDefaults.podLabels",
        "names of labels are the operator's",
    ),
    (
        "serviceDefaults.podAnnotations",
        "names of annotations are the operator's",
    ),
    (
        "serviceDefaults.serviceAccountAnnotations",
        "names of annotations are the operator's",
    ),
    (
        "serviceDefaults.nodeSelector",
        "names of labels are the operator's",
    ),
    ("serviceDefaults.affinity", "Kubernetes checks it"),
    ("serviceDefaults.tolerations[]", "Kubernetes checks it"),
    (
        "serviceDefaults.topologySpreadConstraints[]",
        "Kubernetes checks it",
    ),
    (
        "serviceDefaults.extraEnv[].valueFrom",
        "Kubernetes checks it",
    ),
    ("serviceDefaults.extraVolumes[]", "Kubernetes checks it"),
    (
        "serviceDefaults.extraVolumeMounts[]",
        "Kubernetes checks it",
    ),
    ("networkPolicy.publicFrom[]", "Kubernetes checks it"),
    ("networkPolicy.adminFrom[]", "Kubernetes checks it"),
    ("networkPolicy.dnsTo[]", "Kubernetes checks it"),
    ("networkPolicy.brokerTo[]", "Kubernetes checks it"),
    ("networkPolicy.databaseTo[]", "Kubernetes checks it"),
    ("networkPolicy.telemetryTo[]", "Kubernetes checks it"),
    ("networkPolicy.notificationsTo[]", "Kubernetes checks it"),
    ("routes.parentRefs[]", "the Gateway API checks it"),
    ("extraObjects[]", "whoever adds them knows them"),
    ("broker.operator.spec", "the operator of RabbitMQ checks it"),
    (
        "database.operator.spec",
        "the operator of PostgreSQL checks it",
    ),
    (
        "config.market.calendar.holidays",
        "keys are dates, by a pattern",
    ),
];

/// Blocks of resources: their keys are names of resources, which devices add to.
const RESOURCES: [&str; 2] = ["requests", "limits"];

/// Keys of the schema that values.yaml does not have, with the reason.
const NOT_LISTED: [(&str, &str); 4] = [
    ("global", "Helm's own"),
    (
        "config.",
        "the binary's own keys: `outcry config` prints them with what they mean",
    ),
    (
        "services.",
        "the keys of serviceDefaults, again for each service",
    ),
    (
        "probes.",
        "initialDelaySeconds, which the startup probe makes superfluous",
    ),
];

/// Pages that name values.
const PAGES: [&str; 2] = ["docs/kubernetes.md", "helm/outcry/README.md"];

fn schema() -> Value {
    let schema = fs::read_to_string(chart().join("values.schema.json")).unwrap();
    serde_json::from_str(&schema).unwrap()
}

fn text_of_values() -> String {
    fs::read_to_string(chart().join("values.yaml")).unwrap()
}

async fn default_values() -> Value {
    objects(&text_of_values()).await.remove(0)
}

fn resolved<'schema>(schema: &'schema Value, root: &'schema Value) -> &'schema Value {
    match schema["$ref"].as_str() {
        Some(reference) => {
            let name = reference.strip_prefix("#/definitions/").unwrap();
            resolved(&root["definitions"][name], root)
        }
        None => schema,
    }
}

fn joined(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

/// Calls for every object of the schema, with its path; `[]` stands for the items of a list.
fn for_each_object(node: &Value, root: &Value, path: &str, see: &mut impl FnMut(&str, &Value)) {
    let node = resolved(node, root);
    let properties = node["properties"].as_object();
    let kind = &node["type"];
    let may_be_object = |kinds: &Vec<Value>| kinds.iter().any(|one| one == "object");
    if kind == "object" || kind.as_array().is_some_and(may_be_object) {
        see(path, node);
    }
    if node["items"].is_object() {
        for_each_object(&node["items"], root, &format!("{path}[]"), see);
    }
    for (key, property) in properties.into_iter().flatten() {
        for_each_object(property, root, &joined(path, key), see);
    }
}

/// Paths of all keys that the schema knows by name.
fn keys_of_the_schema() -> BTreeSet<String> {
    let schema = schema();
    let mut keys = BTreeSet::new();
    for_each_object(&schema, &schema, "", &mut |path, object| {
        if path.contains("[]") {
            return;
        }
        for key in object["properties"].as_object().into_iter().flatten() {
            keys.insert(joined(path, key.0));
        }
    });
    keys
}

#[test]
fn every_block_refuses_keys_it_does_not_know_except_for_those_with_a_reason() {
    let schema = schema();
    let mut open = BTreeSet::new();
    for_each_object(&schema, &schema, "", &mut |path, object| {
        let last = path.rsplit('.').next().unwrap();
        let is_service = path.starts_with("services.");
        if object["additionalProperties"] != false && !RESOURCES.contains(&last) && !is_service {
            open.insert(path.to_owned());
        }
    });
    let expected: BTreeSet<String> = OPEN.iter().map(|(path, _)| (*path).to_owned()).collect();
    assert_eq!(open, expected);
}

#[tokio::test]
async fn a_mistyped_key_of_any_block_is_refused_by_its_name() {
    if !present().await {
        return;
    }
    let schema = schema();
    let mut wrong = json!({});
    let mut expected = BTreeSet::new();
    for_each_object(&schema, &schema, "", &mut |path, object| {
        // Lists that are empty have no blocks to mistype in.
        if object["additionalProperties"] != false || path.contains("[]") {
            return;
        }
        for (key, _) in object["properties"].as_object().into_iter().flatten() {
            let mistyped = format!("{key}x");
            expected.insert(joined(path, &mistyped));
            let mut value = json!({ mistyped: true });
            for block in path.rsplit('.').filter(|block| !block.is_empty()) {
                value = json!({ block: value });
            }
            merge(&mut wrong, value);
        }
    });
    assert!(expected.len() > 400, "{}", expected.len());
    let mut file = NamedTempFile::with_suffix(".yaml").unwrap();
    file.write_all(wrong.to_string().as_bytes()).unwrap();
    let refused = attempt(&chart(), file.path()).await.unwrap_err();
    let named: BTreeSet<String> = refused.lines().flat_map(refused_keys).collect();
    assert_eq!(named, expected, "{refused}");
}

/// Paths of the keys that a line of the schema's complaint names.
fn refused_keys(line: &str) -> Vec<String> {
    let Some((path, keys)) = line
        .trim_start()
        .strip_prefix("- at '")
        .and_then(|rest| rest.strip_suffix(" not allowed"))
        .and_then(|rest| rest.split_once("': additional properties "))
    else {
        return Vec::new();
    };
    let path = path.trim_start_matches('/').replace('/', ".");
    let keys = keys.split(", ").map(|key| key.trim_matches('\''));
    keys.map(|key| joined(&path, key)).collect()
}

#[tokio::test]
async fn values_and_schema_have_the_same_keys() {
    if !present().await {
        return;
    }
    let schema = schema();
    let values = default_values().await;
    let mut listed = BTreeSet::new();
    let mut unknown = Vec::new();
    listed_keys(&values, &schema, &schema, "", &mut listed, &mut unknown);
    assert!(unknown.is_empty(), "not in the schema: {unknown:?}");
    let excepted = |key: &str| {
        let excepted = NOT_LISTED.iter();
        let mut excepted = excepted.map(|(path, _)| *path);
        excepted.any(|path| key == path || path.ends_with('.') && key.starts_with(path))
    };
    let missing: Vec<String> = keys_of_the_schema()
        .into_iter()
        .filter(|key| !listed.contains(key) && !excepted(key))
        // A part of what is written in one, as resources that are empty.
        .filter(|key| !RESOURCES.contains(&key.rsplit('.').next().unwrap()))
        .collect();
    assert!(missing.is_empty(), "not in values.yaml: {missing:?}");
    let names = contract().await;
    let names: Vec<&str> = names["services"]
        .as_array()
        .unwrap()
        .iter()
        .map(|service| service["name"].as_str().unwrap())
        .collect();
    let text = text_of_values();
    let listed: Vec<&str> = text
        .lines()
        .skip_while(|line| *line != "services:")
        .skip(1)
        .take_while(|line| line.starts_with("  "))
        .filter_map(|line| line.trim().strip_suffix(": {}"))
        .collect();
    assert_eq!(
        listed, names,
        "services of values.yaml, in the contract's order"
    );
}

/// Keys of values, and those of them that the schema does not know.
fn listed_keys(
    values: &Value,
    schema: &Value,
    root: &Value,
    path: &str,
    listed: &mut BTreeSet<String>,
    unknown: &mut Vec<String>,
) {
    let schema = resolved(schema, root);
    // Below an object that takes any key there is nothing to compare.
    let (Some(values), Some(properties)) = (values.as_object(), schema["properties"].as_object())
    else {
        return;
    };
    for (key, value) in values {
        let path = joined(path, key);
        match properties.get(key) {
            Some(property) => listed_keys(value, property, root, &path, listed, unknown),
            None => unknown.push(path.clone()),
        }
        listed.insert(path);
    }
}

#[test]
fn every_value_is_described_where_it_stands() {
    let text = text_of_values();
    let known = keys_of_the_schema();
    let mut blocks: Vec<(usize, &str)> = Vec::new();
    let mut above = "";
    let (mut keys, mut bare) = (0, Vec::new());
    for line in text.lines() {
        let indent = line.len() - line.trim_start().len();
        let word = line.trim_start();
        let key = word.split_once(':').map(|(key, _)| key);
        if let Some(key) = key.filter(|_| !word.starts_with(['#', '-'])) {
            blocks.retain(|(outer, _)| *outer < indent);
            let names = blocks.iter().map(|(_, name)| *name).chain([key]);
            let path = names.collect::<Vec<_>>().join(".");
            blocks.push((indent, key));
            // Keys of Kubernetes' own, and services, which are all alike, need no words.
            let own = known.contains(&path) && !RESOURCES.contains(&key);
            if own && !path.starts_with("services.") {
                keys += 1;
                let said = above.trim_start().starts_with('#') || word.contains(" # ");
                if !said {
                    bare.push(path);
                }
            }
        }
        above = line;
    }
    assert!(keys > 140, "{keys}");
    assert!(bare.is_empty(), "nothing says what these do: {bare:#?}");
}

#[test]
fn pages_name_only_values_that_exist() {
    let schema = schema();
    let blocks = schema["properties"].as_object().unwrap();
    let mut seen = 0;
    for page in PAGES {
        let text = fs::read_to_string(root().join(page)).unwrap();
        for path in named_paths(&text) {
            let first = path.split('.').next().unwrap();
            if !blocks.contains_key(first) || !path.contains('.') {
                continue;
            }
            seen += 1;
            assert!(exists(&path, &schema), "{page}: there is no value {path}");
        }
    }
    assert!(seen > 15, "only {seen} values are named");
    for missing in [
        "drain.preStopSecond",
        "routes.grpc.enabledx",
        "services.fund.replicas",
    ] {
        assert!(!exists(missing, &schema), "{missing}");
    }
}

/// What stands in backticks, or is set on a command line.
fn named_paths(text: &str) -> Vec<String> {
    let mut paths = Vec::new();
    for line in text.lines() {
        let quoted = line.split('`').skip(1).step_by(2);
        let set = line.split("--set ").skip(1);
        for words in quoted.chain(set) {
            let word = words.split([' ', '=', ':', ',']).next().unwrap();
            let is_path = word
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'.');
            // Names of files have a dot, too.
            if is_path && !word.ends_with('.') && !word.ends_with(".toml") {
                paths.push(word.to_owned());
            }
        }
    }
    paths
}

/// Whether the schema knows a path, or it leads into what is not the chart's own.
fn exists(path: &str, schema: &Value) -> bool {
    let mut node = schema;
    for key in path.split('.') {
        node = resolved(node, schema);
        match node["properties"].get(key) {
            Some(property) => node = property,
            None => return node["properties"].is_null() && node["additionalProperties"] != false,
        }
    }
    true
}
