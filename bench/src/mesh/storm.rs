//! A chain of services whose last one fails for a while: how much is repeated, and how soon it is over.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;
use tonic::{Code, Request, Status};

use super::Setting;
use super::callers::{Tally, paced};
use super::desk::Desk;
use super::service::{Ask, Calls, Client, Items, Method, Told};
use super::side::{Kind, Replica, Side};
use super::table::Row;

const RIG: &str = "storm";

const HOPS: usize = 4;

/// Calls a second at the top. Repeated three times at each hop, they are 81 times as many at the bottom.
const RATE: u32 = 100;
const NAIVE_RATE: u32 = 5;

/// How long a call may take.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Attempts of one who repeats without a thought.
const NAIVE_ATTEMPTS: usize = 3;

/// Repetitions a second that a budget allows even without calls.
const FLOOR: f64 = 10.0;

/// Attempts at the bottom for each call at the top, without the floor.
const RATIO_MAX: f64 = 1.2;

/// From the return of the last service to when calls succeed.
const RECOVERED_WITHIN: Duration = Duration::from_secs(2);

/// How long all is well, before and after.
const WELL: Duration = Duration::from_secs(5);

/// How many times as long as other parts the failure lasts; ten seconds when they take three.
const FAILURE: (u32, u32) = (10, 3);

struct Outcome {
    calls: usize,
    attempts: usize,
    /// How long the failure lasted.
    failure: Duration,
    /// From its end to the last call that failed.
    recovered: Duration,
}

/// All measures.
pub async fn measure(setting: &Setting) -> anyhow::Result<Vec<Row>> {
    let [bare, outcry] = setting.sides()?;
    let failure = setting.length * FAILURE.0 / FAILURE.1;
    let bare = run(&bare, NAIVE_RATE, failure).await?;
    let outcry = run(&outcry, RATE, failure).await?;
    let seconds = outcry.failure.as_secs_f64();
    let floor = FLOOR * seconds;
    let allowed = ratio(outcry.calls) * RATIO_MAX + floor;
    let is_calm = ratio(outcry.attempts) <= allowed;
    let has_recovered = outcry.recovered < RECOVERED_WITHIN;
    Ok(vec![
        Row::judged(
            RIG,
            format!("{HOPS} hops, last one down {seconds:.0} s: attempts there per call"),
            [&bare, &outcry].map(|one| {
                let each = ratio(one.attempts) / ratio(one.calls);
                format!("{each:.2} ({} of {})", one.attempts, one.calls)
            }),
            format!("<= {RATIO_MAX} (+{FLOOR}/s: {allowed:.0})"),
            is_calm,
        ),
        Row::judged(
            RIG,
            "last failed call after its return",
            [&bare, &outcry].map(|one| format!("{} ms", one.recovered.as_millis())),
            "< 2 s",
            has_recovered,
        ),
    ])
}

async fn run(side: &Side, rate: u32, failure: Duration) -> anyhow::Result<Outcome> {
    let last = Desk::new();
    let (client, _replicas) = chain(side, &last).await?;
    let stop = CancellationToken::new();
    let load = tokio::spawn(paced(client, Method::Read, rate, TIMEOUT, stop.clone()));
    tokio::time::sleep(WELL).await;
    let (before, begun) = (last.arrived(), Instant::now());
    last.fail(Code::Unavailable);
    tokio::time::sleep(failure).await;
    let (attempts, ended) = (last.arrived() - before, Instant::now());
    last.fail(Code::Ok);
    tokio::time::sleep(WELL).await;
    stop.cancel();
    let tally: Tally = load.await?;
    let meanwhile = |at: &Instant| (begun..ended).contains(at);
    let answered = tally
        .answered
        .iter()
        .filter(|(at, _)| meanwhile(at))
        .count();
    let failed = tally.failed.iter().filter(|(at, _)| meanwhile(at)).count();
    let latest = tally
        .failed
        .iter()
        .map(|(at, _)| *at)
        .max()
        .unwrap_or(ended);
    Ok(Outcome {
        calls: answered + failed,
        attempts,
        failure: ended - begun,
        recovered: latest.saturating_duration_since(ended),
    })
}

/// Services of which each calls the next, down to this one.
async fn chain(side: &Side, last: &Arc<Desk>) -> anyhow::Result<(Client, Vec<Replica>)> {
    let mut replicas = vec![side.start(last).await?];
    let mut client = client_of(side, &replicas[0])?;
    for _ in 1..HOPS {
        let replica = side.start(&Desk::between(client, None)).await?;
        client = client_of(side, &replica)?;
        replicas.push(replica);
    }
    Ok((client, replicas))
}

/// Tonic repeats nothing by itself, so its callers do.
fn client_of(side: &Side, replica: &Replica) -> anyhow::Result<Client> {
    let client = side.client(&[replica.address])?;
    Ok(match side.kind {
        Kind::Plain | Kind::Tls => Arc::new(Naive(client)),
        Kind::Outcry => client,
    })
}

/// Repeats whatever fails, at once.
struct Naive(Client);

#[tonic::async_trait]
impl Calls for Naive {
    async fn call(&self, method: Method, request: Request<Ask>) -> Result<Told, Status> {
        let ask = request.into_inner();
        let mut answer = self.0.call(method, Request::new(ask.clone())).await;
        for _ in 1..NAIVE_ATTEMPTS {
            if answer.is_ok() {
                break;
            }
            answer = self.0.call(method, Request::new(ask.clone())).await;
        }
        answer
    }

    async fn watch(&self, request: Request<Ask>) -> Result<Items, Status> {
        self.0.watch(request).await
    }
}

fn ratio(count: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    let count = count as f64;
    count
}
