//! Links of the documents lead to files that are there, and to headings in them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::checkout::root;

/// Folders whose documents are looked at, besides those at the root.
const FOLDERS: [&str; 7] = [
    "docs",
    "clients",
    "clients/go",
    "clients/java",
    "clients/python",
    "clients/typescript",
    "helm/outcry",
];

/// Where the links in a text lead to. Code is not looked at.
fn targets(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in prose(text) {
        // Every second part is inside of backticks.
        for part in line.split('`').step_by(2) {
            for (at, _) in part.match_indices("](") {
                let target = &part[at + 2..];
                if let Some(end) = target.find(')') {
                    found.push(target[..end].to_owned());
                }
            }
        }
    }
    found
}

/// Lines outside of fences.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut inside = false;
    text.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        inside ^= fence;
        !inside && !fence
    })
}

/// The headings of a text as links name them.
fn anchors(text: &str) -> Vec<String> {
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    let headings = prose(text).filter_map(|line| {
        let title = line.trim_start_matches('#');
        (title.len() < line.len() && title.starts_with(' ')).then_some(title)
    });
    headings
        .map(|title| {
            let anchor = anchor(title);
            let before = times.entry(anchor.clone()).or_default();
            *before += 1;
            match *before {
                1 => anchor,
                again => format!("{anchor}-{}", again - 1),
            }
        })
        .collect()
}

fn anchor(title: &str) -> String {
    let letters = title.trim().chars().filter_map(|letter| match letter {
        ' ' => Some('-'),
        '-' | '_' => Some(letter),
        _ if letter.is_alphanumeric() => Some(letter),
        _ => None,
    });
    letters.collect::<String>().to_lowercase()
}

/// What is wrong with a link of a document.
fn fault(document: &Path, target: &str) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (file, heading) = target.split_once('#').unwrap_or((target, ""));
    let path = match file {
        "" => document.to_path_buf(),
        file => document.parent().unwrap().join(file),
    };
    if !path.exists() {
        return Some(format!("{}: there is no {target}", document.display()));
    }
    if heading.is_empty()
        || anchors(&fs::read_to_string(&path).unwrap()).contains(&heading.to_owned())
    {
        return None;
    }
    Some(format!("{}: no heading is {target}", document.display()))
}

fn documents() -> Vec<PathBuf> {
    let folders = FOLDERS.iter().map(|folder| root().join(folder));
    let mut documents = Vec::new();
    for folder in folders.chain([root()]) {
        let entries = fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        documents.extend(entries.filter(|path| path.extension().is_some_and(|end| end == "md")));
    }
    documents
}

#[test]
fn every_link_in_the_documents_leads_to_a_file_and_a_heading_that_are_there() {
    let mut faults = Vec::new();
    let mut links = 0;
    for document in documents() {
        let targets = targets(&fs::read_to_string(&document).unwrap());
        links += targets.len();
        faults.extend(targets.iter().filter_map(|target| fault(&document, target)));
    }
    assert!(links > 0, "no links were found");
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn links_and_headings_are_found_and_those_in_code_are_not() {
    let text = "# A `code` page\nsee [this](a.md) and [that](b.md#c-d), not `[x](y)`\n```sh\n# no heading\n[z](q)\n```\n## C, d\n## C, d\n";
    assert_eq!(targets(text), ["a.md", "b.md#c-d"]);
    assert_eq!(anchors(text), ["a-code-page", "c-d", "c-d-1"]);
}

#[test]
fn a_link_that_leads_nowhere_is_named() {
    let document = root().join("README.md");
    assert!(fault(&document, "docs/nowhere.md").is_some());
    assert!(fault(&document, "#nowhere").is_some());
    assert!(fault(&document, "https://elsewhere.example/").is_none());
    assert!(fault(&document, "docs").is_none());
}
