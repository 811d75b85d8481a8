//! What is needed to try the chart, in Go: built once below `.tools`, in the versions that
//! `helm/tools/go.sum` fixes.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::sync::Mutex;

/// How long one build may take: an API server of Kubernetes is large, and machines are small.
const BUILD_MAX: Duration = Duration::from_secs(1_800);

/// What is said to the linker, as releases of these programs do: helm learns which Kubernetes it
/// renders for where there is no cluster, and the API server which one it is.
const LINKED: &str = "-s -w \
    -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor=1 \
    -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor=36 \
    -X helm.sh/helm/v3/pkg/lint/rules.k8sVersionMajor=1 \
    -X helm.sh/helm/v3/pkg/lint/rules.k8sVersionMinor=36 \
    -X k8s.io/component-base/version.gitMajor=1 \
    -X k8s.io/component-base/version.gitMinor=36 \
    -X k8s.io/component-base/version.gitVersion=v1.36.3";

/// What is said to the compiler: nobody debugs these programs, and what debuggers need takes long to write. What
/// `cargo xtask test` compiles ahead is found again by the same words.
const COMPILED: &str = "all=-dwarf=false";

/// A program that `go build` makes in `helm/tools`.
#[derive(Debug, Clone, Copy)]
pub enum Tool {
    Helm,
    /// Tests of templates.
    HelmUnittest,
    /// YAML, as Kubernetes reads it, as JSON.
    Manifests,
    /// What Kubernetes and the operators say of their objects, as files.
    Schemas,
    Kubeconform,
    Kubectl,
    KubeApiserver,
    Etcd,
}

impl Tool {
    /// Its package.
    fn package(self) -> &'static str {
        match self {
            Self::Helm => "helm.sh/helm/v3/cmd/helm",
            Self::HelmUnittest => "github.com/helm-unittest/helm-unittest/cmd/helm-unittest",
            Self::Manifests => "./manifests",
            Self::Schemas => "./schemas",
            Self::Kubeconform => "github.com/yannh/kubeconform/cmd/kubeconform",
            Self::Kubectl => "k8s.io/kubernetes/cmd/kubectl",
            Self::KubeApiserver => "k8s.io/kubernetes/cmd/kube-apiserver",
            Self::Etcd => "./etcd",
        }
    }
}

/// The project's folder.
pub fn root() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    folder.canonicalize().unwrap()
}

/// Whether tests of the chart shall be run: where there is no Go they are left out, except in
/// continuous integration.
pub async fn present() -> bool {
    let there = Command::new("go")
        .arg("version")
        .stdout(Stdio::null())
        .status()
        .await
        .is_ok_and(|status| status.success());
    if !there {
        assert!(std::env::var_os("CI").is_none(), "there is no go");
        println!("the chart is not tried: there is no go");
    }
    there
}

/// The tool, built if it is not there.
pub async fn tool(tool: Tool) -> PathBuf {
    /// Those that were built in this run: `go build` takes its time even where nothing changes.
    static BUILT: Mutex<Vec<&str>> = Mutex::const_new(Vec::new());
    let package = tool.package();
    let name = package.rsplit('/').next().unwrap();
    let folder = root().join(".tools/chart");
    let program = folder.join(name);
    let mut built = BUILT.lock().await;
    if built.contains(&name) {
        return program;
    }
    // `go build` knows what has changed, and says so at once when nothing has.
    let mut build = Command::new("go");
    build
        .args(["build", "-trimpath", "-gcflags", COMPILED])
        .args(["-ldflags", LINKED, "-o"])
        .arg(&program)
        .arg(package)
        .current_dir(root().join("helm/tools"));
    prints(build, BUILD_MAX, &format!("building {name}")).await;
    built.push(name);
    program
}

/// What a command prints, which must succeed.
pub async fn prints(mut command: Command, within: Duration, what: &str) -> String {
    command.kill_on_drop(true).stdin(Stdio::null());
    let output = tokio::time::timeout(within, command.output())
        .await
        .unwrap_or_else(|_| panic!("{what} took too long"))
        .unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(
        output.status.success(),
        "{what}:\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}
