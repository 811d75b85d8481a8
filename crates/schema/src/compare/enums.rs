//! What is different about enums.

use super::{Comparison, Difference, gone};
use crate::change::Breaks;
use crate::shape::{Enum, EnumValue, Shape};

impl Comparison {
    pub(super) fn enums(&mut self, old: &Shape, new: &Shape) {
        for (name, was) in &old.enums {
            match new.enums.get(name) {
                Some(is) => {
                    self.file(name, &was.file, &is.file);
                    self.reservations(name, &was.reserved, &is.reserved);
                    self.values(name, was, is);
                }
                None => self.breaking(
                    gone(name, "enum removed", None),
                    &[Breaks::Source],
                    "code uses it",
                ),
            }
        }
        for name in new
            .enums
            .keys()
            .filter(|name| !old.enums.contains_key(*name))
        {
            self.additive(Difference {
                owner: name,
                place: name.clone(),
                what: "enum added",
                was: None,
                is: None,
            });
        }
    }

    fn values(&mut self, name: &str, old: &Enum, new: &Enum) {
        for was in &old.values {
            let at_number = new.values.iter().find(|value| value.number == was.number);
            let named = new.values.iter().find(|value| value.name == was.name);
            let difference = |what, before: String, now: Option<String>| Difference {
                owner: name,
                place: format!("{name}.{}", was.name),
                what,
                was: Some(before),
                is: now,
            };
            match (at_number, named) {
                (_, Some(moved)) if moved.number != was.number => self.breaking(
                    difference(
                        "value renumbered",
                        was.number.to_string(),
                        Some(moved.number.to_string()),
                    ),
                    &[Breaks::Wire, Breaks::Source],
                    "the number is the value on the wire",
                ),
                (None, _) => self.breaking(
                    difference("value removed", was.number.to_string(), None),
                    &[Breaks::Wire, Breaks::Json, Breaks::Source],
                    "readers and facts know it",
                ),
                (Some(is), None) => self.breaking(
                    difference("value renamed", was.name.clone(), Some(is.name.clone())),
                    &[Breaks::Json, Breaks::Source],
                    "code and JSON know it by its name",
                ),
                (Some(_), Some(_)) => {}
            }
        }
        for is in &new.values {
            let known = |was: &EnumValue| was.number == is.number || was.name == is.name;
            if !old.values.iter().any(known) {
                self.new_value(name, is);
            }
        }
    }

    /// Consumers with the old contract put an event aside that has a value they do not know.
    fn new_value(&mut self, name: &str, is: &EnumValue) {
        let difference = Difference {
            owner: name,
            place: format!("{name}.{}", is.name),
            what: "value added",
            was: None,
            is: Some(is.number.to_string()),
        };
        if self.uses_of(name).event {
            self.review(
                difference,
                "consumers that validate must have the new contract before it is published",
            );
        } else {
            self.additive(difference);
        }
    }
}
