//! One run of a plan: people act, things break, everything heals, and then all must be right.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use outcry_contracts::users::v1::RegisterRequest;
use outcry_contracts::users::v1::user_service_client::UserServiceClient;
use outcry_service::Clock;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::clock::{BEGINNING, SimulatedClock};
use crate::people::{DATE_AFTER, People};
use crate::plan::{Act, Deed, Plan, SERVICES, SYMBOLS, USERS, Weather};
use crate::running::Running;
use crate::sabotage::Bug;
use crate::store::MemoryData;
use crate::world::{Survived, World};

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
                let deed = Deed::Deposit(CASH);
                let at = Duration::ZERO;
                people.act(&Act { at, user, deed }).await;
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
/// one channel is woken first is one. Built without `--cfg tokio_unstable`, those are left to chance.
fn runtime(seed: u64) -> std::io::Result<tokio::runtime::Runtime> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    #[cfg(tokio_unstable)]
    builder.rng_seed(tokio::runtime::RngSeed::from_bytes(&seed.to_le_bytes()));
    #[cfg(not(tokio_unstable))]
    let _ = seed;
    builder.enable_time().start_paused(true).build()
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
