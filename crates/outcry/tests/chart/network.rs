//! The cluster's network: a namespace for the node, with a bridge in it, and one for each pod.
//!
//! Nothing is in the network of the machine itself.

use std::future::Future;
use std::net::Ipv4Addr;
use std::os::fd::AsFd as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread::JoinHandle;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// Takes everything away when whoever started it has ended, however: the processes in the
/// namespaces that begin with the name, the namespaces, and the folder.
const WARDEN: &str = r#"
trap '' HUP INT TERM
name=$1 folder=$2
cat > /dev/null
spaces=$(ip netns list | cut -d ' ' -f 1 | grep "^$name-")
for space in $spaces; do
    for process in $(ip netns pids "$space"); do kill -KILL "$process"; done
done
for space in $spaces; do ip netns delete "$space"; done
tries=100
until rm -rf "$folder" || [ $tries = 0 ]; do sleep 0.1; tries=$((tries - 1)); done
"#;

/// A namespace with a bridge that pods are plugged into.
const NODE: &str = r#"
ip netns add "$1"
ip -n "$1" link set lo up
ip -n "$1" link add cluster type bridge
ip -n "$1" addr add "$2/16" dev cluster
ip -n "$1" link set cluster up
"#;

/// A namespace with an address, plugged into the bridge.
const POD: &str = r#"
ip netns add "$2"
ip -n "$2" link set lo up
ip -n "$1" link add "$3" type veth peer name eth0 netns "$2"
ip -n "$1" link set "$3" master cluster up
ip -n "$2" addr add "$4/16" dev eth0
ip -n "$2" link set eth0 up
ip -n "$2" route add default via "$5"
"#;

/// Address of the node.
const NODE_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);

/// Whether the tests may make namespaces: where they are not run as root they are left out, except
/// in continuous integration.
pub fn permitted() -> bool {
    let tried = Command::new("sh")
        .args(["-c", "ip -V && setpriv --version && unshare --mount true"])
        .stdout(Stdio::null())
        .output()
        .unwrap();
    if tried.status.success() && rustix::process::geteuid().is_root() {
        return true;
    }
    let why = String::from_utf8_lossy(&tried.stderr);
    assert!(
        std::env::var_os("CI").is_none(),
        "the chart's processes cannot be run: it needs root, and iproute2 and util-linux: {why}"
    );
    println!("the chart's processes are not run: it needs root, iproute2 and util-linux: {why}");
    false
}

/// A network of its own; it goes with everything in it when this is dropped or the process ends.
pub struct Network {
    name: String,
    folder: PathBuf,
    node: Handle,
    pods: AtomicU8,
    services: AtomicU8,
    warden: Child,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

// === impl Network ===

impl Network {
    /// A network without pods.
    pub fn start() -> Arc<Self> {
        static NETWORKS: AtomicU8 = AtomicU8::new(0);
        let number = NETWORKS.fetch_add(1, Ordering::Relaxed);
        let name = format!("outcry-{}-{number}", std::process::id());
        let folder = tempfile::Builder::new()
            .prefix("outcry-cluster-")
            .tempdir()
            .unwrap()
            .keep();
        let warden = Command::new("sh")
            .args(["-c", WARDEN, "warden", &name])
            .arg(&folder)
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        script(NODE, &[&format!("{name}-node"), &NODE_ADDRESS.to_string()]);
        let (end, ended) = oneshot::channel();
        let (node, thread) = node(&format!("{name}-node"), ended);
        Arc::new(Self {
            name,
            folder,
            node,
            pods: AtomicU8::new(2),
            services: AtomicU8::new(2),
            warden,
            end: Some(end),
            thread: Some(thread),
        })
    }

    /// What the cluster keeps on disk.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Namespace and address for a new pod.
    pub fn plug(&self) -> (String, Ipv4Addr) {
        let number = self.pods.fetch_add(1, Ordering::Relaxed);
        let address = Ipv4Addr::new(10, 77, 1, number);
        let space = format!("{}-{number}", self.name);
        script(
            POD,
            &[
                &format!("{}-node", self.name),
                &space,
                &format!("pod{number}"),
                &address.to_string(),
                &NODE_ADDRESS.to_string(),
            ],
        );
        (space, address)
    }

    /// A further address of the node: a Service's, or of a server outside.
    pub fn address(&self) -> Ipv4Addr {
        let number = self.services.fetch_add(1, Ordering::Relaxed);
        let address = Ipv4Addr::new(10, 77, 2, number);
        script(
            r#"ip -n "$1" addr add "$2/32" dev cluster"#,
            &[&format!("{}-node", self.name), &address.to_string()],
        );
        address
    }

    /// What the work comes to when it is done on the node: sockets it opens are in the node's network.
    pub async fn on_node<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> T {
        self.node.spawn(work).await.unwrap()
    }

    /// The same for work without an end.
    pub fn forever_on_node(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.node.spawn(work);
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        drop(self.warden.stdin.take());
        drop(self.end.take());
        let _joined = self.thread.take().map(JoinHandle::join);
        let _ended = self.warden.wait();
    }
}

/// A thread in a namespace, which does what it is given.
fn node(space: &str, ended: oneshot::Receiver<()>) -> (Handle, JoinHandle<()>) {
    let (told, handle) = std::sync::mpsc::channel();
    let space = Path::new("/run/netns").join(space);
    let thread = std::thread::spawn(move || {
        let space = std::fs::File::open(space).unwrap();
        move_into_link_name_space(space.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        told.send(runtime.handle().clone()).unwrap();
        let _end = runtime.block_on(ended);
    });
    (handle.recv().unwrap(), thread)
}

/// Runs a script that must succeed.
fn script(text: &str, arguments: &[&str]) {
    let output = Command::new("sh")
        .args(["-ec", text, "network"])
        .args(arguments)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{text}{arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}
