//! How much a call matters when not all can be answered.
//!
//! The contract says it of every method. A call made while another is handled matters as much as that
//! one, whatever its own method says: the cancellation of an order stays one at every service it passes,
//! and what somebody merely looks at does not become important by being computed from many parts.
//!
//! Between services it travels as metadata. The listener believes it of peers only, since it answers nobody
//! else, and the public edge takes it away from what comes from outside.

use http::{HeaderMap, HeaderName, HeaderValue};
use outcry_contracts::options::v1::Criticality;

use crate::authorize::Rule;
use crate::deadline;

/// Metadata key of how much a call matters. Without it, or with a text that is no level's name, it is as much
/// as its method does.
pub const CRITICALITY: &str = "outcry-criticality";
const HEADER: HeaderName = HeaderName::from_static(CRITICALITY);

/// How much a call matters, in order: the lowest is refused first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Nice to have at the moment; will be asked again anyway.
    Sheddable,
    /// Somebody looks at it.
    SheddablePlus,
    /// Somebody's order or money waits for it.
    Critical,
    /// Takes risk away, such as a cancellation.
    CriticalPlus,
}

impl Level {
    /// All of them, the lowest first.
    pub const ALL: [Level; 4] = [
        Level::Sheddable,
        Level::SheddablePlus,
        Level::Critical,
        Level::CriticalPlus,
    ];

    /// What the contract says of a method.
    pub fn of(rule: &Rule) -> Level {
        match rule.criticality {
            Criticality::Unspecified if rule.safe => Level::SheddablePlus,
            Criticality::Unspecified | Criticality::Critical => Level::Critical,
            Criticality::Sheddable => Level::Sheddable,
            Criticality::SheddablePlus => Level::SheddablePlus,
            Criticality::CriticalPlus => Level::CriticalPlus,
        }
    }

    /// How much a call matters: what came with it, else what the contract says of its method.
    ///
    /// A method without a rule is denied, so its level decides nothing.
    pub fn of_call(headers: &HeaderMap, rule: Option<&Rule>) -> Level {
        Level::in_headers(headers)
            .or_else(|| rule.map(Level::of))
            .unwrap_or(Level::Critical)
    }

    /// The name it travels by.
    pub fn name(self) -> &'static str {
        match self {
            Level::Sheddable => "SHEDDABLE",
            Level::SheddablePlus => "SHEDDABLE_PLUS",
            Level::Critical => "CRITICAL",
            Level::CriticalPlus => "CRITICAL_PLUS",
        }
    }

    fn in_headers(headers: &HeaderMap) -> Option<Level> {
        let name = headers.get(HEADER)?.as_bytes();
        Level::ALL
            .into_iter()
            .find(|level| level.name().as_bytes() == name)
    }
}

/// How much the call being handled matters; `None` outside a call.
pub fn current() -> Option<Level> {
    Some(deadline::inherited()?.level)
}

/// Hands the level of the call being handled on to a call made meanwhile. Where none is being handled, the
/// caller's own word stays, and without one the callee goes by its contract.
pub(crate) fn hand_on(headers: &mut HeaderMap) {
    if let Some(level) = current() {
        headers.insert(HEADER, HeaderValue::from_static(level.name()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(criticality: Criticality, safe: bool) -> Rule {
        Rule {
            criticality,
            safe,
            ..Rule::default()
        }
    }

    #[test]
    fn levels_are_in_the_order_of_what_is_refused_first() {
        assert!(Level::ALL.is_sorted());
    }

    #[test]
    fn a_method_without_a_level_matters_by_what_it_does() {
        assert_eq!(
            Level::of(&rule(Criticality::Unspecified, true)),
            Level::SheddablePlus
        );
        assert_eq!(
            Level::of(&rule(Criticality::Unspecified, false)),
            Level::Critical
        );
        assert_eq!(
            Level::of(&rule(Criticality::Sheddable, false)),
            Level::Sheddable
        );
    }

    #[test]
    fn what_came_with_a_call_counts_if_it_is_a_levels_name() {
        let rule = rule(Criticality::Sheddable, true);
        for level in Level::ALL {
            let mut headers = HeaderMap::new();
            headers.insert(CRITICALITY, HeaderValue::from_static(level.name()));
            assert_eq!(Level::of_call(&headers, Some(&rule)), level);
        }
        for nonsense in ["", "critical", "CRITICALITY_CRITICAL", "9"] {
            let mut headers = HeaderMap::new();
            headers.insert(CRITICALITY, HeaderValue::from_static(nonsense));
            assert_eq!(Level::of_call(&headers, Some(&rule)), Level::Sheddable);
        }
        assert_eq!(
            Level::of_call(&HeaderMap::new(), Some(&rule)),
            Level::Sheddable
        );
    }
}
