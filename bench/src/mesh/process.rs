//! What a process of a measurement does: it serves one side, or calls it, or both.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use futures::future::join_all;
use tonic::Request;

use super::callers::{ask, per_second, steady};
use super::desk::Desk;
use super::identities::Identities;
use super::service::{Client, Method};
use super::side::{Kind, Replica, Side};
use crate::lines;
use crate::percentile::percentile;

/// Calls at once to each endpoint of a new channel: with so many, all of them are called.
const FIRST_CALLS: usize = 20;

/// What a process is.
#[derive(clap::Args)]
pub struct Arguments {
    kind: Kind,
    /// Where the certificates are.
    identities: PathBuf,
}

/// Does what each line says, until there are no more.
pub async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let side = Side::new(arguments.kind, &Identities::at(&arguments.identities))?;
    let mut state = State {
        side,
        replicas: Vec::new(),
        clients: Vec::new(),
    };
    let mut lines = lines::told();
    while let Some(line) = lines.recv().await {
        let words: Vec<&str> = line.split_whitespace().collect();
        let answer = match words.as_slice() {
            ["serve", count] => state.serve(count.parse()?).await?,
            ["connect", count, addresses @ ..] => state.connect(count.parse()?, addresses).await?,
            ["call", callers, milliseconds] => {
                let length = Duration::from_millis(milliseconds.parse()?);
                state.call(callers.parse()?, length).await?
            }
            _ => bail!("`{line}` means nothing"),
        };
        println!("{answer}");
    }
    Ok(())
}

struct State {
    side: Side,
    replicas: Vec<Replica>,
    clients: Vec<Client>,
}

// === impl State ===

impl State {
    /// Serves on so many ports; their addresses.
    async fn serve(&mut self, count: usize) -> anyhow::Result<String> {
        let mut addresses = Vec::new();
        for _ in 0..count {
            let replica = self.side.start(&Desk::new()).await?;
            addresses.push(replica.address.to_string());
            self.replicas.push(replica);
        }
        Ok(addresses.join(" "))
    }

    /// Makes so many channels, each connected to all of the addresses.
    async fn connect(&mut self, count: usize, addresses: &[&str]) -> anyhow::Result<String> {
        let addresses: Vec<SocketAddr> = addresses
            .iter()
            .map(|address| address.parse())
            .collect::<Result<_, _>>()?;
        for _ in 0..count {
            let client = self.side.client(&addresses)?;
            let calls = (0..addresses.len() * FIRST_CALLS).map(|_| {
                let client = Arc::clone(&client);
                async move { client.call(Method::Read, Request::new(ask())).await }
            });
            let answers = join_all(calls).await.into_iter();
            answers.collect::<Result<Vec<_>, _>>()?;
            self.clients.push(client);
        }
        Ok("connected".to_owned())
    }

    /// Calls a second, and the microseconds which half of them and 99 of a hundred did not exceed.
    async fn call(&self, callers: usize, length: Duration) -> anyhow::Result<String> {
        let client = self.clients.first().context("nobody is connected")?;
        let tally = steady(client, Method::Read, callers, length).await?;
        ensure!(tally.failed.is_empty(), "calls failed: {}", tally.codes());
        let taken = tally.microseconds();
        let rate = per_second(taken.len(), length);
        let [half, most] = [50, 99].map(|hundredth| percentile(&taken, hundredth));
        Ok(format!("{rate} {half} {most}"))
    }
}
