//! docs/new-service.md, followed to the letter in a copy of the project: every file written, every
//! file changed, every command run.

#![expect(
    clippy::unwrap_used,
    reason = "a guide that cannot be followed fails where it cannot"
)]

mod page;
mod workshop;

use std::path::{Path, PathBuf};

use page::{Block, blocks};
use workshop::Workshop;

/// The project's folder.
fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.join("../..").canonicalize().unwrap()
}

#[test]
fn the_guide_leads_to_a_service_that_takes_part() {
    let page = std::fs::read_to_string(root().join("docs/new-service.md")).unwrap();
    let workshop = Workshop::open(&root());
    for block in blocks(&page).unwrap() {
        match block {
            Block::File { path, text } => workshop.write(&path, &text),
            Block::Change { path, hunks } => workshop.change(&path, &hunks),
            Block::Commands(commands) => workshop.run(&commands),
        }
    }
}
