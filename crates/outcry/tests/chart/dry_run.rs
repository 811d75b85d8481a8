//! What an API server says of every object, and of the pods that controllers would make of them.

use std::process::Output;

use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::apiserver::{Cluster, POD_SECURITY, cluster, path, written};
use super::kubeconform::renderings;
use super::render::{NAMESPACE, chart, objects, values_files};
use super::schemas::newest;
use super::tools::present;

/// Kinds of which controllers make pods.
const WORKLOADS: [&str; 3] = ["Deployment", "StatefulSet", "Job"];

/// What makes the specification of a pod ask for more than the chart's do.
type Loosen = fn(&mut Value);

/// Where pods are tried: their accounts are really there, and in the chart's own namespace is nothing.
const PODS: &str = "pods";

/// The server with the namespace that the chart is rendered for, and that of pods.
async fn prepared() -> &'static Cluster {
    static NAMESPACE_MADE: OnceCell<()> = OnceCell::const_new();
    let cluster = cluster().await;
    NAMESPACE_MADE
        .get_or_init(|| async {
            cluster.create_namespace(NAMESPACE).await;
            cluster.create_namespace(PODS).await;
        })
        .await;
    cluster
}

/// What is rendered for the newest version, which is the server's.
async fn rendered(values: &std::path::Path) -> Vec<Vec<Value>> {
    let version = newest().await;
    let mut sets = Vec::new();
    for text in renderings(values, &version).await {
        sets.push(objects(&text).await);
    }
    sets
}

/// The names of what was accepted, and what was said against the others.
fn judged(output: &Output) -> (Vec<String>, String) {
    let accepted = String::from_utf8_lossy(&output.stdout);
    let accepted = accepted.lines().map(str::to_owned).collect();
    let against = String::from_utf8_lossy(&output.stderr).into_owned();
    (accepted, against)
}

/// The pod that a controller would make of a workload's template.
fn pod(workload: &Value) -> Value {
    let mut pod = workload["spec"]["template"].clone();
    pod["apiVersion"] = json!("v1");
    pod["kind"] = json!("Pod");
    let kind = workload["kind"].as_str().unwrap().to_lowercase();
    let name = workload["metadata"]["name"].as_str().unwrap();
    pod["metadata"]["name"] = json!(format!("{name}-{kind}"));
    pod["metadata"]["namespace"] = json!(PODS);
    let claims = workload["spec"]["volumeClaimTemplates"].as_array();
    for claim in claims.into_iter().flatten() {
        let claim = &claim["metadata"]["name"];
        let volumes = pod["spec"]["volumes"].as_array_mut().unwrap();
        volumes.push(json!({"name": claim, "persistentVolumeClaim": {"claimName": claim}}));
    }
    pod
}

fn pods(objects: &[Value]) -> Vec<Value> {
    objects
        .iter()
        .filter(|object| WORKLOADS.iter().any(|kind| object["kind"] == *kind))
        .map(pod)
        .collect()
}

/// Makes the accounts that pods run as: a pod of one that is not there is refused.
async fn make_accounts(cluster: &Cluster, objects: &[Value]) {
    let accounts: Vec<Value> = objects
        .iter()
        .filter(|object| object["kind"] == "ServiceAccount")
        .cloned()
        .map(|mut account| {
            account["metadata"]["namespace"] = json!(PODS);
            account
        })
        .collect();
    if !accounts.is_empty() {
        let file = written(&accounts);
        let apply = ["apply", "--server-side", "--force-conflicts", "-f"];
        cluster
            .succeeds(&[&apply[..], &[path(file.path())]].concat())
            .await;
    }
}

#[tokio::test]
async fn an_api_server_accepts_every_object_without_a_warning() {
    if !present().await {
        return;
    }
    let cluster = prepared().await;
    for values in values_files() {
        for objects in rendered(&values).await {
            let file = written(&objects);
            let (accepted, against) = judged(&cluster.dry_run(file.path()).await);
            assert_eq!(against, "", "{}", values.display());
            assert_eq!(accepted.len(), objects.len(), "{}", values.display());
        }
    }
}

#[tokio::test]
async fn an_api_server_refuses_a_field_that_it_does_not_know_and_warns_of_what_is_risky() {
    if !present().await {
        return;
    }
    let cluster = prepared().await;
    let operators = rendered(&chart().join("ci/operators-values.yaml")).await;
    let of_kind = |kind: &str| {
        let found = operators[1].iter().find(|object| object["kind"] == kind);
        found.unwrap().clone()
    };
    for kind in ["Deployment", "Queue", "Cluster", "Certificate", "GRPCRoute"] {
        let mut object = of_kind(kind);
        object["spec"]["misspelt"] = json!("yes");
        let file = written(&[object]);
        let (accepted, against) = judged(&cluster.dry_run(file.path()).await);
        assert!(accepted.is_empty(), "{accepted:?}");
        assert!(
            against.contains("unknown field \"spec.misspelt\""),
            "{against}"
        );
    }
    // A workload is accepted whatever its pods are, with a warning: which counts as an error.
    let mut deployment = of_kind("Deployment");
    deployment["spec"]["template"]["spec"]["hostPID"] = json!(true);
    let file = written(&[deployment]);
    let output = cluster.dry_run(file.path()).await;
    let (_, against) = judged(&output);
    assert!(
        !output.status.success() && against.contains("would violate PodSecurity"),
        "{against}"
    );
}

#[tokio::test]
async fn pod_security_restricted_accepts_the_pods_of_every_workload() {
    if !present().await {
        return;
    }
    let cluster = prepared().await;
    for values in values_files() {
        for objects in rendered(&values).await {
            make_accounts(cluster, &objects).await;
            let pods = pods(&objects);
            assert!(!pods.is_empty(), "{}", values.display());
            let file = written(&pods);
            let (accepted, against) = judged(&cluster.dry_run(file.path()).await);
            assert_eq!(against, "", "{}", values.display());
            assert_eq!(accepted.len(), pods.len(), "{}", values.display());
        }
    }
}

#[tokio::test]
async fn pod_security_refuses_any_pod_of_the_chart_that_is_less_restricted() {
    if !present().await {
        return;
    }
    let loosened: [(&str, Loosen); 4] = [
        ("runAsNonRoot", |spec| {
            without(spec, &["runAsNonRoot", "runAsUser"]);
        }),
        ("seccompProfile", |spec| without(spec, &["seccompProfile"])),
        ("capabilities", |spec| without(spec, &["capabilities"])),
        ("host namespaces", |spec| spec["hostPID"] = json!(true)),
    ];
    let cluster = prepared().await;
    for values in ["distributed", "single"] {
        let values = chart().join(format!("ci/{values}-values.yaml"));
        let objects = rendered(&values).await.pop().unwrap();
        make_accounts(cluster, &objects).await;
        let pods = pods(&objects);
        for (what, loosen) in loosened {
            let mut loose = pods.clone();
            for pod in &mut loose {
                loosen(&mut pod["spec"]);
            }
            let file = written(&loose);
            let (accepted, against) = judged(&cluster.dry_run(file.path()).await);
            assert!(accepted.is_empty(), "{what}: {accepted:?}");
            let violates = format!("violates PodSecurity \"{POD_SECURITY}:latest\"");
            let refused = against
                .lines()
                .filter(|line| line.contains(&violates) && line.contains(what))
                .count();
            assert_eq!(refused, pods.len(), "{what}: {against}");
        }
    }
}

/// Takes keys out of the security contexts of a pod and of its containers.
fn without(spec: &mut Value, keys: &[&str]) {
    let mut contexts = vec!["/securityContext".to_owned()];
    for kind in ["containers", "initContainers"] {
        let number = spec[kind].as_array().map_or(0, Vec::len);
        contexts.extend((0..number).map(|place| format!("/{kind}/{place}/securityContext")));
    }
    for context in contexts {
        let context = spec.pointer_mut(&context).unwrap().as_object_mut().unwrap();
        for key in keys {
            context.remove(*key);
        }
    }
}
