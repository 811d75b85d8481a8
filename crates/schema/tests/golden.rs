//! The golden events of every version of every event still say what they said.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use outcry_contracts::{EVENTS, EventFacts, validate};
use outcry_events::{SealedEvent, upcast};
use outcry_schema::golden;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts/golden")
}

/// Folders and files in a folder, by name.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

/// One golden event as it was written down.
struct Golden {
    topic: String,
    version: u32,
    case: String,
    bytes: Bytes,
    json: String,
}

fn read() -> Vec<Golden> {
    let mut all = Vec::new();
    for topic in entries(&folder()) {
        for version in entries(&topic) {
            let files = entries(&version);
            for file in &files {
                let extension = file.extension().and_then(|extension| extension.to_str());
                match extension {
                    Some("binpb") => all.push(Golden {
                        topic: name(&topic),
                        version: name(&version)[1..].parse().unwrap(),
                        case: file.file_stem().unwrap().to_str().unwrap().to_owned(),
                        bytes: fs::read(file).unwrap().into(),
                        json: fs::read_to_string(file.with_extension("json")).unwrap(),
                    }),
                    Some("json") => assert!(file.with_extension("binpb").is_file(), "{file:?}"),
                    _ => panic!("{file:?} is no golden event"),
                }
            }
        }
    }
    all
}

#[test]
fn golden_events_read_as_they_were_written() {
    let all = read();
    let mut events = BTreeSet::new();
    for golden in &all {
        let place = format!("{}/v{}/{}", golden.topic, golden.version, golden.case);
        let json = golden::to_json(&golden.bytes).expect(&place);
        assert_eq!(json, golden.json, "{place}: bytes to JSON");
        let bytes = golden::from_json(&golden.json).expect(&place);
        assert_eq!(Bytes::from(bytes), golden.bytes, "{place}: JSON to bytes");

        let event = SealedEvent::open(golden.bytes.clone()).expect(&place);
        assert_eq!(event.topic(), golden.topic, "{place}");
        assert_eq!(event.bytes(), &golden.bytes, "{place}");
        let facts = event.facts().expect(&place);
        assert_eq!(facts.schema_version, golden.version, "{place}");
        events.insert((golden.topic.as_str(), golden.version));
    }
    println!(
        "golden: {} events of {} types and versions, bytes and JSON agree both ways",
        all.len(),
        events.len()
    );
}

#[test]
fn golden_events_keep_the_rules_and_become_the_newest_version_of_theirs() {
    let mut newest: BTreeMap<&str, usize> = BTreeMap::new();
    for golden in read() {
        let event = SealedEvent::open(golden.bytes.clone()).unwrap();
        let payload = event.envelope().payload.as_ref().unwrap();
        let old = EventFacts::of_type_url(&payload.type_url).unwrap();
        assert_eq!((old.validate)(&payload.value), Ok(Ok(())), "{event:?}");

        let upcasted = upcast::registry()
            .upcast(&payload.type_url, &payload.value)
            .unwrap();
        let new = EventFacts::of_type_url(upcasted.type_url).unwrap();
        assert_eq!(upcast::registry().newest(new.type_url), new.type_url);
        let verdict = validate::message(new.full_name, &upcasted.bytes);
        assert_eq!(verdict, Some(Ok(Ok(()))), "{event:?} as {}", new.full_name);
        let subjects = (new.subjects)(&upcasted.bytes).unwrap();
        assert_eq!(subjects, event.subjects().unwrap(), "{event:?}");
        *newest.entry(new.full_name).or_default() += 1;
    }
    println!(
        "golden: {} events read as {} newest types",
        newest.values().sum::<usize>(),
        newest.len()
    );
}

#[test]
fn every_event_has_golden_events_for_all_it_can_say() {
    let all = read();
    let mut missing = Vec::new();
    for event in EVENTS {
        let present: BTreeMap<String, Vec<u8>> = all
            .iter()
            .filter(|golden| golden.topic == event.topic && golden.version == event.schema_version)
            .map(|golden| (golden.case.clone(), golden.bytes.to_vec()))
            .collect();
        let names = golden::missing(event, &present).unwrap();
        missing.extend(names.into_iter().map(|case| (event.topic, case.name)));
    }
    assert!(
        missing.is_empty(),
        "write them with `cargo xtask contract golden`: {missing:?}"
    );
    let unknown: Vec<&str> = all
        .iter()
        .filter(|golden| {
            EventFacts::of_topic(&golden.topic)
                .is_none_or(|event| event.schema_version != golden.version)
        })
        .map(|golden| golden.topic.as_str())
        .collect();
    assert!(
        unknown.is_empty(),
        "the contract has lost the events of {unknown:?}"
    );
}
