//! The commands, on folders of their own.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use clap::Parser as _;
use outcry_mesh::{Accounts, CertificateFiles, Certificates};
use tempfile::TempDir;

use super::*;
use crate::arguments::{Arguments, Command};

/// Runs a command line.
fn outcry(line: &str, folder: &TempDir) -> anyhow::Result<()> {
    let line = line.replace("FOLDER", folder.path().to_str().unwrap());
    let words = ["outcry", "certs"].into_iter().chain(line.split(' '));
    match Arguments::try_parse_from(words)?.command {
        Command::Certs(certs) => run(certs, Output::plain()),
        _ => unreachable!("another command"),
    }
}

/// What the mesh makes of the certificate of an account.
fn loaded(folder: &TempDir, account: &str) -> anyhow::Result<Certificates> {
    let files = CertificateFiles {
        certificate: folder.path().join(account).join("certificate.pem"),
        key: folder.path().join(account).join("key.pem"),
        authorities: folder.path().join("authorities.pem"),
    };
    let trust_domain = "outcry.local".parse()?;
    Ok(Certificates::load(
        files,
        trust_domain,
        Accounts::default(),
    )?)
}

fn facts(path: &Path) -> CertificateFacts {
    read(path).unwrap().remove(0)
}

#[test]
fn all_makes_an_authority_and_whatever_processes_need() {
    let folder = tempfile::tempdir().unwrap();
    outcry("all FOLDER", &folder).unwrap();
    for service in services::NAMES {
        let certificates = loaded(&folder, service).unwrap();
        let id = format!("spiffe://outcry.local/ns/outcry/sa/{service}");
        assert_eq!(certificates.status().id.to_string(), id);
        assert!(certificates.may_speak_for(service));
    }
    assert!(loaded(&folder, "gateway").unwrap().may_speak_for("edge"));
    let public = facts(&folder.path().join("public/certificate.pem"));
    assert_eq!(public.hosts, ["localhost", "127.0.0.1", "::1"]);
    assert_eq!(usages(&public), ["server"]);
    assert!(public.uris.is_empty());
    assert!(loaded(&folder, "public").is_err());
}

#[test]
fn files_are_private_and_are_replaced_only_by_force() {
    let folder = tempfile::tempdir().unwrap();
    outcry("authority FOLDER", &folder).unwrap();
    outcry("issue FOLDER --account orders", &folder).unwrap();
    for file in ["authority.key", "authority.pem", "orders/key.pem"] {
        let mode = fs::metadata(folder.path().join(file)).unwrap();
        assert_eq!(mode.permissions().mode() & 0o777, 0o600, "{file}");
    }
    let files = ["authority.key", "authority.pem", "orders/certificate.pem"];
    let read = || files.map(|file| fs::read(folder.path().join(file)).unwrap());
    let before = read();
    for line in [
        "authority FOLDER",
        "issue FOLDER --account orders",
        "all FOLDER",
    ] {
        let refused = outcry(line, &folder).unwrap_err().to_string();
        assert!(refused.contains("--force"), "{refused}");
    }
    assert_eq!(read(), before);
    outcry("issue FOLDER --account orders --force", &folder).unwrap();
    outcry("all FOLDER --force", &folder).unwrap();
    let after = read();
    // The authority stays: it is another one only when that is asked for.
    assert_eq!(after[..2], before[..2]);
    assert_ne!(after[2], before[2]);
    let left = fs::read_dir(folder.path()).unwrap();
    let names = left.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(!names.into_iter().any(|name| name.contains("draft")));
}

#[test]
fn an_authority_follows_another_without_anybody_being_refused() {
    let folder = tempfile::tempdir().unwrap();
    outcry("all FOLDER", &folder).unwrap();
    let orders = loaded(&folder, "orders").unwrap();
    outcry("authority FOLDER --force", &folder).unwrap();
    // Both are believed, and certificates of the former still count.
    assert!(orders.reload().unwrap());
    outcry("all FOLDER --force", &folder).unwrap();
    assert!(orders.reload().unwrap());
    fs::copy(
        folder.path().join("authority.pem"),
        folder.path().join("authorities.pem"),
    )
    .unwrap();
    assert!(orders.reload().unwrap());
    assert!(!orders.status().reload_failing);
}

#[test]
fn a_certificate_is_what_was_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    outcry("authority FOLDER --days 2", &folder).unwrap();
    let line = "issue FOLDER --account core --namespace trial --trust-domain outcry.example \
                --days 9 --dns core.trial.svc --dns 10.0.0.1";
    outcry(line, &folder).unwrap();
    let path = folder.path().join("core/certificate.pem");
    let core = facts(&path);
    let id = "spiffe://outcry.example/ns/trial/sa/core";
    assert_eq!(core.uris, [id]);
    assert_eq!(core.hosts, ["core.trial.svc", "10.0.0.1"]);
    assert_eq!(usages(&core), ["client", "server"]);
    // Not beyond the authority's own time.
    let authority = facts(&folder.path().join("authority.pem"));
    assert_eq!(core.not_after, authority.not_after);
    assert_eq!(core.issuer, authority.subject);
    let shown = described(&core);
    assert!(
        shown.starts_with(id) && shown.contains("client, server"),
        "{shown}"
    );
    assert_eq!(as_json(&core)["id"], id);
    assert_eq!(as_json(&authority)["usages"], json!(["authority"]));
    let line = format!("show {} --json", path.display());
    outcry(&line, &folder).unwrap();
}

#[test]
fn what_makes_no_sense_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |line: &str| format!("{:#}", outcry(line, &folder).unwrap_err());
    let none = refused("issue FOLDER --account orders");
    assert!(none.contains("outcry certs authority"), "{none}");
    outcry("authority FOLDER", &folder).unwrap();
    for (line, named) in [
        ("issue FOLDER --account a/b", "--account"),
        ("issue FOLDER --account public", "another account"),
        ("issue FOLDER --account a --namespace ..", "--namespace"),
        (
            "issue FOLDER --account a --trust-domain A",
            "--trust-domain",
        ),
        ("issue FOLDER --account a --days 0", "--days"),
        ("show FOLDER/authority.key", "no certificate"),
    ] {
        let refused = refused(line);
        assert!(refused.contains(named), "{line}: {refused}");
    }
    // Somebody else's authority is not taken for one of these.
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(folder.path().join("authority.pem"), made.cert.pem()).unwrap();
    assert!(refused("issue FOLDER --account orders").contains("no authority"));
}
