//! A way to a server that can be cut.

use std::net::Ipv4Addr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::ServerError;
use crate::ports;

/// Passes TCP connections on loopback on to a port, until told otherwise.
///
/// It works in the runtime it was started in, and goes when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    target: u16,
    /// Changes at each cut.
    cuts: watch::Sender<u64>,
    /// Takes connections; `None` while they are refused.
    door: Mutex<Option<JoinHandle<()>>>,
}

impl Proxy {
    /// Starts one in front of a port of 127.0.0.1.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn start(target: u16) -> Result<Self, ServerError> {
        let listener = ports::listen()?;
        let doing = "listen for connections to pass on";
        listener
            .set_nonblocking(true)
            .map_err(ServerError::io(doing))?;
        let listener = TcpListener::from_std(listener).map_err(ServerError::io(doing))?;
        let proxy = Self {
            port: listener
                .local_addr()
                .map_err(ServerError::io(doing))?
                .port(),
            target,
            cuts: watch::Sender::new(0),
            door: Mutex::new(None),
        };
        proxy.open(listener);
        Ok(proxy)
    }

    /// Where it listens on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A URL of the server with the proxy's port in it.
    #[must_use]
    pub fn through(&self, url: &str) -> String {
        let (before, after) = (format!(":{}", self.target), format!(":{}", self.port));
        match url.rfind(&before) {
            Some(place) => {
                let rest = &url[place + before.len()..];
                format!("{}{after}{rest}", &url[..place])
            }
            None => url.to_owned(),
        }
    }

    /// Resets all connections; new ones are passed on unless they are refused.
    pub fn cut(&self) {
        self.cuts.send_modify(|cut| *cut += 1);
    }

    /// Refuses new connections from now on; those that are open stay.
    pub async fn refuse(&self) {
        let door = self.door().take();
        if let Some(door) = door {
            door.abort();
            // The port is free when the task is gone; being told of its abortion is no news.
            let _ = door.await;
        }
    }

    /// Takes new connections again.
    ///
    /// # Errors
    /// When somebody else has got the port meanwhile.
    pub async fn accept(&self) -> Result<(), ServerError> {
        if self.door().is_some() {
            return Ok(());
        }
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, self.port))
            .await
            .map_err(ServerError::io("listen on the proxy's port again"))?;
        self.open(listener);
        Ok(())
    }

    fn open(&self, listener: TcpListener) {
        let (cuts, target) = (self.cuts.clone(), self.target);
        let door = tokio::spawn(async move {
            loop {
                match listener.accept().await {
                    Ok((client, _)) => {
                        tokio::spawn(pass(client, target, cuts.subscribe()));
                    }
                    Err(error) => tracing::debug!(%error, "proxy cannot accept"),
                }
            }
        });
        *self.door() = Some(door);
    }

    fn door(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.door.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(door) = self.door().take() {
            door.abort();
        }
        self.cut();
    }
}

/// Passes one connection on, until one side ends it or it is cut.
async fn pass(mut client: TcpStream, target: u16, mut cuts: watch::Receiver<u64>) {
    let server = TcpStream::connect((Ipv4Addr::LOCALHOST, target)).await;
    let Ok(mut server) = server else {
        // The server is down: whoever connects is reset.
        reset(client);
        return;
    };
    let failed = tokio::select! {
        copied = copy_bidirectional(&mut client, &mut server) => copied.is_err(),
        _ = cuts.changed() => true,
    };
    if failed {
        reset(client);
        reset(server);
    }
}

/// Closes a connection with a reset, so that the other side takes it for broken, not for ended.
fn reset(stream: TcpStream) {
    if let Err(error) = stream.set_zero_linger() {
        tracing::debug!(%error, "proxy cannot reset a connection");
    }
}
