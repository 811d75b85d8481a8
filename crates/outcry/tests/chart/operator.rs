//! What somebody who installs the chart makes before, as docs/kubernetes.md says.

use std::fs;
use std::path::Path;
use std::time::Duration;

use outcry_servers::{Postgres, RabbitMq};
use tokio::process::Command;

use super::cluster::Cluster;
use super::render::NAMESPACE;
use super::tools::prints;

/// How long making certificates may take.
const CERTIFICATES_MAX: Duration = std::time::Duration::from_secs(60);

/// The services, in the order of the binary.
pub const SERVICES: [&str; 10] = [
    "users",
    "orders",
    "trades",
    "funds",
    "payments",
    "ledger",
    "portfolio",
    "reports",
    "notifications",
    "gateway",
];

/// The administrator's, in whose name the round trip is made.
pub const ADMINISTRATOR: (&str, &str) = ("admin@example.com", "Tr4de-and-be-merry");

/// Secrets of every way to run it: the administrator, the payment provider, mail, the public port.
pub async fn secrets(cluster: &mut Cluster) {
    let (email, password) = ADMINISTRATOR;
    let file = format!("email = \"{email}\"\npassword = \"{password}\"\n");
    let release = &mut cluster.namespace;
    release.secret(
        "outcry-administrator",
        &[
            ("administrator.toml", &file),
            ("email", email),
            ("password", password),
        ],
    );
    release.secret(
        "outcry-payments",
        &[("webhook", "a secret of the payment provider")],
    );
    release.secret("outcry-mail", &[("password", "letters")]);
    certificates(cluster).await;
}

/// An authority, a certificate for each service, and one for the public port under its name in the cluster.
async fn certificates(cluster: &mut Cluster) {
    let folder = cluster.network.folder().join("authority");
    let of_mesh = ["--trust-domain", "example.com", "--namespace", NAMESPACE];
    let mut all = outcry();
    all.args(["certs", "all"]).arg(&folder).args(of_mesh);
    prints(all, CERTIFICATES_MAX, "certs all").await;
    let mut public = outcry();
    let host = format!("outcry-gateway.{NAMESPACE}.svc.cluster.local");
    public.args(["certs", "issue"]).arg(&folder).args(of_mesh);
    public.args(["--account", "public-port", "--dns", &host]);
    prints(public, CERTIFICATES_MAX, "certs issue").await;
    let authority = read(&folder.join("authorities.pem"));
    for name in SERVICES {
        let (certificate, key) = pair(&folder.join(name));
        let data = [
            ("tls.crt", &*certificate),
            ("tls.key", &key),
            ("ca.crt", &authority),
        ];
        cluster.namespace.secret(&format!("spiffe-{name}"), &data);
    }
    let (certificate, key) = pair(&folder.join("public-port"));
    let data = [("tls.crt", &*certificate), ("tls.key", &key)];
    cluster.namespace.secret("outcry-public", &data);
    let data = [("ca-certificates.crt", &*authority), ("ca.crt", &authority)];
    cluster.namespace.config_map("company-authorities", &data);
}

/// RabbitMQ and PostgreSQL under the names that the values have for them, and Secrets with the ways there.
pub async fn servers(cluster: &mut Cluster, rabbit: &RabbitMq, postgres: &Postgres) {
    let management = rabbit.management_url();
    let (account, port) = account(&management);
    rabbit.create_vhost("outcry").await.unwrap();
    let host = "rabbitmq.example.com";
    cluster
        .outside(host, &[(5672, rabbit.port()), (15_672, port)])
        .await;
    let mut data = vec![
        (
            "url".to_owned(),
            format!("amqp://{account}@{host}:5672/outcry"),
        ),
        (
            "management-url".to_owned(),
            format!("http://{account}@{host}:15672"),
        ),
    ];
    data.extend(SERVICES.map(|name| (name.to_owned(), format!("letters4{name}"))));
    let data: Vec<(&str, &str)> = data.iter().map(|(key, text)| (&**key, &**text)).collect();
    cluster.namespace.secret("outcry-rabbitmq", &data);

    let host = "postgresql.example.com";
    cluster.outside(host, &[(5432, postgres.port())]).await;
    for (secret, database) in [
        ("outcry-postgresql", "outcry"),
        ("outcry-postgresql-funds", "funds"),
    ] {
        let here = postgres.create_database(database).await.unwrap();
        let (account, _) = self::account(&here);
        let url = format!("postgres://{account}@{host}:5432/{database}");
        cluster.namespace.secret(secret, &[("url", &url)]);
    }
}

/// The same Secrets for processes that shall not come so far as to use them.
pub fn nowhere(cluster: &mut Cluster) {
    let mut data = vec![(
        "url",
        "amqp://nobody:nothing@rabbitmq.example.com:5672/outcry",
    )];
    data.extend(SERVICES.map(|name| (name, "letters4")));
    cluster.namespace.secret("outcry-rabbitmq", &data);
    let data = [(
        "url",
        "postgres://nobody:nothing@postgresql.example.com:5432/outcry",
    )];
    cluster.namespace.secret("outcry-postgresql", &data);
}

/// User and password of a URL, and its port.
fn account(url: &str) -> (String, u16) {
    let (_, rest) = url.split_once("://").unwrap();
    let (account, place) = rest.split_once('@').unwrap();
    let port = place.split('/').next().unwrap().rsplit(':').next().unwrap();
    (account.to_owned(), port.parse().unwrap())
}

fn outcry() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_outcry"));
    command.env_clear();
    command
}

fn pair(folder: &Path) -> (String, String) {
    (
        read(&folder.join("certificate.pem")),
        read(&folder.join("key.pem")),
    )
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
