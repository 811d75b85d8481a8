use outcry_contracts::EVENTS;

use super::*;
use crate::samples::{self, AlertRaised, raised, root, stamp};
use crate::sealed::{PayloadError, SealedEvent, seal};

fn first_to_second(old: AlertRaised) -> samples::second::AlertRaised {
    samples::second::AlertRaised {
        alert_id: old.alert_id,
        text: old.text,
        severity: 1,
    }
}

fn second_to_third(old: samples::second::AlertRaised) -> samples::third::AlertRaised {
    let severity = if old.severity > 1 { "high" } else { "low" };
    samples::third::AlertRaised {
        alert_id: old.alert_id,
        text: old.text,
        severity: severity.to_owned(),
    }
}

fn third_to_first(old: samples::third::AlertRaised) -> AlertRaised {
    AlertRaised {
        alert_id: old.alert_id,
        text: old.text,
    }
}

fn first_to_third(old: AlertRaised) -> samples::third::AlertRaised {
    second_to_third(first_to_second(old))
}

fn known(versions: u32) -> Vec<KnownVersion> {
    let all = [
        (AlertRaised::type_url(), "alert.raised"),
        (samples::second::AlertRaised::type_url(), "alert.raised.v2"),
        (samples::third::AlertRaised::type_url(), "alert.raised.v3"),
    ];
    (1..=versions)
        .zip(all)
        .map(|(schema_version, (type_url, topic))| KnownVersion {
            type_url,
            topic: topic.to_owned(),
            schema_version,
        })
        .collect()
}

fn findings(steps: impl IntoIterator<Item = Step>, versions: u32) -> Vec<String> {
    Registry::new(steps)
        .check(&known(versions))
        .expect_err("refused")
        .findings
}

fn sealed() -> SealedEvent {
    let cause = root();
    seal(&raised("disk full"), stamp(&cause)).expect("sealed")
}

#[test]
fn the_contract_is_complete() {
    assert!(!EVENTS.is_empty());
    check().expect("complete");
}

#[test]
fn an_old_fact_is_read_as_the_newest_version() {
    let registry = Registry::new([Step::new(second_to_third), Step::new(first_to_second)]);
    registry.check(&known(3)).expect("complete");

    let newest: samples::third::AlertRaised =
        sealed().payload_through(&registry).expect("upgraded");
    assert_eq!(newest, first_to_third(raised("disk full")));
}

#[test]
fn an_old_version_is_never_given_out() {
    let registry = Registry::new([Step::new(first_to_second)]);
    let refused = sealed().payload_through::<AlertRaised>(&registry);
    assert!(matches!(
        refused,
        Err(PayloadError::OtherEvent {
            wanted: "alert.raised",
            ..
        })
    ));
}

#[test]
fn the_newest_version_is_left_as_it_is() {
    let registry = Registry::new([Step::new(first_to_second)]);
    let type_url = samples::second::AlertRaised::type_url();
    let upcasted = registry
        .upcast(&type_url, b"anything")
        .expect("nothing to do");
    assert_eq!(upcasted.type_url, type_url);
    assert!(matches!(upcasted.bytes, Cow::Borrowed(b"anything")));
}

#[test]
fn damaged_bytes_are_not_upgraded() {
    let registry = Registry::new([Step::new(first_to_second)]);
    let type_url = AlertRaised::type_url();
    let refused = registry.upcast(&type_url, &[0x0a, 0xff]);
    assert!(matches!(refused, Err(UpcastError::Undecodable { .. })));
}

#[test]
fn a_missing_step_is_found() {
    let found = findings([Step::new(second_to_third)], 3);
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("no step leads from") && found[0].contains("samples.v1"));
}

#[test]
fn a_step_that_leaves_a_version_out_is_found() {
    let found = findings([Step::new(first_to_third), Step::new(second_to_third)], 3);
    assert_eq!(found.len(), 1);
    assert!(found[0].contains("not to type.googleapis.com/outcry.samples.v2.AlertRaised"));
}

#[test]
fn a_second_step_from_one_version_is_found() {
    let steps = [
        Step::new(first_to_third),
        Step::new(first_to_second),
        Step::new(second_to_third),
    ];
    let found = findings(steps, 3);
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("more than one step leads away from"));
}

#[test]
fn a_step_of_something_that_is_no_event_is_found() {
    let found = findings([Step::new(second_to_third)], 1);
    assert_eq!(found.len(), 1);
    assert!(found[0].ends_with("which is no event"));
}

#[test]
fn a_circle_is_found_and_comes_to_an_end() {
    let steps = || {
        [
            Step::new(first_to_second),
            Step::new(second_to_third),
            Step::new(third_to_first),
        ]
    };
    let found = findings(steps(), 3);
    assert_eq!(found.len(), 1);
    assert!(found[0].contains("the newest version"));

    let refused = sealed().payload_through::<samples::second::AlertRaised>(&Registry::new(steps()));
    assert!(refused.is_err());
    let type_url = AlertRaised::type_url();
    let registry = Registry::new(steps());
    let refused = registry.upcast(&type_url, &[]);
    assert!(matches!(refused, Err(UpcastError::Endless { .. })));
}

#[test]
fn a_version_that_exists_twice_is_found() {
    let mut versions = known(1);
    versions.push(KnownVersion {
        type_url: "x/other".to_owned(),
        ..versions[0].clone()
    });
    let refused = Registry::new([]).check(&versions).expect_err("refused");
    assert_eq!(refused.findings, ["alert.raised has version 1 twice"]);
}
