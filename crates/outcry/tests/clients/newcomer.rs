//! The way of a newcomer in each language, as docs/clients.md shows it: every command of it is run.

use std::path::PathBuf;

use tokio::process::Command;

use super::language::{self, Language, lines, root, succeeds, turn};
use super::market::Market;

/// Marks the blocks of the document that are for every language.
const EVERY: &str = "every";

/// Tells a terminal to go back to its own colours.
const PLAIN: &str = "\u{1b}[0m";

/// The document's commands that are marked with a word, in their order.
fn commands(document: &str, mark: &str) -> String {
    let mut found = String::new();
    let mut inside = false;
    for line in document.lines() {
        match line.strip_prefix("```") {
            Some(_) if inside => inside = false,
            Some(info) => inside = info == format!("sh {mark}"),
            None if inside => {
                found.push_str(line);
                found.push('\n');
            }
            None => {}
        }
    }
    assert!(
        !found.is_empty(),
        "the document has no commands marked `{mark}`"
    );
    found
}

async fn follow(language: &Language, document: &str, market: &Market) {
    let name = language.name;
    let script = commands(document, EVERY) + &commands(document, name);
    let binary = PathBuf::from(env!("CARGO_BIN_EXE_outcry"));
    let path = std::env::var("PATH").unwrap();
    let mut shell = Command::new("bash");
    shell
        .args(["-euo", "pipefail", "-c", &script])
        .current_dir(root())
        .env(
            "PATH",
            format!("{}:{path}", binary.parent().unwrap().display()),
        )
        .env("OUTCRY_ADDRESS", &market.address)
        .env("OUTCRY_AMQP", market.rabbit.url());
    let printed = succeeds(shell, &format!("the way of a newcomer in {name}")).await;
    let told: String = printed
        .lines()
        // Maven takes colours back that it did not set, without a line of its own.
        .map(|line| line.trim_start_matches(PLAIN))
        .filter(|line| line.starts_with('{'))
        .fold(String::new(), |told, line| told + line + "\n");
    let told = lines(&told);
    let [trade, event] = told.as_slice() else {
        panic!("{name}: {printed}");
    };
    assert_eq!(trade["status"], "FILLED", "{name}: {trade:#}");
    assert_eq!(event["action"], "handled", "{name}: {event:#}");
    assert_eq!(event["topic"], "order.filled", "{name}: {event:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newcomers_way_in_each_language_leads_to_a_fill_that_is_seen() {
    let _turn = turn().await;
    if !outcry_servers::present() {
        return;
    }
    let document = std::fs::read_to_string(root().join("docs/clients.md")).unwrap();
    let languages = language::built().await;
    let market = Market::open().await;
    for language in languages {
        follow(language, &document, &market).await;
    }
    market.close();
}
