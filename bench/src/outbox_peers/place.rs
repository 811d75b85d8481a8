//! Where a run happens: a database and a virtual host that nothing has happened in, and somebody who
//! listens.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use outcry_broker::{Broker as _, Group, RabbitMq, RabbitOptions};
use outcry_servers::Postgres;
use tokio_postgres::Client;

use super::subject::{Kind, Sent, Subject};
use crate::database::connect;
use crate::load::TOPIC;
use crate::percentile::milliseconds;
use crate::queue::{Listener, Queues};
use crate::trail::{Arrived, Trail};

/// The queue of peers, for everything that is published.
const QUEUE: &str = "listener";

/// The queue of Outcry's group.
const OUTCRY_QUEUE: &str = "outcry.listener.000";

/// What peers write beside their message.
const TABLE: &str = "CREATE TABLE peer_business (id bigint PRIMARY KEY, note text)";

/// Transactions of a database so far.
const TRANSACTIONS: &str = "
    SELECT (xact_commit + xact_rollback)::bigint FROM pg_stat_database WHERE datname = $1";

/// How often arrivals are looked for.
const LOOK: Duration = Duration::from_millis(20);

/// The servers of all runs.
pub struct Rig {
    postgres: Postgres,
    rabbit: outcry_servers::RabbitMq,
    /// Of another database than any run's: looking is not counted.
    observer: Client,
    places: u32,
}

/// The surroundings of one run.
pub struct Place {
    /// URL of the virtual host.
    pub amqp: String,
    /// URL of the database.
    pub postgres: String,
    name: String,
    listener: Listener,
    _queues: Queues,
}

/// What has arrived in a run.
#[derive(Debug, Default)]
pub struct Arrivals {
    /// In their order: when, in microseconds since 1970, and what.
    pub all: Vec<(u64, Sent)>,
    seen: HashSet<u64>,
}

// === impl Rig ===

impl Rig {
    /// Starts the servers.
    pub async fn start() -> anyhow::Result<Self> {
        let (postgres, rabbit) =
            tokio::try_join!(Postgres::start(), outcry_servers::RabbitMq::start())?;
        let observer = connect(&postgres.url()).await?;
        Ok(Self {
            postgres,
            rabbit,
            observer,
            places: 0,
        })
    }

    /// Surroundings for one run.
    pub async fn place(&mut self, kind: Kind) -> anyhow::Result<Place> {
        self.places += 1;
        let name = format!("{}-{}", kind.label(), self.places);
        let postgres = self.postgres.create_database(&name).await?;
        let amqp = self.rabbit.create_vhost(&name).await?;
        let queues = Queues::connect(&amqp).await?;
        let queue = if kind == Kind::Outcry {
            let broker = RabbitMq::connect(RabbitOptions::new(&amqp, "driver")).await?;
            broker.declare(&group()).await?;
            broker.close().await?;
            OUTCRY_QUEUE
        } else {
            connect(&postgres).await?.batch_execute(TABLE).await?;
            queues.declare(QUEUE, "#").await?;
            QUEUE
        };
        let listener = queues.listen(queue).await?;
        Ok(Place {
            amqp,
            postgres,
            name,
            listener,
            _queues: queues,
        })
    }

    /// Transactions of a run's database within some time.
    pub async fn transactions(&self, place: &Place, length: Duration) -> anyhow::Result<i64> {
        let before = self.counted(place).await?;
        tokio::time::sleep(length).await;
        Ok(self.counted(place).await? - before)
    }

    async fn counted(&self, place: &Place) -> anyhow::Result<i64> {
        let row = self
            .observer
            .query_opt(TRANSACTIONS, &[&place.name])
            .await?;
        Ok(row.context("no such database")?.get(0))
    }
}

/// The group that listens to Outcry's events, with one queue as the peers have one.
fn group() -> Group {
    Group {
        name: "listener",
        topics: vec![TOPIC.to_owned()],
        partitions: 1,
        prefetch: 64,
    }
}

// === impl Place ===

impl Place {
    /// Waits until so many different messages have arrived, or until it takes too long.
    pub async fn arrivals(
        &self,
        subject: &Subject,
        count: usize,
        most: Duration,
    ) -> anyhow::Result<Arrivals> {
        let deadline = Instant::now() + most;
        let mut arrivals = Arrivals::default();
        loop {
            for heard in self.listener.take() {
                let sent = subject.read(&heard)?;
                ensure!(
                    usize::try_from(sent.id)? < count,
                    "message {} of {count} has arrived",
                    sent.id
                );
                arrivals.seen.insert(sent.id);
                arrivals.all.push((heard.at, sent));
            }
            if arrivals.seen.len() >= count || Instant::now() > deadline {
                return Ok(arrivals);
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

// === impl Arrivals ===

impl Arrivals {
    /// What became of so many messages.
    pub fn trail(&self, count: usize) -> Trail {
        let arrived = self.all.iter().map(|(_, sent)| Arrived {
            id: sent.id,
            key: sent.key,
        });
        Trail::of(arrived, count)
    }

    /// From about to be committed to the first arrival, in milliseconds, sorted; without the first
    /// quarter of the messages, in which programs warm up. One that has not arrived took for ever.
    pub fn delays(&self, count: usize) -> Vec<f64> {
        let mut seen = HashSet::new();
        let counts = |sent: &Sent| usize::try_from(sent.id).is_ok_and(|id| id >= count / 4);
        let first = self.all.iter().filter(|(_, sent)| counts(sent));
        let first = first.filter(|(_, sent)| seen.insert(sent.id));
        let mut delays: Vec<f64> = first
            .map(|(at, sent)| milliseconds(Duration::from_micros(at.saturating_sub(sent.at))))
            .collect();
        delays.sort_by(f64::total_cmp);
        delays.resize(count - count / 4, f64::INFINITY);
        delays
    }

    /// Arrivals a second, from the first to the last.
    pub fn per_second(&self) -> f64 {
        let (Some((first, _)), Some((last, _))) = (self.all.first(), self.all.last()) else {
            return f64::NAN;
        };
        let between = self.all.len() - 1;
        crate::sides::number(between) / Duration::from_micros(last - first).as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrivals(all: &[(u64, u64, u64)]) -> Arrivals {
        let all = all.iter();
        Arrivals {
            all: all
                .map(|(at, id, sent)| {
                    let sent = Sent {
                        id: *id,
                        key: 0,
                        at: *sent,
                    };
                    (*at, sent)
                })
                .collect(),
            seen: HashSet::new(),
        }
    }

    #[test]
    fn delays_leave_the_first_quarter_out_and_count_what_never_came() {
        let some = arrivals(&[(9_000, 0, 0), (3_000, 1, 1_000), (9_000, 1, 1_000)]);
        let delays = some.delays(4);
        assert_eq!(delays[0], 2.0);
        assert_eq!(delays[1..], [f64::INFINITY, f64::INFINITY]);
        assert_eq!(some.trail(4).lost, 2);
    }

    #[test]
    fn a_rate_is_that_between_the_first_and_the_last() {
        let some = arrivals(&[(1_000_000, 0, 0), (1_500_000, 1, 0), (2_000_000, 2, 0)]);
        assert_eq!(some.per_second(), 2.0);
        assert!(arrivals(&[]).per_second().is_nan());
    }
}
