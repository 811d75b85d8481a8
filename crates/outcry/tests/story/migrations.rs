//! Tables that are made by a command, before services start or while they wait.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio_postgres::NoTls;

use super::backbone::Backbone;
use super::distributed::turn;
use super::outcry::{Outcry, command, complaint, services};

/// How long a process may take to say or do something: generous, for a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// How often that is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Runs SQL on the platform's database.
fn execute(backbone: &Backbone, sql: &str) {
    backbone.block_on(async {
        let url = backbone.postgres.url();
        let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
        tokio::spawn(connection);
        client.batch_execute(sql).await.unwrap();
    });
}

fn step(row: &Value, end: &str) -> i64 {
    row[end].as_i64().unwrap()
}

/// A process that is ended with the story.
struct Waiting {
    process: Child,
    log: PathBuf,
}

impl Waiting {
    fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Looks, by what it has said, until something is so; it must not end before.
    fn until(&mut self, what: &str, is_so: impl Fn(&str) -> bool) {
        let end = Instant::now() + PATIENCE;
        loop {
            let said = self.said();
            if is_so(&said) {
                return;
            }
            let ended = self.process.try_wait().unwrap();
            assert!(ended.is_none(), "it ended ({ended:?}): {said}");
            assert!(Instant::now() < end, "{what}: {said}");
            std::thread::sleep(LOOK_EVERY);
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let _killed = self.process.kill();
        let _ended = self.process.wait();
    }
}

/// A platform that is not to migrate, on a database without tables, as soon as it waits for them.
fn waiting(backbone: &Backbone) -> (Outcry, Waiting) {
    let mut variables = backbone.variables();
    variables.push(("OUTCRY_DATABASE__MIGRATE".to_owned(), "never".to_owned()));
    let outcry = Outcry::with(variables);
    let log = outcry.folder().join("log");
    let process = outcry
        .command(&["up", "--listen", "127.0.0.1:0"])
        .stdout(Stdio::null())
        .stderr(File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let mut waiting = Waiting { process, log };
    waiting.until("it waits", |said| said.contains("`outcry migrate`"));
    assert!(!outcry.data().join("address").exists());
    (outcry, waiting)
}

#[test]
fn a_process_that_is_not_to_migrate_waits_for_the_command_that_does() {
    let _turn = turn();
    let Some(backbone) = Backbone::start() else {
        return;
    };
    let (outcry, mut waiting) = waiting(&backbone);

    // A service alone, then all.
    let one = outcry.json(&["migrate", "users", "--json"]);
    let rows = one["services"].as_array().unwrap();
    let latest = step(&rows[0], "to");
    assert_eq!(
        one,
        json!({ "services": [{ "service": "users", "from": 0, "to": latest }] })
    );
    let all = outcry.verb(&["migrate"]);
    assert!(all.status.success(), "{}", complaint(&all));
    let told = String::from_utf8(all.stdout).unwrap();
    assert_eq!(told.lines().count(), services().len(), "{told}");
    assert!(
        told.contains(&format!("users: as it should be, at step {latest}\n"))
            && told.contains(&format!("gateway: made, at step {latest}\n")),
        "{told}"
    );
    let address = outcry.data().join("address");
    waiting.until("it is there", |_| address.exists());

    let again = outcry.json(&["migrate", "--json"]);
    for row in again["services"].as_array().unwrap() {
        assert_eq!(step(row, "from"), step(row, "to"), "{row}");
    }
}

#[test]
fn a_process_that_is_asked_to_stop_while_it_starts_stops() {
    let _turn = turn();
    let Some(backbone) = Backbone::start() else {
        return;
    };
    let (outcry, mut waiting) = waiting(&backbone);
    let asked = Command::new("kill")
        .args(["-TERM", &waiting.process.id().to_string()])
        .status();
    assert!(asked.unwrap().success());
    let ended = waiting.process.wait().unwrap();
    assert!(ended.success(), "{ended}: {}", waiting.said());
    assert!(!outcry.data().join("address").exists());
}

#[test]
fn tables_of_a_newer_version_are_an_error_that_says_so() {
    let _turn = turn();
    let Some(backbone) = Backbone::start() else {
        return;
    };
    let outcry = Outcry::with(backbone.variables());
    outcry.json(&["migrate", "funds", "--json"]);
    execute(
        &backbone,
        "INSERT INTO outcry_funds.steps (step) VALUES (99)",
    );
    for arguments in [&["migrate", "funds"][..], &["migrate"]] {
        let refused = outcry.verb(arguments);
        assert_eq!(refused.status.code(), Some(1));
        let complaint = complaint(&refused);
        assert!(
            complaint.contains("funds") && complaint.contains("step 99"),
            "{complaint}"
        );
    }
    // What comes before it is done all the same.
    let orders = outcry.json(&["migrate", "orders", "--json"]);
    assert_ne!(orders["services"][0]["from"], 0, "{orders}");
}

#[test]
fn without_a_server_there_is_nothing_to_migrate_by_command() {
    let outcry = Outcry::new();
    let refused = outcry.verb(&["migrate"]);
    assert!(!refused.status.success());
    let complaint = complaint(&refused);
    assert!(
        complaint.contains("--database") && complaint.contains("outcry up"),
        "{complaint}"
    );
    assert!(!outcry.data().exists(), "nothing is made");
}

/// Gives PostgreSQL a certificate, as a company with an authority of its own would.
fn encrypt(backbone: &Backbone, certificate: &Path, key: &Path) {
    for (file, at) in [("server.crt", certificate), ("server.key", key)] {
        let pem = std::fs::read_to_string(at).unwrap();
        // The server itself writes them: its key must be its own, and nobody else's to read.
        execute(
            backbone,
            &format!(
                "COPY (SELECT string_to_table('{}', E'\\n')) TO PROGRAM 'umask 077; cat > {file}'",
                pem.trim_end()
            ),
        );
    }
    execute(backbone, "ALTER SYSTEM SET ssl = on");
    execute(backbone, "SELECT pg_reload_conf()");
}

#[test]
fn a_server_with_a_certificate_of_a_companys_own_authority_is_trusted_when_that_is_named() {
    let _turn = turn();
    let Some(backbone) = Backbone::start() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let made = command(&["certs", "all"])
        .arg(folder.path())
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", complaint(&made));
    let own = folder.path().join("public");
    encrypt(
        &backbone,
        &own.join("certificate.pem"),
        &own.join("key.pem"),
    );
    let url = format!("{}?sslmode=require", backbone.postgres.url());
    let variable = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let strange = Outcry::with(vec![variable("OUTCRY_DATABASE__URL", &url)]);
    let authorities = folder.path().join("authorities.pem");
    let trusted = Outcry::with(vec![
        variable("OUTCRY_DATABASE__URL", &url),
        variable("OUTCRY_DATABASE__CA_FILE", authorities.to_str().unwrap()),
    ]);
    // It takes a moment until the server has read its settings.
    let end = Instant::now() + PATIENCE;
    loop {
        let migrated = trusted.verb(&["migrate", "users"]);
        if migrated.status.success() {
            break;
        }
        assert!(Instant::now() < end, "{}", complaint(&migrated));
        std::thread::sleep(LOOK_EVERY);
    }
    let refused = strange.verb(&["migrate", "users"]);
    assert_eq!(refused.status.code(), Some(3));
    let complaint = complaint(&refused);
    assert!(complaint.contains("certificate"), "{complaint}");
}
