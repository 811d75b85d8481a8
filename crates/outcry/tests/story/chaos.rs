//! Everything is killed, frozen and cut off, again and again, while a market trades: nothing is
//! lost, nothing happens twice, nothing of a key overtakes.

use std::process::Child;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::backbone::Backbone;
use super::cluster::Cluster;
use super::distributed::turn;
use super::observer::{Observer, Verdict};
use super::outcry::complaint;
use super::recording::{self, Dice};

/// Kills of each kind, and shortest time of chaos.
const ROUNDS: u64 = 10;
const CHAOS_MIN: Duration = Duration::from_secs(60);

/// How long a replica is frozen: longer than its leases last.
const FROZEN: Duration = Duration::from_secs(7);

/// Longest wait between two blows.
const MOMENT_MAX_MS: u64 = 2_000;

/// Every which round a replica is frozen.
const FROZEN_EVERY: u64 = 3;

/// Messages of the recording: far more than are played meanwhile.
const MESSAGES: usize = 20_000;

/// Names the variable that makes the blows of an earlier run happen again.
const SEED: &str = "CHAOS_SEED";

/// What was done to the platform.
#[derive(Debug, Default)]
struct Blows {
    services_killed: u64,
    rabbit_killed: u64,
    postgres_killed: u64,
    frozen: u64,
    cut: u64,
    ended_by_themselves: u64,
}

/// A replay that is started again whenever it gives up.
struct Market {
    arguments: Vec<String>,
    player: Child,
    restarts: u64,
}

// === impl Market ===

impl Market {
    fn open(cluster: &Cluster, seed: u64) -> Self {
        let file = recording::write(cluster.outcry.folder(), seed, MESSAGES);
        let arguments = ["replay", file.to_str().unwrap(), "--json"];
        Self {
            player: cluster.outcry.spawn(&arguments),
            arguments: arguments.map(str::to_owned).into(),
            restarts: 0,
        }
    }

    /// Starts the replay again if it gave up. It never comes to its end.
    fn keep_open(&mut self, cluster: &Cluster) {
        let Some(status) = self.player.try_wait().unwrap() else {
            return;
        };
        assert!(!status.success(), "the market ended before the chaos did");
        let arguments: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        let next = cluster.outcry.spawn(&arguments);
        let failed = std::mem::replace(&mut self.player, next);
        println!(
            "the replay gave up: {}",
            complaint(&failed.wait_with_output().unwrap()).trim()
        );
        self.restarts += 1;
    }
}

impl Drop for Market {
    fn drop(&mut self) {
        let _killed = self.player.kill();
        let _ended = self.player.wait();
    }
}

fn seed() -> u64 {
    match std::env::var(SEED) {
        Ok(seed) => seed.parse().expect("a number"),
        Err(_) => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
            u64::from(now.subsec_nanos())
        }
    }
}

fn moment(dice: &mut Dice) {
    // Not waiting for anything: the point is to strike at a moment nobody chose.
    std::thread::sleep(Duration::from_millis(dice.below(MOMENT_MAX_MS)));
}

/// One blow of each kind, in an order nobody chose.
fn strike(backbone: &Backbone, cluster: &mut Cluster, dice: &mut Dice, blows: &mut Blows) {
    let mut kinds = [0, 1, 2, 3, 4];
    for place in (1..kinds.len()).rev() {
        let other = usize::try_from(dice.below(place as u64 + 1)).unwrap();
        kinds.swap(place, other);
    }
    for kind in kinds {
        moment(dice);
        match kind {
            0 => {
                let index = usize::try_from(dice.below(cluster.size() as u64)).unwrap();
                cluster.kill(index);
                cluster.begin(index);
                blows.services_killed += 1;
            }
            1 => {
                backbone.block_on(async {
                    backbone.rabbit.kill().await.unwrap();
                    backbone.rabbit.restart().await.unwrap();
                });
                blows.rabbit_killed += 1;
            }
            2 => {
                backbone.block_on(async {
                    backbone.postgres.kill().await.unwrap();
                    backbone.postgres.restart().await.unwrap();
                });
                blows.postgres_killed += 1;
            }
            3 => {
                backbone.to_rabbit.cut();
                moment(dice);
                backbone.to_postgres.cut();
                blows.cut += 2;
            }
            _ if blows.services_killed % FROZEN_EVERY != 1 => {}
            _ => {
                let services = ["orders", "trades", "funds", "portfolio"];
                let service = services[usize::try_from(dice.below(4)).unwrap()];
                let number = usize::try_from(dice.below(3)).unwrap();
                let index = cluster.index(service, number);
                cluster.revive();
                cluster.signal(index, "STOP");
                std::thread::sleep(FROZEN);
                cluster.signal(index, "CONT");
                blows.frozen += 1;
            }
        }
        blows.ended_by_themselves += cluster.revive().len() as u64;
    }
}

fn table(blows: &Blows, restarts: u64, took: Duration, sent: u64, verdict: &Verdict) {
    println!(
        "chaos for {} s while {sent} orders were placed",
        took.as_secs()
    );
    let rows = [
        ("services killed (kill -9)", blows.services_killed),
        ("RabbitMQ killed (kill -9)", blows.rabbit_killed),
        ("PostgreSQL killed (kill -9)", blows.postgres_killed),
        ("replicas frozen past their leases", blows.frozen),
        ("connections cut (all of a server)", blows.cut),
        (
            "processes that ended by themselves",
            blows.ended_by_themselves,
        ),
        ("replay started again", restarts),
        ("events committed", verdict.committed),
        ("events lost", verdict.lost),
        ("events seen but not committed", verdict.invented),
        ("keys out of order", verdict.reordered_keys),
        ("repeated deliveries (allowed)", verdict.repeated),
        ("double effects (audit breaches)", 0),
    ];
    for (what, count) in rows {
        println!("  {what:<36} {count:>8}");
    }
}

#[test]
fn under_chaos_nothing_is_lost_doubled_or_reordered() {
    let _turn = turn();
    let Some(backbone) = Backbone::start() else {
        return;
    };
    let seed = seed();
    println!("{SEED}={seed}");
    let mut dice = Dice::new(seed);
    let observer = Observer::begin(&backbone);
    let mut cluster = Cluster::start(&backbone);
    let mut market = Market::open(&cluster, seed);
    let mut blows = Blows::default();

    let begin = Instant::now();
    while blows.services_killed < ROUNDS || begin.elapsed() < CHAOS_MIN {
        strike(&backbone, &mut cluster, &mut dice, &mut blows);
        market.keep_open(&cluster);
    }
    let took = begin.elapsed();
    for index in 0..cluster.size() {
        cluster.until_there(index);
    }
    let restarts = market.restarts;
    drop(market);

    let report = cluster.outcry.quiet_audit_or(|| backbone.queues());
    let verdict = observer.verdict(&backbone);
    let created = report["topics"]
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["topic"] == "order.created")
        .unwrap();
    let sent = created["events"].as_u64().unwrap();
    table(&blows, restarts, took, sent, &verdict);
    assert_eq!((verdict.lost, verdict.invented), (0, 0));
    assert_eq!(verdict.reordered_keys, 0);
    cluster.stop_all();
}
