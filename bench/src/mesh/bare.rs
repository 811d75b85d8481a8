//! Bare tonic: its server, and its channel that balances over a list of endpoints.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Endpoint, Server};

use super::desk::Desk;
use super::service::{Client, RigClient, RigServer};
use super::side::{Kind, Side};

/// Serves until `stop`.
pub fn serve(
    side: &Side,
    listener: TcpListener,
    desk: &Arc<Desk>,
    stop: CancellationToken,
) -> anyhow::Result<impl Future<Output = anyhow::Result<()>> + use<>> {
    let mut server = Server::builder();
    if side.kind == Kind::Tls {
        server = server.tls_config(side.identities.of_tonics_server()?)?;
    }
    if let Some((age, grace)) = side.age {
        server = server
            .max_connection_age(age)
            .max_connection_age_grace(grace);
    }
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let router = server.add_service(RigServer::new(desk));
    let serving = router.serve_with_incoming_shutdown(incoming, stop.cancelled_owned());
    Ok(async move { serving.await.map_err(Into::into) })
}

/// A client whose channel balances over these addresses.
pub fn client(side: &Side, addresses: &[SocketAddr]) -> anyhow::Result<Client> {
    let endpoint = |address: &SocketAddr| -> anyhow::Result<Endpoint> {
        if side.kind == Kind::Tls {
            let endpoint = Endpoint::from_shared(format!("https://{address}"))?;
            return Ok(endpoint.tls_config(side.identities.of_tonics_client()?)?);
        }
        Ok(Endpoint::from_shared(format!("http://{address}"))?)
    };
    let endpoints: Vec<_> = addresses.iter().map(endpoint).collect::<Result<_, _>>()?;
    let channel = Channel::balance_list(endpoints.into_iter());
    Ok(RigClient::on(channel))
}
