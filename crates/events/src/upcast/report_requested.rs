//! `report.requested`: version 1 says the end of the period in two fields, version 2 once.
//!
//! Nothing is lost on either way: a place in the journal keeps the time that stood beside it.

use outcry_contracts::reports::v2::{JournalPlace, ReportPeriod, report_period::End};
use outcry_contracts::reports::{v1, v2};
use prost_types::Timestamp;

/// Version 1 as version 2.
pub fn upgrade(old: v1::ReportRequestedEvent) -> v2::ReportRequestedEvent {
    let end = match old.as_of_position {
        // The rules of version 1 demand a time. A fact without one has always been read as this.
        0 => End::AsOf(old.as_of.unwrap_or_default()),
        position => End::Place(JournalPlace {
            position,
            as_of: old.as_of,
        }),
    };
    v2::ReportRequestedEvent {
        report_id: old.report_id,
        user_id: old.user_id,
        r#type: old.r#type,
        format: old.format,
        period: Some(ReportPeriod {
            from: old.from,
            end: Some(end),
        }),
    }
}

/// Version 2 as version 1, for those who know no other.
pub fn downgrade(new: v2::ReportRequestedEvent) -> v1::ReportRequestedEvent {
    let period = new.period.unwrap_or_default();
    let (as_of, as_of_position): (Option<Timestamp>, u64) = match period.end {
        Some(End::AsOf(time)) => (Some(time), 0),
        Some(End::Place(place)) => (place.as_of, place.position),
        None => (None, 0),
    };
    v1::ReportRequestedEvent {
        report_id: new.report_id,
        user_id: new.user_id,
        r#type: new.r#type,
        format: new.format,
        from: period.from,
        as_of,
        as_of_position,
    }
}

#[cfg(test)]
mod tests {
    use outcry_contracts::Validate as _;
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    /// Times from the year 1 to the year 9999.
    fn times() -> impl Strategy<Value = Timestamp> {
        (-62_135_596_800_i64..=253_402_300_799, 0..1_000_000_000_i32)
            .prop_map(|(seconds, nanos)| Timestamp { seconds, nanos })
    }

    prop_compose! {
        /// Any request of version 1 that keeps its rules.
        fn first_versions()(
            report in any::<u128>(),
            user in any::<u128>(),
            kind in 1..=6_i32,
            format in 1..=4_i32,
            from in prop::option::of(times()),
            as_of in times(),
            as_of_position in prop_oneof![Just(0), any::<u64>()],
        ) -> v1::ReportRequestedEvent {
            v1::ReportRequestedEvent {
                report_id: Uuid::from_u128(report).to_string(),
                user_id: Uuid::from_u128(user).to_string(),
                r#type: kind,
                format,
                from,
                as_of: Some(as_of),
                as_of_position,
            }
        }
    }

    fn ends() -> impl Strategy<Value = End> {
        let place = |(position, as_of)| {
            End::Place(JournalPlace {
                position,
                as_of: Some(as_of),
            })
        };
        prop_oneof![
            times().prop_map(End::AsOf),
            (1..=u64::MAX, times()).prop_map(place),
        ]
    }

    prop_compose! {
        /// Any request of version 2 that keeps its rules.
        fn second_versions()(
            report in any::<u128>(),
            user in any::<u128>(),
            kind in 1..=6_i32,
            format in 1..=4_i32,
            from in prop::option::of(times()),
            end in ends(),
        ) -> v2::ReportRequestedEvent {
            v2::ReportRequestedEvent {
                report_id: Uuid::from_u128(report).to_string(),
                user_id: Uuid::from_u128(user).to_string(),
                r#type: kind,
                format,
                period: Some(ReportPeriod {
                    from,
                    end: Some(end),
                }),
            }
        }
    }

    proptest! {
        #[test]
        fn a_valid_first_version_is_a_valid_second_one_and_comes_back_as_it_was(
            first in first_versions(),
        ) {
            prop_assert_eq!(first.validate(), Ok(()));
            let second = upgrade(first.clone());
            prop_assert_eq!(second.validate(), Ok(()));
            prop_assert_eq!(downgrade(second), first);
        }

        #[test]
        fn a_valid_second_version_is_a_valid_first_one_and_comes_back_as_it_was(
            second in second_versions(),
        ) {
            prop_assert_eq!(second.validate(), Ok(()));
            let copy = downgrade(second.clone());
            prop_assert_eq!(copy.validate(), Ok(()));
            prop_assert_eq!(upgrade(copy), second);
        }
    }

    #[test]
    fn the_end_is_said_once() {
        let at = Timestamp {
            seconds: 1_700_000_000,
            nanos: 5,
        };
        let ends = |as_of_position| {
            let old = v1::ReportRequestedEvent {
                as_of: Some(at),
                as_of_position,
                ..Default::default()
            };
            upgrade(old).period.expect("a period").end
        };
        assert_eq!(ends(0), Some(End::AsOf(at)));
        let place = JournalPlace {
            position: 7,
            as_of: Some(at),
        };
        assert_eq!(ends(7), Some(End::Place(place)));
    }
}
