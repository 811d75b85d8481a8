//! What is different about validation rules.
//!
//! A rule of a request may be loosened: whoever kept the old one keeps the new one. The rules of an
//! event never change: tightened, facts already written may not keep them; loosened, consumers that
//! validate with the old ones put aside what is published with the new ones.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use super::events::changed;
use super::{Comparison, Difference};
use crate::change::{Breaks, Verdict};
use crate::shape::{Cardinality, Field};
use crate::uses::Uses;

/// Values of a rule, by its name.
type Rules = BTreeMap<String, String>;

/// Which values a changed rule lets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// Fewer.
    Tighter,
    /// More.
    Looser,
    /// Others.
    Other,
}

impl Comparison {
    pub(super) fn rules(&mut self, owner: &str, place: &str, was: &Rules, is: &Rules) {
        let uses = self.uses_of(owner);
        let names: BTreeSet<&String> = was.keys().chain(is.keys()).collect();
        for name in names {
            let (old, new) = (was.get(name), is.get(name));
            let Some(turn) = turn(name, old, new) else {
                continue;
            };
            let word = match turn {
                Turn::Tighter => "tightened",
                Turn::Looser => "loosened",
                Turn::Other => changed(old.is_some(), new.is_some()),
            };
            let (verdict, breaks, why) = judge(turn, &uses);
            let difference = Difference {
                owner,
                place: place.to_owned(),
                what: &format!("rule {name} {word}"),
                was: old.cloned(),
                is: new.cloned(),
            };
            self.add(difference, verdict, breaks, why);
        }
    }
}

/// What a changed rule means where it is used.
fn judge(turn: Turn, uses: &Uses) -> (Verdict, &'static [Breaks], &'static str) {
    let is_tighter = turn != Turn::Looser;
    if uses.event {
        return match turn {
            Turn::Tighter => (
                Verdict::Breaking,
                &[Breaks::StoredFacts, Breaks::Producers],
                "facts already written may not keep it",
            ),
            Turn::Looser => (
                Verdict::Breaking,
                &[Breaks::Consumers],
                "an event's rules never change: consumers that validate with the old one refuse the new facts",
            ),
            Turn::Other => (
                Verdict::Breaking,
                &[Breaks::StoredFacts, Breaks::Producers, Breaks::Consumers],
                "an event's rules never change",
            ),
        };
    }
    if is_tighter && (uses.request || !uses.response) {
        return (
            Verdict::Breaking,
            &[Breaks::Producers],
            "what was accepted is refused",
        );
    }
    if uses.response {
        return (
            Verdict::Review,
            &[],
            "callers may rely on what answers hold",
        );
    }
    (Verdict::Additive, &[], "")
}

/// Which way a rule has changed; none if it says the same.
pub(super) fn turn(name: &str, was: Option<&String>, is: Option<&String>) -> Option<Turn> {
    let last = name.rsplit('.').next().unwrap_or(name);
    let (was, is) = (said(name, was), said(name, is));
    if was == is {
        return None;
    }
    let by_order = |order: Ordering, tighter: Ordering| {
        if order == tighter {
            Turn::Tighter
        } else {
            Turn::Looser
        }
    };
    Some(match (last, was, is) {
        ("ignore", _, _) => by_order(laxity(is).cmp(&laxity(was)), Ordering::Less),
        (_, None, _) => Turn::Tighter,
        (_, _, None) => Turn::Looser,
        ("in", Some(was), Some(is)) => by_set(&set(is), &set(was)),
        ("not_in", Some(was), Some(is)) => by_set(&set(was), &set(is)),
        (bound, Some(was), Some(is)) => {
            let tighter = match bound {
                "gt" | "gte" | "min_len" | "min_items" | "min_bytes" => Ordering::Greater,
                "lt" | "lte" | "max_len" | "max_items" | "max_bytes" => Ordering::Less,
                _ => return Some(Turn::Other),
            };
            match (was.parse::<i128>(), is.parse::<i128>()) {
                (Ok(was), Ok(is)) => by_order(is.cmp(&was), tighter),
                _ => Turn::Other,
            }
        }
    })
}

/// The value of a rule, unless it is a switch that is off: as if it were not there.
fn said<'a>(name: &str, value: Option<&'a String>) -> Option<&'a String> {
    let is_off = |value: &String| match value.as_str() {
        "false" => name != "bool.const",
        other => other == "IGNORE_UNSPECIFIED",
    };
    value.filter(|value| !is_off(value))
}

/// Of the values allowed now and before: fewer is tighter.
fn by_set(narrow: &BTreeSet<&str>, wide: &BTreeSet<&str>) -> Turn {
    if narrow.is_subset(wide) {
        Turn::Tighter
    } else if wide.is_subset(narrow) {
        Turn::Looser
    } else {
        Turn::Other
    }
}

fn set(list: &str) -> BTreeSet<&str> {
    list.split(", ").collect()
}

/// How much is left unchecked.
fn laxity(ignore: Option<&String>) -> u8 {
    match ignore.map(String::as_str) {
        None => 0,
        Some("IGNORE_IF_ZERO_VALUE") => 1,
        Some(_) => 2,
    }
}

/// Whether a new field's rules refuse messages that do not have it.
pub(super) fn demand_something(field: &Field) -> bool {
    if field.rules.contains_key("ignore") {
        return false;
    }
    if field
        .rules
        .get("required")
        .is_some_and(|value| value == "true")
    {
        return true;
    }
    // A field that knows it is unset is checked only when it is set.
    if field.presence {
        return false;
    }
    field.rules.iter().any(|(name, value)| {
        let positive = value.parse::<i128>().is_ok_and(|bound| bound > 0);
        let negative = value.parse::<i128>().is_ok_and(|bound| bound < 0);
        match name.rsplit('.').next().unwrap_or(name) {
            "min_len" | "min_items" | "len" | "gte" => positive,
            "gt" => !negative,
            "lte" => negative,
            "lt" => !positive,
            "not_in" => set(value).contains("0"),
            "in" => !set(value).contains("0"),
            // Patterns and formats: the contract has none that the empty text fits. A switch that is
            // off asks for nothing, and rules of items ask for nothing of an empty list.
            _ => {
                field.cardinality == Cardinality::Singular
                    && value != "false"
                    && !matches!(name.as_str(), "enum.defined_only")
                    && !name.ends_with("max_len")
            }
        }
    })
}
