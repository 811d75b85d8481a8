//! A private PostgreSQL.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tokio_postgres::{Client, NoTls};

use crate::ServerError;
use crate::ports;
use crate::programs;
use crate::sandbox::{Ending, Sandbox};
use crate::secret::{is_plain, secret};

/// How the server is called in errors.
const SERVER: &str = "postgres";

/// The account everything in it belongs to.
const USER: &str = "outcry";

/// How long it may take to accept a connection: after a kill it reads its log again first.
const START_WITHIN: Duration = Duration::from_secs(60);

/// How long a connection may take before it is tried again.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);

/// How long between two looks at a server that starts.
const LOOK: Duration = Duration::from_millis(20);

/// What differs from PostgreSQL's own settings.
///
/// Writes are on the disk when they are answered, as in earnest. Shared memory of its processes
/// is in files of its folder, which go with it however it ends.
const SETTINGS: &str = "
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 300
shared_buffers = '64MB'
dynamic_shared_memory_type = mmap
fsync = on
synchronous_commit = on
full_page_writes = on
log_min_messages = warning
";

/// A private PostgreSQL server: it goes when this is dropped or the process that holds it ends.
#[derive(Debug)]
pub struct Postgres {
    sandbox: Sandbox,
    programs: PathBuf,
    password: String,
    port: u16,
}

impl Postgres {
    /// Starts a new server with nothing in it, and waits until it accepts connections.
    ///
    /// # Errors
    /// When PostgreSQL is not installed, or does not start.
    pub async fn start() -> Result<Self, ServerError> {
        let programs = programs::postgres()?;
        let mut server = Self {
            sandbox: Sandbox::create(Ending::Quit)?,
            programs,
            password: secret(),
            port: 0,
        };
        server.initialise().await?;
        let mut starts = 1;
        loop {
            [server.port] = ports::free()?;
            match server.launch().await {
                // Somebody else may have got the port.
                Err(ServerError::Ended { .. }) if starts < ports::STARTS => starts += 1,
                outcome => return outcome.map(|()| server),
            }
        }
    }

    /// Where it listens on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The URL of its first database, `postgres://…`, with user and password.
    #[must_use]
    pub fn url(&self) -> String {
        self.database_url("postgres")
    }

    /// Creates an empty database and returns its URL.
    ///
    /// # Errors
    /// When the name has other characters than letters, digits, `_` and `-`, when there is such a
    /// database, or when the server is not there.
    pub async fn create_database(&self, name: &str) -> Result<String, ServerError> {
        if !is_plain(name) {
            return Err(ServerError::Name(name.to_owned()));
        }
        let client = connect(&self.url()).await?;
        client
            .batch_execute(&format!("CREATE DATABASE \"{name}\""))
            .await?;
        Ok(self.database_url(name))
    }

    /// Kills it with SIGKILL, with all its processes, and waits until they are gone.
    ///
    /// # Errors
    /// When it does not run.
    pub async fn kill(&self) -> Result<(), ServerError> {
        self.sandbox.kill(SERVER).await
    }

    /// Stops all its processes where they are (SIGSTOP): connections stay open, nothing answers.
    ///
    /// # Errors
    /// When it does not run.
    pub async fn pause(&self) -> Result<(), ServerError> {
        self.sandbox.pause(SERVER).await
    }

    /// Lets a paused server go on.
    ///
    /// # Errors
    /// When it does not run.
    pub async fn resume(&self) -> Result<(), ServerError> {
        self.sandbox.resume(SERVER)
    }

    /// Stops it in order, breaking connections off.
    ///
    /// # Errors
    /// When it does not run, or does not stop.
    pub async fn stop(&self) -> Result<(), ServerError> {
        self.sandbox.stop(SERVER, Signal::INT).await
    }

    /// Starts it again on the same port and data, killing it first if it runs, and waits until it
    /// accepts connections.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn restart(&self) -> Result<(), ServerError> {
        match self.kill().await {
            Ok(()) | Err(ServerError::Down(_)) => self.launch().await,
            Err(error) => Err(error),
        }
    }

    async fn initialise(&self) -> Result<(), ServerError> {
        let password = self.sandbox.write("password", &self.password)?;
        let mut command = self.sandbox.command(&self.programs.join("initdb"));
        command
            .args(["--username", USER, "--auth=scram-sha-256"])
            .args(["--locale=C", "--encoding=UTF8", "--no-sync"])
            .arg("--pgdata")
            .arg(self.data())
            .arg("--pwfile")
            .arg(password);
        self.sandbox.run("initdb", command).await?;
        self.sandbox.write("postgresql.conf", SETTINGS)?;
        Ok(())
    }

    async fn launch(&self) -> Result<(), ServerError> {
        let mut command = self.sandbox.command(&self.programs.join("postgres"));
        command
            .arg("-D")
            .arg(self.data())
            .arg("-c")
            .arg(format!(
                "config_file={}",
                self.sandbox.path().join("postgresql.conf").display()
            ))
            .args(["-p", &self.port.to_string()]);
        self.sandbox.start(SERVER, command)?;
        let deadline = Instant::now() + START_WITHIN;
        loop {
            self.sandbox.runs(SERVER)?;
            let url = self.url();
            let connecting = tokio::time::timeout(CONNECT_WITHIN, connect(&url));
            if let Ok(Ok(_)) = connecting.await {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(self.sandbox.late(SERVER, "ready", START_WITHIN));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    fn data(&self) -> PathBuf {
        self.sandbox.path().join("data")
    }

    fn database_url(&self, name: &str) -> String {
        let Self { password, port, .. } = self;
        format!("postgres://{USER}:{password}@127.0.0.1:{port}/{name}")
    }
}

/// A connection whose work is done in the background until it is dropped.
async fn connect(url: &str) -> Result<Client, ServerError> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "connection to postgres ended");
        }
    });
    Ok(client)
}
