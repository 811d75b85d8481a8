//! A real API server of Kubernetes that all tests share, with the operators' definitions in it.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use outcry_servers::{Kubernetes, KubernetesPrograms, SigningKey};
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::sync::OnceCell;

use super::schemas::{newest, schemas};
use super::tools::{Tool, root, tool};

/// How long it may take to be ready, with others busy on a small machine.
const READY_MAX: Duration = Duration::from_secs(180);

/// How long one command may take: the largest creates some 300 objects.
const COMMAND_MAX: Duration = Duration::from_secs(180);

/// How long between two looks at a server that starts.
const LOOK: Duration = Duration::from_millis(200);

/// The most that a pod may ask for, as every namespace here says it.
pub const POD_SECURITY: &str = "restricted";

/// The server, and how it is talked to.
#[derive(Debug)]
pub struct Cluster {
    server: Kubernetes,
    kubectl: PathBuf,
    helm: PathBuf,
    configuration: PathBuf,
}

/// The one of all tests. It ends with their process.
pub async fn cluster() -> &'static Cluster {
    static SHARED: OnceCell<Cluster> = OnceCell::const_new();
    SHARED.get_or_init(Cluster::start).await
}

impl Cluster {
    async fn start() -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let key = SigningKey {
            private: key.serialize_pem(),
            public: key.public_key_pem(),
        };
        let programs = KubernetesPrograms {
            apiserver: tool(Tool::KubeApiserver).await,
            etcd: tool(Tool::Etcd).await,
        };
        let server = Kubernetes::start(&programs, &key).await.unwrap();
        let configuration = server.folder().join("client.json");
        std::fs::write(&configuration, client(&server).to_string()).unwrap();
        let cluster = Self {
            server,
            kubectl: tool(Tool::Kubectl).await,
            helm: tool(Tool::Helm).await,
            configuration,
        };
        cluster.ready().await;
        cluster.is_the_newest().await;
        cluster.define().await;
        cluster
    }

    async fn ready(&self) {
        let deadline = Instant::now() + READY_MAX;
        loop {
            self.server.runs().unwrap();
            let said = self.kubectl(&["get", "--raw", "/readyz"]).await;
            if said.status.success() {
                return;
            }
            assert!(Instant::now() < deadline, "not ready: {said:?}");
            tokio::time::sleep(LOOK).await;
        }
    }

    /// It is what it says it is, and what the newest schemas were made for.
    async fn is_the_newest(&self) {
        let said = self.json(&["get", "--raw", "/version"]).await;
        let version = format!("v{}", newest().await);
        assert_eq!(said["gitVersion"], version);
        let modules = std::fs::read_to_string(root().join("helm/tools/go.mod")).unwrap();
        let module = format!("k8s.io/kubernetes {version} ");
        assert!(modules.contains(&module), "helm/tools/go.mod: {module}");
    }

    /// The operators' kinds, as their installation would leave them.
    async fn define(&self) {
        let definitions = schemas().await.join("definitions");
        let definitions = definitions.to_str().unwrap();
        self.succeeds(&["create", "-f", definitions]).await;
        let established = "--for=condition=Established";
        let wait = ["wait", established, "crd", "--all", "--timeout=120s"];
        self.succeeds(&wait).await;
    }

    /// A new namespace in which only what is called restricted may run, and whoever asks for
    /// anything else is warned.
    pub async fn create_namespace(&self, name: &str) {
        let namespace = json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": name, "labels": {
                "pod-security.kubernetes.io/enforce": POD_SECURITY,
                "pod-security.kubernetes.io/warn": POD_SECURITY,
            }},
        });
        // A controller would make the account.
        let account = json!({
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": "default", "namespace": name},
        });
        let file = written(&[namespace, account]);
        self.succeeds(&["create", "-f", path(file.path())]).await;
    }

    /// Whether each object could be created, by the server's own judgement: unknown fields and
    /// warnings are errors.
    pub async fn dry_run(&self, file: &Path) -> Output {
        let create = ["create", "--dry-run=server", "--validate=strict"];
        let more = ["--warnings-as-errors", "-o", "name", "-f", path(file)];
        self.kubectl(&[&create[..], &more[..]].concat()).await
    }

    /// What `kubectl` prints, which must succeed.
    pub async fn succeeds(&self, arguments: &[&str]) -> String {
        successful(self.kubectl(arguments).await, arguments)
    }

    /// The same as JSON.
    pub async fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.succeeds(arguments).await).unwrap()
    }

    async fn kubectl(&self, arguments: &[&str]) -> Output {
        self.run(&self.kubectl, arguments).await
    }

    /// What `helm` prints, which must succeed.
    pub async fn helm(&self, arguments: &[&str]) -> String {
        successful(self.try_helm(arguments).await, arguments)
    }

    /// What `helm` does with it, and says.
    pub async fn try_helm(&self, arguments: &[&str]) -> Output {
        self.run(&self.helm, arguments).await
    }

    async fn run(&self, program: &Path, arguments: &[&str]) -> Output {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env("KUBECONFIG", &self.configuration)
            // Where both keep what they have learnt.
            .env("HOME", self.server.folder())
            .kill_on_drop(true)
            .stdin(Stdio::null());
        tokio::time::timeout(COMMAND_MAX, command.output())
            .await
            .unwrap_or_else(|_| panic!("{arguments:?} took too long"))
            .unwrap()
    }
}

/// A file of objects. They are no `List`: of one, `kubectl` itself would judge what is in it.
pub fn written(objects: &[Value]) -> tempfile::NamedTempFile {
    let documents: Vec<String> = objects.iter().map(Value::to_string).collect();
    let file = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
    std::fs::write(file.path(), documents.join("\n---\n")).unwrap();
    file
}

/// As text, for a command line.
pub fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn successful(output: Output, arguments: &[&str]) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}:\n{said}");
    String::from_utf8(output.stdout).unwrap()
}

/// How clients find the server and prove that they may do everything.
fn client(server: &Kubernetes) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "tests",
        "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": "tests"}}],
        "clusters": [{"name": "tests", "cluster": {
            "server": server.url(),
            "certificate-authority": server.authority(),
        }}],
        "users": [{"name": "tests", "user": {"token": server.token()}}],
    })
}
