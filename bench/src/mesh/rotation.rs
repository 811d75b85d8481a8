//! Connections that grow old, certificates that are replaced and processes that restart, all under load.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use tokio_util::sync::CancellationToken;
use tonic::Request;

use super::Setting;
use super::callers::{Tally, ask, paced};
use super::desk::Desk;
use super::identities::Authority;
use super::service::{Ask, Client, Method};
use super::side::{Replica, Side};
use super::table::Row;

const RIG: &str = "rotation";

/// How old a connection gets, and how long calls on it may go on then.
const AGE: Duration = Duration::from_millis(500);
const GRACE: Duration = Duration::from_millis(500);

/// Ages in one run.
const AGES: u32 = 20;

const REPLICAS: usize = 2;

/// How long a call may take.
const TIMEOUT: Duration = Duration::from_secs(2);

/// How long a replica that is asked to stop may take.
const STOP_WITHIN: Duration = Duration::from_secs(4);

/// Pause of the reader of a stream that cannot be opened.
const AGAIN_AFTER: Duration = Duration::from_millis(20);

/// What became of everything.
struct Outcome {
    unary: Tally,
    stream: Reading,
}

/// What the reader of a stream saw.
#[derive(Default)]
struct Reading {
    items: u64,
    /// How often the stream ended and was opened again.
    resumed: u64,
    /// Items that were left out, and items that came again.
    gaps: u64,
    duplicates: u64,
    /// The longest time without an item.
    silence: Duration,
}

/// All measures.
pub async fn measure(setting: &Setting) -> anyhow::Result<Vec<Row>> {
    let [bare, outcry] = setting.sides()?;
    let rate = setting.rate;
    // Bare tonic keeps the certificates it has begun with, so that there is nothing to replace.
    let outcomes = [
        run(&bare, rate, None).await?,
        run(&outcry, rate, Some(setting)).await?,
    ];
    let is_clean = outcomes[1].unary.failed.is_empty();
    let Reading {
        items,
        gaps,
        duplicates,
        ..
    } = outcomes[1].stream;
    Ok(vec![
        Row::judged(
            RIG,
            format!("{AGES} ages of 0.5 s, restarts, {rate} calls/s: failed calls"),
            outcomes.each_ref().map(|one| {
                let codes = one.unary.codes();
                let (failed, calls) = (one.unary.failed.len(), one.unary.calls());
                let codes = if failed == 0 {
                    codes
                } else {
                    format!(": {codes}")
                };
                format!("{failed} of {calls}{codes}")
            }),
            "0",
            is_clean,
        ),
        Row::judged(
            RIG,
            "stream that is resumed: items left out, and twice",
            outcomes.each_ref().map(|one| {
                let Reading {
                    items,
                    gaps,
                    duplicates,
                    resumed,
                    ..
                } = one.stream;
                format!("{gaps} and {duplicates} of {items}, {resumed} resumed")
            }),
            "0",
            items > 0 && gaps == 0 && duplicates == 0,
        ),
        Row::told(
            RIG,
            "stream: longest time without an item",
            outcomes.map(|one| format!("{} ms", one.stream.silence.as_millis())),
        ),
    ])
}

/// Half of the calls may be repeated, half of them must not.
async fn run(side: &Side, rate: u32, certificates: Option<&Setting>) -> anyhow::Result<Outcome> {
    let side = side.aged(AGE, GRACE);
    let desk = Desk::new();
    let mut replicas = Vec::new();
    for _ in 0..REPLICAS {
        replicas.push(side.start(&desk).await?);
    }
    let addresses: Vec<SocketAddr> = replicas.iter().map(|replica| replica.address).collect();
    let client = side.client(&addresses)?;
    let stop = CancellationToken::new();
    let loads = [Method::Read, Method::Write].map(|method| {
        let (client, stop) = (Arc::clone(&client), stop.clone());
        tokio::spawn(paced(client, method, rate / 2, TIMEOUT, stop))
    });
    let reader = tokio::spawn(read(client, stop.clone()));
    let ended = tokio::time::Instant::now() + AGE * AGES;
    let rotated = async {
        match certificates {
            Some(setting) => rotate(&side, setting).await,
            None => Ok(()),
        }
    };
    let (started, ()) = tokio::try_join!(restart_all(replicas, &side, &desk, ended), rotated)?;
    stop.cancel();
    let [reads, writes] = loads;
    let outcome = Outcome {
        unary: Tally::join([reads.await?, writes.await?]),
        stream: reader.await?,
    };
    // Not before: nobody calls any more.
    drop(started);
    Ok(outcome)
}

/// Restarts one after the other; the new ones, when it is over.
async fn restart_all(
    replicas: Vec<Replica>,
    side: &Side,
    desk: &Arc<Desk>,
    ended: tokio::time::Instant,
) -> anyhow::Result<Vec<Replica>> {
    let mut started = Vec::new();
    for replica in replicas {
        tokio::time::sleep(AGE * 3).await;
        let address = replica.address;
        replica.stop(STOP_WITHIN).await?;
        started.push(side.start_at(address, desk).await?);
    }
    tokio::time::sleep_until(ended).await;
    Ok(started)
}

/// Replaces the certificate, then its authority: trusted first, signing next, alone at last.
async fn rotate(side: &Side, setting: &Setting) -> anyhow::Result<()> {
    let (old, new) = (&setting.authority, Authority::new()?);
    let files = &setting.identities;
    let steps: [(&Authority, &[&Authority]); 4] = [
        (old, &[old]),
        (old, &[old, &new]),
        (&new, &[old, &new]),
        (&new, &[&new]),
    ];
    for (signs, trusted) in steps {
        tokio::time::sleep(AGE * AGES / 6).await;
        signs.sign(trusted, files)?;
        side.reload()?;
    }
    Ok(())
}

/// Reads a stream, and goes on where it ended, until `stop`.
async fn read(client: Client, stop: CancellationToken) -> Reading {
    let (mut seen, mut next) = (Reading::default(), 0);
    let mut latest = Instant::now();
    while !stop.is_cancelled() {
        let request = Request::new(Ask {
            position: next,
            ..ask()
        });
        let Ok(mut stream) = client.watch(request).await else {
            tokio::time::sleep(AGAIN_AFTER).await;
            continue;
        };
        loop {
            let item = tokio::select! {
                () = stop.cancelled() => return seen,
                item = stream.next() => item,
            };
            let Some(Ok(told)) = item else { break };
            seen.silence = seen.silence.max(latest.elapsed());
            latest = Instant::now();
            seen.items += 1;
            seen.gaps += told.position.saturating_sub(next);
            seen.duplicates += u64::from(told.position < next);
            next = told.position + 1;
        }
        seen.resumed += 1;
    }
    seen
}
