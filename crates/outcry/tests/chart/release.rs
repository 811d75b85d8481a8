//! The chart installed in an API server by helm, upgraded and uninstalled.

use std::collections::BTreeSet;

use serde_json::Value;

use super::apiserver::{Cluster, cluster, path, written};
use super::render::{RELEASE, chart, objects, of_kind, values_files};
use super::tools::present;

/// The image that an upgrade brings.
const NEXT: &str = "next";

/// Where a release is, and with what.
struct Install {
    namespace: &'static str,
    /// Files of values: of the first revision, and of the second.
    values: [&'static str; 2],
}

#[tokio::test]
async fn helm_renders_every_file_of_values_for_what_the_server_has() {
    if !present().await {
        return;
    }
    let cluster = cluster().await;
    cluster.create_namespace("looked-at").await;
    for values in values_files() {
        let (chart, values) = (chart(), path(&values).to_owned());
        let install = ["install", RELEASE, path(&chart), "--namespace", "looked-at"];
        let more = ["--values", &values, "--dry-run=server"];
        cluster.helm(&[&install[..], &more[..]].concat()).await;
    }
}

#[tokio::test]
async fn one_process_is_installed_upgraded_and_uninstalled() {
    if !present().await {
        return;
    }
    let install = Install {
        namespace: "single",
        values: ["single", "single"],
    };
    let left = install.played().await;
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn many_processes_on_servers_that_are_there_are_installed_upgraded_and_uninstalled() {
    if !present().await {
        return;
    }
    let install = Install {
        namespace: "existing",
        values: ["distributed", "existing-secrets"],
    };
    let left = install.played().await;
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn uninstalling_leaves_what_holds_data_or_events() {
    if !present().await {
        return;
    }
    let install = Install {
        namespace: "operator",
        values: ["operators", "ha"],
    };
    let left = install.played().await;
    let kinds: BTreeSet<&str> = left
        .iter()
        .filter_map(|name| name.split('.').next())
        .collect();
    // Of RabbitMQ's topology what loses events when it goes; users may go.
    let kept = ["binding", "cluster", "exchange", "queue", "rabbitmqcluster"];
    assert_eq!(kinds, BTreeSet::from(kept));
}

#[tokio::test]
async fn an_upgrade_cannot_make_the_volume_larger() {
    if !present().await {
        return;
    }
    let install = Install {
        namespace: "volume",
        values: ["single", "single"],
    };
    let cluster = cluster().await;
    cluster.create_namespace(install.namespace).await;
    install.helm(cluster, "install", "single", &[]).await;
    let larger = ["--set", "persistence.size=60Gi"];
    let said = install.attempt(cluster, "upgrade", "single", &larger).await;
    // docs/kubernetes.md says what to do instead.
    assert!(said.contains("updates to statefulset spec"), "{said}");
}

impl Install {
    /// Installs, upgrades and uninstalls, and returns what is then left: over which it can be
    /// installed again.
    async fn played(&self) -> BTreeSet<String> {
        let cluster = cluster().await;
        cluster.create_namespace(self.namespace).await;
        self.helm(cluster, "install", self.values[0], &[]).await;
        let first = self.manifest(cluster).await;
        let tag = format!("image.tag={NEXT}");
        let upgrade = ["--set", &tag, "--set", "image.digest="];
        self.helm(cluster, "upgrade", self.values[1], &upgrade)
            .await;
        let second = self.manifest(cluster).await;
        self.runs_the_next_image(cluster, &second).await;
        self.lost_what_is_not_in(cluster, &first, &second).await;
        let uninstall = ["uninstall", RELEASE, "--namespace", self.namespace];
        cluster
            .helm(&[&uninstall[..], &["--no-hooks"]].concat())
            .await;
        let kept: Vec<Value> = first
            .iter()
            .chain(&second)
            .filter(|object| is_kept(object))
            .cloned()
            .collect();
        let left = self.there(cluster, &[first, second].concat()).await;
        let kept = kept.iter().map(name).collect::<BTreeSet<_>>();
        assert_eq!(left.len(), kept.len(), "{left:?}");
        self.helm(cluster, "install", self.values[1], &[]).await;
        left
    }

    /// Without hooks: a Job would never end, as nothing runs it.
    async fn helm(&self, cluster: &Cluster, verb: &str, values: &str, more: &[&str]) {
        let said = self.attempt(cluster, verb, values, more).await;
        assert_eq!(said, "", "{verb} {values}");
    }

    /// The same, and what helm says against it.
    async fn attempt(&self, cluster: &Cluster, verb: &str, values: &str, more: &[&str]) -> String {
        let chart = chart();
        let values = chart.join(format!("ci/{values}-values.yaml"));
        let begin = [verb, RELEASE, path(&chart), "--namespace", self.namespace];
        let end = ["--no-hooks", "--values", path(&values)];
        let output = cluster
            .try_helm(&[&begin[..], &end[..], more].concat())
            .await;
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(said.is_empty(), output.status.success(), "{said}");
        said
    }

    /// What the release says it consists of, all of which is there.
    async fn manifest(&self, cluster: &Cluster) -> Vec<Value> {
        let get = ["get", "manifest", RELEASE, "--namespace", self.namespace];
        let objects = objects(&cluster.helm(&get).await).await;
        let there = self.there(cluster, &objects).await;
        assert_eq!(there.len(), objects.len(), "{there:?}");
        objects
    }

    /// Which of these objects are in the server.
    async fn there(&self, cluster: &Cluster, objects: &[Value]) -> BTreeSet<String> {
        let file = written(objects);
        let get = ["get", "--namespace", self.namespace, "--ignore-not-found"];
        let more = ["-o", "name", "-f", path(file.path())];
        let names = cluster.succeeds(&[&get[..], &more[..]].concat()).await;
        names.lines().map(str::to_owned).collect()
    }

    async fn runs_the_next_image(&self, cluster: &Cluster, manifest: &[Value]) {
        let get = [
            "get",
            "deployments,statefulsets",
            "--namespace",
            self.namespace,
        ];
        let workloads = cluster.json(&[&get[..], &["-o", "json"]].concat()).await;
        let workloads = workloads["items"].as_array().unwrap();
        let rendered =
            of_kind(manifest, "Deployment").len() + of_kind(manifest, "StatefulSet").len();
        assert_eq!(workloads.len(), rendered);
        for workload in workloads {
            let image = &workload["spec"]["template"]["spec"]["containers"][0]["image"];
            let image = image.as_str().unwrap();
            assert!(image.ends_with(&format!(":{NEXT}")), "{image}");
        }
    }

    /// An upgrade removes what is not rendered any more, but what is kept.
    async fn lost_what_is_not_in(&self, cluster: &Cluster, first: &[Value], second: &[Value]) {
        let still: BTreeSet<String> = second.iter().map(name).collect();
        let gone: Vec<Value> = first
            .iter()
            .filter(|object| !still.contains(&name(object)) && !is_kept(object))
            .cloned()
            .collect();
        if !gone.is_empty() {
            let there = self.there(cluster, &gone).await;
            assert!(there.is_empty(), "{there:?}");
        }
    }
}

fn is_kept(object: &Value) -> bool {
    object["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
}

fn name(object: &Value) -> String {
    format!("{}/{}", object["kind"], object["metadata"]["name"])
}
