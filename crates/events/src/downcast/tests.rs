use outcry_contracts::Event;
use outcry_contracts::reports::v2::{JournalPlace, ReportPeriod, report_period::End};
use outcry_contracts::reports::{v1, v2};
use prost::Name as _;
use prost_types::Timestamp;

use super::*;
use crate::cause::Cause;
use crate::samples::{moment, raised, root, stamp};
use crate::sealed::seal;

const BEFORE: &str = "report.requested";

fn requested() -> v2::ReportRequestedEvent {
    let at = |seconds| Some(Timestamp { seconds, nanos: 7 });
    v2::ReportRequestedEvent {
        report_id: Uuid::from_u128(1).to_string(),
        user_id: Uuid::from_u128(2).to_string(),
        r#type: v1::ReportType::Statement.into(),
        format: v1::ReportFormat::Pdf.into(),
        period: Some(ReportPeriod {
            from: at(1_600_000_000),
            end: Some(End::Place(JournalPlace {
                position: 12,
                as_of: at(1_700_000_000),
            })),
        }),
    }
}

fn fact() -> SealedEvent {
    let cause = Cause {
        causation_id: Some(Uuid::from_u128(0xca)),
        ..root()
    };
    seal(&requested(), stamp(&cause)).expect("sealed")
}

/// When version 1 is not published any more.
fn over() -> SystemTime {
    let facts = EventFacts::of_topic(BEFORE).expect("an event");
    UNIX_EPOCH + Duration::from_secs(facts.successor.expect("a successor").over_s)
}

fn copies_at(now: SystemTime) -> Vec<SealedEvent> {
    registry().copies(&fact(), now).expect("copies")
}

#[test]
fn the_contract_is_complete() {
    check().expect("complete");
}

#[test]
fn a_copy_is_the_fact_in_the_version_before() {
    let fact = fact();
    let [copy] = copies_at(moment()).try_into().expect("one copy");
    assert_eq!(copy.topic(), BEFORE);
    assert_eq!(copy.envelope().schema_version, 1);
    assert_eq!(copy.copy_of(), Some(fact.id()));
    assert_ne!(copy.id(), fact.id());
    let older = v1::ReportRequestedEvent::decode(copy.any().1).expect("version 1");
    assert_eq!(copy.type_url(), v1::ReportRequestedEvent::type_url());
    assert_eq!(older, report_requested::downgrade(requested()));

    let mut same = copy.envelope().clone();
    same.event_id = fact.envelope().event_id.clone();
    same.event_type = fact.topic().to_owned();
    same.payload = fact.envelope().payload.clone();
    same.schema_version = 2;
    same.copy_of = String::new();
    assert_eq!(&same, fact.envelope());
}

#[test]
fn a_copy_is_the_same_bytes_whenever_it_is_made() {
    let first = copies_at(moment());
    assert_eq!(first, copies_at(over() - Duration::from_nanos(1)));
    let event = SealedEvent::open(first[0].bytes().clone()).expect("opened");
    assert_eq!(event.copy_of(), Some(fact().id()));
}

#[test]
fn after_the_last_day_there_is_no_copy() {
    let facts = EventFacts::of_topic(BEFORE).expect("an event");
    let successor = facts.successor.expect("a successor");
    assert_eq!(successor.topic, v2::ReportRequestedEvent::TOPIC);
    assert_eq!(successor.published_until, "2027-06-30");
    // 2027-07-01 00:00 UTC.
    assert_eq!(successor.over_s, 1_814_400_000);
    assert_eq!(copies_at(over() - Duration::from_nanos(1)).len(), 1);
    assert_eq!(copies_at(over()), []);
}

#[test]
fn neither_copies_nor_old_facts_nor_events_of_one_version_have_copies() {
    let copy = copies_at(moment()).remove(0);
    let cause = root();
    let old = report_requested::downgrade(requested());
    let old = seal(&old, stamp(&cause)).expect("sealed");
    let alert = seal(&raised("disk full"), stamp(&cause)).expect("sealed");
    for event in [copy, old, alert] {
        assert_eq!(registry().copies(&event, moment()).expect("copies"), []);
    }
}

#[test]
fn missing_and_superfluous_steps_are_found() {
    let refused = Downcasters::new([]).check(EVENTS).expect_err("refused");
    assert_eq!(refused.findings.len(), 1);
    assert!(refused.findings[0].starts_with("no step leads back from"));
    let steps = || Step::new(report_requested::downgrade);
    let refused = Downcasters::new([steps(), steps()]).check(EVENTS);
    let refused = refused.expect_err("refused");
    assert!(refused.findings[0].starts_with("more than one step"));
    let back = Downcasters::new([steps(), Step::new(report_requested::upgrade)]);
    let refused = back.check(EVENTS).expect_err("refused");
    assert!(refused.findings[0].ends_with("which has no version before it"));
}
