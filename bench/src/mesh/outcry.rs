//! The mesh: processes that serve, and processes that call. Each has a directory of its own, so that
//! all calls go over sockets, also where both are in one process.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use outcry_mesh::{Accounts, Bounds, Certificates, Directory, Endpoints, listen_within};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use uuid::Uuid;

use super::desk::Desk;
use super::identities::{Identities, TRUST_DOMAIN};
use super::service::{Client, NAME, RigClient, RigServer, rules};
use super::side::Side;

/// What a process proves itself with.
pub fn certificates(identities: &Identities) -> anyhow::Result<Certificates> {
    let trust_domain = TRUST_DOMAIN.parse()?;
    let files = identities.files();
    Ok(Certificates::load(
        files,
        trust_domain,
        Accounts::default(),
    )?)
}

/// Serves until `stop`.
pub fn serve(
    side: &Side,
    listener: TcpListener,
    desk: &Arc<Desk>,
    stop: CancellationToken,
) -> anyhow::Result<impl Future<Output = anyhow::Result<()>> + use<>> {
    let directory = Directory::with(rules(), Uuid::now_v7);
    directory.register(NAME, Routes::new(RigServer::new(desk)))?;
    directory.set_ready(true);
    let mut bounds = Bounds::of_peers();
    if let Some((age, grace)) = side.age {
        (bounds.age_max, bounds.age_grace) = (age, grace);
    }
    let serving = listen_within(bounds, directory, listener, proof(side)?, stop);
    Ok(async move {
        serving.await;
        Ok(())
    })
}

/// A client in a process that knows the service at these addresses.
pub fn client(side: &Side, addresses: &[SocketAddr]) -> anyhow::Result<Client> {
    let directory = Directory::with(rules(), Uuid::now_v7);
    directory.join(proof(side)?);
    let addresses = addresses.iter().map(|address| format!("https://{address}"));
    directory.remote(NAME, Endpoints::at(addresses)?);
    Ok(RigClient::on(directory.channel(NAME, NAME)))
}

fn proof(side: &Side) -> anyhow::Result<Certificates> {
    side.certificates.clone().context("no certificates")
}
