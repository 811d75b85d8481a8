//! Processes that know each other by certificates: who is let in, who is not, and how certificates change.

#![expect(clippy::unwrap_used, reason = "a story that cannot go on fails there")]

#[path = "shared/authority.rs"]
mod authority;
#[path = "certificates/loading.rs"]
mod loading;
#[path = "certificates/outsider.rs"]
mod outsider;
#[path = "shared/probe.rs"]
mod probe;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use outcry_mesh::{
    Accounts, CertificateFiles, Certificates, Channel, Directory, EndpointError, Endpoints,
    Identity, MeshKey, acting_for, listen,
};
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose, SanType};
use tempfile::TempDir;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::{Code, Status};
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::health_server::HealthServer;
use uuid::Uuid;

use crate::authority::{
    Authority, Issued, NAMESPACE, TRUST_DOMAIN, files, id, uri, valid, write, write_authorities,
};
use crate::outsider::{Impostor, Outcome, Outsider};
use crate::probe::{Probe, Seen, ask, customer, reason, rules};

/// Longest wait for something that must happen.
const PATIENCE: Duration = Duration::from_secs(30);

/// A day in seconds.
const DAY: u64 = 24 * 60 * 60;

/// The files of a process, and what it has read from them.
struct Papers {
    folder: TempDir,
    certificates: Certificates,
}

impl Papers {
    fn of(authority: &Authority, account: &str) -> Papers {
        let mut accounts = Accounts::default();
        accounts.allow("core", ["a", "b"]);
        let folder = tempfile::tempdir().unwrap();
        write_authorities(folder.path(), &[authority]);
        let files = authority.issue(account, |_| ()).write(folder.path());
        let certificates =
            Certificates::load(files, TRUST_DOMAIN.parse().unwrap(), accounts).unwrap();
        Papers {
            folder,
            certificates,
        }
    }

    fn believe(&self, authorities: &[&Authority]) {
        write_authorities(self.folder.path(), authorities);
        assert!(self.certificates.reload().unwrap());
    }

    fn renew(&self, authority: &Authority, account: &str) {
        authority.issue(account, |_| ()).write(self.folder.path());
        assert!(self.certificates.reload().unwrap());
    }
}

/// A process that serves one probe, known by a certificate.
struct Process {
    address: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    papers: Papers,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Process {
    async fn start(authority: &Authority, service: &'static str) -> Process {
        Process::start_as(authority, service, service).await
    }

    async fn start_as(authority: &Authority, account: &str, service: &'static str) -> Process {
        let papers = Papers::of(authority, account);
        let directory = Directory::with(rules(), Uuid::now_v7);
        let seen = Arc::default();
        let probe = Probe::new(service, &directory, &seen);
        let routes = Routes::new(HealthServer::new(probe));
        directory.register(service, routes).unwrap();
        directory.set_ready(true);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let stop = CancellationToken::new();
        let certificates = papers.certificates.clone();
        let serving = listen(directory, listener, certificates, stop.clone());
        Process {
            address,
            seen,
            papers,
            stop,
            task: tokio::spawn(serving),
        }
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    async fn stop(self) {
        self.stop.cancel();
        in_time(self.task).await.unwrap();
    }
}

/// A process that serves nothing, and knows `a` at an address.
fn caller(certificates: &Certificates, address: &str) -> Directory {
    let directory = Directory::with(rules(), Uuid::now_v7);
    directory.join(certificates.clone());
    let address = format!("https://{address}");
    directory.remote("a", Endpoints::at([address]).unwrap());
    directory
}

fn client(directory: &Directory, caller: &'static str) -> HealthClient<Channel> {
    HealthClient::new(directory.channel(caller, "a"))
}

async fn in_time<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.unwrap()
}

fn refusal<T: std::fmt::Debug>(answer: Result<T, Status>) -> (Code, String) {
    let status = answer.unwrap_err();
    (status.code(), reason(&status))
}

fn unreachable() -> (Code, String) {
    (Code::Unavailable, "SERVICE_UNREACHABLE".to_owned())
}

#[tokio::test]
async fn the_callee_sees_caller_and_user_as_with_the_shared_key() {
    let authority = Authority::new("one");
    let process = Process::start(&authority, "a").await;
    let papers = Papers::of(&authority, "b");
    let directory = caller(&papers.certificates, &process.address);
    let mut request = ask("");
    acting_for(&mut request, &customer());
    client(&directory, "b").check(request).await.unwrap();
    client(&directory, "b").watch(ask("")).await.unwrap();
    let caller = Some("b".to_owned());
    let user = Some(customer());
    let seen = process.seen();
    assert_eq!(
        seen[0].identity,
        Identity {
            caller: caller.clone(),
            user
        }
    );
    assert_eq!(seen[1].identity, Identity { caller, user: None });
    process.stop().await;
}

#[tokio::test]
async fn a_caller_speaks_in_the_names_of_its_account_alone() {
    let authority = Authority::new("one");
    let process = Process::start(&authority, "a").await;
    let call = async |account: &str, name: &'static str| {
        let papers = Papers::of(&authority, account);
        let directory = caller(&papers.certificates, &process.address);
        let mut request = ask("");
        acting_for(&mut request, &customer());
        client(&directory, name).check(request).await.map(|_| ())
    };
    for (account, name) in [("b", "b"), ("gateway", "edge"), ("core", "b")] {
        call(account, name).await.unwrap();
        let last = process.seen().pop().unwrap();
        assert_eq!(last.identity.caller.as_deref(), Some(name));
    }
    let before = process.seen().len();
    for (account, name) in [("b", "c"), ("b", "edge"), ("core", "c"), ("a", "b")] {
        let denied = refusal(call(account, name).await);
        let expected = (Code::PermissionDenied, "NOT_YOUR_NAME".to_owned());
        assert_eq!(denied, expected, "{account} as {name}");
    }
    assert_eq!(process.seen().len(), before);
    process.stop().await;
}

#[tokio::test]
async fn an_answer_counts_only_from_an_account_that_may_speak_for_the_target() {
    let authority = Authority::new("one");
    let papers = Papers::of(&authority, "b");
    for (account, good) in [("a", true), ("core", true), ("c", false)] {
        let process = Process::start_as(&authority, account, "a").await;
        let directory = caller(&papers.certificates, &process.address);
        let answer = client(&directory, "b").check(ask("")).await;
        if good {
            answer.unwrap();
        } else {
            assert_eq!(refusal(answer), unreachable(), "{account}");
        }
        // The same at its own address, where another service is asked for.
        let address = format!("https://{}", process.address);
        let channel = directory.channel_at("b", "d", address);
        let refused = HealthClient::new(channel).check(ask("")).await;
        assert_eq!(refusal(refused), unreachable());
        assert_eq!(process.seen().len(), usize::from(good));
        process.stop().await;
    }
}

/// What becomes of a certificate that is shown to a process of the mesh.
struct Row {
    name: &'static str,
    shown: Shown,
    /// By whoever calls it.
    caller: Outcome,
    /// By whoever answers it.
    callee: Outcome,
}

enum Shown {
    Nothing,
    Altered(fn(&mut CertificateParams)),
    SelfSigned,
    /// Of an authority that is not believed, with the name of one that is or another.
    Foreign(&'static str),
    Account(&'static str),
    WholeChain,
    BrokenChain,
    Stolen,
}

impl Shown {
    /// A certificate of the account, with what is wrong about it.
    fn by(&self, authority: &Authority, account: &str) -> Option<Issued> {
        let good = |_: &mut CertificateParams| ();
        Some(match self {
            Shown::Nothing => return None,
            Shown::Altered(alter) => authority.issue(account, alter),
            Shown::SelfSigned => Issued::self_signed(account),
            Shown::Foreign(name) => Authority::new(name).issue(account, good),
            Shown::Account(other) => authority.issue(other, good),
            Shown::WholeChain => authority.intermediate("between").issue(account, good),
            Shown::BrokenChain => {
                let mut issued = authority.intermediate("between").issue(account, good);
                issued.chain.truncate(1);
                issued
            }
            Shown::Stolen => {
                let mut issued = authority.issue("thief", good);
                issued.chain = authority.issue(account, good).chain;
                issued
            }
        })
    }
}

const IN: Outcome = Outcome::In;
const OUT: Outcome = Outcome::NotConnected;

fn table() -> Vec<Row> {
    let row = |name, shown, caller, callee| Row {
        name,
        shown,
        caller,
        callee,
    };
    let altered = |name, alter| row(name, Shown::Altered(alter), OUT, OUT);
    vec![
        row("a good one", Shown::Altered(|_| ()), IN, IN),
        row("with its intermediate", Shown::WholeChain, IN, IN),
        row(
            "with a host name besides",
            Shown::Altered(|params| {
                let name = "a.outcry.svc".try_into().unwrap();
                params.subject_alt_names.push(SanType::DnsName(name));
            }),
            IN,
            IN,
        ),
        row("none", Shown::Nothing, OUT, OUT),
        row("self-signed", Shown::SelfSigned, OUT, OUT),
        row("of another authority", Shown::Foreign("other"), OUT, OUT),
        row("of a namesake", Shown::Foreign("one"), OUT, OUT),
        row("intermediate missing", Shown::BrokenChain, OUT, OUT),
        row("without its key", Shown::Stolen, OUT, OUT),
        altered("ended", |params| valid(params, -200, 100)),
        altered("not begun", |params| valid(params, 1000, 100)),
        altered("no name", |params| params.subject_alt_names.clear()),
        altered("two names", |params| {
            let again = params.subject_alt_names[0].clone();
            params.subject_alt_names.push(again);
        }),
        altered("a second name of another kind of URI", |params| {
            params.subject_alt_names.push(uri("https://outcry.local"));
        }),
        altered("another trust domain", |params| {
            params.subject_alt_names = vec![uri("spiffe://other.local/ns/outcry/sa/b")];
        }),
        altered("another namespace", |params| {
            params.subject_alt_names = vec![uri("spiffe://outcry.local/ns/staging/sa/b")];
        }),
        altered("no account", |params| {
            params.subject_alt_names = vec![uri("spiffe://outcry.local/b")];
        }),
        altered("an http name", |params| {
            params.subject_alt_names = vec![uri("http://outcry.local/ns/outcry/sa/b")];
        }),
        altered("a common name alone", |params| {
            params.subject_alt_names.clear();
            params.distinguished_name.push(DnType::CommonName, id("b"));
        }),
        altered("a host name alone", |params| {
            let name = "b".try_into().unwrap();
            params.subject_alt_names = vec![SanType::DnsName(name)];
        }),
        altered("an authority's", |params| {
            params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        }),
        altered("one that may sign others", |params| {
            params.key_usages.push(KeyUsagePurpose::KeyCertSign);
        }),
        altered("one that may not sign", |params| {
            params.key_usages = vec![KeyUsagePurpose::KeyEncipherment];
        }),
        altered("no extended usage", |params| {
            params.extended_key_usages.clear()
        }),
        row(
            "for servers alone",
            Shown::Altered(|params| {
                params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
            }),
            OUT,
            IN,
        ),
        row(
            "for clients alone",
            Shown::Altered(|params| {
                params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
            }),
            IN,
            OUT,
        ),
        row(
            "another account's",
            Shown::Account("c"),
            Outcome::Refused(Code::PermissionDenied, "NOT_YOUR_NAME"),
            OUT,
        ),
    ]
}

#[tokio::test]
async fn certificates_are_let_in_or_refused_by_the_table() {
    let authority = Authority::new("one");
    let process = Process::start(&authority, "a").await;
    let papers = Papers::of(&authority, "b");
    let mut let_in = 0;
    for row in table() {
        let shown = row.shown.by(&authority, "b");
        let outsider = Outsider::with(shown.as_ref());
        let outcome = in_time(outsider.call(&process.address, "b", "a")).await;
        assert_eq!(outcome, row.caller, "a caller's certificate: {}", row.name);
        let_in += usize::from(outcome == IN);
        assert_eq!(process.seen().len(), let_in, "{}", row.name);

        // A server without a certificate is one that does not speak TLS.
        let shown = row.shown.by(&authority, "a");
        let impostor = Impostor::start(shown.as_ref()).await;
        let directory = caller(&papers.certificates, &impostor.address);
        let answer = in_time(client(&directory, "b").check(ask(""))).await;
        let expected = match row.callee {
            Outcome::In => (Code::Unimplemented, String::new()),
            _ => unreachable(),
        };
        assert_eq!(refusal(answer), expected, "a callee's: {}", row.name);
        assert_eq!(impostor.was_called(), row.callee == IN, "{}", row.name);
    }
    assert_eq!(let_in, 4);
    process.stop().await;
}

#[tokio::test]
async fn other_protocols_are_not_spoken() {
    let authority = Authority::new("one");
    let process = Process::start(&authority, "a").await;
    let good = authority.issue("b", |_| ());
    let call = async |outsider: Outsider| in_time(outsider.call(&process.address, "b", "a")).await;
    assert_eq!(call(Outsider::with(Some(&good))).await, IN);
    assert_eq!(call(Outsider::of_1_2(&good)).await, OUT);
    assert_eq!(call(Outsider::without_protocol(&good)).await, OUT);
    assert_eq!(call(Outsider::without_tls()).await, OUT);
    assert_eq!(process.seen().len(), 1);
    process.stop().await;
}

#[tokio::test]
async fn a_forged_name_and_a_token_of_a_key_prove_nothing_beside_a_certificate() {
    let authority = Authority::new("one");
    let process = Process::start(&authority, "a").await;
    let outsider = Outsider::with(Some(&authority.issue("b", |_| ())));
    let denied = Outcome::Refused(Code::PermissionDenied, "NOT_YOUR_NAME");
    for forged in ["c", "edge", "a", "B", "b ", "b,c"] {
        let outcome = outsider.call(&process.address, forged, "a").await;
        assert_eq!(outcome, denied, "{forged}");
    }
    let nameless = outsider.call(&process.address, "", "a").await;
    assert_eq!(nameless, denied);
    let now = std::time::SystemTime::now();
    let token = MeshKey::from_secret(&[7; 32]).token("c", "a", now).unwrap();
    let metadata = [("outcry-target", "a"), ("outcry-mesh-token", &token)];
    let outcome = outsider.call_with(&process.address, &metadata).await;
    assert_eq!(
        outcome,
        Outcome::Refused(Code::Unauthenticated, "NO_CALLER")
    );
    assert!(process.seen().is_empty());
    process.stop().await;
}

#[tokio::test]
async fn encrypted_and_plain_addresses_are_not_mixed() {
    let authority = Authority::new("one");
    let process = Process::start(&authority, "a").await;
    let papers = Papers::of(&authority, "b");
    let plain = format!("http://{}", process.address);
    let encrypted = format!("https://{}", process.address);
    let (certificates, key) = (
        papers.certificates.clone().into(),
        MeshKey::from_secret(&[7; 32]).into(),
    );
    let fit = |address: &str, credentials| {
        let endpoints: Endpoints = address.parse().unwrap();
        endpoints.fit(credentials)
    };
    assert_eq!(fit(&encrypted, &certificates), Ok(()));
    assert_eq!(fit(&plain, &key), Ok(()));
    let refused = fit(&plain, &certificates);
    assert_eq!(refused, Err(EndpointError::Plain(plain.clone())));
    let refused = fit(&encrypted, &key);
    assert_eq!(refused, Err(EndpointError::Encrypted(encrypted)));
    // Whoever does not ask beforehand reaches nobody.
    let directory = Directory::with(rules(), Uuid::now_v7);
    directory.join(papers.certificates.clone());
    directory.remote("a", plain.parse().unwrap());
    let refused = client(&directory, "b").check(ask("")).await;
    assert_eq!(refusal(refused), unreachable());
    process.stop().await;
}

#[tokio::test]
async fn a_name_in_dns_leads_to_encrypted_processes() {
    let authority = Authority::new("one");
    let process = Process::start(&authority, "a").await;
    let papers = Papers::of(&authority, "b");
    let port = process.address.rsplit(':').next().unwrap();
    let directory = Directory::with(rules(), Uuid::now_v7);
    directory.join(papers.certificates.clone());
    let name = format!("dns:///localhost:{port}");
    directory.remote("a", name.parse().unwrap());
    client(&directory, "b").check(ask("")).await.unwrap();
    process.stop().await;
}

/// Calls until it is told to stop: on one connection for as long as it lasts, and on new ones.
fn traffic(
    papers: &Papers,
    address: &str,
    stop: &Arc<AtomicBool>,
    made: &Arc<AtomicUsize>,
) -> JoinHandle<Vec<Status>> {
    let (certificates, address) = (papers.certificates.clone(), address.to_owned());
    let (stop, made) = (Arc::clone(stop), Arc::clone(made));
    tokio::spawn(async move {
        let lasting = caller(&certificates, &address);
        let mut failures = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            let fresh = caller(&certificates, &address);
            for directory in [&lasting, &fresh] {
                if let Err(status) = client(directory, "b").check(ask("")).await {
                    failures.push(status);
                }
            }
            made.fetch_add(1, Ordering::Relaxed);
        }
        failures
    })
}

/// Waits until whoever makes calls has made some from the beginning to the end since now.
async fn more(made: &AtomicUsize, callers: usize) {
    let enough = made.load(Ordering::Relaxed) + 2 * callers;
    in_time(async {
        while made.load(Ordering::Relaxed) < enough {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn authorities_and_certificates_change_under_calls_and_none_fails() {
    const CALLERS: usize = 2;
    const ROTATIONS: usize = 5;
    let mut authority = Authority::new("authority 0");
    let process = Process::start(&authority, "a").await;
    let papers = Papers::of(&authority, "b");
    let (stop, made) = (Arc::default(), Arc::default());
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| traffic(&papers, &process.address, &stop, &made))
        .collect();
    more(&made, CALLERS).await;
    for rotation in 1..=ROTATIONS {
        let next = Authority::new(&format!("authority {rotation}"));
        // One after the other, with calls in between: no two processes change at the same moment.
        process.papers.believe(&[&authority, &next]);
        more(&made, CALLERS).await;
        papers.believe(&[&authority, &next]);
        more(&made, CALLERS).await;
        papers.renew(&next, "b");
        more(&made, CALLERS).await;
        process.papers.renew(&next, "a");
        more(&made, CALLERS).await;
        papers.believe(&[&next]);
        more(&made, CALLERS).await;
        process.papers.believe(&[&next]);
        more(&made, CALLERS).await;
        // Now the former counts for nothing any more, and the new one does.
        for (issuer, outcome) in [(&authority, OUT), (&next, IN)] {
            let shown = issuer.issue("b", |_| ());
            let outsider = Outsider::with(Some(&shown));
            let found = in_time(outsider.call(&process.address, "b", "a")).await;
            assert_eq!(found, outcome, "rotation {rotation}");
        }
        authority = next;
    }
    stop.store(true, Ordering::Relaxed);
    for calls in callers {
        let failures = in_time(calls).await.unwrap();
        assert!(failures.is_empty(), "{failures:?}");
    }
    process.stop().await;
}

#[tokio::test]
async fn a_session_of_before_is_not_resumed_once_its_authority_is_gone() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let process = Process::start(&old, "a").await;
    // It keeps every session it is offered.
    let outsider = Outsider::with(Some(&old.issue("b", |_| ())));
    for _ in 0..2 {
        let outcome = in_time(outsider.call(&process.address, "b", "a")).await;
        assert_eq!(outcome, IN);
    }
    process.papers.believe(&[&old, &new]);
    process.papers.renew(&new, "a");
    process.papers.believe(&[&new]);
    let outcome = in_time(outsider.call(&process.address, "b", "a")).await;
    assert_eq!(outcome, OUT);
    assert_eq!(outsider.resumed(), 0);
    process.stop().await;
}

#[tokio::test]
async fn files_that_cannot_be_used_are_counted_and_the_ones_before_serve_on() {
    let authority = Authority::new("one");
    let process = Process::start(&authority, "a").await;
    let papers = Papers::of(&authority, "b");
    let folder = process.papers.folder.path();
    let certificates = &process.papers.certificates;
    let good = certificates.status();
    assert_eq!((good.reload_failures, good.reload_failing), (0, false));
    let place = files(folder);
    let garbage = "-----BEGIN CERTIFICATE-----\nnonsense";
    let stranger = Authority::new("two");
    let damages: [&dyn Fn(); 6] = [
        &|| write(&place.certificate, garbage),
        &|| write(&place.certificate, ""),
        &|| write(&place.key, "nothing"),
        &|| write_authorities(folder, &[&stranger]),
        &|| std::fs::remove_file(&place.authorities).unwrap(),
        // Half of a new set: the certificate of another key.
        &|| {
            let kept = std::fs::read_to_string(&place.key).unwrap();
            authority.issue("a", |_| ()).write(folder);
            write(&place.key, &kept);
        },
    ];
    for (index, damage) in damages.into_iter().enumerate() {
        write_authorities(folder, &[&authority]);
        authority.issue("a", |_| ()).write(folder);
        assert!(certificates.reload().unwrap());
        damage();
        certificates.reload().unwrap_err();
        let status = certificates.status();
        assert!(status.reload_failing);
        assert_eq!(status.reload_failures, index as u64 + 1);
        let directory = caller(&papers.certificates, &process.address);
        client(&directory, "b").check(ask("")).await.unwrap();
    }
    authority
        .issue("a", |params| valid(params, -10, DAY))
        .write(folder);
    assert!(certificates.reload().unwrap());
    assert!(!certificates.reload().unwrap());
    let status = certificates.status();
    assert_eq!((status.reload_failures, status.reload_failing), (6, false));
    assert!(status.not_after < good.not_after);
    assert_eq!(status.id.to_string(), id("a"));
    assert_eq!(status.id.account(), Some((NAMESPACE, "a")));
    process.stop().await;
}

#[tokio::test]
async fn a_connection_is_not_used_beyond_the_end_of_its_certificates() {
    let authority = Authority::new("one");
    let process = Process::start(&authority, "a").await;
    let papers = Papers::of(&authority, "b");
    // Ends soon, and is replaced by one that does not.
    let brief = authority.issue("b", |params| valid(params, -10, 12));
    brief.write(papers.folder.path());
    assert!(papers.certificates.reload().unwrap());
    let ends = papers.certificates.status().not_after;
    let (address, connections) = counted(&process.address).await;
    let directory = caller(&papers.certificates, &address);
    client(&directory, "b").check(ask("")).await.unwrap();
    papers.renew(&authority, "b");
    in_time(async {
        while std::time::SystemTime::now() <= ends {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    assert_eq!(connections.load(Ordering::Relaxed), 1);
    for _ in 0..2 {
        client(&directory, "b").check(ask("")).await.unwrap();
        assert_eq!(connections.load(Ordering::Relaxed), 2);
    }
    process.stop().await;
}

/// An address that leads to another, and how many connections went that way.
async fn counted(address: &str) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let way = listener.local_addr().unwrap().to_string();
    let (address, connections) = (address.to_owned(), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&connections);
    tokio::spawn(async move {
        loop {
            let (mut near, _) = listener.accept().await.unwrap();
            count.fetch_add(1, Ordering::Relaxed);
            let mut far = TcpStream::connect(&address).await.unwrap();
            tokio::spawn(async move { copy_bidirectional(&mut near, &mut far).await });
        }
    });
    (way, connections)
}
