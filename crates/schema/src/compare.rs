//! What a new contract changes of an old one, and whom that breaks.
//!
//! Fields and values of enums are known by their numbers, everything else by its full name. What is
//! new is additive unless old requests or facts would not fit; what is gone or different is breaking
//! unless it is said otherwise here.

mod enums;
mod events;
mod fields;
mod methods;
mod rules;

use std::collections::{BTreeMap, BTreeSet};

use crate::change::{Breaks, Change, Verdict};
use crate::shape::{Message, Shape};
use crate::uses::{self, Uses};

/// All differences, the breaking ones first, then by place.
#[must_use]
pub fn compare(old: &Shape, new: &Shape) -> Vec<Change> {
    let mut comparison = Comparison {
        uses: joined(uses::of(old), uses::of(new)),
        services: old
            .services
            .keys()
            .chain(new.services.keys())
            .cloned()
            .collect(),
        changes: Vec::new(),
    };
    comparison.messages(old, new);
    comparison.enums(old, new);
    comparison.services(old, new);
    let mut changes = comparison.changes;
    changes.sort_by(|a, b| {
        let key = |change: &Change| (std::cmp::Reverse(change.verdict), change.place.clone());
        (key(a), &a.what).cmp(&(key(b), &b.what))
    });
    changes
}

/// Uses in the old contract and in the new one.
fn joined(old: BTreeMap<String, Uses>, new: BTreeMap<String, Uses>) -> BTreeMap<String, Uses> {
    let mut joined = old;
    for (name, uses) in new {
        let both = joined.entry(name).or_default();
        both.request |= uses.request;
        both.response |= uses.response;
        both.event |= uses.event;
        both.topics.extend(uses.topics);
    }
    joined
}

/// Collects changes.
pub(crate) struct Comparison {
    uses: BTreeMap<String, Uses>,
    services: BTreeSet<String>,
    changes: Vec<Change>,
}

/// A difference before it is judged: what is different, what was and what is.
pub(crate) struct Difference<'a> {
    /// Message, enum or service it belongs to.
    pub owner: &'a str,
    /// Its full name.
    pub place: String,
    pub what: &'a str,
    pub was: Option<String>,
    pub is: Option<String>,
}

impl Comparison {
    fn uses_of(&self, owner: &str) -> Uses {
        self.uses.get(owner).cloned().unwrap_or_default()
    }

    fn add(&mut self, difference: Difference<'_>, verdict: Verdict, breaks: &[Breaks], why: &str) {
        let uses = self.uses_of(difference.owner);
        let is_service = self.services.contains(difference.owner);
        self.changes.push(Change {
            place: difference.place,
            what: difference.what.to_owned(),
            was: difference.was,
            is: difference.is,
            verdict,
            breaks: breaks.iter().copied().collect(),
            why: why.to_owned(),
            callers: uses.request || uses.response || is_service,
            topics: uses.topics,
        });
    }

    fn additive(&mut self, difference: Difference<'_>) {
        self.add(difference, Verdict::Additive, &[], "");
    }

    fn review(&mut self, difference: Difference<'_>, why: &str) {
        self.add(difference, Verdict::Review, &[], why);
    }

    /// Breaks these, and those who send and read the message, enum or service it belongs to.
    fn breaking(&mut self, difference: Difference<'_>, how: &[Breaks], why: &str) {
        let uses = self.uses_of(difference.owner);
        let mut breaks: BTreeSet<Breaks> = how.iter().copied().collect();
        if uses.request || uses.event {
            breaks.insert(Breaks::Producers);
        }
        if uses.response || uses.event {
            breaks.insert(Breaks::Consumers);
        }
        let breaks: Vec<Breaks> = breaks.into_iter().collect();
        self.add(difference, Verdict::Breaking, &breaks, why);
    }

    fn messages(&mut self, old: &Shape, new: &Shape) {
        for (name, was) in &old.messages {
            match new.messages.get(name) {
                Some(is) => self.message(name, was, is),
                None => self.breaking(
                    gone(name, "message removed", was.topic()),
                    &[Breaks::Wire, Breaks::Json, Breaks::Source],
                    "its full name is its type on the wire",
                ),
            }
        }
        for (name, is) in &new.messages {
            if !old.messages.contains_key(name) {
                let what = match is.topic() {
                    Some(_) => "event added",
                    None => "message added",
                };
                self.additive(Difference {
                    owner: name,
                    place: name.clone(),
                    what,
                    was: None,
                    is: is.topic().map(str::to_owned),
                });
            }
        }
    }

    fn message(&mut self, name: &str, was: &Message, is: &Message) {
        self.file(name, &was.file, &is.file);
        self.event_option(name, was, is);
        self.rules(name, name, &was.rules, &is.rules);
        self.reservations(name, &was.reserved, &is.reserved);
        self.oneofs(name, was, is);
        self.fields(name, was, is);
    }

    /// Code imports what is declared by its file.
    fn file(&mut self, name: &str, was: &str, is: &str) {
        if was != is {
            self.add(
                Difference {
                    owner: name,
                    place: name.to_owned(),
                    what: "moved to another file",
                    was: Some(was.to_owned()),
                    is: Some(is.to_owned()),
                },
                Verdict::Breaking,
                &[Breaks::Source],
                "code is generated by file",
            );
        }
    }

    /// A number or name that once meant something must not mean something else later.
    fn reservations(&mut self, name: &str, was: &BTreeSet<String>, is: &BTreeSet<String>) {
        for lifted in was.difference(is) {
            self.breaking(
                gone(name, "reservation lifted", Some(lifted)),
                &[Breaks::Wire, Breaks::Json],
                "what is reserved must not be used for something else",
            );
        }
        for reserved in is.difference(was) {
            self.additive(Difference {
                owner: name,
                place: name.to_owned(),
                what: "reserved",
                was: None,
                is: Some(reserved.clone()),
            });
        }
    }
}

/// Something that is no longer there.
fn gone<'a>(name: &'a str, what: &'a str, was: Option<&str>) -> Difference<'a> {
    Difference {
        owner: name,
        place: name.to_owned(),
        what,
        was: was.map(str::to_owned),
        is: None,
    }
}

#[cfg(test)]
mod tests;
