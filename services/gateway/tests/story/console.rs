//! What a browser gets that opens the gateway's address.

use std::path::Path;
use std::process::Command;

use outcry_gateway::Config;

use crate::browsers::exchange;
use crate::rig::Rig;

/// The value of a header in a head as it came.
fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

#[tokio::test]
async fn the_console_is_served_with_a_strict_policy() {
    let rig = Rig::start().await;
    for (path, kind) in [
        ("/", "text/html; charset=utf-8"),
        ("/console/style.css", "text/css; charset=utf-8"),
        ("/console/page.js", "text/javascript; charset=utf-8"),
        ("/console/contract.json", "application/json"),
    ] {
        let (head, body) = exchange(&rig, &format!("GET {path} HTTP/1.1"), b"").await;
        assert!(head.starts_with("http/1.1 200"), "{path}: {head}");
        assert!(!body.is_empty(), "{path}");
        assert_eq!(header(&head, "content-type"), Some(kind), "{path}");
        assert_eq!(header(&head, "x-content-type-options"), Some("nosniff"));
        assert_eq!(header(&head, "cache-control"), Some("no-cache"));
        let policy = header(&head, "content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none';"), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(
            !policy.contains("unsafe") && !policy.contains('*'),
            "{policy}"
        );
    }
}

#[tokio::test]
async fn a_browser_that_has_a_file_is_told_so_until_it_changes() {
    let rig = Rig::start().await;
    let (head, _) = exchange(&rig, "GET /console/page.js HTTP/1.1", b"").await;
    let tag = header(&head, "etag").unwrap();
    let again = format!("GET /console/page.js HTTP/1.1\nif-none-match: {tag}");
    let (head, body) = exchange(&rig, &again, b"").await;
    assert!(head.starts_with("http/1.1 304"), "{head}");
    assert!(body.is_empty());
    assert_eq!(header(&head, "etag"), Some(tag));
    let other = "GET /console/page.js HTTP/1.1\nif-none-match: \"0000000000000000\"";
    let (head, body) = exchange(&rig, other, b"").await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert!(!body.is_empty());
}

#[tokio::test]
async fn there_is_nothing_beside_the_consoles_files() {
    let rig = Rig::start().await;
    for path in [
        "/console/nothing.js",
        "/console/../Cargo.toml",
        "/console/%2e%2e%2fCargo.toml",
        "/console/",
    ] {
        let (head, _) = exchange(&rig, &format!("GET {path} HTTP/1.1"), b"").await;
        assert!(head.starts_with("http/1.1 404"), "{path}: {head}");
    }
}

#[tokio::test]
async fn a_gateway_without_the_console_says_what_it_is_instead() {
    let (head, body) = {
        let rig = Rig::with(Config {
            console: false,
            ..Config::default()
        })
        .await;
        exchange(&rig, "GET / HTTP/1.1", b"").await
    };
    assert!(head.starts_with("http/1.1 404"), "{head}");
    let text = String::from_utf8(body).unwrap();
    assert!(
        text.contains("gRPC-Web") && !text.contains("console"),
        "{text}"
    );
}

#[tokio::test]
async fn the_page_reads_and_writes_what_the_platform_does() {
    let node = Command::new("node").arg("--version").output();
    if !node.is_ok_and(|output| output.status.success()) {
        assert!(
            std::env::var_os("CI").is_none(),
            "the console's scripts must be tried, but there is no node"
        );
        eprintln!("left out: there is no node");
        return;
    }
    let rig = Rig::start().await;
    let (_, contract) = exchange(&rig, "GET /console/contract.json HTTP/1.1", b"").await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("contract.json");
    std::fs::write(&file, contract).unwrap();
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let scripts = std::fs::read_dir(crate_folder.join("tests/console")).unwrap();
    let output = Command::new("node")
        .arg("--test")
        .args(scripts.map(|entry| entry.unwrap().path()))
        .env("CONTRACT", &file)
        .env("GOLDEN", crate_folder.join("../../contracts/golden"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
