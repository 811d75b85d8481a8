use boon::{Compiler, SchemaIndex, Schemas as Compiled};
use outcry_contracts::EVENTS;

use super::*;
use crate::example;

/// A judge of one schema.
struct Judge {
    schemas: Compiled,
    index: SchemaIndex,
}

impl Judge {
    fn of(schema: Value) -> Judge {
        let (mut compiler, mut schemas) = (Compiler::new(), Compiled::new());
        compiler.enable_format_assertions();
        compiler
            .add_resource("schema.json", schema)
            .expect("a resource");
        let index = compiler
            .compile("schema.json", &mut schemas)
            .expect("a schema");
        Judge { schemas, index }
    }

    fn accepts(&self, value: &Value) -> bool {
        self.schemas.validate(value, self.index).is_ok()
    }
}

/// The payload of an event's example.
fn example_of(entry: &CatalogEntry) -> Value {
    example::event_as_json(entry)["payload"].clone()
}

#[test]
fn schemas_accept_the_example_and_refuse_it_damaged() {
    let envelope = Judge::of(of_envelope().expect("a schema"));
    let (mut accepted, mut refused) = (0, 0);
    for entry in &catalog().events {
        let schema = of_event(entry).expect("a schema");
        let required = schema["required"].as_array().expect("a list").clone();
        assert!(!required.is_empty(), "{}", entry.topic);
        let judge = Judge::of(schema);
        let example = example_of(entry);
        assert!(judge.accepts(&example), "{} {example}", entry.topic);
        assert!(
            envelope.accepts(&example::event_as_json(entry)),
            "{}",
            entry.topic
        );
        accepted += 2;

        let mut damaged: Vec<Value> = Vec::new();
        for name in required.iter().filter_map(Value::as_str) {
            for wrong in [
                None,
                Some(json!(["wrong"])),
                Some(json!("")),
                Some(Value::Null),
            ] {
                let mut example = example.clone();
                let object = example.as_object_mut().expect("an object");
                match wrong {
                    Some(wrong) => object.insert(name.to_owned(), wrong),
                    None => object.remove(name),
                };
                damaged.push(example);
            }
        }
        for (name, wrong) in [
            ("no_such_field", json!(1)),
            ("@type", json!("type.googleapis.com/a.B")),
        ] {
            let mut example = example.clone();
            example[name] = wrong;
            damaged.push(example);
        }
        for example in &damaged {
            assert!(!judge.accepts(example), "{} {example}", entry.topic);
        }
        refused += damaged.len();
    }
    println!("{accepted} examples accepted, {refused} damaged ones refused");
    assert_eq!(accepted, 2 * EVENTS.len());
}

#[test]
fn rules_become_keywords() {
    let filled = catalog().by_topic("order.filled").expect("the event");
    let judge = Judge::of(of_event(filled).expect("a schema"));
    let with = |name: &str, value: Value| {
        let mut example = example_of(filled);
        example[name] = value;
        judge.accepts(&example)
    };
    // 64 bits: text or a number, between the bounds.
    for (value, fits) in [
        (json!("1"), true),
        (json!(1), true),
        (json!("1000000000"), true),
        (json!("1000000001"), false),
        (json!(1_000_000_001), false),
        (json!("0"), false),
        (json!(0), false),
        (json!("01"), false),
        (json!("1.5"), false),
    ] {
        assert_eq!(with("lastQuantity", value.clone()), fits, "{value}");
    }
    for (value, fits) in [
        (json!("SIDE_SELL"), true),
        (json!("SIDE_UNSPECIFIED"), false),
        (json!("SIDE_OTHER"), false),
        (json!(1), false),
    ] {
        assert_eq!(with("side", value.clone()), fits, "{value}");
    }
    for (value, fits) in [
        ("BRK.B", true),
        ("brk", false),
        ("", false),
        ("ABCDEFGHIJKLM", false),
    ] {
        assert_eq!(with("symbol", json!(value)), fits, "{value}");
    }
    assert!(
        with("executionId", json!("é".repeat(128))),
        "lengths count characters"
    );
    assert!(!with("executionId", json!("é".repeat(129))));
    assert!(!with("orderId", json!("019b8e6a26407000800000000000000a")));
    assert!(!with(
        "lastPrice",
        json!({"currencyCode": "usd", "units": "1"})
    ));
    assert!(
        with("lastPrice", json!({"currencyCode": "USD"})),
        "an empty value is left out"
    );
}

#[test]
fn exactly_one_member_of_a_required_oneof_is_accepted() {
    let locked = catalog().by_topic("funds.locked").expect("the event");
    let judge = Judge::of(of_event(locked).expect("a schema"));
    let with = |amount: Value| {
        let mut example = example_of(locked);
        example["amount"] = amount;
        judge.accepts(&example)
    };
    let (cash, shares) = (
        json!({"currencyCode": "USD"}),
        json!({"symbol": "ACME", "quantity": "3"}),
    );
    assert!(with(json!({"cash": cash})));
    assert!(with(json!({"shares": shares})));
    assert!(!with(json!({"cash": cash, "shares": shares})));
    assert!(!with(json!({})));
}

#[test]
fn what_may_be_empty_may_be_left_out_or_empty_or_valid() {
    let deposited = catalog().by_topic("funds.deposited").expect("the event");
    let judge = Judge::of(of_event(deposited).expect("a schema"));
    let mut example = example_of(deposited);
    assert!(example.get("reversesEventId").is_none());
    for (value, fits) in [
        ("", true),
        ("019b8e6a-2640-7000-8000-00000000000a", true),
        ("x", false),
    ] {
        example["reversesEventId"] = json!(value);
        assert_eq!(judge.accepts(&example), fits, "{value}");
    }
}

#[test]
fn personal_fields_are_marked() {
    let mut marked = 0;
    for entry in &catalog().events {
        let schema = of_event(entry).expect("a schema");
        for field in &entry.fields {
            let mark = schema["properties"][&field.json_name].get(PERSONAL);
            assert_eq!(
                mark,
                field.personal.then_some(&json!(true)),
                "{}",
                field.name
            );
            marked += usize::from(field.personal);
        }
    }
    assert!(marked > 0);
}

#[test]
fn a_number_that_this_version_does_not_know_is_accepted_where_the_contract_is_open() {
    let created = catalog().by_topic("user.created").expect("the event");
    let judge = Judge::of(of_event(created).expect("a schema"));
    let mut example = example_of(created);
    example["roles"] = json!(["ROLE_ADMIN", 77]);
    assert!(judge.accepts(&example));
    example["roles"] = json!(["ROLE_OTHER"]);
    assert!(!judge.accepts(&example));
}
