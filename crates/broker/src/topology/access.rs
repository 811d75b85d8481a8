//! What the services' users may do.

use super::{EVENTS, UNROUTED, group_exchange};
use crate::group::Group;

/// What a service does on the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceSpec {
    /// Its name.
    pub name: String,
    /// The topics it publishes.
    pub publishes: Vec<String>,
    /// The groups it consumes.
    pub groups: Vec<Group>,
}

/// Permissions of one service's user, as the regular expressions that RabbitMQ matches with names
/// and routing keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// The user.
    pub user: String,
    /// What it may declare and delete.
    pub configure: String,
    /// What it may publish to and bind.
    pub write: String,
    /// What it may consume and bind to.
    pub read: String,
    /// What it may publish to the topic exchange.
    pub topics_written: String,
    /// What it may bind to the topic exchange.
    pub topics_read: String,
}

/// The user of a service.
#[must_use]
pub fn user_of(service: &str) -> String {
    format!("outcry-{service}")
}

// === impl Access ===

impl Access {
    /// No more than a service needs: publish its own topics; declare and consume its own groups.
    #[must_use]
    pub fn of(service: &ServiceSpec) -> Self {
        let exchanges: Vec<_> = service
            .groups
            .iter()
            .map(|group| escape(&group_exchange(group.name)))
            .collect();
        let own = (!exchanges.is_empty())
            .then(|| format!("({})(\\.([0-9]{{3}}|strays))?", exchanges.join("|")));
        // Whoever declares a queue must be allowed to write where its dead letters go.
        let collector = own.is_some().then(|| escape(UNROUTED));
        let written = [Some(escape(EVENTS)), collector, own.clone()];
        let read = own.clone().map(|own| [escape(EVENTS), own]);
        let patterns = service.groups.iter().flat_map(|group| &group.topics);
        Self {
            user: user_of(&service.name),
            configure: any_of(own),
            write: any_of(written.into_iter().flatten()),
            read: any_of(read.into_iter().flatten()),
            topics_written: any_of(service.publishes.iter().map(|topic| escape(topic))),
            topics_read: any_of(patterns.map(|pattern| escape(pattern))),
        }
    }
}

/// Matches any of these expressions as a whole, and nothing when there is none.
fn any_of(expressions: impl IntoIterator<Item = String>) -> String {
    let expressions: Vec<_> = expressions.into_iter().collect();
    if expressions.is_empty() {
        return "^$".to_owned();
    }
    format!("^({})$", expressions.join("|"))
}

/// Text as an expression for itself.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 4);
    for c in text.chars() {
        if !c.is_ascii_alphanumeric() && !matches!(c, '_' | '-') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_may_do_its_own_and_no_more() {
        let access = Access::of(&ServiceSpec {
            name: "orders".to_owned(),
            publishes: vec!["order.created".to_owned(), "order.filled".to_owned()],
            groups: vec![Group {
                name: "orders",
                topics: vec!["trade.*".to_owned()],
                partitions: 2,
                prefetch: 8,
            }],
        });
        assert_eq!(
            access,
            Access {
                user: "outcry-orders".to_owned(),
                configure: r"^((outcry\.orders)(\.([0-9]{3}|strays))?)$".to_owned(),
                write:
                    r"^(outcry\.events|outcry\.unrouted|(outcry\.orders)(\.([0-9]{3}|strays))?)$"
                        .to_owned(),
                read: r"^(outcry\.events|(outcry\.orders)(\.([0-9]{3}|strays))?)$".to_owned(),
                topics_written: r"^(order\.created|order\.filled)$".to_owned(),
                topics_read: r"^(trade\.\*)$".to_owned(),
            }
        );
    }

    #[test]
    fn a_service_that_only_publishes_reads_and_declares_nothing() {
        let access = Access::of(&ServiceSpec {
            name: "users".to_owned(),
            publishes: vec!["user.registered".to_owned()],
            groups: Vec::new(),
        });
        assert_eq!(access.write, r"^(outcry\.events)$");
        for nothing in [access.configure, access.read, access.topics_read] {
            assert_eq!(nothing, "^$");
        }
    }
}
