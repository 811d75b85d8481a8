//! Where an order may go from where it is: one table. What is not in it is refused.
//!
//! An order's own events make `NEW`, `VALIDATED`, `PARTIALLY_FILLED` and the final statuses. The
//! others are shown while the venue has acknowledged the order or is being asked about it: they
//! are steps of the table as well, but no facts of the order's stream.

use outcry_contracts::orders::v1::OrderStatus::{
    self, Cancelled, Expired, Filled, New, Open, PartiallyFilled, PendingCancel, PendingReplace,
    Rejected, Unspecified, Validated,
};

/// What moves an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Its user places it.
    Place,
    /// It passes every check, and what it needs is locked.
    Validate,
    /// A check, custody or the venue refuses it.
    Reject,
    /// It is cancelled before the venue has seen it.
    CancelBeforeVenue,
    /// The venue has it.
    Acknowledge,
    /// The venue fills some of it or all.
    Fill,
    /// The venue is asked to take it off.
    AskCancel,
    /// The venue does not take it off.
    RefuseCancel,
    /// The venue takes it off: as asked, or because of its own rules.
    TakeOff,
    /// The venue is asked to change it.
    AskReplace,
    /// The venue does not change it.
    RefuseReplace,
    /// The venue changes it; changed to what is filled, it is filled.
    Replace,
}

/// Every step there is: from, what happens, and where that may lead. From no status at all
/// (`UNSPECIFIED`) an order comes into being.
pub const TABLE: &[(OrderStatus, Step, &[OrderStatus])] = &[
    (Unspecified, Step::Place, &[New]),
    (New, Step::Validate, &[Validated]),
    (New, Step::Reject, &[Rejected]),
    (New, Step::CancelBeforeVenue, &[Cancelled]),
    (Validated, Step::Reject, &[Rejected]),
    (Validated, Step::CancelBeforeVenue, &[Cancelled]),
    (Validated, Step::Acknowledge, &[Open]),
    (Validated, Step::Fill, &[PartiallyFilled, Filled]),
    (Validated, Step::TakeOff, &[Cancelled, Expired]),
    (Open, Step::Fill, &[PartiallyFilled, Filled]),
    (Open, Step::TakeOff, &[Cancelled, Expired]),
    (Open, Step::AskCancel, &[PendingCancel]),
    (Open, Step::AskReplace, &[PendingReplace]),
    (PartiallyFilled, Step::Fill, &[PartiallyFilled, Filled]),
    (PartiallyFilled, Step::TakeOff, &[Cancelled, Expired]),
    (PartiallyFilled, Step::AskCancel, &[PendingCancel]),
    (PartiallyFilled, Step::AskReplace, &[PendingReplace]),
    (PendingCancel, Step::Fill, &[PendingCancel, Filled]),
    (PendingCancel, Step::TakeOff, &[Cancelled, Expired]),
    (
        PendingCancel,
        Step::RefuseCancel,
        &[Open, PartiallyFilled, Filled],
    ),
    (PendingReplace, Step::Fill, &[PendingReplace, Filled]),
    (PendingReplace, Step::TakeOff, &[Cancelled]),
    (
        PendingReplace,
        Step::RefuseReplace,
        &[Open, PartiallyFilled],
    ),
    (
        PendingReplace,
        Step::Replace,
        &[Open, PartiallyFilled, Filled],
    ),
];

/// Whether the step may be taken from there.
pub fn allows(from: OrderStatus, step: Step) -> bool {
    TABLE
        .iter()
        .any(|(at, taken, _)| *at == from && *taken == step)
}

/// Whether some step leads from the one to the other; staying is always all right.
pub fn leads(from: OrderStatus, to: OrderStatus) -> bool {
    from == to
        || TABLE
            .iter()
            .any(|(at, _, targets)| *at == from && targets.contains(&to))
}

/// Whether nothing can happen after this: no step of the table begins there.
pub fn is_final(status: OrderStatus) -> bool {
    !TABLE.iter().any(|(from, _, _)| *from == status)
}

/// Whether an order in this status is in the market, and the venue may be asked about it.
pub fn at_venue(status: OrderStatus) -> bool {
    matches!(status, Open | PartiallyFilled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_statuses_are_final_and_no_more() {
        let finals = [Filled, Cancelled, Rejected, Expired];
        for number in 0..=10 {
            let status = OrderStatus::try_from(number).unwrap();
            assert_eq!(is_final(status), finals.contains(&status), "{status:?}");
        }
    }

    #[test]
    fn every_step_appears_once_from_each_status_and_leads_somewhere() {
        for (place, (from, step, targets)) in TABLE.iter().enumerate() {
            assert!(!targets.is_empty());
            let same =
                |row: &&(OrderStatus, Step, &[OrderStatus])| (row.0, row.1) == (*from, *step);
            assert_eq!(TABLE.iter().position(|row| same(&row)), Some(place));
        }
    }

    #[test]
    fn an_order_in_the_market_is_never_rejected_and_a_filled_one_never_cancelled() {
        assert!(!leads(Open, Rejected));
        assert!(!leads(PartiallyFilled, Rejected));
        assert!(!leads(PartiallyFilled, Open));
        assert!(!leads(Filled, Cancelled));
        assert!(!leads(Cancelled, PartiallyFilled));
    }
}
