//! A pod: containers that share a network and volumes.

use std::fs;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::container::{Container, Plan};
use super::environment::{Facts, command, variables};
use super::namespace::Namespace;
use super::network::Network;
use super::volume;

/// The binary under test, where the image has it.
const PROGRAM: &str = "/usr/local/bin/outcry";

/// How long a container that ended waits before it is started again.
const BACK_OFF: Duration = Duration::from_secs(2);

/// A pod that was put on the node.
pub struct Pod {
    pub facts: Facts,
    pub labels: Value,
    pub spec: Value,
    pub containers: Vec<Container>,
    /// Whether its Services lead to it.
    pub ready: bool,
    /// How often a container was started again.
    pub restarts: u32,
    ended: Option<Instant>,
    space: String,
    folder: PathBuf,
}

// === impl Pod ===

impl Pod {
    /// A network and volumes for a pod of this template; nothing runs yet.
    pub fn new(network: &Network, namespace: &Namespace, name: &str, template: &Value) -> Self {
        let (space, address) = network.plug();
        let folder = network.folder().join("pods").join(&space);
        let spec = template["spec"].clone();
        let volumes = folder.join("volumes");
        fs::create_dir_all(&volumes).unwrap();
        volume::write(namespace, &spec, &volumes, &network.folder().join("claims"));
        Self {
            facts: Facts {
                name: name.to_owned(),
                uid: uuid::Uuid::now_v7().to_string(),
                address,
            },
            labels: template["metadata"]["labels"].clone(),
            spec,
            containers: Vec::new(),
            ready: false,
            restarts: 0,
            ended: None,
            space,
            folder,
        }
    }

    /// Starts all of its containers.
    pub fn start(&mut self, namespace: &Namespace, dns: Ipv4Addr) {
        let specs = self.spec["containers"].as_array().unwrap().clone();
        self.containers = specs
            .iter()
            .map(|container| self.container(namespace, container, dns, None))
            .collect();
    }

    /// The same container with another command, beside what runs: as `kubectl exec` would.
    pub fn beside(&self, namespace: &Namespace, dns: Ipv4Addr, asked: &[&str]) -> Container {
        let container = self.spec["containers"][0].clone();
        self.container(namespace, &container, dns, Some(asked))
    }

    fn container(
        &self,
        namespace: &Namespace,
        container: &Value,
        dns: Ipv4Addr,
        asked: Option<&[&str]>,
    ) -> Container {
        let variables = variables(namespace, &self.spec, container, &self.facts);
        let command = match asked {
            None => command(container, &variables),
            Some(asked) => {
                let whole = std::iter::once(&PROGRAM).chain(asked);
                whole.map(|part| (*part).to_owned()).collect()
            }
        };
        let name = container["name"].as_str().unwrap();
        let kind = if asked.is_some() { "beside" } else { "own" };
        let folder = self.folder.join(format!("{name}-{kind}"));
        fs::create_dir_all(&folder).unwrap();
        let mut mounts = volume::mounts(container, &self.folder.join("volumes"));
        mounts.insert(0, lent(env!("CARGO_BIN_EXE_outcry").into(), PROGRAM));
        for (file, text) in [
            ("hosts", hosts(&self.facts)),
            ("resolv.conf", resolver(dns)),
        ] {
            let from = folder.join(file);
            fs::write(&from, text).unwrap();
            mounts.insert(0, lent(from, &format!("/etc/{file}")));
        }
        Container::start(&Plan {
            security: &self.spec["securityContext"],
            container,
            space: &self.space,
            command,
            variables,
            mounts,
            folder: &folder,
        })
    }

    /// Starts what has ended again, after a while; a container that is started too often is a failure.
    pub fn restart(&mut self, namespace: &Namespace, dns: Ipv4Addr, restarts_max: u32) {
        let Some(ended) = self.containers[0].ended() else {
            return;
        };
        let since = *self.ended.get_or_insert_with(Instant::now);
        let name = &self.facts.name;
        assert!(
            self.restarts < restarts_max,
            "{name} has ended {restarts_max} times, {ended}: {}",
            self.containers[0].tail()
        );
        if since.elapsed() >= BACK_OFF {
            self.ended = None;
            self.restarts += 1;
            self.start(namespace, dns);
        }
    }

    /// The number of a port that a container gave a name.
    pub fn port(&self, named: &Value) -> u16 {
        let ports = self.spec["containers"].as_array().into_iter().flatten();
        let mut ports = ports.flat_map(|container| container["ports"].as_array().unwrap());
        let number = match named {
            Value::Number(number) => number.as_u64(),
            name => ports
                .find(|port| port["name"] == *name)
                .and_then(|port| port["containerPort"].as_u64()),
        };
        u16::try_from(number.unwrap_or_else(|| panic!("no port {named}"))).unwrap()
    }
}

fn lent(from: PathBuf, to: &str) -> volume::Mount {
    volume::Mount {
        from,
        to: to.to_owned(),
        read_only: true,
    }
}

fn hosts(facts: &Facts) -> String {
    format!("127.0.0.1 localhost\n{} {}\n", facts.address, facts.name)
}

fn resolver(dns: Ipv4Addr) -> String {
    let namespace = super::render::NAMESPACE;
    format!(
        "nameserver {dns}\nsearch {namespace}.svc.cluster.local svc.cluster.local cluster.local\n\
         options ndots:5\n"
    )
}
