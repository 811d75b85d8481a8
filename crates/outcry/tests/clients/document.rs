//! The exported AsyncAPI document, read by the official parser.

use serde_json::json;
use tokio::process::Command;

use super::language::{lines, one, root, succeeds, turn};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_official_parser_finds_no_fault_in_the_exported_document() {
    let _turn = turn().await;
    let Some(typescript) = one("typescript").await else {
        return;
    };
    let document = root().join("clients/schema/asyncapi.json");
    let document = document.canonicalize().unwrap();
    let mut parser = Command::new("npm");
    parser
        .args(["run", "--silent", "asyncapi", "--"])
        .arg(document)
        .current_dir(typescript.folder());
    let printed = lines(&succeeds(parser, "the official parser").await);
    let [read] = printed.as_slice() else {
        panic!("{printed:#?}");
    };
    let events = outcry_contracts::EVENTS.len();
    assert_eq!(read["errors"], json!([]));
    assert_eq!(read["version"], "3.0.0");
    assert_eq!(read["channels"], events, "{read:#}");
    assert_eq!(read["messages"], events, "{read:#}");
    println!("the official parser reads {read}");
}
