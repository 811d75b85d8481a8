//! What is different about fields and oneofs.

use std::collections::BTreeMap;

use super::{Comparison, Difference, rules};
use crate::change::{Breaks, Verdict};
use crate::shape::{Cardinality, Field, Message};

const ALL_FORMS: [Breaks; 3] = [Breaks::Wire, Breaks::Json, Breaks::Source];

impl Comparison {
    pub(super) fn fields(&mut self, name: &str, old: &Message, new: &Message) {
        for was in &old.fields {
            let place = format!("{name}.{}", was.name);
            let difference = |what, before: String, now: Option<String>| Difference {
                owner: name,
                place: place.clone(),
                what,
                was: Some(before),
                is: now,
            };
            match (new.field(was.number), new.field_named(&was.name)) {
                // It has another number now, whatever has taken its own.
                (_, Some(moved)) if moved.number != was.number => self.breaking(
                    difference(
                        "field renumbered",
                        was.number.to_string(),
                        Some(moved.number.to_string()),
                    ),
                    &ALL_FORMS,
                    "the number is the field on the wire",
                ),
                (None, _) => self.breaking(
                    difference("field removed", was.number.to_string(), None),
                    &ALL_FORMS,
                    "readers miss it",
                ),
                (Some(is), _) => self.field(name, &place, was, is),
            }
        }
        for is in &new.fields {
            let is_known = old.field(is.number).is_some() || old.field_named(&is.name).is_some();
            if !is_known {
                self.new_field(name, old, is);
            }
        }
    }

    fn field(&mut self, name: &str, place: &str, was: &Field, is: &Field) {
        let mut changed = |what, before: String, now: String, how: &[Breaks], why: &str| {
            if before != now {
                let difference = Difference {
                    owner: name,
                    place: place.to_owned(),
                    what,
                    was: Some(before),
                    is: Some(now),
                };
                self.breaking(difference, how, why);
            }
        };
        changed(
            "field renamed",
            was.name.clone(),
            is.name.clone(),
            &[Breaks::Json, Breaks::Source],
            "code and JSON know it by its name",
        );
        changed(
            "JSON name changed",
            was.json.clone(),
            is.json.clone(),
            &[Breaks::Json],
            "JSON knows it by this name",
        );
        changed(
            "type changed",
            was.type_name.clone(),
            is.type_name.clone(),
            &ALL_FORMS,
            "its bytes are read as another type",
        );
        changed(
            "cardinality changed",
            shown(was.cardinality).to_owned(),
            shown(is.cardinality).to_owned(),
            &ALL_FORMS,
            "one value and many are written differently",
        );
        changed(
            "oneof changed",
            was.oneof.clone().unwrap_or_else(|| "none".to_owned()),
            is.oneof.clone().unwrap_or_else(|| "none".to_owned()),
            &[Breaks::Wire, Breaks::Source],
            "setting one member of a oneof clears the others",
        );
        if was.oneof == is.oneof {
            let presence = |field: &Field| {
                let presence = if field.presence {
                    "tracked"
                } else {
                    "not tracked"
                };
                presence.to_owned()
            };
            changed(
                "presence changed",
                presence(was),
                presence(is),
                &[Breaks::Source],
                "empty and unset are no longer told apart as before",
            );
        }
        self.personal(name, place, was, is);
        self.rules(name, place, &was.rules, &is.rules);
    }

    fn personal(&mut self, name: &str, place: &str, was: &Field, is: &Field) {
        let difference = |what| Difference {
            owner: name,
            place: place.to_owned(),
            what,
            was: None,
            is: None,
        };
        match (was.personal, is.personal) {
            (false, true) => self.additive(difference("personal set")),
            (true, false) => self.add(
                difference("personal removed"),
                Verdict::Breaking,
                &[Breaks::Privacy],
                "logs and screens would show it",
            ),
            _ => {}
        }
    }

    fn new_field(&mut self, name: &str, old: &Message, is: &Field) {
        let difference = |what| Difference {
            owner: name,
            place: format!("{name}.{}", is.name),
            what,
            was: None,
            is: Some(format!("{} = {}", is.type_name, is.number)),
        };
        if is_reserved(old, is) {
            self.breaking(
                difference("reserved number or name used again"),
                &ALL_FORMS,
                "it once meant something else",
            );
            return;
        }
        let joins = is
            .oneof
            .as_ref()
            .is_some_and(|oneof| old.oneofs.contains_key(oneof));
        let uses = self.uses_of(name);
        if rules::demand_something(is) && !joins && (uses.request || uses.event) {
            let (breaks, why) = unfit(uses.event);
            self.add(
                difference("field added that must be set"),
                Verdict::Breaking,
                breaks,
                why,
            );
        } else {
            self.additive(difference("field added"));
        }
    }

    pub(super) fn oneofs(&mut self, name: &str, old: &Message, new: &Message) {
        let none = BTreeMap::new();
        for (oneof, was) in &old.oneofs {
            if let Some(is) = new.oneofs.get(oneof) {
                self.rules(name, &format!("{name}.{oneof}"), was, is);
            }
        }
        for (oneof, is) in &new.oneofs {
            if !old.oneofs.contains_key(oneof) {
                self.rules(name, &format!("{name}.{oneof}"), &none, is);
            }
        }
    }
}

/// What new demands break: facts in the first place.
fn unfit(event: bool) -> (&'static [Breaks], &'static str) {
    if event {
        (
            &[Breaks::StoredFacts, Breaks::Producers],
            "facts already written do not have it",
        )
    } else {
        (&[Breaks::Producers], "callers do not send it yet")
    }
}

fn shown(cardinality: Cardinality) -> &'static str {
    match cardinality {
        Cardinality::Singular => "singular",
        Cardinality::Repeated => "repeated",
        Cardinality::Map => "map",
    }
}

/// Whether the number or name of a new field was reserved.
fn is_reserved(old: &Message, field: &Field) -> bool {
    old.reserved.iter().any(|reserved| {
        let (first, last) = reserved.split_once(" to ").unwrap_or((reserved, reserved));
        match (first.parse::<u32>(), last.parse::<u32>()) {
            (Ok(first), Ok(last)) => (first..=last).contains(&field.number),
            _ => *reserved == field.name,
        }
    })
}
