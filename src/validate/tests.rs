//! The generated validators against protovalidate's answers, and what only Outcry promises.

use std::fmt::Write as _;

use prost::Message;

use super::{MAX_VIOLATIONS, Path, Validate, Violations};
use crate::events::v1::EventEnvelope;
use crate::sample::v1::*;
use crate::types::v1::{AssetAmount, Money};

/// What protovalidate says about the sample messages; see `build/samples/answers.py`.
const ANSWERS: &str = include_str!("../../build/samples/answers.txt");

fn bytes_of(hex: &str) -> Vec<u8> {
    if hex == "-" {
        return Vec::new();
    }
    let digits: Vec<u32> = hex
        .chars()
        .map(|digit| digit.to_digit(16).unwrap())
        .collect();
    digits
        .chunks(2)
        .map(|pair| u8::try_from(pair[0] * 16 + pair[1]).unwrap())
        .collect()
}

fn found_in<M: Message + Default + Validate>(bytes: &[u8]) -> String {
    let message = M::decode(bytes).unwrap();
    let violations = message.validate().err().unwrap_or_default();
    rules(&violations).join(" ")
}

fn rules(violations: &Violations) -> Vec<String> {
    let mut rules: Vec<String> = violations
        .list
        .iter()
        .map(|found| format!("{}:{}", found.field, found.rule))
        .collect();
    rules.sort();
    rules
}

fn of(message: &impl Validate) -> Vec<String> {
    rules(&message.validate().err().unwrap_or_default())
}

#[test]
fn generated_validators_find_exactly_what_protovalidate_finds() {
    let mut differences = String::new();
    let mut cases = 0;
    for line in ANSWERS.lines() {
        let mut words = line.splitn(3, ' ');
        let (name, hex) = (words.next().unwrap(), words.next().unwrap());
        let expected = words.next().unwrap_or_default();
        let bytes = bytes_of(hex);
        let found = match name {
            "Strings" => found_in::<Strings>(&bytes),
            "Integers" => found_in::<Integers>(&bytes),
            "Numbers" => found_in::<Numbers>(&bytes),
            "Others" => found_in::<Others>(&bytes),
            "Lists" => found_in::<Lists>(&bytes),
            "Leaf" => found_in::<Leaf>(&bytes),
            "Tree" => found_in::<Tree>(&bytes),
            "Presence" => found_in::<Presence>(&bytes),
            "Required" => found_in::<Required>(&bytes),
            "Choices" => found_in::<Choices>(&bytes),
            unknown => panic!("no sample {unknown}"),
        };
        cases += 1;
        if found != expected {
            writeln!(
                differences,
                "{name} {hex}\n  protovalidate: {expected}\n  here:          {found}"
            )
            .unwrap();
        }
    }
    assert!(cases > 1000, "only {cases} cases");
    assert!(differences.is_empty(), "{differences}");
}

#[test]
fn every_pattern_of_the_contract_compiles() {
    for pattern in super::contract::PATTERNS
        .iter()
        .chain(super::sample::PATTERNS)
    {
        assert!(!pattern.as_str().is_empty());
    }
}

#[test]
fn violations_are_bounded_however_much_is_wrong() {
    let lists = Lists {
        leaves: vec![Leaf::default(); 10 * MAX_VIOLATIONS],
        ..Lists::default()
    };

    let violations = lists.validate().unwrap_err();

    assert_eq!(violations.list.len(), MAX_VIOLATIONS);
}

#[test]
fn a_message_without_rules_is_always_valid() {
    assert_eq!(
        Free {
            text: "anything".to_owned()
        }
        .validate(),
        Ok(())
    );
}

#[test]
fn paths_name_fields_and_items_from_the_outside_in() {
    let root = Path::root();
    let order = root.field("order");
    let leg = order.item("legs", 2);

    assert_eq!(leg.field("price").to_string(), "order.legs[2].price");
    assert_eq!(root.to_string(), "");
}

#[test]
fn violations_read_as_sentences_and_never_show_the_value() {
    let strings = Strings {
        max_len: "personal".to_owned(),
        ..Strings::default()
    };

    let text = strings.validate().unwrap_err().to_string();

    assert!(
        text.contains("max_len must have at most 3 characters"),
        "{text}"
    );
    assert!(!text.contains("personal"), "{text}");
}

#[test]
fn money_holds_a_currency_and_bounded_amounts() {
    let dollar = Money {
        currency_code: "USD".to_owned(),
        units: 900_000_000_000_000,
        nanos: 999_999_999,
    };
    assert_eq!(of(&dollar), [""; 0]);

    let too_much = Money {
        units: dollar.units + 1,
        nanos: dollar.nanos + 1,
        ..dollar.clone()
    };
    assert_eq!(
        of(&too_much),
        ["nanos:int32.gte_lte", "units:int64.gte_lte"]
    );

    let too_little = Money {
        units: -dollar.units - 1,
        nanos: -dollar.nanos - 1,
        ..dollar.clone()
    };
    assert_eq!(
        of(&too_little),
        ["nanos:int32.gte_lte", "units:int64.gte_lte"]
    );

    let no_currency = Money {
        currency_code: "usd".to_owned(),
        ..dollar
    };
    assert_eq!(of(&no_currency), ["currency_code:string.pattern"]);
}

#[test]
fn an_asset_amount_is_cash_or_shares_and_valid_within() {
    use crate::types::v1::asset_amount::Asset;

    assert_eq!(of(&AssetAmount { asset: None }), ["asset:required"]);
    let cash = AssetAmount {
        asset: Some(Asset::Cash(Money::default())),
    };
    assert_eq!(of(&cash), ["cash.currency_code:string.pattern"]);
}

#[test]
fn an_envelope_needs_identity_payload_and_time() {
    let envelope = EventEnvelope {
        event_id: "01890a5d-ac96-774b-bcce-b302099a8057".to_owned(),
        source: "/orders".to_owned(),
        spec_version: "1.0".to_owned(),
        event_type: "order.created".to_owned(),
        payload: Some(prost_types::Any::default()),
        schema_version: 1,
        aggregate_type: "order".to_owned(),
        aggregate_id: "o-1".to_owned(),
        aggregate_sequence: 1,
        occurred_at: Some(prost_types::Timestamp::default()),
        correlation_id: "01890a5d-ac96-774b-bcce-b302099a8057".to_owned(),
        partition_key: "o-1".to_owned(),
        ..EventEnvelope::default()
    };
    assert_eq!(of(&envelope), [""; 0]);
    assert_eq!(
        of(&EventEnvelope::default()),
        [
            "aggregate_id:string.min_len",
            "aggregate_sequence:uint64.gte",
            "aggregate_type:string.min_len",
            "correlation_id:string.uuid_empty",
            "event_id:string.uuid_empty",
            "event_type:string.pattern",
            "occurred_at:required",
            "partition_key:string.min_len",
            "payload:required",
            "schema_version:uint32.gte",
            "source:string.pattern",
            "spec_version:string.const",
        ]
    );
}
