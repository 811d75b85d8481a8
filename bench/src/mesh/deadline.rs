//! A deadline that goes through four hops, of which the last does not answer in time.

use std::time::{Duration, Instant};

use futures::StreamExt;
use tonic::{Code, Request, Status};

use super::Setting;
use super::callers::ask;
use super::desk::{Desk, Note, Notes};
use super::service::{Client, Items, Method};
use super::side::{Replica, Side};
use super::table::Row;
use crate::percentile::milliseconds;

const RIG: &str = "deadline";

/// The time the caller has.
const DEADLINE: Duration = Duration::from_millis(100);

/// What the last hop would take.
const WORK: Duration = Duration::from_secs(1);

/// How far from the deadline the caller may be told.
const TOLERANCE: Duration = Duration::from_millis(15);

/// From the deadline to the end of the last handler.
const GONE_WITHIN: Duration = Duration::from_millis(20);

const HOPS: usize = 4;

/// Tries of each kind; the worst one is told.
const TRIES: usize = 5;

/// How long a stream that does not end is read.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long handlers are waited for.
const AFTERMATH: Duration = Duration::from_millis(1_500);

/// Between two looks at the handlers.
const LOOK: Duration = Duration::from_millis(5);

/// What became of a call.
#[derive(Clone)]
struct Outcome {
    code: Code,
    took: Duration,
    /// The time each hop was given.
    budgets: Vec<Option<Duration>>,
    /// From the deadline to the end of the last handler; none when one did not end.
    gone: Option<Duration>,
}

/// Four services of which each calls the next.
struct Chain {
    client: Client,
    notes: Notes,
    _replicas: Vec<Replica>,
}

/// All measures.
pub async fn measure(setting: &Setting) -> anyhow::Result<Vec<Row>> {
    let [bare, outcry] = setting.sides()?;
    let [bare, outcry] = [Chain::of(&bare).await?, Chain::of(&outcry).await?];
    let mut rows = Vec::new();
    for kind in ["call", "stream"] {
        let outcomes = [
            bare.worst(kind == "stream").await,
            outcry.worst(kind == "stream").await,
        ];
        rows.extend(judge(kind, &outcomes));
    }
    Ok(rows)
}

fn judge(kind: &str, outcomes: &[Outcome; 2]) -> [Row; 3] {
    let outcry = &outcomes[1];
    let in_time = outcry.took.abs_diff(DEADLINE) <= TOLERANCE;
    [
        Row::judged(
            RIG,
            format!("{kind} over {HOPS} hops with 100 ms: the caller is told"),
            outcomes.each_ref().map(Outcome::told),
            "DeadlineExceeded at 100±15 ms",
            outcry.code == Code::DeadlineExceeded && in_time,
        ),
        Row::judged(
            RIG,
            format!("{kind}: ms each hop was given"),
            outcomes.each_ref().map(Outcome::given),
            "each less than the one before",
            outcry.shrinks(),
        ),
        Row::judged(
            RIG,
            format!("{kind}: last handler gone, after the deadline"),
            outcomes.each_ref().map(|one| match one.gone {
                Some(gone) => format!("{:.1} ms", milliseconds(gone)),
                None => format!("not within {} ms", AFTERMATH.as_millis()),
            }),
            "<= 20 ms",
            outcry.gone.is_some_and(|gone| gone <= GONE_WITHIN),
        ),
    ]
}

// === impl Chain ===

impl Chain {
    async fn of(side: &Side) -> anyhow::Result<Self> {
        let notes = Notes::default();
        let mut replicas = vec![side.start(&Desk::last(WORK, HOPS, notes.clone())).await?];
        let mut client = side.client(&[replicas[0].address])?;
        for hop in (1..HOPS).rev() {
            let desk = Desk::between(client, Some((hop, notes.clone())));
            let replica = side.start(&desk).await?;
            client = side.client(&[replica.address])?;
            replicas.push(replica);
        }
        // Connections are made by the first call, which has time.
        let mut request = Request::new(ask());
        request.set_timeout(WORK * 2);
        client.call(Method::Read, request).await?;
        Ok(Self {
            client,
            notes,
            _replicas: replicas,
        })
    }

    /// The worst of some tries: the one after which handlers went on longest, else the one that took longest.
    async fn worst(&self, is_stream: bool) -> Outcome {
        let mut worst: Option<Outcome> = None;
        for _ in 0..TRIES {
            let outcome = self.attempt(is_stream).await;
            let badness = |one: &Outcome| {
                let is_wrong = one.code != Code::DeadlineExceeded;
                let is_open = one.gone.is_none();
                (is_wrong, !one.shrinks(), is_open, one.took, one.gone)
            };
            if worst
                .as_ref()
                .is_none_or(|worst| badness(&outcome) > badness(worst))
            {
                worst = Some(outcome);
            }
        }
        worst.unwrap_or(Outcome {
            code: Code::Unknown,
            took: Duration::ZERO,
            budgets: Vec::new(),
            gone: None,
        })
    }

    async fn attempt(&self, is_stream: bool) -> Outcome {
        self.notes.clear();
        let mut request = Request::new(ask());
        request.set_timeout(DEADLINE);
        let begun = Instant::now();
        let ended = if is_stream {
            let stream = self.client.watch(request).await;
            match stream {
                Ok(stream) => tokio::time::timeout(PATIENCE, end_of(stream)).await,
                Err(status) => Ok(status),
            }
        } else {
            let answer = self.client.call(Method::Read, request).await;
            Ok(answer.err().unwrap_or_else(|| Status::ok("")))
        };
        let took = begun.elapsed();
        // A stream that did not end has no status; `Ok` stands for it.
        let code = ended.map_or(Code::Ok, |status| status.code());
        let deadline = begun + DEADLINE;
        let gone = self.all_gone().await;
        let mut notes = self.notes.all();
        notes.sort_by_key(|note| note.hop);
        Outcome {
            code,
            took,
            budgets: notes.iter().map(|note| note.budget).collect(),
            gone: gone.map(|gone| gone.saturating_duration_since(deadline)),
        }
    }

    /// When the last handler was gone, if all are within some time.
    async fn all_gone(&self) -> Option<Instant> {
        let patience = Instant::now() + AFTERMATH;
        while Instant::now() < patience {
            let notes = self.notes.all();
            let gone: Option<Vec<Instant>> = notes.iter().map(|note: &Note| note.gone).collect();
            if let Some(gone) = gone {
                return gone.into_iter().max();
            }
            tokio::time::sleep(LOOK).await;
        }
        None
    }
}

/// The status a stream ends with.
async fn end_of(mut stream: Items) -> Status {
    loop {
        match stream.next().await {
            Some(Ok(_)) => {}
            Some(Err(status)) => return status,
            None => return Status::ok(""),
        }
    }
}

// === impl Outcome ===

impl Outcome {
    fn told(&self) -> String {
        let took = milliseconds(self.took);
        if self.code == Code::Ok {
            return format!("nothing within {took:.0} ms");
        }
        format!("{:?} at {took:.1} ms", self.code)
    }

    fn given(&self) -> String {
        let texts = self.budgets.iter().map(|budget| match budget {
            Some(budget) => format!("{:.1}", milliseconds(*budget)),
            None => "any".to_owned(),
        });
        texts.collect::<Vec<_>>().join(" > ")
    }

    /// Whether all hops were given a time, and each less than the one before.
    fn shrinks(&self) -> bool {
        let given: Option<Vec<Duration>> = self.budgets.iter().copied().collect();
        given.is_some_and(|given| given.len() == HOPS && given.is_sorted_by(|one, next| one > next))
    }
}
