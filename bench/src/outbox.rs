//! Whether a commit that waits holds up events of other keys on their way out of the outbox.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use outcry_broker::{RabbitMq, RabbitOptions};
use outcry_store::postgres::key_lock;
use outcry_store::{PostgresDatabase, PostgresOptions, PostgresStore, ReadAll, Store};
use tokio_postgres::Client;

use crate::arrivals::Arrivals;
use crate::database::connect;
use crate::load::{KEYS, Load, Made, SERVICE, WRITERS, symbol};
use crate::peer::{Peer, Program};
use crate::percentile::{milliseconds, percentile};

/// Relays that share the outbox.
const RELAYS: usize = 4;

/// How often it is measured without and with a key that is held.
const ROUNDS: usize = 2;

/// The key that is held.
const A: u32 = 0;

/// By how much the medians must not differ.
const DIFFERENCE_MAX: Duration = Duration::from_millis(50);

/// How long there is load before anything is measured: the relays share their slots, connections
/// are made, caches fill.
const WARM_UP: Duration = Duration::from_secs(8);

/// How long the last events may take to arrive.
const ARRIVE_MAX: Duration = Duration::from_secs(60);

/// How often they are looked for.
const LOOK: Duration = Duration::from_millis(20);

/// How much longer than a key is held a commit of it may wait.
const SPARE: Duration = Duration::from_secs(60);

/// Settings of the measurement.
#[derive(clap::Args)]
pub struct Arguments {
    /// How long each of the four parts takes, and in two of them the transaction that holds the key
    #[arg(long, default_value_t = 60)]
    seconds: u64,
}

/// A part of the measurement.
struct Part {
    is_held: bool,
    begun: Instant,
    ended: Instant,
    /// Events of A that arrived meanwhile.
    of_a: usize,
}

/// Measures and prints; fails when the difference is too large or the order is wrong.
pub async fn measure(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let (postgres, rabbit) = tokio::try_join!(
        outcry_servers::Postgres::start(),
        outcry_servers::RabbitMq::start()
    )?;
    let length = Duration::from_secs(arguments.seconds);
    let store = open(&postgres.url(), length).await?;
    let broker = RabbitMq::connect(RabbitOptions::new(rabbit.url(), "listener")).await?;
    let arrivals = Arrivals::listen(&broker).await?;
    let relay = [
        ("postgres", postgres.url()),
        ("amqp", rabbit.url().to_owned()),
    ];
    let mut relays = Vec::new();
    for _ in 0..RELAYS {
        relays.push(Peer::start(&Program::ours()?, "outbox-relay", &relay).await?);
    }

    let load = Load::start(&store);
    tokio::time::sleep(WARM_UP).await;
    let holder = Holder::connect(&postgres.url()).await?;
    let mut parts = Vec::new();
    for number in 0..2 * ROUNDS {
        let is_held = number % 2 == 1;
        println!(
            "part {} of {}: {} s {} key A held",
            number + 1,
            2 * ROUNDS,
            length.as_secs(),
            if is_held { "with" } else { "without" }
        );
        let part = run_part(is_held, length, &holder, &store, &arrivals).await?;
        parts.push(part);
        // The commits that waited are not part of what comes next.
        all_arrive(&load.made(), &arrivals).await?;
    }
    let made = load.stop().await?;
    all_arrive(&made, &arrivals).await?;
    for relay in relays {
        relay.stop().await?;
    }

    check_order(&store, &arrivals, made.len()).await?;
    Ok(judge(&parts, &made, &arrivals))
}

/// The store of the writers, whose commits may wait as long as a key is held.
async fn open(url: &str, held: Duration) -> anyhow::Result<Arc<PostgresStore>> {
    let options = PostgresOptions {
        connections: (KEYS * WRITERS) as usize + 4,
        statement_timeout: held + SPARE,
        lock_timeout: held + SPARE,
        ..PostgresOptions::default()
    };
    let database = PostgresDatabase::connect(url, options).await?;
    Ok(Arc::new(PostgresStore::open(&database, SERVICE).await?))
}

async fn run_part(
    is_held: bool,
    length: Duration,
    holder: &Holder,
    store: &PostgresStore,
    arrivals: &Arrivals,
) -> anyhow::Result<Part> {
    if is_held {
        holder.hold(store.schema(), &symbol(A)).await?;
        // What of A was committed before has to arrive before it is counted.
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let count = || arrivals.seen().by_key.get(&symbol(A)).map_or(0, Vec::len);
    let (before, begun) = (count(), Instant::now());
    tokio::time::sleep(length).await;
    let (ended, of_a) = (Instant::now(), count() - before);
    if is_held {
        holder.let_go().await?;
        ensure!(of_a == 0, "commits of a held key did not wait");
    }
    Ok(Part {
        is_held,
        begun,
        ended,
        of_a,
    })
}

/// Somebody whose transaction is open.
struct Holder {
    client: Client,
}

// === impl Holder ===

impl Holder {
    async fn connect(url: &str) -> anyhow::Result<Self> {
        let client = connect(url).await?;
        Ok(Self { client })
    }

    async fn hold(&self, schema: &str, key: &str) -> anyhow::Result<()> {
        self.client.batch_execute("BEGIN").await?;
        let lock = "SELECT pg_advisory_xact_lock(hashtext($1), hashtext($2))";
        self.client
            .execute(lock, &[&schema, &key_lock(key)])
            .await?;
        Ok(())
    }

    async fn let_go(&self) -> anyhow::Result<()> {
        self.client.batch_execute("COMMIT").await?;
        Ok(())
    }
}

/// Waits until everything committed has arrived.
async fn all_arrive(made: &[Made], arrivals: &Arrivals) -> anyhow::Result<()> {
    let deadline = Instant::now() + ARRIVE_MAX;
    loop {
        let missing = {
            let seen = arrivals.seen();
            made.iter()
                .filter(|made| !seen.at.contains_key(&made.event))
                .count()
        };
        if missing == 0 {
            return Ok(());
        }
        ensure!(
            Instant::now() < deadline,
            "{missing} events have not arrived"
        );
        tokio::time::sleep(LOOK).await;
    }
}

/// Whether the events of every key arrived in the order of their commits, and all of them did.
async fn check_order(
    store: &PostgresStore,
    arrivals: &Arrivals,
    made: usize,
) -> anyhow::Result<()> {
    let mut checked = 0;
    for key in 0..KEYS {
        let filter = ReadAll {
            partition_key: Some(symbol(key)),
            limit: usize::MAX,
            ..ReadAll::default()
        };
        let rows = store.read_all(&filter).await?;
        let committed: Vec<_> = rows.iter().map(|row| row.event.id()).collect();
        let seen = arrivals.seen();
        let arrived = seen
            .by_key
            .get(&symbol(key))
            .context("a key did not arrive")?;
        ensure!(
            *arrived == committed,
            "{} arrived in another order",
            symbol(key)
        );
        checked += arrived.len();
    }
    ensure!(
        checked == made,
        "{checked} of {made} events are in the store"
    );
    println!("order: {checked} events of {KEYS} keys arrived once in the order of their commits");
    Ok(())
}

/// Prints what was measured, and judges it.
fn judge(parts: &[Part], made: &[Made], arrivals: &Arrivals) -> ExitCode {
    println!(
        "part     key A   events      median         p99     longest  commit median  A arrived"
    );
    for (number, part) in parts.iter().enumerate() {
        let delays = Delays::of(&[part], made, arrivals);
        println!(
            "{:>4}  {}  {:>9}",
            number + 1,
            delays.line(part.is_held),
            part.of_a
        );
    }
    let [free, held] = [false, true].map(|is_held| {
        let parts: Vec<_> = parts
            .iter()
            .filter(|part| part.is_held == is_held)
            .collect();
        let delays = Delays::of(&parts, made, arrivals);
        println!(" all  {}", delays.line(is_held));
        delays
    });
    let difference = held.median() - free.median();
    let is_fine = difference.abs() < milliseconds(DIFFERENCE_MAX);
    println!(
        "difference of the medians: {difference:+.2} ms, {} {} ms",
        if is_fine { "below" } else { "not below" },
        DIFFERENCE_MAX.as_millis()
    );
    if is_fine {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// How long events of other keys than A took, in milliseconds, sorted.
struct Delays {
    /// From the beginning of the commit to the delivery.
    whole: Vec<f64>,
    /// Of that, the commit.
    commit: Vec<f64>,
}

// === impl Delays ===

impl Delays {
    /// Those of commits begun during these parts.
    fn of(parts: &[&Part], made: &[Made], arrivals: &Arrivals) -> Self {
        let seen = arrivals.seen();
        let is_within = |at| {
            parts
                .iter()
                .any(|part| (part.begun..part.ended).contains(&at))
        };
        let wanted = made
            .iter()
            .filter(|made| made.key != A && is_within(made.begun));
        let (mut whole, mut commit): (Vec<_>, Vec<_>) = wanted
            .filter_map(|made| {
                let arrived = seen.at.get(&made.event)?;
                let since = |at: Instant| milliseconds(at.duration_since(made.begun));
                Some((since(*arrived), since(made.answered)))
            })
            .unzip();
        whole.sort_by(f64::total_cmp);
        commit.sort_by(f64::total_cmp);
        Self { whole, commit }
    }

    fn median(&self) -> f64 {
        percentile(&self.whole, 50)
    }

    fn line(&self, is_held: bool) -> String {
        format!(
            "{:>8}  {:>7}  {:>7.2} ms  {:>7.2} ms  {:>7.2} ms  {:>10.2} ms",
            if is_held { "held" } else { "free" },
            self.whole.len(),
            self.median(),
            percentile(&self.whole, 99),
            percentile(&self.whole, 100),
            percentile(&self.commit, 50),
        )
    }
}
