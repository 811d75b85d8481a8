//! Groups follow an event to its next version.
//!
//! The consumers of the platform skip copies in older versions, because the fact a copy repeats
//! comes to them, too. That is so only if their topics match the next version as well: `order.*`
//! does not match `order.filled.v2`, and without this check such a group would lose every one.

use anyhow::bail;
use outcry_contracts::EventFacts;
use outcry_events::topic::topic_matches;
use outcry_service::GroupSpec;

/// Checks that every group that gets a version of an event gets the next one, too.
///
/// # Errors
/// Every topic that a group lacks, and what to do about it.
pub fn check(groups: &[GroupSpec], known: &[EventFacts]) -> anyhow::Result<()> {
    let findings: Vec<String> = groups
        .iter()
        .flat_map(|group| known.iter().filter_map(|event| lacking(group, event)))
        .collect();
    if findings.is_empty() {
        return Ok(());
    }
    bail!("{}", findings.join("; "))
}

/// What a group lacks to follow an event to its next version; none if it does, or has nothing to
/// do with the event.
fn lacking(group: &GroupSpec, event: &EventFacts) -> Option<String> {
    let takes = |topic| group.topics.iter().any(|one| topic_matches(one, topic));
    let next = event.successor?.topic;
    (takes(event.topic) && !takes(next)).then(|| {
        format!(
            "group {name} takes `{topic}`, but none of its topics matches `{next}`, the version \
             after it, and copies in the older version are skipped: add `{next}` to the topics of \
             {name}",
            name = group.name,
            topic = event.topic,
        )
    })
}

#[cfg(test)]
mod tests {
    use outcry_contracts::EVENTS;
    use outcry_service::Unknown;

    use super::*;
    use crate::services::consumers;

    fn checked(topics: &'static [&'static str]) -> Result<(), String> {
        let groups = [
            GroupSpec::new("everything", &["#"], Unknown::Handle),
            GroupSpec::new("asking", topics, Unknown::Park),
        ];
        check(&groups, EVENTS).map_err(|error| error.to_string())
    }

    #[test]
    fn the_groups_of_the_platform_follow_every_event() {
        check(&consumers(), EVENTS).unwrap();
    }

    #[test]
    fn a_group_that_would_lose_the_next_version_is_told_what_to_add() {
        let lacking: [&[&str]; 4] = [
            &["report.requested"],
            &["report.*"],
            &["*.requested", "report.completed.#"],
            &["order.filled", "report.*", "report.requested.v3"],
        ];
        for topics in lacking {
            assert_eq!(
                checked(topics).unwrap_err(),
                "group asking takes `report.requested`, but none of its topics matches \
                 `report.requested.v2`, the version after it, and copies in the older version are \
                 skipped: add `report.requested.v2` to the topics of asking",
                "{topics:?}"
            );
        }
    }

    #[test]
    fn a_group_with_the_next_version_or_without_the_event_is_fine() {
        let fine: [&[&str]; 6] = [
            &["#"],
            &["report.#"],
            &["report.requested", "report.requested.v2"],
            &["report.*", "*.*.v2"],
            &["report.requested.v2"],
            &["order.*", "report.completed"],
        ];
        for topics in fine {
            assert_eq!(checked(topics), Ok(()), "{topics:?}");
        }
    }
}
