//! The command line itself: what programs, scripts and shells get from it.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::outcry::{Outcry, command, complaint, services};

/// How long an event may take into the archive, on a busy machine.
const ARCHIVED_MAX: Duration = Duration::from_secs(120);

/// The error that a program reads, and the exit code.
fn refused(output: &Output) -> (Value, i32) {
    let error: Value = serde_json::from_slice(&output.stderr)
        .unwrap_or_else(|_| panic!("no JSON: {}", complaint(output)));
    assert!(output.stdout.is_empty());
    let code = output.status.code().unwrap();
    assert_eq!(error["error"]["exitCode"], code, "{error}");
    (error["error"].clone(), code)
}

#[test]
fn errors_are_json_when_asked_for_and_exit_codes_say_what_kind_they_are() {
    let outcry = Outcry::new();
    let away = [
        "events",
        "tail",
        "--json",
        "--address",
        "http://127.0.0.1:1",
        "--email",
        "a",
        "--password",
        "b",
    ];
    for (arguments, kind, code) in [
        (&["trace", "no id", "--json"][..], "usage", 2),
        (&["--json", "nonsense"], "usage", 2),
        (&["dlq", "redrive", "funds", "--json"], "usage", 2),
        (&["migrate", "--json"], "usage", 2),
        (&["dlq", "list", "--json"], "unreachable", 3),
        (&away, "unreachable", 3),
        (&["audit", "--json"], "failed", 1),
    ] {
        let (error, exit) = refused(&outcry.verb(arguments));
        assert_eq!(
            (error["kind"].as_str(), exit),
            (Some(kind), code),
            "{error}"
        );
        assert!(!error["message"].as_str().unwrap().is_empty());
    }
    // People are told the same, and what to do next.
    let output = outcry.verb(
        &away[..2]
            .iter()
            .chain(&away[3..])
            .copied()
            .collect::<Vec<_>>(),
    );
    let complaint = complaint(&output);
    assert!(
        complaint.starts_with("outcry: ") && complaint.contains("outcry up"),
        "{complaint}"
    );
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = command(&["schema", "list"])
        .stdout(writer)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", complaint(&output));
    assert_eq!(complaint(&output), "");
}

#[test]
fn completions_and_manual_pages_are_written() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let output = command(&["completions", shell]).output().unwrap();
        let script = String::from_utf8(output.stdout).unwrap();
        assert!(
            script.contains("outcry") && script.contains("topology"),
            "{shell}"
        );
    }
    let place = folder.path().to_str().unwrap();
    let output = command(&["man", place, "--json"]).output().unwrap();
    let written: Value = serde_json::from_slice(&output.stdout).unwrap();
    for page in written["pages"].as_array().unwrap() {
        assert!(
            folder.path().join(page.as_str().unwrap()).is_file(),
            "{page}"
        );
    }
    assert!(folder.path().join("outcry-dlq-redrive.1").is_file());
}

#[test]
fn somebody_new_opens_an_account_and_trades_by_typing() {
    let mut outcry = Outcry::new();
    outcry.start(&["--demo"]);
    let typed = |arguments: &[&str]| {
        let who = [
            "--email",
            "new@example.com",
            "--password",
            "correct horse battery",
        ];
        outcry.verb(&[arguments, &who, &["--json"]].concat())
    };
    let json = |arguments: &[&str]| -> Value {
        let output = typed(arguments);
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            complaint(&output)
        );
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let user = json(&["account", "register", "--name", "Somebody New"]);
    assert_eq!(user["userId"].as_str().unwrap().len(), 36);
    let (again, code) = refused(&typed(&["account", "register"]));
    assert_eq!(
        (code, again["status"].as_str()),
        (1, Some("AlreadyExists")),
        "{again}"
    );
    let deposit = json(&["account", "deposit", "100000"]);
    assert_eq!(deposit["amount"], "100000.00");

    // Whoever sells may be a moment away: the demo has just begun.
    let tail = ["events", "tail", "trade.executed", "--limit", "4", "--json"];
    assert!(outcry.verb(&tail).status.success());
    let buy = ["orders", "place", "buy", "2", "msft", "--wait"];
    let mut bought = Value::Null;
    for _ in 0..100 {
        bought = serde_json::from_slice(&typed(&buy).stdout).unwrap();
        if bought["status"] == "FILLED" {
            break;
        }
    }
    assert_eq!(bought["status"], "FILLED", "{bought}");
    assert_eq!(
        (&bought["symbol"], &bought["filledQuantity"]),
        (&"MSFT".into(), &2.into())
    );
    let flow = bought["correlationId"].as_str().unwrap();
    // The archive is a consumer like any other, and a moment behind.
    let end = Instant::now() + ARCHIVED_MAX;
    let tree = loop {
        let output = typed(&["trace", flow]);
        if output.status.success() {
            break String::from_utf8(output.stdout).unwrap();
        }
        assert!(Instant::now() < end, "{}", complaint(&output));
    };
    assert!(tree.contains("order.created"), "{tree}");
    let balances = json(&["account", "show"]);
    let rows = balances.as_array().unwrap();
    assert!(rows.iter().any(|row| row["asset"] == "MSFT"), "{balances}");

    // One that nobody takes: far below everybody else.
    let id = "0197d1a5-7c9e-7c6e-8a53-1f0c2f0a9b11";
    let rest = [
        "orders",
        "place",
        "buy",
        "1",
        "MSFT",
        "--limit",
        "1.00",
        "--life",
        "gtc",
        "--request-id",
        id,
    ];
    let resting = json(&rest);
    assert_eq!(resting["status"], "OPEN", "{resting}");
    assert_eq!(json(&rest)["orderId"], resting["orderId"]);
    let open = json(&["orders", "list", "--open"]);
    assert_eq!(open.as_array().unwrap().len(), 1, "{open}");
    let place = resting["orderId"].as_str().unwrap();
    assert_eq!(json(&["orders", "cancel", place])["status"], "CANCELLED");
    assert_eq!(json(&["orders", "show", place])["status"], "CANCELLED");

    let too_much = typed(&["orders", "place", "buy", "100000", "MSFT", "--limit", "90"]);
    let rejected: Value = serde_json::from_slice(&too_much.stdout).unwrap();
    assert_eq!(
        (too_much.status.code(), &rejected["status"]),
        (Some(4), &"REJECTED".into())
    );
    assert!(
        !rejected["message"].as_str().unwrap().is_empty(),
        "{rejected}"
    );
    outcry.stop();
}

/// A platform that is killed at the end.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _ended = self.0.wait();
    }
}

#[test]
fn a_running_platform_is_well_and_seen_at_work() {
    let outcry = Outcry::new();
    let up = [
        "up",
        "--json",
        "--listen",
        "127.0.0.1:0",
        "--admin",
        "127.0.0.1:0",
    ];
    let child = outcry
        .command(&up)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut running = Running(child);
    let mut lines = BufReader::new(running.0.stdout.take().unwrap()).lines();
    let mut next = || -> Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    let starting = next();
    assert_eq!(starting["state"], "starting", "{starting}");
    let admin = starting["admin"].as_str().unwrap().to_owned();
    let is_up = next();
    assert_eq!(is_up["state"], "running", "{is_up}");

    // Somebody signs in: a call to be seen.
    let tail = ["events", "tail", "#", "--from", "0", "--limit", "1"];
    assert!(outcry.verb(&tail).status.success());
    let seen = command(&["top", "--once", "--every", "1", "--json", "--admin", &admin])
        .output()
        .unwrap();
    assert!(seen.status.success(), "{}", complaint(&seen));
    let board: Value = serde_json::from_slice(&seen.stdout).unwrap();
    assert_eq!(board["processes"][0]["state"], "ready", "{board}");
    assert_eq!(
        board["processes"][0]["version"],
        env!("CARGO_PKG_VERSION"),
        "{board}"
    );
    let slowest = &board["traces"][0];
    assert!(slowest["milliseconds"].as_f64() > Some(0.0), "{board}");
    let id = slowest["correlationId"].as_str().unwrap();
    assert_eq!(id.len(), 36, "{board}");
    let services = services();
    let consumers = services.iter().filter(|service| service.consumes).count();
    let shown = |what: &str| board[what].as_array().unwrap().len();
    assert_eq!(shown("services"), services.len(), "{board}");
    assert_eq!(shown("groups"), consumers, "{board}");
    let seen = command(&["top", "--once", "--every", "1", "--admin", &admin])
        .output()
        .unwrap();
    let screen = String::from_utf8(seen.stdout).unwrap();
    assert!(
        screen.starts_with("outcry top  1 of 1 processes ready"),
        "{screen}"
    );
    assert!(screen.contains("\norders "), "{screen}");

    let place = admin.strip_prefix("http://").unwrap();
    let output = outcry.verb(&["doctor", "--json", "--admin", place]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["failed"], 0, "{report:#}");
    let says = |part: &str| {
        let findings = report["findings"].as_array().unwrap();
        assert!(
            findings
                .iter()
                .any(|one| one["says"].as_str().unwrap().contains(part)),
            "{part} is not said: {report:#}"
        );
    };
    says("reaches all");
    says("as this program");
    says("no key is parked");
    says("clock and that of the platform agree");
    assert!(output.status.success());
}

#[test]
fn an_installation_that_cannot_work_is_told_how_to_mend_it() {
    let outcry = Outcry::new();
    let well = outcry.verb(&["doctor"]);
    let told = String::from_utf8(well.stdout).unwrap();
    assert!(told.contains(" 0 to mend"), "{told}");
    let broken = outcry.folder().join("outcry.toml");
    std::fs::write(&broken, "listne = \"127.0.0.1:0\"\n").unwrap();
    let output = outcry.verb(&["doctor", "--config", broken.to_str().unwrap(), "--json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (output.status.code(), &report["failed"]),
        (Some(1), &Value::from(1))
    );
    assert!(
        report["findings"][0]["says"]
            .as_str()
            .unwrap()
            .contains("listne"),
        "{report}"
    );
    let nobody = "amqp://me:secret@127.0.0.1:1/%2f";
    let database = "postgres://me:secret@127.0.0.1:1/outcry";
    let output = outcry.verb(&[
        "doctor",
        "--json",
        "--broker",
        nobody,
        "--database",
        database,
    ]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.contains("secret"), "{text}");
    let report: Value = serde_json::from_str(&text).unwrap();
    for area in ["broker", "database"] {
        let findings = report["findings"].as_array().unwrap();
        let failed = findings
            .iter()
            .find(|one| one["area"] == area && one["mark"] == "failed");
        let failed = failed.unwrap_or_else(|| panic!("{area} is well: {report:#}"));
        assert!(
            failed["mend"]
                .as_str()
                .unwrap()
                .contains(&format!("[{area}]"))
        );
    }
}
