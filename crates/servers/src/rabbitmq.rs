//! A private RabbitMQ.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use hyper::{Method, StatusCode};
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::ServerError;
use crate::management;
use crate::ports;
use crate::programs;
use crate::sandbox::{Ending, Sandbox};
use crate::secret::{is_plain, secret};

/// How the server is called in errors.
const SERVER: &str = "rabbitmq";

/// How Erlang's port mapper is called in errors.
const MAPPER: &str = "epmd";

/// The account that may do everything.
const USER: &str = "outcry";

/// How long it may take to be ready, with several starting at once on a small machine.
const START_WITHIN: Duration = Duration::from_secs(120);

/// How long a connection may take before it is tried again.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);

/// How long between two looks at a server that starts.
const LOOK: Duration = Duration::from_millis(50);

/// What a client of AMQP 0-9-1 says first.
const GREETING: &[u8; 8] = b"AMQP\x00\x00\x09\x01";

/// First byte of the server's first frame: a method, the one that starts the connection.
const METHOD_FRAME: u8 = 1;

/// Arguments of the Erlang machine: two schedulers, as many servers may run on few cores, and
/// nodes reach it on loopback only.
const ERLANG_ARGUMENTS: &str = "+S 2:2 +SDcpu 2:2 -kernel inet_dist_use_interface {127,0,0,1}";

/// AMQP 1.0 is for readers of CloudEvents in that dialect; from RabbitMQ 4.0 on it is there without.
const PLUGINS: &str = "[rabbitmq_management,rabbitmq_consistent_hash_exchange,rabbitmq_amqp1_0].\n";

/// A private RabbitMQ server: it goes when this is dropped or the process that holds it ends.
///
/// It has the management and the consistent-hash-exchange plugin, no account but its own, and
/// Erlang's port mapper for itself.
#[derive(Debug)]
pub struct RabbitMq {
    sandbox: Sandbox,
    scripts: PathBuf,
    erlang: PathBuf,
    node: String,
    password: String,
    ports: Ports,
}

#[derive(Debug, Clone, Copy, Default)]
struct Ports {
    amqp: u16,
    management: u16,
    /// For other nodes and command-line tools.
    distribution: u16,
    mapper: u16,
}

impl RabbitMq {
    /// Starts a new server with nothing in it, and waits until it accepts connections.
    ///
    /// # Errors
    /// When RabbitMQ is not installed, or does not start.
    pub async fn start() -> Result<Self, ServerError> {
        let scripts = programs::rabbitmq()?;
        let erlang = programs::erlang()?;
        let sandbox = Sandbox::create(Ending::Kill)?;
        for folder in ["data", "logs"] {
            sandbox.folder(folder)?;
        }
        sandbox.write("plugins", PLUGINS)?;
        // Nothing in it: it stands in for the one of the system.
        sandbox.write("environment", "")?;
        let cookie = secret();
        let mut server = Self {
            sandbox,
            scripts,
            erlang,
            node: format!("outcry-{}@localhost", &secret()[..8]),
            password: secret(),
            ports: Ports::default(),
        };
        // What proves to the node that a tool or another node is allowed to talk to it.
        server.sandbox.write(".erlang.cookie", &cookie)?;
        let mut starts = 1;
        loop {
            server.choose_ports()?;
            match server.launch().await {
                // Somebody else may have got a port.
                Err(ServerError::Ended { .. }) if starts < ports::STARTS => {
                    starts += 1;
                    server.end_all().await?;
                }
                outcome => return outcome.map(|()| server),
            }
        }
    }

    /// Where it listens for AMQP on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.ports.amqp
    }

    /// The URL of its first virtual host, `amqp://…`, with user and password.
    #[must_use]
    pub fn url(&self) -> String {
        self.vhost_url("%2f")
    }

    /// The URL of the management interface, with user and password:
    /// `http://user:password@127.0.0.1:port`.
    #[must_use]
    pub fn management_url(&self) -> String {
        let port = self.ports.management;
        format!("http://{USER}:{}@127.0.0.1:{port}", self.password)
    }

    /// Asks the management interface, for example for `/api/queues`; `null` is an empty answer.
    ///
    /// # Errors
    /// When the server is not there or answers with another status than a success.
    pub async fn get(&self, path: &str) -> Result<Value, ServerError> {
        let (_, value) = self.call(Method::GET, path, None).await?;
        Ok(value)
    }

    /// Creates an empty virtual host and returns its URL.
    ///
    /// # Errors
    /// When the name has other characters than letters, digits, `_` and `-`, when there is such a
    /// virtual host, or when the server is not there.
    pub async fn create_vhost(&self, name: &str) -> Result<String, ServerError> {
        if !is_plain(name) {
            return Err(ServerError::Name(name.to_owned()));
        }
        let path = format!("/api/vhosts/{name}");
        let (status, _) = self.call(Method::PUT, &path, Some(&json!({}))).await?;
        if status != StatusCode::CREATED {
            return Err(ServerError::RabbitMq {
                request: format!("PUT {path}"),
                reason: "it is there already".to_owned(),
            });
        }
        let all = json!({ "configure": ".*", "write": ".*", "read": ".*" });
        let path = format!("/api/permissions/{name}/{USER}");
        self.call(Method::PUT, &path, Some(&all)).await?;
        Ok(self.vhost_url(name))
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

    /// Stops it in order.
    ///
    /// # Errors
    /// When it does not run, or does not stop.
    pub async fn stop(&self) -> Result<(), ServerError> {
        self.sandbox.stop(SERVER, Signal::TERM).await
    }

    /// Starts it again on the same ports and data, killing it first if it runs, and waits until
    /// it accepts connections.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn restart(&self) -> Result<(), ServerError> {
        match self.kill().await {
            Ok(()) | Err(ServerError::Down(_)) => self.launch().await,
            Err(error) => Err(error),
        }
    }

    fn choose_ports(&mut self) -> Result<(), ServerError> {
        let [amqp, management, distribution, mapper] = ports::free()?;
        self.ports = Ports {
            amqp,
            management,
            distribution,
            mapper,
        };
        let password = &self.password;
        let configuration = format!(
            "listeners.tcp.1 = 127.0.0.1:{amqp}\n\
             management.tcp.ip = 127.0.0.1\n\
             management.tcp.port = {management}\n\
             default_user = {USER}\n\
             default_pass = {password}\n\
             default_user_tags.administrator = true\n\
             log.console = false\n\
             log.file.level = warning\n"
        );
        self.sandbox.write("rabbitmq.conf", &configuration)?;
        Ok(())
    }

    async fn launch(&self) -> Result<(), ServerError> {
        self.ensure_mapper()?;
        self.start_server()?;
        let deadline = Instant::now() + START_WITHIN;
        loop {
            self.sandbox.runs(MAPPER)?;
            self.sandbox.runs(SERVER)?;
            if self.answers().await {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(self.sandbox.late(SERVER, "ready", START_WITHIN));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Starts Erlang's port mapper unless it runs: otherwise the server would start one for the
    /// whole machine, which stays.
    fn ensure_mapper(&self) -> Result<(), ServerError> {
        match self.sandbox.runs(MAPPER) {
            Ok(()) => return Ok(()),
            Err(ServerError::Down(_) | ServerError::Ended { .. }) => {}
            Err(error) => return Err(error),
        }
        let mut command = self.sandbox.command(&self.erlang.join("epmd"));
        command
            .args(["-address", "127.0.0.1", "-port"])
            .arg(self.ports.mapper.to_string());
        self.sandbox.start(MAPPER, command)
    }

    async fn end_all(&self) -> Result<(), ServerError> {
        for name in [SERVER, MAPPER] {
            match self.sandbox.kill(name).await {
                Ok(()) | Err(ServerError::Down(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn start_server(&self) -> Result<(), ServerError> {
        let place = |name: &str| self.sandbox.path().join(name);
        let mut command = self.sandbox.command(&self.scripts.join("rabbitmq-server"));
        command
            // The script then becomes the server instead of waiting for it.
            .env("RUNNING_UNDER_SYSTEMD", "true")
            .env("ERL_EPMD_PORT", self.ports.mapper.to_string())
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_NODENAME", &self.node)
            .env("RABBITMQ_NODE_PORT", self.ports.amqp.to_string())
            .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_DIST_PORT", self.ports.distribution.to_string())
            .env("RABBITMQ_CONF_ENV_FILE", place("environment"))
            .env("RABBITMQ_CONFIG_FILE", place("rabbitmq.conf"))
            .env("RABBITMQ_ADVANCED_CONFIG_FILE", place("advanced.config"))
            .env("RABBITMQ_GENERATED_CONFIG_DIR", place("generated"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", place("plugins"))
            .env("RABBITMQ_PLUGINS_EXPAND_DIR", place("expanded"))
            .env("RABBITMQ_FEATURE_FLAGS_FILE", place("features"))
            .env("RABBITMQ_PID_FILE", place("pid"))
            .env("RABBITMQ_MNESIA_BASE", place("data"))
            .env("RABBITMQ_LOG_BASE", place("logs"))
            .env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", ERLANG_ARGUMENTS);
        self.sandbox.start(SERVER, command)
    }

    /// Whether both AMQP and management answer.
    async fn answers(&self) -> bool {
        let greeting = tokio::time::timeout(CONNECT_WITHIN, greet(self.ports.amqp));
        matches!(greeting.await, Ok(Ok(METHOD_FRAME))) && self.get("/api/whoami").await.is_ok()
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(StatusCode, Value), ServerError> {
        let port = self.ports.management;
        management::call(port, USER, &self.password, method, path, body).await
    }

    fn vhost_url(&self, name: &str) -> String {
        let port = self.ports.amqp;
        format!("amqp://{USER}:{}@127.0.0.1:{port}/{name}", self.password)
    }
}

/// Opens an AMQP connection and returns the first byte of the answer.
async fn greet(port: u16) -> std::io::Result<u8> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    stream.write_all(GREETING).await?;
    stream.read_u8().await
}
