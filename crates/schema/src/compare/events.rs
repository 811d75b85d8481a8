//! What is different about an event's option.

use std::collections::BTreeSet;

use super::{Comparison, Difference};
use crate::change::{Breaks, Verdict};
use crate::shape::Message;

/// Options by which events are routed, stored and ordered.
const PLACE: [(&str, &str); 5] = [
    ("topic", "queues are bound to it"),
    ("owner", "it says who may publish and where facts are kept"),
    ("aggregate", "it names the streams that facts are kept in"),
    (
        "aggregate_id_field",
        "it names the streams that facts are kept in",
    ),
    ("partition_key_field", "consumers see events in order by it"),
];
/// Option with the fields that say who may read the event.
const SUBJECTS: &str = "subject_fields";
/// Option with the topic of the next version.
const SUCCESSOR: &str = "superseded_by";
/// Option with the last day of this version, as `2027-06-30`.
const LAST_DAY: &str = "published_until";

impl Comparison {
    pub(super) fn event_option(&mut self, name: &str, was: &Message, is: &Message) {
        let options: BTreeSet<&String> = was.event.keys().chain(is.event.keys()).collect();
        for option in options {
            let (old, new) = (was.event.get(option), is.event.get(option));
            if old == new {
                continue;
            }
            let what = format!("{option} {}", changed(old.is_some(), new.is_some()));
            let difference = Difference {
                owner: name,
                place: name.to_owned(),
                what: &what,
                was: old.cloned(),
                is: new.cloned(),
            };
            if let Some(why) = promise_broken(option, old, new) {
                self.add(difference, Verdict::Breaking, &[Breaks::Consumers], why);
                continue;
            }
            let place = PLACE.iter().find(|(place, _)| place == option);
            match place {
                Some((_, why)) if !was.event.is_empty() => self.breaking(
                    difference,
                    &[Breaks::Producers, Breaks::Consumers, Breaks::StoredFacts],
                    why,
                ),
                None if option == SUBJECTS => self.subjects(difference),
                None if old.is_some() => {
                    self.review(difference, "readers of the catalog rely on it")
                }
                _ => self.additive(difference),
            }
        }
    }

    /// More people may read the event, or fewer.
    fn subjects(&mut self, difference: Difference<'_>) {
        let fields = |text: &Option<String>| -> BTreeSet<String> {
            let text = text.as_deref().unwrap_or_default();
            text.split(", ")
                .filter(|one| !one.is_empty())
                .map(str::to_owned)
                .collect()
        };
        let (was, is) = (fields(&difference.was), fields(&difference.is));
        if was.is_subset(&is) {
            self.review(difference, "more people may read it");
        } else {
            self.breaking(
                difference,
                &[Breaks::Consumers],
                "people it is about can no longer read it",
            );
        }
    }
}

/// What consumers of an old version were promised about its end and is no longer so.
fn promise_broken(option: &str, was: Option<&String>, is: Option<&String>) -> Option<&'static str> {
    let (was, is) = (was?, is?);
    match option {
        // Days are written so that the earlier one is the smaller text.
        LAST_DAY if is < was => Some("consumers have planned to move by the later day"),
        SUCCESSOR => Some("consumers have moved, or are moving, to the topic it named"),
        _ => None,
    }
}

/// The word for what became of a value.
pub(super) fn changed(was: bool, is: bool) -> &'static str {
    match (was, is) {
        (false, _) => "added",
        (true, false) => "removed",
        (true, true) => "changed",
    }
}
