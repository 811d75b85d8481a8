//! One run of a plan: people act, things break, everything heals, and then all must be right.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use outcry_audit::{AuditError, Findings, History, Stores, examine};
use outcry_contracts::ledger::v1::ledger_service_client::LedgerServiceClient;
use outcry_contracts::ledger::v1::{ReconcileRequest, VerifyJournalRequest};
use outcry_contracts::operations::v1::RedriveDeadLettersRequest;
use outcry_contracts::operations::v1::dead_letter_service_client::DeadLetterServiceClient;
use outcry_contracts::trades::v1::GetBookRequest;
use outcry_contracts::trades::v1::trade_service_client::TradeServiceClient;
use outcry_contracts::users::v1::RegisterRequest;
use outcry_contracts::users::v1::user_service_client::UserServiceClient;
use outcry_events::SealedEvent;
use outcry_events::topic::topic_matches;
use outcry_mesh::{Directory, Rules};
use outcry_service::Clock;
use outcry_store::Store;
use sha2::{Digest, Sha256};
use tokio::runtime::RngSeed;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::broker::MemoryExchange;
use crate::clock::{BEGINNING, SimulatedClock};
use crate::people::{DATE_AFTER, People};
use crate::plan::{Plan, SERVICES, SYMBOLS, USERS, Weather};
use crate::process::Site;
use crate::sabotage::Bug;
use crate::store::{MemoryData, MemoryStore};
use crate::world::{Survived, World};

/// Longest a run may take to come to rest, in its own time: payments expire within it.
const REST_MAX: Duration = Duration::from_secs(30 * 60);

/// How often it is looked whether it has.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Shares of each symbol that every user begins with.
const SHARES: i64 = 300;

/// Cents that every user begins with.
const CASH: i64 = 3_000_000;

/// How a run ended.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Events that were written.
    pub events: u64,
    /// What the run went through.
    pub survived: Survived,
    /// What is wrong, each with its invariant in front; none when all is right.
    pub breaches: Vec<String>,
    /// Answers people got, by status code.
    pub answers: BTreeMap<i32, u64>,
    /// Every event, a line each, service by service.
    pub log: Vec<String>,
    /// Hash over every event of every service: two runs with the same one went the same way.
    pub digest: [u8; 32],
}

/// A world to begin with: users who have registered, with cash and shares, and nothing under way.
pub struct Base {
    data: BTreeMap<&'static str, MemoryData>,
    users: Vec<String>,
    ended: SystemTime,
    ids: u64,
    keys: tempfile::TempDir,
}

/// Why there is no world to begin with.
#[derive(Debug, thiserror::Error)]
#[error("the world to begin with cannot be made: {0}")]
pub struct NoBase(String);

/// A world in which processes run.
struct Running {
    world: World,
    clock: Arc<SimulatedClock>,
    data: BTreeMap<&'static str, MemoryData>,
    exchange: MemoryExchange,
    directory: Directory,
    processes: JoinSet<Option<String>>,
    stops: BTreeMap<(&'static str, usize), CancellationToken>,
    keys: std::path::PathBuf,
}

// === impl Base ===

impl Base {
    /// Makes it, through the public API.
    ///
    /// # Errors
    /// Something was refused.
    pub fn make() -> Result<Base, NoBase> {
        let failed = |what: &dyn std::fmt::Display| NoBase(what.to_string());
        let keys = tempfile::tempdir().map_err(|error| failed(&error))?;
        let runtime = runtime(0).map_err(|error| failed(&error))?;
        let folder = keys.path().to_owned();
        let (data, users, ended, ids) = runtime.block_on(async move {
            let empty = SERVICES.map(|service| (service, MemoryData::new()));
            let world = World::new(0, Weather::default(), None);
            world.turn_fair();
            let clock = SimulatedClock::new(UNIX_EPOCH + BEGINNING, 1);
            let mut running = Running::start(world, clock, empty.into(), &[], folder);
            running.wait_until_reachable().await.map_err(NoBase)?;
            let people = running.people(Vec::new());
            let mut users = Vec::new();
            for number in 0..USERS {
                users.push(register(&people, &running, number).await.ok_or_else(|| {
                    NoBase(format!("a user was refused: {:?}", people.problems()))
                })?);
            }
            running.rest().await.map_err(NoBase)?;
            for user_id in &users {
                for symbol in SYMBOLS {
                    let id = running.clock.new_id().to_string();
                    if !people.issue(user_id, symbol, SHARES, id).await {
                        return Err(NoBase("shares were not issued".to_owned()));
                    }
                }
            }
            let people = running.people(users.clone());
            for user in 0..USERS {
                let deed = crate::plan::Deed::Deposit(CASH);
                let at = Duration::ZERO;
                people.act(&crate::plan::Act { at, user, deed }).await;
            }
            running.rest().await.map_err(NoBase)?;
            let breaches = running.judge().await;
            if let Some(breach) = breaches.first() {
                return Err(NoBase(breach.clone()));
            }
            let ended = running.clock.now();
            Ok((running.data.clone(), users, ended, running.clock.ids()))
        })?;
        Ok(Base {
            data,
            users,
            // What was leased then has run out.
            ended: ended + Duration::from_secs(60),
            ids,
            keys,
        })
    }

    /// Runs a plan.
    ///
    /// # Errors
    /// The runtime cannot be made.
    pub fn run(&self, plan: &Plan, bug: Option<Bug>) -> std::io::Result<Outcome> {
        fastrand::seed(plan.seed);
        let runtime = runtime(plan.seed)?;
        let outcome = runtime.block_on(self.live(plan, bug));
        // What dead processes left behind is no longer of interest.
        runtime.shutdown_background();
        Ok(outcome)
    }

    async fn live(&self, plan: &Plan, bug: Option<Bug>) -> Outcome {
        let world = World::new(plan.seed, plan.weather, bug);
        world.turn_fair();
        let clock = SimulatedClock::new(self.ended, self.ids);
        let data = self.data.iter();
        let data = data.map(|(service, data)| (*service, data.fork()));
        let folder = self.keys.path().to_owned();
        let mut running = Running::start(
            world.clone(),
            clock,
            data.collect(),
            &plan.replicated,
            folder,
        );
        let before: u64 = running.data.values().map(MemoryData::event_count).sum();
        let people = running.people(self.users.clone());
        let mut breaches = Vec::new();
        if let Err(problem) = running.wait_until_reachable().await {
            breaches.push(format!("start: {problem}"));
        }
        running.exchange.set_faults(Arc::new(world.clone()));
        world.turn_foul();
        act_out(plan, &world, &people).await;
        world.turn_fair();
        // Orders with a date end while the books are not looked at.
        tokio::time::sleep(2 * DATE_AFTER).await;
        for symbol in 0..SYMBOLS.len() {
            people.resume(symbol).await;
        }
        if let Err(problem) = running.rest().await {
            breaches.push(problem);
        }
        breaches.extend(
            people
                .problems()
                .into_iter()
                .map(|what| format!("API: {what}")),
        );
        breaches.extend(running.judge().await);
        breaches.extend(running.compare_books(&people).await);
        if let Some(problem) = running.broken().await {
            breaches.push(format!("process: {problem}"));
        }
        let after: u64 = running.data.values().map(MemoryData::event_count).sum();
        Outcome {
            events: after - before,
            survived: world.survived(),
            breaches,
            answers: people.answers(),
            log: running.log(),
            digest: running.digest(),
        }
    }
}

/// One thread, time that leaps, and choices that follow from the seed: who of several listeners at
/// one channel is woken first is one.
fn runtime(seed: u64) -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .rng_seed(RngSeed::from_bytes(&seed.to_le_bytes()))
        .build()
}

/// Everybody acts and everything breaks, each at its time; ends with the last answer.
async fn act_out(plan: &Plan, world: &World, people: &People) {
    let began = Instant::now();
    let mut acting = JoinSet::new();
    for act in &plan.acts {
        let (act, people) = (act.clone(), people.clone());
        acting.spawn(async move {
            tokio::time::sleep_until(began + act.at).await;
            people.act(&act).await;
        });
    }
    for fault in &plan.faults {
        let (fault, world) = (fault.clone(), world.clone());
        acting.spawn(async move {
            tokio::time::sleep_until(began + fault.at).await;
            world.break_now(fault.what);
        });
    }
    while acting.join_next().await.is_some() {}
}

async fn register(people: &People, running: &Running, number: usize) -> Option<String> {
    let users = UserServiceClient::new(people.admin("users"));
    let ask = RegisterRequest {
        request_id: running.clock.new_id().to_string(),
        email: format!("user{number}@outcry.example"),
        password: "correct horse battery".to_owned(),
        display_name: format!("User {number}"),
    };
    let call = |ask| {
        let mut users = users.clone();
        async move { users.register(ask).await }
    };
    let registered = people.asked("Register", ask, call).await?;
    Some(registered.user?.user_id)
}

// === impl Running ===

impl Running {
    fn start(
        world: World,
        clock: SimulatedClock,
        data: BTreeMap<&'static str, MemoryData>,
        replicated: &[&'static str],
        keys: std::path::PathBuf,
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

    fn people(&self, users: Vec<String>) -> People {
        People::new(self.directory.clone(), Arc::clone(&self.clock), users)
    }

    /// Waits until every service can be called.
    async fn wait_until_reachable(&self) -> Result<(), String> {
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
    async fn rest(&mut self) -> Result<(), String> {
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
            Ok((_, findings)) => findings,
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

    async fn findings(&self) -> Result<(History, Findings), AuditError> {
        let stores: Stores = self
            .data
            .iter()
            .map(|(service, data)| {
                let clock = Arc::clone(&self.clock);
                let time = Arc::new(move || clock.now());
                let store: Arc<dyn Store> = Arc::new(MemoryStore::open(data, time));
                (*service, store)
            })
            .collect();
        examine(&stores).await
    }

    /// Everything that is wrong, by invariant.
    async fn judge(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        match self.findings().await {
            Ok((_, findings)) => {
                let breaches = findings.breaches.iter();
                wrong.extend(breaches.map(|breach| {
                    format!("{}: {}: {}", breach.invariant, breach.subject, breach.what)
                }));
                let pending = findings.pending.iter();
                wrong.extend(pending.map(|(what, count)| {
                    format!("I14: {count} × {what} although nothing is under way")
                }));
            }
            Err(error) => wrong.push(format!("audit: {error}")),
        }
        wrong.extend(self.not_noted());
        let people = self.people(Vec::new());
        let ledger = LedgerServiceClient::new(people.admin("ledger"));
        let call = |ask| {
            let mut ledger = ledger.clone();
            async move { ledger.verify_journal(ask).await }
        };
        match people
            .asked("VerifyJournal", VerifyJournalRequest {}, call)
            .await
        {
            Some(journal) if journal.intact => {}
            other => wrong.push(format!("I1: the journal is not intact: {other:?}")),
        }
        let call = |ask| {
            let mut ledger = ledger.clone();
            async move { ledger.reconcile(ask).await }
        };
        match people.asked("Reconcile", ReconcileRequest {}, call).await {
            Some(found) if found.differences.is_empty() => {}
            other => wrong.push(format!("I1: ledger and custody differ: {other:?}")),
        }
        wrong
    }

    /// Groups that have not noted an event of theirs: they would handle it again.
    fn not_noted(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for group in self.exchange.groups() {
            let Some(data) = self.data.get(group.name.as_str()) else {
                continue;
            };
            let noted: BTreeSet<Uuid> = data.handled(&group.name).into_iter().collect();
            let wants = |event: &SealedEvent| {
                let mut topics = group.topics.iter();
                topics.any(|pattern| topic_matches(pattern, event.topic()))
            };
            let events = self.data.values().flat_map(MemoryData::events);
            let mut missing = events
                .map(|stored| stored.event)
                .filter(|event| wants(event) && !noted.contains(&event.id()));
            if let Some(event) = missing.next() {
                let (name, topic, id) = (&group.name, event.topic(), event.id());
                let more = missing.count();
                wrong.push(format!(
                    "I14: {name} has not noted that it handled {topic} {id}, and {more} more"
                ));
            }
        }
        wrong
    }

    /// Has the venue start again, and compares its books with those before.
    async fn compare_books(&mut self, people: &People) -> Vec<String> {
        let before = books(people).await;
        if let Some(stop) = self.stops.remove(&("trades", 0)) {
            stop.cancel();
        }
        // The new process waits for what the old one held.
        tokio::time::sleep(LOOK_EVERY).await;
        self.launch("trades", 0);
        if let Err(problem) = self.wait_until_reachable().await {
            return vec![format!("I13: {problem}")];
        }
        let after = books(people).await;
        if before == after {
            Vec::new()
        } else {
            vec![format!(
                "I13: books before a restart {before}, after {after}"
            )]
        }
    }

    /// Why a process ended that should not have.
    async fn broken(&mut self) -> Option<String> {
        while let Some(ended) = self.processes.try_join_next() {
            match ended {
                Ok(None) => {}
                Ok(Some(problem)) => return Some(problem),
                Err(error) => return Some(error.to_string()),
            }
        }
        None
    }

    fn log(&self) -> Vec<String> {
        let line = |service, event: &SealedEvent| {
            let since = event.recorded_at().unwrap_or(event.occurred_at());
            let since = since.duration_since(UNIX_EPOCH + BEGINNING);
            format!(
                "{:>12.6} {service} {} {} {}",
                since.unwrap_or_default().as_secs_f64(),
                event.stream(),
                event.sequence(),
                event.topic()
            )
        };
        let events = |(service, data): (&&'static str, &MemoryData)| {
            let service = *service;
            let events = data.events().into_iter();
            events.map(move |stored| line(service, &stored.event))
        };
        self.data.iter().flat_map(events).collect()
    }

    fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        for (service, data) in &self.data {
            hash.update(service.as_bytes());
            for stored in data.events() {
                hash.update(stored.position.to_be_bytes());
                hash.update(stored.event.bytes());
            }
        }
        hash.finalize().into()
    }
}

/// The books of all symbols as text.
async fn books(people: &People) -> String {
    let trades = TradeServiceClient::new(people.admin("trades"));
    let mut books = Vec::new();
    for symbol in SYMBOLS {
        let ask = GetBookRequest {
            symbol: symbol.to_owned(),
            depth: 100,
        };
        let call = |ask| {
            let mut trades = trades.clone();
            async move { trades.get_book(ask).await }
        };
        books.push(format!("{:?}", people.asked("GetBook", ask, call).await));
    }
    books.join("; ")
}
