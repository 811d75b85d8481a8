//! What cannot be done says so, and what to do.

use std::net::TcpListener;

use super::outcry::{Outcry, command, complaint};

#[test]
fn a_port_in_use_is_named_with_a_way_out() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let outcry = Outcry::new();
    let output = outcry.verb(&["up", "--listen", &address]);
    assert!(!output.status.success());
    let complaint = complaint(&output);
    assert!(
        complaint.contains(&address) && complaint.contains("--listen"),
        "{complaint}"
    );
}

#[test]
fn a_folder_that_cannot_be_written_is_named_with_a_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, b"").unwrap();
    let mut command = command(&["up", "--listen", "127.0.0.1:0", "--data"]);
    let output = command.arg(file.join("data")).output().unwrap();
    assert!(!output.status.success());
    let complaint = complaint(&output);
    assert!(
        complaint.contains("cannot write") && complaint.contains("--data"),
        "{complaint}"
    );
}

#[test]
fn a_second_platform_on_the_same_folder_is_refused() {
    let mut outcry = Outcry::new();
    outcry.up();
    let output = outcry.verb(&["up", "--listen", "127.0.0.1:0"]);
    assert!(!output.status.success());
    assert!(
        complaint(&output).contains("opening the data"),
        "{}",
        complaint(&output)
    );
    outcry.stop();
}

#[test]
fn a_folder_of_a_newer_version_is_refused_and_left_alone() {
    let mut outcry = Outcry::new();
    outcry.up();
    outcry.stop();
    let path = outcry.data().join("outcry.db");
    let raise = |by: i64| {
        let connection = outcry_sqlite::rusqlite::Connection::open(&path).unwrap();
        connection
            .execute("UPDATE schema_versions SET version = version + ?1", [by])
            .unwrap();
    };
    raise(1000);
    let output = outcry.verb(&["up", "--listen", "127.0.0.1:0"]);
    assert!(!output.status.success());
    assert!(
        complaint(&output).contains("newer"),
        "{}",
        complaint(&output)
    );
    raise(-1000);
    outcry.up();
    outcry.stop();
}

#[test]
fn a_setting_that_does_not_exist_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("outcry.toml");
    std::fs::write(&file, "[gateway]\nreflektion = true\n").unwrap();
    let mut command = command(&["config", "--config"]);
    let output = command.arg(&file).output().unwrap();
    assert!(!output.status.success());
    assert!(
        complaint(&output).contains("reflektion"),
        "{}",
        complaint(&output)
    );
}

#[test]
fn a_verb_without_a_platform_says_how_to_start_one() {
    let outcry = Outcry::new();
    let output = outcry.verb(&["events", "tail"]);
    assert!(!output.status.success());
    assert!(
        complaint(&output).contains("outcry up"),
        "{}",
        complaint(&output)
    );
    let output = outcry.verb(&["audit"]);
    assert!(!output.status.success());
    assert!(
        complaint(&output).contains("--data"),
        "{}",
        complaint(&output)
    );
}

#[test]
fn a_file_of_authorities_that_is_not_there_is_named() {
    let server = "postgres://a:b@127.0.0.1:1/c?sslmode=require";
    let variables = [
        ("OUTCRY_DATABASE__URL", server),
        ("OUTCRY_DATABASE__CA_FILE", "/nowhere/database.pem"),
        ("OUTCRY_BROKER__URL", "amqps://a:b@127.0.0.1:1"),
        ("OUTCRY_BROKER__MANAGEMENT_URL", "https://a:b@127.0.0.1:1"),
        ("OUTCRY_BROKER__CA_FILE", "/nowhere/broker.pem"),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let outcry = Outcry::with(variables.into());
    for (verb, file) in [
        (&["migrate"][..], "/nowhere/database.pem"),
        (&["audit"], "/nowhere/database.pem"),
        (&["topology", "plan"], "/nowhere/broker.pem"),
    ] {
        let refused = outcry.verb(verb);
        assert!(!refused.status.success());
        let complaint = complaint(&refused);
        assert!(complaint.contains(file), "{complaint}");
    }
}
