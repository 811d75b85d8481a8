//! A world in which processes run: from the first one to the moment when nothing is under way.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use outcry_contracts::operations::v1::RedriveDeadLettersRequest;
use outcry_contracts::operations::v1::dead_letter_service_client::DeadLetterServiceClient;
use outcry_mesh::{Directory, Rules};
use outcry_service::Clock;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::broker::MemoryExchange;
use crate::clock::SimulatedClock;
use crate::people::People;
use crate::plan::SERVICES;
use crate::process::Site;
use crate::store::MemoryData;
use crate::world::World;

/// Longest a run may take to come to rest, in its own time: payments expire within it.
const REST_MAX: Duration = Duration::from_secs(30 * 60);

/// How often it is looked whether it has.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// A world in which processes run.
pub(crate) struct Running {
    pub(crate) world: World,
    pub(crate) clock: Arc<SimulatedClock>,
    pub(crate) data: BTreeMap<&'static str, MemoryData>,
    pub(crate) exchange: MemoryExchange,
    directory: Directory,
    processes: JoinSet<Option<String>>,
    stops: BTreeMap<(&'static str, usize), CancellationToken>,
    keys: PathBuf,
}

// === impl Running ===

impl Running {
    pub(crate) fn start(
        world: World,
        clock: SimulatedClock,
        data: BTreeMap<&'static str, MemoryData>,
        replicated: &[&'static str],
        keys: PathBuf,
    ) -> Running {
        let clock = Arc::new(clock);
        let ids = Arc::clone(&clock);
        let mut running = Running {
            world,
            directory: Directory::with(Rules::of_the_contract(), move || ids.new_id()),
            clock,
            data,
            exchange: MemoryExchange::new(),
            processes: JoinSet::new(),
            stops: BTreeMap::new(),
            keys,
        };
        for service in SERVICES {
            running.launch(service, 0);
        }
        for service in replicated {
            running.launch(service, 1);
        }
        running
    }

    fn launch(&mut self, service: &'static str, number: usize) {
        let site = Site {
            service,
            number,
            world: self.world.clone(),
            clock: Arc::clone(&self.clock),
            data: self.data.get(service).cloned().unwrap_or_default(),
            exchange: self.exchange.clone(),
            first: self.directory.clone(),
            keys: self.keys.clone(),
        };
        let stop = CancellationToken::new();
        self.stops.insert((service, number), stop.clone());
        self.processes.spawn(site.keep_running(stop));
    }

    pub(crate) fn people(&self, users: Vec<String>) -> People {
        People::new(self.directory.clone(), Arc::clone(&self.clock), users)
    }

    /// Waits until every service can be called.
    pub(crate) async fn wait_until_reachable(&self) -> Result<(), String> {
        let end = Instant::now() + REST_MAX;
        loop {
            let here = self.directory.local_names();
            let missing = SERVICES
                .iter()
                .find(|service| !here.iter().any(|name| name == *service));
            let Some(missing) = missing else {
                return Ok(());
            };
            if Instant::now() > end {
                return Err(format!("{missing} does not come up"));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Waits until nothing is under way.
    pub(crate) async fn rest(&mut self) -> Result<(), String> {
        self.wait_until_reachable().await?;
        let end = Instant::now() + REST_MAX;
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let Some(what) = self.under_way().await else {
                return Ok(());
            };
            if Instant::now() > end {
                return Err(format!("I14: does not come to rest: {what}"));
            }
        }
    }

    /// What is under way still, if anything.
    async fn under_way(&self) -> Option<String> {
        for (service, data) in &self.data {
            let unsent = data.unsent_count();
            if unsent > 0 {
                return Some(format!("{unsent} events of {service} are unsent"));
            }
        }
        for group in self.exchange.groups() {
            if group.lag > 0 {
                return Some(format!("{} has {} events to handle", group.name, group.lag));
            }
        }
        for (service, data) in &self.data {
            if let Some(parked) = data.parked().first() {
                self.redrive(service).await;
                return Some(format!("{service} has parked events, first {parked:?}"));
            }
        }
        let findings = match self.findings().await {
            Ok(findings) => findings,
            Err(error) => return Some(error.to_string()),
        };
        let pending = findings.pending.iter().next();
        pending.map(|(what, count)| format!("{count} × {what}"))
    }

    /// Has parked events handled again: what they waited for may have come.
    async fn redrive(&self, service: &'static str) {
        let people = self.people(Vec::new());
        let letters = DeadLetterServiceClient::new(people.admin(service));
        let ask = RedriveDeadLettersRequest {
            group: service.to_owned(),
            ..RedriveDeadLettersRequest::default()
        };
        let call = |ask| {
            let mut letters = letters.clone();
            async move { letters.redrive_dead_letters(ask).await }
        };
        people.asked("RedriveDeadLetters", ask, call).await;
    }

    /// Ends the venue's process and starts another one.
    pub(crate) async fn restart_the_venue(&mut self) -> Result<(), String> {
        if let Some(stop) = self.stops.remove(&("trades", 0)) {
            stop.cancel();
        }
        // The new process waits for what the old one held.
        tokio::time::sleep(LOOK_EVERY).await;
        self.launch("trades", 0);
        self.wait_until_reachable().await
    }

    /// Why a process ended that should not have.
    pub(crate) async fn broken(&mut self) -> Option<String> {
        while let Some(ended) = self.processes.try_join_next() {
            match ended {
                Ok(None) => {}
                Ok(Some(problem)) => return Some(problem),
                Err(error) => return Some(error.to_string()),
            }
        }
        None
    }
}
