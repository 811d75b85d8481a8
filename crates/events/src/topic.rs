//! Topic patterns with the meaning they have on an AMQP topic exchange.
//!
//! A topic is words with dots in between. In a pattern `*` stands for exactly one word and
//! `#` for any number of words, none included. The empty topic has no words.
//!
//! ```
//! use outcry_events::topic::topic_matches;
//!
//! assert!(topic_matches("order.*", "order.filled"));
//! assert!(topic_matches("#", "order.filled"));
//! assert!(!topic_matches("order.*", "order"));
//! ```

/// Whether a topic fits a pattern.
#[must_use]
pub fn topic_matches(pattern: &str, topic: &str) -> bool {
    let mut pattern = Words::of(pattern);
    let mut topic = Words::of(topic);
    // Where to go on when words stop fitting: behind the last `#`, which then takes in one
    // word more. Earlier ones need no second look, because the last one can take in
    // whatever they could.
    let mut retry: Option<(Words<'_>, Words<'_>)> = None;
    loop {
        match pattern.first() {
            Some("#") => {
                pattern = pattern.rest();
                retry = Some((pattern, topic));
                continue;
            }
            Some(word)
                if topic
                    .first()
                    .is_some_and(|found| word == "*" || word == found) =>
            {
                pattern = pattern.rest();
                topic = topic.rest();
                continue;
            }
            None if topic.first().is_none() => return true,
            Some(_) | None => {}
        }
        let Some((after, from)) = retry.filter(|(_, from)| from.first().is_some()) else {
            return false;
        };
        pattern = after;
        topic = from.rest();
        retry = Some((after, topic));
    }
}

/// A topic without its version, `report.requested` of `report.requested.v2`: the name of the
/// event, which its versions have in common.
#[must_use]
pub fn event_name(topic: &str) -> &str {
    match topic.rsplit_once(".v") {
        Some((name, version))
            if !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            name
        }
        _ => topic,
    }
}

/// The words left of a topic.
#[derive(Clone, Copy)]
struct Words<'a>(Option<&'a str>);

impl<'a> Words<'a> {
    fn of(text: &'a str) -> Words<'a> {
        Words(Some(text).filter(|text| !text.is_empty()))
    }

    fn first(self) -> Option<&'a str> {
        self.0
            .map(|text| text.split_once('.').map_or(text, |(word, _)| word))
    }

    fn rest(self) -> Words<'a> {
        Words(
            self.0
                .and_then(|text| text.split_once('.'))
                .map(|(_, rest)| rest),
        )
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_name_of_an_event_is_its_topic_without_the_version() {
        for (topic, name) in [
            ("report.requested", "report.requested"),
            ("report.requested.v2", "report.requested"),
            ("report.requested.v12", "report.requested"),
            ("report.verified", "report.verified"),
            ("report.v", "report.v"),
        ] {
            assert_eq!(event_name(topic), name);
        }
    }

    #[test]
    fn patterns_match_as_on_a_topic_exchange() {
        for (pattern, topic, fits) in [
            ("order.created", "order.created", true),
            ("order.created", "order.created.v2", false),
            ("order.*", "order.created", true),
            ("order.*", "order.created.v2", false),
            ("order.*", "order", false),
            ("order.#", "order", true),
            ("order.#", "order.created.v2", true),
            ("order.#", "orders.created", false),
            ("*.created", "order.created", true),
            ("#", "", true),
            ("#", "order.created", true),
            ("*", "", false),
            ("", "", true),
            ("", "order", false),
            ("#.v2", "order.created.v2", true),
            ("#.created.#", "order.created", true),
            ("#.*", "", false),
            ("#.*", "a", true),
            ("*.#.*", "a", false),
            ("a*b.c", "axb.c", false),
            ("a.*.b", "a..b", true),
            ("a.", "a", false),
            ("a.*", "a.", true),
        ] {
            assert_eq!(topic_matches(pattern, topic), fits, "{pattern:?} {topic:?}");
        }
    }

    /// The definition itself, as a recursion.
    fn defined(pattern: &[&str], topic: &[&str]) -> bool {
        match (pattern.split_first(), topic.split_first()) {
            (None, None) => true,
            (None, Some(_)) => false,
            (Some((&"#", after)), _) => {
                (0..=topic.len()).any(|taken| defined(after, &topic[taken..]))
            }
            (Some(_), None) => false,
            (Some((word, after)), Some((found, rest))) => {
                (*word == "*" || word == found) && defined(after, rest)
            }
        }
    }

    fn words(text: &str) -> Vec<&str> {
        if text.is_empty() {
            Vec::new()
        } else {
            text.split('.').collect()
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]

        #[test]
        fn matching_agrees_with_the_definition(
            pattern in prop::collection::vec(prop::sample::select(vec!["a", "b", "*", "#"]), 0..7),
            topic in prop::collection::vec(prop::sample::select(vec!["a", "b", ""]), 0..8),
        ) {
            let (pattern, topic) = (pattern.join("."), topic.join("."));
            prop_assert_eq!(
                topic_matches(&pattern, &topic),
                defined(&words(&pattern), &words(&topic)),
                "{:?} {:?}", pattern, topic
            );
        }
    }
}
