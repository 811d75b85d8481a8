//! The platform in several processes that meet in RabbitMQ and PostgreSQL.

use std::fs::File;
use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use outcry_servers::{Postgres, RabbitMq};
use tempfile::TempDir;
use tokio::process::Child;

use super::installation::{self, Site};

/// The processes: the edge with what reads, the market, the money. The edge comes last: it answers
/// when everything behind it does.
const PROCESSES: [&[&str]; 3] = [
    &["users", "orders", "trades"],
    &["funds", "payments", "ledger", "portfolio"],
    &["gateway", "notifications", "reports"],
];

/// How long a process may take to be there: the first ones make all tables.
const START_MAX: Duration = Duration::from_secs(120);

/// How often it is looked whether it is.
const LOOK: Duration = Duration::from_millis(20);

/// What a process says once it is there.
const THERE: &str = "running, reached at";

/// Running processes, and the servers they stand on.
pub struct Cluster {
    processes: Vec<Child>,
    pub site: Site,
    _postgres: Postgres,
    _rabbit: RabbitMq,
    _folder: TempDir,
}

// === impl Cluster ===

impl Cluster {
    /// Starts the servers, and all processes with nothing in them.
    pub async fn start() -> anyhow::Result<Self> {
        let (postgres, rabbit) = tokio::try_join!(Postgres::start(), RabbitMq::start())?;
        let folder = tempfile::tempdir()?;
        let data = folder.path().join("data");
        let ports = free_ports(PROCESSES.len())?;
        let mut variables = peers(&ports);
        variables.push(("OUTCRY_BROKER__URL".to_owned(), rabbit.url()));
        variables.push(("OUTCRY_DATABASE__URL".to_owned(), postgres.url()));
        let mut processes = Vec::new();
        for (number, (services, port)) in PROCESSES.into_iter().zip(&ports).enumerate() {
            let log = folder.path().join(format!("{number}.log"));
            let file = File::create(&log)?;
            let mut process = installation::command(&data)?
                .arg("serve")
                .args(services)
                .args(["--listen", "127.0.0.1:0"])
                .envs(variables.iter().map(|(name, value)| (name, value)))
                .env("OUTCRY_MESH__LISTEN", format!("127.0.0.1:{port}"))
                .stdout(file.try_clone()?)
                .stderr(file)
                .stdin(Stdio::null())
                .spawn()?;
            // The first one makes the key that all share.
            until_there(&mut process, &log).await?;
            processes.push(process);
        }
        let edge = processes.last_mut().context("there is no process")?;
        let address = installation::address(&data, edge).await?;
        Ok(Self {
            processes,
            site: Site { address, data },
            _postgres: postgres,
            _rabbit: rabbit,
            _folder: folder,
        })
    }

    /// How many processes there are.
    pub fn size(&self) -> usize {
        self.processes.len()
    }

    /// Ends all of them, the edge first.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        while let Some(mut process) = self.processes.pop() {
            installation::stop(&mut process).await?;
        }
        Ok(())
    }
}

/// Where every service is.
fn peers(ports: &[u16]) -> Vec<(String, String)> {
    let mut variables = Vec::new();
    for (services, port) in PROCESSES.into_iter().zip(ports) {
        for service in services {
            variables.push((
                format!("OUTCRY_MESH__PEERS__{}", service.to_uppercase()),
                format!("[\"http://127.0.0.1:{port}\"]"),
            ));
        }
    }
    variables
}

async fn until_there(process: &mut Child, log: &Path) -> anyhow::Result<()> {
    let end = Instant::now() + START_MAX;
    loop {
        let said = tokio::fs::read_to_string(log).await?;
        if said.contains(THERE) {
            return Ok(());
        }
        if let Some(status) = process.try_wait()? {
            bail!("a process ended at once with {status}: {said}");
        }
        ensure!(Instant::now() < end, "a process is not there: {said}");
        tokio::time::sleep(LOOK).await;
    }
}

/// Ports nobody listens on at the moment. Held until all are chosen: they differ.
fn free_ports(count: usize) -> anyhow::Result<Vec<u16>> {
    let held: Vec<TcpListener> = (0..count)
        .map(|_| TcpListener::bind("127.0.0.1:0"))
        .collect::<Result<_, _>>()?;
    let ports = held.iter().map(|one| one.local_addr().map(|at| at.port()));
    Ok(ports.collect::<Result<_, _>>()?)
}
