//! Who is connected with whom at the moment, against what the rendered NetworkPolicies allow: nothing here
//! enforces them.

use std::collections::BTreeSet;
use std::fs;
use std::net::Ipv4Addr;

use serde_json::Value;

use super::cluster::Cluster;
use super::namespace::selects;
use super::pod::Pod;

/// How the system writes that a connection is open.
const ESTABLISHED: &str = "01";

/// Ports that the platform listens on: what has one of them here was opened by the other side.
const OWN_PORTS: std::ops::RangeInclusive<u16> = 7_400..=7_402;

/// Port of calls between processes.
const MESH_PORT: u16 = 7_401;

/// Caller and callee of every open connection between processes; each is let out, and let in.
pub fn allowed(cluster: &Cluster) -> BTreeSet<(String, String)> {
    let mut seen = BTreeSet::new();
    for pod in &cluster.pods {
        for (to, port) in opened(pod) {
            let callee = cluster.pods.iter().find(|one| one.facts.address == to);
            let (caller, name) = (&pod.facts.name, callee.map(|one| &one.facts.name));
            assert!(
                permits(cluster, pod, "egress", "to", callee, port),
                "{caller} is not let out to {to}:{port} ({name:?})"
            );
            let Some(callee) = callee else { continue };
            assert!(
                permits(cluster, callee, "ingress", "from", Some(pod), port),
                "{caller} is not let in by {name:?}:{port}"
            );
            if port == MESH_PORT {
                seen.insert((component(pod), component(callee)));
            }
        }
    }
    seen
}

fn component(pod: &Pod) -> String {
    let label = &pod.labels["app.kubernetes.io/component"];
    label.as_str().unwrap().to_owned()
}

/// Addresses and ports that a pod has open connections to.
fn opened(pod: &Pod) -> Vec<(Ipv4Addr, u16)> {
    let process = pod.containers[0].process().unwrap().as_raw_nonzero();
    let table = fs::read_to_string(format!("/proc/{process}/net/tcp")).unwrap();
    let rows = table.lines().skip(1).map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        (place(words[1]), place(words[2]), words[3] == ESTABLISHED)
    });
    rows.filter(|((_, own), _, open)| *open && !OWN_PORTS.contains(own))
        .map(|(_, other, _)| other)
        .collect()
}

/// An address and a port as the system writes them, in hexadecimal digits.
fn place(text: &str) -> (Ipv4Addr, u16) {
    let (address, port) = text.split_once(':').unwrap();
    let bits = u32::from_str_radix(address, 16).unwrap();
    let address = Ipv4Addr::from(bits.to_ne_bytes());
    (address, u16::from_str_radix(port, 16).unwrap())
}

/// Whether a policy of the pod lets a connection with another one pass.
fn permits(
    cluster: &Cluster,
    pod: &Pod,
    way: &str,
    peers: &str,
    other: Option<&Pod>,
    port: u16,
) -> bool {
    let policies = cluster.namespace.of_kind("NetworkPolicy").into_iter();
    let own = policies
        .filter(|policy| selects(&policy["spec"]["podSelector"]["matchLabels"], &pod.labels));
    let mut rules = own.flat_map(|policy| policy["spec"][way].as_array().into_iter().flatten());
    rules.any(|rule| {
        let mut ports = rule["ports"].as_array().unwrap().iter();
        ports.any(|one| one["port"] == port) && is_named(&rule[peers], other)
    })
}

/// Whether a rule is for this other side; one that names nobody is for everybody.
fn is_named(peers: &Value, other: Option<&Pod>) -> bool {
    let Some(peers) = peers.as_array() else {
        return true;
    };
    peers.iter().any(|peer| {
        let labels = &peer["podSelector"]["matchLabels"];
        labels.is_object() && other.is_some_and(|pod| selects(labels, &pod.labels))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_as_the_system_writes_them() {
        let (address, port) = place("0200004D:1CE9");
        let expected = u32::from_str_radix("0200004D", 16).unwrap().to_ne_bytes();
        assert_eq!((address.octets(), port), (expected, MESH_PORT));
    }
}
