//! A platform in many processes on this machine: every service alone, some of them three times, all
//! of them with certificates.

use std::fs::File;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::backbone::Backbone;
use super::outcry::{Outcry, command, complaint, services};

/// How long a process may take to be there: generous, for a busy machine.
const START_MAX: Duration = Duration::from_secs(120);

/// How long a process may take to end that was asked to.
const STOP_MAX: Duration = Duration::from_secs(60);

/// How often a condition is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Services with replicas.
const REPLICATED: [&str; 4] = ["orders", "trades", "funds", "portfolio"];

/// How many each of these has.
const REPLICAS: usize = 3;

/// The platform.
pub struct Cluster {
    pub outcry: Outcry,
    places: Vec<Place>,
}

/// One replica of one service.
struct Place {
    service: String,
    number: usize,
    port: u16,
    process: Option<Child>,
    /// Runs of this replica so far: each has a log of its own.
    runs: usize,
}

// === impl Cluster ===

impl Cluster {
    /// Starts every process and waits until all are there.
    pub fn start(backbone: &Backbone) -> Self {
        let replicas: Vec<(String, usize)> = services()
            .into_iter()
            .map(
                |service| match REPLICATED.contains(&service.name.as_str()) {
                    true => (service.name, REPLICAS),
                    false => (service.name, 1),
                },
            )
            .collect();
        let count = replicas.iter().map(|(_, count)| count).sum::<usize>();
        let mut ports = free_ports(count + 1);
        let edge = ports.pop().unwrap();
        let mut places = Vec::new();
        for (service, count) in &replicas {
            for number in 0..*count {
                places.push(Place {
                    service: service.clone(),
                    number,
                    port: ports.pop().unwrap(),
                    process: None,
                    runs: 0,
                });
            }
        }
        let mut variables = backbone.variables();
        for (service, _) in &replicas {
            let peers: Vec<String> = places
                .iter()
                .filter(|place| place.service == *service)
                .map(|place| format!("\"https://127.0.0.1:{}\"", place.port))
                .collect();
            variables.push((
                format!("OUTCRY_MESH__PEERS__{}", service.to_uppercase()),
                format!("[{}]", peers.join(", ")),
            ));
        }
        variables.push(("OUTCRY_LISTEN".to_owned(), format!("127.0.0.1:{edge}")));
        let outcry = Outcry::with(variables);
        std::fs::create_dir_all(outcry.folder().join("logs")).unwrap();
        let mut cluster = Self { outcry, places };
        // Every process is known by a certificate of its own.
        let made = command(&["certs", "all"])
            .arg(cluster.certificates())
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", complaint(&made));
        // The first one makes the keys that all share.
        cluster.begin(0);
        cluster.until_there(0);
        for index in 1..cluster.places.len() {
            cluster.begin(index);
        }
        for index in 1..cluster.places.len() {
            cluster.until_there(index);
        }
        cluster
    }

    /// Who the processes are to each other.
    fn certificates(&self) -> PathBuf {
        self.outcry.folder().join("certificates")
    }

    /// How many processes there are.
    pub fn size(&self) -> usize {
        self.places.len()
    }

    /// Where a replica is in the list.
    pub fn index(&self, service: &str, number: usize) -> usize {
        self.places
            .iter()
            .position(|place| (place.service.as_str(), place.number) == (service, number))
            .unwrap()
    }

    /// Names a process for people.
    pub fn name(&self, index: usize) -> String {
        let place = &self.places[index];
        format!("{}-{}", place.service, place.number)
    }

    /// Starts a process without waiting for it.
    pub fn begin(&mut self, index: usize) {
        let port = self.places[index].port;
        let service = self.places[index].service.clone();
        self.places[index].runs += 1;
        let log = self.log(index);
        let file = File::create(&log).unwrap();
        let identity = self.certificates().join(&service);
        let process = self
            .outcry
            .command(&["serve", &service])
            .env(
                "OUTCRY_MESH__TLS__CERTIFICATE",
                identity.join("certificate.pem"),
            )
            .env("OUTCRY_MESH__TLS__KEY", identity.join("key.pem"))
            .env(
                "OUTCRY_MESH__TLS__AUTHORITIES",
                self.certificates().join("authorities.pem"),
            )
            .env("OUTCRY_MESH__LISTEN", format!("127.0.0.1:{port}"))
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        self.places[index].process = Some(process);
    }

    /// Waits until a process says that it is there. One that cannot start ends and is started
    /// again, as an orchestrator would.
    pub fn until_there(&mut self, index: usize) {
        let end = Instant::now() + START_MAX;
        loop {
            let log = std::fs::read_to_string(self.log(index)).unwrap();
            if log.contains("running, reached at") {
                return;
            }
            if self.has_ended(index) {
                self.begin(index);
            }
            assert!(
                Instant::now() < end,
                "{} is not there: {log}",
                self.name(index)
            );
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Starts every process again that has ended by itself; their names.
    pub fn revive(&mut self) -> Vec<String> {
        let ended: Vec<usize> = (0..self.places.len())
            .filter(|index| self.has_ended(*index))
            .collect();
        for index in &ended {
            self.begin(*index);
        }
        ended.into_iter().map(|index| self.name(index)).collect()
    }

    fn has_ended(&mut self, index: usize) -> bool {
        match &mut self.places[index].process {
            Some(process) => process.try_wait().unwrap().is_some(),
            None => false,
        }
    }

    /// Kills a process where it stands.
    pub fn kill(&mut self, index: usize) {
        let mut process = self.places[index].process.take().unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// Sends a process a signal: `STOP`, `CONT`, `TERM`.
    pub fn signal(&self, index: usize, signal: &str) {
        let process = self.places[index].process.as_ref().unwrap();
        let sent = Command::new("kill")
            .args([&format!("-{signal}"), &process.id().to_string()])
            .status()
            .unwrap();
        assert!(sent.success());
    }

    /// Asks a process to stop and waits until it has, orderly.
    pub fn stop(&mut self, index: usize) {
        self.signal(index, "TERM");
        let name = self.name(index);
        let log = self.log(index);
        let mut process = self.places[index].process.take().unwrap();
        let end = Instant::now() + STOP_MAX;
        let status = loop {
            if let Some(status) = process.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < end, "{name} did not stop");
            std::thread::sleep(LOOK_EVERY);
        };
        assert!(
            status.success(),
            "{name}: {}",
            std::fs::read_to_string(log).unwrap()
        );
    }

    /// Stops all processes, those first that the others do not wait for.
    pub fn stop_all(&mut self) {
        for index in (0..self.places.len()).rev() {
            self.stop(index);
        }
    }

    fn log(&self, index: usize) -> PathBuf {
        let name = format!("{}.{}.log", self.name(index), self.places[index].runs);
        self.outcry.folder().join("logs").join(name)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for place in &mut self.places {
            if let Some(mut process) = place.process.take() {
                let _killed = process.kill();
                let _ended = process.wait();
            }
        }
    }
}

/// Ports nobody listens on at the moment.
pub fn free_ports(count: usize) -> Vec<u16> {
    let taken: Vec<TcpListener> = (0..count)
        .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
        .collect();
    taken
        .iter()
        .map(|listener| listener.local_addr().unwrap().port())
        .collect()
}
