use serde_json::{Value, json};

use super::*;
use crate::samples::{ALICE, broken, id, sale};

/// A journal with the first events about Alice, and its head.
fn journal(change: impl Fn(&mut Vec<Value>)) -> (Rows, Rows) {
    let alice = id(ALICE);
    let history = sale().history();
    let about = history.events.iter().filter(|one| {
        let subjects = one.event.subjects().unwrap();
        subjects.contains(&alice)
    });
    let mut entries: Vec<Value> = (1..)
        .zip(about)
        .map(|(position, one): (u64, _)| {
            json!({
                "position": position,
                "event_id": one.event.id().to_string(),
                "bytes": STANDARD.encode(one.event.bytes()),
            })
        })
        .collect();
    let head = json!({"position": entries.len()});
    change(&mut entries);
    let rows = entries.into_iter().enumerate();
    let rows = rows.map(|(place, entry)| (format!("{alice}/{place:020}"), entry));
    (rows.collect(), [(alice.clone(), head)].into())
}

fn judged(change: impl Fn(&mut Vec<Value>)) -> Vec<&'static str> {
    let (rows, heads) = journal(change);
    let mut findings = Findings::default();
    check_entries(&sale().history(), &rows, &heads, &mut findings).unwrap();
    assert!(findings.checked["I19"] > 10);
    broken(&findings)
}

#[test]
fn a_journal_as_it_should_be_breaks_nothing() {
    assert_eq!(judged(|_| {}), [""; 0]);
    let (rows, heads) = journal(|_| {});
    let history = sale().history();
    let noted = check_entries(&history, &rows, &heads, &mut Findings::default()).unwrap();
    assert!(topics(&history, &noted).contains("funds.settled"));
}

#[test]
fn i19_a_journal_with_an_entry_less_more_or_other_is_found() {
    let faults: [fn(&mut Vec<Value>); 6] = [
        |entries| drop(entries.remove(1)),
        |entries| drop(entries.pop()),
        |entries| entries[1]["position"] = json!(7),
        |entries| entries[1]["event_id"] = entries[2]["event_id"].clone(),
        |entries| entries[1]["event_id"] = json!(id(0xbad)),
        |entries| entries[1]["bytes"] = entries[2]["bytes"].clone(),
    ];
    for fault in faults {
        assert_eq!(judged(fault), ["I19"]);
    }
}
