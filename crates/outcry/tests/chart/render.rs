//! The chart with some values, as objects.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::tools::{Tool, prints, root, tool};

/// Name of the release, which is in the objects' names.
pub const RELEASE: &str = "outcry";

/// Where it is installed.
pub const NAMESPACE: &str = "trading";

/// How long rendering may take.
const RENDER_MAX: Duration = Duration::from_secs(120);

/// The chart's folder.
pub fn chart() -> PathBuf {
    root().join("helm/outcry")
}

/// Files of values that continuous integration renders, in order.
pub fn values_files() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(chart().join("ci"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(files.len() >= 6, "{files:?}");
    files
}

/// `helm template` with a file of values, and further arguments.
pub async fn template(values: &Path, arguments: &[&str]) -> String {
    let mut helm = Command::new(tool(Tool::Helm).await);
    helm.args(["template", RELEASE, "--namespace", NAMESPACE, "--values"])
        .arg(values)
        .args(arguments)
        .arg(chart());
    prints(helm, RENDER_MAX, &format!("rendering {}", values.display())).await
}

/// What helm makes of a copy of the chart with a file of values, or what it says against them.
pub async fn attempt(chart: &Path, values: &Path) -> Result<String, String> {
    let mut helm = Command::new(tool(Tool::Helm).await);
    helm.args(["template", RELEASE, "--namespace", NAMESPACE, "--values"])
        .arg(values)
        .arg(chart)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = tokio::time::timeout(RENDER_MAX, helm.output())
        .await
        .unwrap_or_else(|_| panic!("rendering {} took too long", values.display()))
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    if output.status.success() {
        Ok(text(output.stdout))
    } else {
        Err(text(output.stderr))
    }
}

/// A file of values of continuous integration, by the beginning of its name.
pub fn values(name: &str) -> PathBuf {
    chart().join(format!("ci/{name}-values.yaml"))
}

/// The name of an object.
pub fn name_of(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap()
}

/// The documents of some YAML, as Kubernetes reads them.
pub async fn objects(yaml: &str) -> Vec<Value> {
    let mut manifests = Command::new(tool(Tool::Manifests).await)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut input = manifests.stdin.take().unwrap();
    let written = async {
        input.write_all(yaml.as_bytes()).await.unwrap();
        drop(input);
    };
    let (output, ()) = tokio::join!(manifests.wait_with_output(), written);
    let output = output.unwrap();
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What the chart renders with a file of values.
pub async fn rendered(values: &Path) -> Vec<Value> {
    objects(&template(values, &[]).await).await
}

/// Those of a kind.
pub fn of_kind<'a>(objects: &'a [Value], kind: &str) -> Vec<&'a Value> {
    objects
        .iter()
        .filter(|object| object["kind"] == kind)
        .collect()
}
