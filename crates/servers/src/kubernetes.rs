//! A private API server of Kubernetes, with nothing that acts on what is in it.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tokio::net::TcpStream;

use crate::ServerError;
use crate::ports;
use crate::sandbox::{Ending, Sandbox};
use crate::secret::secret;

/// How the server is called in errors.
const SERVER: &str = "kube-apiserver";

/// How its store is called in errors.
const STORE: &str = "etcd";

/// How long it may take to listen, with others busy on a small machine.
const START_WITHIN: Duration = Duration::from_secs(120);

/// How long between two looks at a server that starts.
const LOOK: Duration = Duration::from_millis(50);

/// Where etcd says it is for members of its cluster, of which there are none.
const NOBODY: &str = "http://127.0.0.1:1";

/// The programs it consists of.
#[derive(Debug, Clone)]
pub struct KubernetesPrograms {
    /// `kube-apiserver`.
    pub apiserver: PathBuf,
    /// `etcd`.
    pub etcd: PathBuf,
}

/// A key pair (PEM) that tokens of service accounts are signed with.
#[derive(Clone)]
pub struct SigningKey {
    /// PKCS 8.
    pub private: String,
    /// What belongs to it.
    pub public: String,
}

/// A private API server with its store: it goes when this is dropped or the process that holds it
/// ends.
///
/// There are no controllers: a Deployment makes no pods and a Job never ends.
#[derive(Debug)]
pub struct Kubernetes {
    sandbox: Sandbox,
    port: u16,
    token: String,
}

impl Kubernetes {
    /// Starts a new server with nothing in it, and waits until it listens. It is ready when
    /// `/readyz` says so, a few seconds later.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start(
        programs: &KubernetesPrograms,
        key: &SigningKey,
    ) -> Result<Self, ServerError> {
        let mut starts = 1;
        loop {
            match Self::attempt(programs, key).await {
                // Somebody else may have got the port.
                Err(ServerError::Ended { .. }) if starts < ports::STARTS => starts += 1,
                outcome => return outcome,
            }
        }
    }

    async fn attempt(programs: &KubernetesPrograms, key: &SigningKey) -> Result<Self, ServerError> {
        let sandbox = Sandbox::create(Ending::Kill)?;
        let token = secret();
        // Everything may be done with it.
        sandbox.write("tokens", &format!("{token},tests,tests,system:masters\n"))?;
        sandbox.write("signing.pem", &key.private)?;
        sandbox.write("signing.pub.pem", &key.public)?;
        let [port] = ports::free()?;
        let server = Self {
            sandbox,
            port,
            token,
        };
        server.start_store(&programs.etcd)?;
        server.start_server(&programs.apiserver)?;
        server.listens().await?;
        Ok(server)
    }

    /// Where it listens: `https://127.0.0.1:port`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// The bearer token with which everything may be done.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The certificate (PEM) that it signed for itself.
    #[must_use]
    pub fn authority(&self) -> PathBuf {
        self.sandbox.path().join("certificates/apiserver.crt")
    }

    /// A folder for files of its clients, which goes with it.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.sandbox.path()
    }

    /// Succeeds as long as server and store have not ended.
    ///
    /// # Errors
    /// When one has, with the last it said.
    pub fn runs(&self) -> Result<(), ServerError> {
        self.sandbox.runs(STORE)?;
        self.sandbox.runs(SERVER)
    }

    /// Whoever can reach etcd can do everything, so it listens on sockets in the folder that only
    /// this account may enter.
    fn start_store(&self, etcd: &Path) -> Result<(), ServerError> {
        let mut command = self.sandbox.own_command(etcd);
        command
            .args(["--name", "only", "--data-dir", "data"])
            .args(["--listen-client-urls", &self.socket("client")])
            .args(["--advertise-client-urls", NOBODY])
            .args(["--listen-peer-urls", &self.socket("peer")])
            .args(["--initial-advertise-peer-urls", NOBODY])
            .args(["--initial-cluster", &format!("only={NOBODY}")])
            // Nothing in it outlives the test.
            .arg("--unsafe-no-fsync")
            .args(["--log-level", "warn"]);
        self.sandbox.start(STORE, command)
    }

    fn start_server(&self, apiserver: &Path) -> Result<(), ServerError> {
        let mut command = self.sandbox.own_command(apiserver);
        command
            .args(["--etcd-servers", &self.socket("client")])
            .args(["--bind-address", "127.0.0.1"])
            .args(["--secure-port", &self.port.to_string()])
            .args(["--cert-dir", "certificates"])
            .args(["--token-auth-file", "tokens"])
            .arg("--anonymous-auth=false")
            .args(["--authorization-mode", "RBAC"])
            .args(["--service-account-issuer", "https://kubernetes.default.svc"])
            .args(["--service-account-signing-key-file", "signing.pem"])
            .args(["--service-account-key-file", "signing.pub.pem"])
            .args(["--service-cluster-ip-range", "10.96.0.0/16"])
            // It is the only one, on an address that nobody else could use.
            .args(["--endpoint-reconciler-type", "none"]);
        self.sandbox.start(SERVER, command)
    }

    fn socket(&self, name: &str) -> String {
        format!("unix://{}", self.sandbox.path().join(name).display())
    }

    async fn listens(&self) -> Result<(), ServerError> {
        let deadline = Instant::now() + START_WITHIN;
        loop {
            self.runs()?;
            let connected = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await;
            if connected.is_ok() {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(self.sandbox.late(SERVER, "listening", START_WITHIN));
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}
