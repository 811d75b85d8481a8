//! An endpoint that is not there, and one that goes away under load.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::Setting;
use super::callers::{Tally, paced, steady};
use super::child::Process;
use super::desk::Desk;
use super::service::Method;
use super::side::Side;
use super::table::Row;

const RIG: &str = "dead";

/// Callers of the one that was never there.
const CALLERS: usize = 8;

/// Processes of which one is killed, and calls a second meanwhile.
const PROCESSES: usize = 3;
const RATE: u32 = 2_000;

/// How long a call may take.
const TIMEOUT: Duration = Duration::from_secs(2);

/// From the death of an endpoint to when everybody must have noticed it.
const NOTICED_WITHIN: Duration = Duration::from_millis(500);

/// All measures.
pub async fn measure(setting: &Setting) -> anyhow::Result<Vec<Row>> {
    let [bare, outcry] = setting.sides()?;
    let tallies = [
        one_of_two(&bare, setting).await?,
        one_of_two(&outcry, setting).await?,
    ];
    let is_clean = tallies[1].failed.is_empty();
    let never_there = Row::judged(
        RIG,
        "1 of 2 never there: failed calls",
        tallies.map(|tally| {
            let (failed, calls) = (tally.failed.len(), tally.calls());
            format!("{failed} of {calls} ({:.1}%)", tally.failed_percent())
        }),
        "0",
        is_clean,
    );
    let killed = [
        one_is_killed(&bare, setting).await?,
        one_is_killed(&outcry, setting).await?,
    ];
    let is_clean = killed[1].0.failed.is_empty();
    let killed = Row::judged(
        RIG,
        format!("1 of {PROCESSES} killed at {RATE} calls/s: failed calls"),
        killed.map(|(tally, at)| {
            let (failed, calls) = (tally.failed.len(), tally.calls());
            let later = tally.failed_since(at + NOTICED_WITHIN);
            format!("{failed} of {calls}, {later} of them begun after 0.5 s")
        }),
        "0",
        is_clean,
    );
    Ok(vec![never_there, killed])
}

/// One endpoint of two was never there.
async fn one_of_two(side: &Side, setting: &Setting) -> anyhow::Result<Tally> {
    let replica = side.start(&Desk::new()).await?;
    let client = side.client(&[replica.address, nobody().await?])?;
    steady(&client, Method::Read, CALLERS, setting.length).await
}

/// An address at which nobody listens.
async fn nobody() -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    Ok(listener.local_addr()?)
}

/// One process is killed under load; the calls, and when it was.
async fn one_is_killed(side: &Side, setting: &Setting) -> anyhow::Result<(Tally, Instant)> {
    let (mut processes, mut addresses) = (Vec::new(), Vec::new());
    for _ in 0..PROCESSES {
        let mut process = Process::start(side)?;
        addresses.extend(process.addresses("serve 1").await?);
        processes.push(process);
    }
    let client = side.client(&addresses)?;
    let stop = CancellationToken::new();
    let load = tokio::spawn(paced(client, Method::Read, RATE, TIMEOUT, stop.clone()));
    tokio::time::sleep(setting.length / 2).await;
    let killed = Instant::now();
    processes.swap_remove(0).kill().await?;
    tokio::time::sleep(setting.length / 2 + NOTICED_WITHIN).await;
    stop.cancel();
    Ok((load.await?, killed))
}
