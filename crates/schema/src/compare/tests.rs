//! The judgement of changes, on contracts of a few lines. What happens to the real one is shown by
//! `tests/mutations/`.

use super::*;
use crate::change::Breaks::{Consumers, Producers, StoredFacts};
use crate::shape::{Access, Cardinality, Field, Method, Service};

/// A contract with one event and one method, whose messages hold `Event`, `Ask` and `Answer` fields.
fn contract() -> Shape {
    let message = |fields: Vec<Field>| Message {
        file: "one.proto".to_owned(),
        fields,
        ..Message::default()
    };
    let mut event = message(vec![text(1, "id")]);
    event.event = [("topic", "thing.made"), ("owner", "things")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    let method = Method {
        request: "Ask".to_owned(),
        response: "Answer".to_owned(),
        access: Access {
            callers: ["orders".to_owned()].into(),
            ..Access::default()
        },
        ..Method::default()
    };
    Shape {
        messages: [
            ("Event".to_owned(), event),
            ("Ask".to_owned(), message(vec![text(1, "id")])),
            ("Answer".to_owned(), message(vec![text(1, "id")])),
        ]
        .into(),
        services: [(
            "Things".to_owned(),
            Service {
                methods: [("Make".to_owned(), method)].into(),
                ..Service::default()
            },
        )]
        .into(),
        ..Shape::default()
    }
}

fn text(number: u32, name: &str) -> Field {
    Field {
        number,
        name: name.to_owned(),
        json: name.to_owned(),
        type_name: "string".to_owned(),
        ..Field::default()
    }
}

fn ruled(mut field: Field, rules: &[(&str, &str)]) -> Field {
    field.rules = rules
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    field
}

/// The only change when the fields of a message are these and then those.
fn only(message: &str, was: Vec<Field>, is: Vec<Field>) -> Change {
    let (mut old, mut new) = (contract(), contract());
    old.messages.get_mut(message).unwrap().fields = was;
    new.messages.get_mut(message).unwrap().fields = is;
    let changes = compare(&old, &new);
    assert_eq!(changes.len(), 1, "{changes:#?}");
    changes.into_iter().next().unwrap()
}

fn min_len(value: &str) -> Vec<Field> {
    vec![ruled(text(1, "id"), &[("string.min_len", value)])]
}

#[test]
fn the_same_contract_has_no_changes() {
    assert_eq!(compare(&contract(), &contract()), []);
}

#[test]
fn a_rule_of_a_request_may_be_loosened_and_not_tightened() {
    let looser = only("Ask", min_len("3"), min_len("2"));
    assert_eq!(looser.verdict, Verdict::Additive);
    assert_eq!(looser.what, "rule string.min_len loosened");
    let tighter = only("Ask", min_len("2"), min_len("3"));
    assert_eq!(tighter.verdict, Verdict::Breaking);
    assert_eq!(tighter.breaks, [Producers].into());
}

#[test]
fn a_rule_of_an_event_never_changes() {
    let tighter = only("Event", min_len("2"), min_len("3"));
    assert_eq!(tighter.breaks, [Producers, StoredFacts].into());
    assert_eq!(tighter.topics, ["thing.made".to_owned()].into());
    let looser = only("Event", min_len("3"), min_len("2"));
    assert_eq!(looser.verdict, Verdict::Breaking);
    assert_eq!(looser.breaks, [Consumers].into());
}

#[test]
fn a_new_field_is_additive_unless_it_must_be_set() {
    let plain = vec![text(1, "id"), text(2, "note")];
    let demanding = vec![
        text(1, "id"),
        ruled(text(2, "note"), &[("string.min_len", "1")]),
    ];
    for message in ["Ask", "Answer", "Event"] {
        let free = only(message, vec![text(1, "id")], plain.clone());
        assert_eq!(free.verdict, Verdict::Additive);
        let demanded = only(message, vec![text(1, "id")], demanding.clone());
        // Nobody validates answers.
        assert_eq!(demanded.is_breaking(), message != "Answer", "{demanded}");
    }
}

#[test]
fn switches_that_are_off_say_nothing() {
    let off = "false".to_owned();
    assert_eq!(rules::turn("required", None, Some(&off)), None);
    assert_eq!(
        rules::turn("bool.const", None, Some(&off)),
        Some(rules::Turn::Tighter)
    );
}

#[test]
fn a_bound_a_set_and_what_is_ignored_have_a_direction() {
    use rules::Turn::{Looser, Other, Tighter};
    let cases = [
        ("int64.gte", "1", "2", Tighter),
        ("int64.lte", "1", "2", Looser),
        ("int64.lt", "-5", "-6", Tighter),
        ("repeated.max_items", "10", "9", Tighter),
        ("string.in", "a, b", "a", Tighter),
        ("string.in", "a", "a, b", Looser),
        ("enum.not_in", "0", "0, 3", Tighter),
        ("enum.not_in", "0, 3", "3, 4", Other),
        ("string.pattern", "^a$", "^b$", Other),
        ("ignore", "IGNORE_IF_ZERO_VALUE", "IGNORE_ALWAYS", Looser),
    ];
    for (name, was, is, expected) in cases {
        let turn = rules::turn(name, Some(&was.to_owned()), Some(&is.to_owned()));
        assert_eq!(turn, Some(expected), "{name}: {was} -> {is}");
    }
    let lenient = "IGNORE_IF_ZERO_VALUE".to_owned();
    assert_eq!(rules::turn("ignore", None, Some(&lenient)), Some(Looser));
    assert_eq!(rules::turn("ignore", Some(&lenient), None), Some(Tighter));
}

#[test]
fn fields_that_must_be_set_are_known_by_their_rules() {
    let demands = |rules: &[(&str, &str)]| rules::demand_something(&ruled(text(1, "id"), rules));
    assert!(demands(&[("string.uuid", "true")]));
    assert!(demands(&[("string.pattern", "^[A-Z]{3}$")]));
    assert!(demands(&[("int64.gte", "1"), ("int64.lte", "9")]));
    assert!(demands(&[("enum.not_in", "0")]));
    assert!(!demands(&[
        ("ignore", "IGNORE_IF_ZERO_VALUE"),
        ("string.uuid", "true")
    ]));
    assert!(!demands(&[("string.max_len", "9")]));
    assert!(!demands(&[("int64.gte", "0")]));
    assert!(!demands(&[("enum.defined_only", "true")]));
    let mut optional = ruled(text(1, "id"), &[("string.uuid", "true")]);
    optional.presence = true;
    assert!(!rules::demand_something(&optional));
    optional
        .rules
        .insert("required".to_owned(), "true".to_owned());
    assert!(rules::demand_something(&optional));
    let mut list = ruled(text(1, "id"), &[("repeated.items.string.uuid", "true")]);
    list.cardinality = Cardinality::Repeated;
    assert!(!rules::demand_something(&list));
}
