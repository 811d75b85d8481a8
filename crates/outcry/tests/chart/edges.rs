//! Policies and names are those of the contract: who may open a connection to whom is who may call
//! whom, as the table of the mesh's own test has it, which people read.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::contract::contract;
use super::render::{NAMESPACE, RELEASE, name_of, of_kind, rendered, values, values_files};
use super::tools::{present, root};

/// The port of the mesh, as values.yaml has it.
const MESH_PORT: u64 = 7401;

/// The label that says which service a pod is of.
const COMPONENT: &str = "app.kubernetes.io/component";

/// Pairs of a caller and who is called.
type Edges = BTreeSet<(String, String)>;

#[tokio::test]
async fn who_may_connect_to_whom_is_who_may_call_whom() {
    if !present().await {
        return;
    }
    let services = names().await;
    let wanted = edges_of_the_table(&services);
    assert!(wanted.len() > 10, "{wanted:?}");
    let objects = rendered(&values("distributed")).await;
    let (mut let_in, mut let_out) = (Edges::new(), Edges::new());
    for policy in of_kind(&objects, "NetworkPolicy") {
        let spec = &policy["spec"];
        let own = component(&spec["podSelector"]);
        if !services.contains(&own) {
            // A Job calls others and is called by nobody.
            assert_eq!(spec["ingress"], serde_json::json!([]), "{own}");
            continue;
        }
        for caller in peers_by_mesh(&spec["ingress"], "from") {
            assert!(let_in.insert((caller, own.clone())), "{own} twice");
        }
        for called in peers_by_mesh(&spec["egress"], "to") {
            assert!(let_out.insert((own.clone(), called)), "{own} twice");
        }
    }
    assert_eq!(let_in, wanted, "ingress");
    assert_eq!(let_out, wanted, "egress");
}

#[tokio::test]
async fn every_service_has_one_name_for_all_replicas_under_which_the_others_know_it() {
    if !present().await {
        return;
    }
    for file in values_files() {
        let objects = rendered(&file).await;
        let config = config_of(&objects);
        let Some(mesh) = config
            .get("mesh")
            .filter(|mesh| mesh.get("peers").is_some())
        else {
            continue;
        };
        let mut headless = BTreeMap::new();
        for service in of_kind(&objects, "Service") {
            if service["spec"]["clusterIP"] != "None" {
                continue;
            }
            let host = format!(
                "dns:///{}.{NAMESPACE}.svc.cluster.local:{MESH_PORT}",
                name_of(service)
            );
            headless.insert(component(&service["spec"]["selector"]), host);
        }
        let peers: BTreeMap<String, String> = mesh["peers"]
            .as_table()
            .unwrap()
            .iter()
            .map(|(name, hosts)| (name.clone(), hosts[0].as_str().unwrap().to_owned()))
            .collect();
        assert_eq!(peers, headless, "{}", file.display());
        let names = names().await;
        assert!(peers.keys().eq(names.iter()), "{names:?}");
        let Some(accounts) = mesh.get("tls").map(|tls| &tls["accounts"]) else {
            continue;
        };
        for deployment in of_kind(&objects, "Deployment") {
            let pod = &deployment["spec"]["template"];
            let account = pod["spec"]["serviceAccountName"].as_str().unwrap();
            let service = pod["metadata"]["labels"][COMPONENT].as_str().unwrap();
            let allowed = accounts[account].as_array().unwrap();
            assert_eq!(allowed.len(), 1, "{account}");
            assert_eq!(allowed[0].as_str(), Some(service), "{account}");
        }
    }
}

/// The binary's configuration that is rendered.
fn config_of(objects: &[Value]) -> toml::Table {
    let map = of_kind(objects, "ConfigMap")
        .into_iter()
        .find(|map| name_of(map) == RELEASE)
        .unwrap();
    map["data"]["outcry.toml"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap()
}

async fn names() -> BTreeSet<String> {
    let contract = contract().await;
    let services = contract["services"].as_array().unwrap().iter();
    services
        .map(|service| service["name"].as_str().unwrap().to_owned())
        .collect()
}

/// The service whose pods a selector selects.
fn component(selector: &Value) -> String {
    let labels = selector.get("matchLabels").unwrap_or(selector);
    labels[COMPONENT].as_str().unwrap().to_owned()
}

/// Services that rules let in or out on the mesh's port.
fn peers_by_mesh(rules: &Value, side: &str) -> Vec<String> {
    let mut services = Vec::new();
    for rule in rules.as_array().unwrap() {
        let ports = rule["ports"].as_array().cloned().unwrap_or_default();
        // Without ports a rule is for all of them, and without peers for anybody.
        if !ports.is_empty() && !ports.iter().any(|port| port["port"] == MESH_PORT) {
            continue;
        }
        match rule[side].as_array() {
            Some(peers) => {
                services.extend(peers.iter().map(|peer| component(&peer["podSelector"])));
            }
            None => services.push("anybody".to_owned()),
        }
    }
    services
}

/// Who calls whom by the network, as the table of the contract's access has it.
fn edges_of_the_table(services: &BTreeSet<String>) -> Edges {
    let table = root().join("crates/mesh/tests/access.golden");
    let table = std::fs::read_to_string(table).unwrap();
    let mut lines = table
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty());
    let heading: Vec<&str> = lines.next().unwrap().split_whitespace().collect();
    let mut edges = Edges::new();
    let mut servers: Vec<&String> = Vec::new();
    for line in lines {
        let words: Vec<&str> = line.split_whitespace().collect();
        if !line.starts_with(' ') {
            servers = served_by(words[0], services);
            assert!(!servers.is_empty(), "{line}");
            continue;
        }
        let cells = &words[1..];
        assert_eq!(cells.len(), heading.len(), "{line}");
        let may: BTreeSet<&str> = heading
            .iter()
            .zip(cells)
            .filter(|(_, cell)| **cell == "yes")
            .map(|(caller, _)| *caller)
            .collect();
        let from_outside = ["visitor", "user", "viewer", "admin"]
            .iter()
            .any(|role| may.contains(role));
        // What is open to anybody is so for clients, and no reason for services to meet.
        let is_public = may.contains("nobody");
        for &server in &servers {
            for caller in services {
                let named = may.contains(caller.as_str()) && !is_public;
                let forwards = caller == "gateway" && from_outside;
                // A process asks itself within itself; only what one service alone serves it may
                // ask of its other replicas.
                let crosses = caller != server || (named && servers.len() == 1);
                if (named || forwards) && crosses {
                    edges.insert((caller.clone(), server.clone()));
                }
            }
        }
    }
    edges
}

/// Who serves a gRPC service: whose name is in its package, but for two.
fn served_by<'all>(grpc_service: &str, services: &'all BTreeSet<String>) -> Vec<&'all String> {
    let package = grpc_service.split('.').nth(1).unwrap();
    services
        .iter()
        .filter(|service| match package {
            "operations" => true,
            "eventlog" => *service == "gateway",
            own => *service == own,
        })
        .collect()
}
