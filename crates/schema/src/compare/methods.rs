//! What is different about services and their methods.

use std::collections::BTreeSet;

use super::{Comparison, Difference, gone};
use crate::change::{Breaks, Verdict};
use crate::shape::{Access, Method, Shape};

const CALLERS: [Breaks; 2] = [Breaks::Producers, Breaks::Source];

impl Comparison {
    pub(super) fn services(&mut self, old: &Shape, new: &Shape) {
        for (name, was) in &old.services {
            let Some(is) = new.services.get(name) else {
                self.breaking(
                    gone(name, "service removed", None),
                    &CALLERS,
                    "callers use it",
                );
                continue;
            };
            self.file(name, &was.file, &is.file);
            for (method, before) in &was.methods {
                let place = format!("{name}.{method}");
                match is.methods.get(method) {
                    Some(now) => self.method(name, &place, before, now),
                    None => {
                        let mut removed = gone(name, "method removed", None);
                        removed.place = place;
                        self.breaking(removed, &CALLERS, "callers use it");
                    }
                }
            }
            for method in is
                .methods
                .keys()
                .filter(|key| !was.methods.contains_key(*key))
            {
                self.additive(added(name, format!("{name}.{method}"), "method added"));
            }
        }
        for name in new
            .services
            .keys()
            .filter(|key| !old.services.contains_key(*key))
        {
            self.additive(added(name, name.clone(), "service added"));
        }
    }

    fn method(&mut self, name: &str, place: &str, was: &Method, is: &Method) {
        let mut changed = |what, before: String, now: String, breaks: &[Breaks], why: &str| {
            if before != now {
                let difference = Difference {
                    owner: name,
                    place: place.to_owned(),
                    what,
                    was: Some(before),
                    is: Some(now),
                };
                self.add(difference, Verdict::Breaking, breaks, why);
            }
        };
        changed(
            "request type changed",
            was.request.clone(),
            is.request.clone(),
            &[
                Breaks::Producers,
                Breaks::Wire,
                Breaks::Json,
                Breaks::Source,
            ],
            "callers send the old one",
        );
        changed(
            "response type changed",
            was.response.clone(),
            is.response.clone(),
            &[
                Breaks::Consumers,
                Breaks::Wire,
                Breaks::Json,
                Breaks::Source,
            ],
            "callers read the old one",
        );
        changed(
            "streaming changed",
            streaming(was).to_owned(),
            streaming(is).to_owned(),
            &[
                Breaks::Producers,
                Breaks::Consumers,
                Breaks::Wire,
                Breaks::Source,
            ],
            "a call and a stream are made differently",
        );
        self.promise(name, place, was, is);
        self.access(name, place, &was.access, &is.access);
        if was.criticality != is.criticality {
            self.additive(Difference {
                owner: name,
                place: place.to_owned(),
                what: "criticality changed",
                was: was.criticality.clone(),
                is: is.criticality.clone(),
            });
        }
    }

    fn promise(&mut self, name: &str, place: &str, was: &Method, is: &Method) {
        if was.idempotency == is.idempotency {
            return;
        }
        let text = |method: &Method| Some(format!("{:?}", method.idempotency));
        let difference = Difference {
            owner: name,
            place: place.to_owned(),
            what: "idempotency changed",
            was: text(was),
            is: text(is),
        };
        if was.idempotency < is.idempotency {
            self.additive(difference);
        } else {
            self.add(
                difference,
                Verdict::Breaking,
                &[Breaks::Producers],
                "callers repeat the call when they do not know how it went",
            );
        }
    }

    fn access(&mut self, name: &str, place: &str, was: &Access, is: &Access) {
        let (before, now) = (granted(was), granted(is));
        let lost: Vec<&str> = before.difference(&now).copied().collect();
        let gained: Vec<&str> = now.difference(&before).copied().collect();
        if !lost.is_empty() {
            let difference = Difference {
                owner: name,
                place: place.to_owned(),
                what: "access narrowed",
                was: Some(lost.join(", ")),
                is: None,
            };
            self.add(
                difference,
                Verdict::Breaking,
                &[Breaks::Producers],
                "those who called it are refused",
            );
        }
        if !gained.is_empty() {
            let difference = Difference {
                owner: name,
                place: place.to_owned(),
                what: "access widened",
                was: None,
                is: Some(gained.join(", ")),
            };
            self.review(difference, "more may call it: see that it is meant so");
        }
    }
}

/// Everybody who may call. Roles are not named like services.
fn granted(access: &Access) -> BTreeSet<&str> {
    let named = access.roles.iter().chain(&access.callers);
    let mut granted: BTreeSet<&str> = named.map(String::as_str).collect();
    if access.public {
        granted.insert("anybody");
    }
    granted
}

fn streaming(method: &Method) -> &'static str {
    match (method.client_streaming, method.server_streaming) {
        (false, false) => "one request, one response",
        (true, false) => "many requests, one response",
        (false, true) => "one request, many responses",
        (true, true) => "many requests, many responses",
    }
}

fn added<'a>(owner: &'a str, place: String, what: &'a str) -> Difference<'a> {
    Difference {
        owner,
        place,
        what,
        was: None,
        is: None,
    }
}
