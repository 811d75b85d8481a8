//! A cluster of one node: it keeps pods running, asks their probes, and leads names to those that
//! are ready.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;

use super::container::Container;
use super::names::Names;
use super::namespace::{Namespace, selects};
use super::network::Network;
use super::pod::Pod;
use super::render::NAMESPACE;

/// How often the kubelet looks at everything.
const LOOK_EVERY: Duration = Duration::from_millis(300);

/// How long anything may take: a busy machine needs more than a cluster.
const SETTLE_MAX: Duration = Duration::from_secs(420);

/// How long a pod may take to answer one request.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// How often a pod is started again: it may come before the topology and the servers' users.
const RESTARTS_MAX: u32 = 60;

/// Where connections to a Service go, by its name and port.
type Targets = Arc<Mutex<BTreeMap<(String, u16), Vec<SocketAddr>>>>;

/// The cluster.
pub struct Cluster {
    pub network: Arc<Network>,
    pub namespace: Namespace,
    pub pods: Vec<Pod>,
    names: Names,
    dns: Ipv4Addr,
    targets: Targets,
}

// === impl Cluster ===

impl Cluster {
    /// A cluster with nothing in it.
    pub async fn start() -> Self {
        let network = Network::start();
        let names = Names::default();
        let dns = names.serve(&network).await;
        Self {
            network,
            namespace: Namespace::default(),
            pods: Vec::new(),
            names,
            dns,
            targets: Targets::default(),
        }
    }

    /// A server outside: its name leads to an address whose ports are those of this machine.
    pub async fn outside(&self, host: &str, ports: &[(u16, u16)]) {
        let address = self.network.address();
        for (port, here) in ports.iter().copied() {
            let listening = self.network.on_node(TcpListener::bind((address, port)));
            let listener = listening.await.unwrap();
            let machine = Handle::current();
            self.network.forever_on_node(async move {
                while let Ok((mut from, _)) = listener.accept().await {
                    let to = machine.spawn(TcpStream::connect((Ipv4Addr::LOCALHOST, here)));
                    tokio::spawn(async move {
                        if let Ok(Ok(mut to)) = to.await {
                            let _ended = copy_bidirectional(&mut from, &mut to).await;
                        }
                    });
                }
            });
        }
        self.names.set(host, vec![address]);
    }

    /// Takes an object of the release; a Service that stands before its pods gets an address.
    pub async fn put(&mut self, object: Value) {
        if object["kind"] == "Service" && object["spec"]["clusterIP"] != "None" {
            self.balance(&object).await;
        }
        self.namespace.put(object);
    }

    async fn balance(&mut self, service: &Value) {
        let name = service["metadata"]["name"].as_str().unwrap().to_owned();
        let address = self.network.address();
        for port in service["spec"]["ports"].as_array().unwrap() {
            let number = u16::try_from(port["port"].as_u64().unwrap()).unwrap();
            let listening = self.network.on_node(TcpListener::bind((address, number)));
            let listener = listening.await.unwrap();
            let targets = Arc::clone(&self.targets);
            let key = (name.clone(), number);
            self.network.forever_on_node(async move {
                let mut turn = 0_usize;
                while let Ok((mut from, _)) = listener.accept().await {
                    let to = {
                        let targets = locked(&targets);
                        let found = targets.get(&key).map_or(&[][..], Vec::as_slice);
                        found.get(turn % found.len().max(1)).copied()
                    };
                    turn += 1;
                    let Some(to) = to else { continue };
                    tokio::spawn(async move {
                        if let Ok(mut to) = TcpStream::connect(to).await {
                            let _ended = copy_bidirectional(&mut from, &mut to).await;
                        }
                    });
                }
            });
        }
        self.namespace.set_address(&name, address);
        self.names.set(&full(&name), vec![address]);
    }

    /// Starts the pods of all Deployments and StatefulSets.
    pub fn schedule(&mut self) {
        let mut planned = Vec::new();
        for deployment in self.namespace.of_kind("Deployment") {
            let name = deployment["metadata"]["name"].as_str().unwrap();
            // What a scaler decides later begins with one.
            let replicas = deployment["spec"]["replicas"].as_u64().unwrap_or(1);
            for number in 0..replicas {
                let template = deployment["spec"]["template"].clone();
                planned.push((format!("{name}-5d8f6-{number}"), template));
            }
        }
        for set in self.namespace.of_kind("StatefulSet") {
            let name = format!("{}-0", set["metadata"]["name"].as_str().unwrap());
            let mut template = set["spec"]["template"].clone();
            let claims = set["spec"]["volumeClaimTemplates"].as_array();
            for claim in claims.into_iter().flatten() {
                let volume = claim["metadata"]["name"].as_str().unwrap();
                let volumes = template["spec"]["volumes"].as_array_mut().unwrap();
                volumes.push(serde_json::json!({
                    "name": volume,
                    "persistentVolumeClaim": { "claimName": format!("{volume}-{name}") },
                }));
            }
            planned.push((name, template));
        }
        for (name, template) in planned {
            let mut pod = Pod::new(&self.network, &self.namespace, &name, &template);
            pod.start(&self.namespace, self.dns);
            self.pods.push(pod);
        }
    }

    /// Looks at everything once.
    async fn look(&mut self) {
        for number in 0..self.pods.len() {
            let pod = &mut self.pods[number];
            pod.restart(&self.namespace, self.dns, RESTARTS_MAX);
            let pod = &self.pods[number];
            let container = &pod.spec["containers"][0];
            let started = pod.ready || self.probe(pod, &container["startupProbe"]).await;
            let ready = started && self.probe(pod, &container["readinessProbe"]).await;
            self.pods[number].ready = ready;
        }
        self.lead();
    }

    /// Leads Services to the pods that are ready.
    fn lead(&self) {
        for service in self.namespace.of_kind("Service") {
            let name = service["metadata"]["name"].as_str().unwrap();
            let spec = &service["spec"];
            let pods: Vec<&Pod> = self
                .pods
                .iter()
                .filter(|pod| pod.ready && selects(&spec["selector"], &pod.labels))
                .collect();
            if spec["clusterIP"] == "None" {
                let addresses = pods.iter().map(|pod| pod.facts.address).collect();
                self.names.set(&full(name), addresses);
                continue;
            }
            for port in spec["ports"].as_array().unwrap() {
                let number = u16::try_from(port["port"].as_u64().unwrap()).unwrap();
                let to = pods.iter().map(|pod| {
                    SocketAddr::from((pod.facts.address, pod.port(&port["targetPort"])))
                });
                locked(&self.targets).insert((name.to_owned(), number), to.collect());
            }
        }
    }

    async fn probe(&self, pod: &Pod, probe: &Value) -> bool {
        let get = &probe["httpGet"];
        let path = get["path"].as_str().unwrap();
        let answer = self.get(pod, &get["port"], path).await;
        answer.is_some_and(|(status, _)| (200..400).contains(&status))
    }

    /// What a pod answers to a request from the node; nothing when it does not.
    pub async fn get(&self, pod: &Pod, port: &Value, path: &str) -> Option<(u16, String)> {
        let to = SocketAddr::from((pod.facts.address, pod.port(port)));
        // The older version: the answer ends with the connection and comes in one piece.
        let request = format!("GET {path} HTTP/1.0\r\nHost: {to}\r\n\r\n");
        let asked = async move {
            let mut stream = TcpStream::connect(to).await.ok()?;
            stream.write_all(request.as_bytes()).await.ok()?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.ok()?;
            let (head, body) = answer.split_once("\r\n\r\n")?;
            let status = head.split(' ').nth(1)?.parse().ok()?;
            Some((status, body.to_owned()))
        };
        let bounded = async { tokio::time::timeout(ANSWER_MAX, asked).await };
        self.network.on_node(bounded).await.ok().flatten()
    }

    /// Looks until all pods are ready.
    pub async fn until_ready(&mut self) {
        let end = Instant::now() + SETTLE_MAX;
        while !self.pods.iter().all(|pod| pod.ready) {
            assert!(Instant::now() < end, "not ready: {}", self.unready());
            tokio::time::sleep(LOOK_EVERY).await;
            self.look().await;
        }
    }

    fn unready(&self) -> String {
        let pods = self.pods.iter().filter(|pod| !pod.ready);
        let said = pods.map(|pod| {
            let (name, tail) = (&pod.facts.name, pod.containers[0].tail());
            format!("\n--- {name}, started again {} times\n{tail}", pod.restarts)
        });
        said.collect()
    }

    /// Runs a Job until all of its containers have ended well, as often as it allows; returns what each said.
    pub async fn run(&mut self, job: &Value) -> BTreeMap<String, String> {
        let name = job["metadata"]["name"].as_str().unwrap();
        let again = job["spec"]["backoffLimit"].as_u64().unwrap_or(6);
        let mut said = String::new();
        for attempt in 0..=again {
            let name = format!("{name}-{attempt}");
            let template = &job["spec"]["template"];
            let mut pod = Pod::new(&self.network, &self.namespace, &name, template);
            pod.start(&self.namespace, self.dns);
            let end = Instant::now() + SETTLE_MAX;
            let well = loop {
                let ended: Vec<_> = pod.containers.iter_mut().map(Container::ended).collect();
                // Kubernetes would wait for the others; there is nothing to wait for.
                if ended.iter().flatten().any(|status| !status.success()) {
                    break false;
                }
                if ended.iter().all(Option::is_some) {
                    break true;
                }
                let said = || pod.containers.iter().map(described).collect::<String>();
                assert!(Instant::now() < end, "{name} did not end: {}", said());
                tokio::time::sleep(LOOK_EVERY).await;
                self.look().await;
            };
            said.extend(pod.containers.iter().map(described));
            if well {
                let logs = pod.containers.iter();
                return logs.map(|one| (one.name.clone(), one.log())).collect();
            }
            for container in &mut pod.containers {
                if container.ended().is_none() {
                    container.signal(Signal::KILL);
                    container.end().await;
                }
            }
        }
        panic!("{name} failed: {said}");
    }

    /// The output of a command beside a running container, which must succeed.
    pub async fn exec(&self, pod: &Pod, command: &[&str]) -> String {
        let mut container = pod.beside(&self.namespace, self.dns, command);
        let ended = tokio::time::timeout(SETTLE_MAX, container.end()).await;
        let status = ended.unwrap_or_else(|_| panic!("{command:?}: {}", container.tail()));
        assert!(status.success(), "{command:?}: {}", container.tail());
        container.log()
    }

    /// What a pod says that does not want to run.
    pub async fn refuses(&self, pod: &mut Pod) -> String {
        pod.start(&self.namespace, self.dns);
        let container = &mut pod.containers[0];
        let ended = tokio::time::timeout(SETTLE_MAX, container.end()).await;
        let status = ended.unwrap_or_else(|_| panic!("it runs: {}", container.tail()));
        assert!(!status.success(), "{}", container.tail());
        container.log()
    }

    /// A pod of a component.
    pub fn pod(&self, component: &str) -> &Pod {
        let label = "app.kubernetes.io/component";
        let mut pods = self.pods.iter();
        pods.find(|pod| pod.labels[label] == component).unwrap()
    }

    /// Ends all pods at once as a kubelet does: out of their Services first, then SIGTERM, and each must be
    /// gone before it would be killed.
    pub async fn stop(&mut self) {
        for pod in &mut self.pods {
            pod.ready = false;
        }
        self.lead();
        let containers = || self.pods.iter().flat_map(|pod| &pod.containers);
        containers().for_each(|container| container.signal(Signal::TERM));
        for pod in &mut self.pods {
            let grace = pod.spec["terminationGracePeriodSeconds"].as_u64().unwrap();
            let slept = &pod.spec["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"];
            // The pause before the signal is Kubernetes' own.
            let left = Duration::from_secs(grace - slept.as_u64().unwrap_or(0));
            for container in &mut pod.containers {
                gone(&pod.facts.name, container, left).await;
            }
        }
        self.pods.clear();
    }

    /// Kills the one pod without a word and starts it again on the same volumes.
    pub async fn kill_and_start_again(&mut self) {
        for mut pod in self.pods.drain(..) {
            for container in &mut pod.containers {
                container.signal(Signal::KILL);
                container.end().await;
            }
        }
        self.schedule();
    }
}

async fn gone(pod: &str, container: &mut Container, within: Duration) {
    let ended = tokio::time::timeout(within, container.end()).await;
    let status = ended.unwrap_or_else(|_| panic!("{pod} would be killed: {}", container.tail()));
    assert!(status.success(), "{pod}: {status}: {}", container.tail());
}

/// A container with the end of what it said.
fn described(container: &Container) -> String {
    format!("\n--- {}\n{}", container.name, container.tail())
}

/// The name of a Service in all of the cluster.
fn full(service: &str) -> String {
    format!("{service}.{NAMESPACE}.svc.cluster.local")
}

fn locked<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
