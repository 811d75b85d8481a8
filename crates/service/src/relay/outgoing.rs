//! What leaves for one batch of facts, and what its outcome means for them.

use std::collections::HashSet;

use outcry_broker::PublishError;
use outcry_events::SealedEvent;

/// A fact, or a copy of it in an older version.
pub(super) struct Outgoing {
    /// Place of the fact in its batch.
    pub(super) place: usize,
    pub(super) event: SealedEvent,
}

/// What one call to the broker came to.
pub(super) struct Settled {
    /// Held back only by a copy that nobody wants, so still to be sent, in their order.
    pub(super) behind_unwanted: Vec<Outgoing>,
    /// Copies that were confirmed.
    pub(super) copies: u64,
}

/// Notes at each fact's place the first thing that failed of it and its copies.
///
/// That nobody wants a copy is no failure: its consumers are outside the platform, and once the
/// last of them has moved to the newer version there is none. A fact that nobody wants stays
/// unsent, since a group of ours may not have been declared yet.
pub(super) fn settle(
    sent: Vec<Outgoing>,
    answers: Vec<Result<(), PublishError>>,
    results: &mut [Result<(), PublishError>],
) -> Settled {
    let mut settled = Settled {
        behind_unwanted: Vec::new(),
        copies: 0,
    };
    // Keys whose last answer so far was that nobody wants a copy.
    let mut unwanted: HashSet<String> = HashSet::new();
    for (outgoing, answer) in sent.into_iter().zip(answers) {
        let is_copy = outgoing.event.copy_of().is_some();
        let key = outgoing.event.partition_key();
        match answer {
            Ok(()) => settled.copies += u64::from(is_copy),
            Err(PublishError::Unroutable { .. }) if is_copy => {
                unwanted.insert(key.to_owned());
            }
            Err(PublishError::HeldBack) if unwanted.contains(key) => {
                settled.behind_unwanted.push(outgoing);
            }
            Err(error) => {
                // What follows is held back by this one.
                unwanted.remove(key);
                if let Some(result) = results.get_mut(outgoing.place)
                    && result.is_ok()
                {
                    *result = Err(error);
                }
            }
        }
    }
    settled
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use outcry_contracts::reports::v1::{ReportFormat, ReportType};
    use outcry_contracts::reports::v2::report_period::End;
    use outcry_contracts::reports::v2::{ReportPeriod, ReportRequestedEvent};
    use outcry_events::{Cause, Stamp, downcast, seal};
    use uuid::Uuid;

    use super::*;

    /// A fact about a key and its copy.
    fn both(place: usize, key: u128) -> [Outgoing; 2] {
        let requested = ReportRequestedEvent {
            report_id: Uuid::from_u128(key).to_string(),
            user_id: Uuid::nil().to_string(),
            r#type: ReportType::Activity.into(),
            format: ReportFormat::Csv.into(),
            period: Some(ReportPeriod {
                from: None,
                end: Some(End::AsOf(prost_types::Timestamp::default())),
            }),
        };
        let stamp = Stamp {
            event_id: Uuid::now_v7(),
            sequence: 1,
            occurred_at: SystemTime::UNIX_EPOCH,
            recorded_at: SystemTime::UNIX_EPOCH,
            cause: &Cause::root(Uuid::now_v7(), "service:reports"),
        };
        let fact = seal(&requested, stamp).unwrap();
        let copies = downcast::registry().copies(&fact, SystemTime::UNIX_EPOCH);
        let [copy] = copies.unwrap().try_into().unwrap();
        [fact, copy].map(|event| Outgoing { place, event })
    }

    fn unroutable() -> Result<(), PublishError> {
        Err(PublishError::Unroutable {
            topic: String::new(),
        })
    }

    #[test]
    fn a_fact_is_sent_when_it_and_its_copy_are() {
        let sent = [both(0, 1), both(1, 2), both(2, 3)].into_iter().flatten();
        let mut results = vec![Ok(()); 3];
        let answers = vec![
            Ok(()),
            Ok(()),
            Ok(()),
            Err(PublishError::Closed),
            Err(PublishError::Closed),
            Err(PublishError::HeldBack),
        ];
        let settled = settle(sent.collect(), answers, &mut results);
        assert_eq!((settled.copies, settled.behind_unwanted.len()), (1, 0));
        assert!(matches!(
            results.as_slice(),
            [Ok(()), Err(PublishError::Closed), Err(PublishError::Closed)]
        ));
    }

    #[test]
    fn a_copy_that_nobody_wants_holds_nothing_up() {
        let sent = [both(0, 1), both(1, 1)].into_iter().flatten();
        let mut results = vec![Ok(()); 2];
        let held_back = || Err(PublishError::HeldBack);
        let answers = vec![Ok(()), unroutable(), held_back(), held_back()];
        let settled = settle(sent.collect(), answers, &mut results);
        assert!(results.iter().all(Result::is_ok));
        assert_eq!(settled.copies, 0);
        let left = settled.behind_unwanted;
        assert_eq!(left.iter().map(|one| one.place).collect::<Vec<_>>(), [1, 1]);
    }

    #[test]
    fn a_fact_that_nobody_wants_holds_its_key_also_behind_such_a_copy() {
        let sent = [both(0, 1), both(1, 1), both(2, 1)].into_iter().flatten();
        let mut results = vec![Ok(()); 3];
        let held_back = || Err(PublishError::HeldBack);
        let answers = vec![
            Ok(()),
            unroutable(),
            // Judged by itself, before anything is sent.
            unroutable(),
            held_back(),
            held_back(),
            held_back(),
        ];
        let settled = settle(sent.collect(), answers, &mut results);
        assert!(settled.behind_unwanted.is_empty());
        assert!(matches!(
            results.as_slice(),
            [
                Ok(()),
                Err(PublishError::Unroutable { .. }),
                Err(PublishError::HeldBack)
            ]
        ));
    }
}
