//! Payments, given what happened, when something is asked, then.

use std::time::Duration;

use outcry_service::testing::given;
use proptest::prelude::*;

use super::*;

fn dollars(units: i32) -> Amount {
    Amount::from_units(units)
}

fn create() -> Command {
    Command::Create {
        payment_id: "0190a000-0000-7000-8000-000000000001".to_owned(),
        user_id: "0190a000-0000-7000-8000-000000000002".to_owned(),
        amount: dollars(100),
        provider: "sandbox".to_owned(),
        expires_at: SystemTime::UNIX_EPOCH + Duration::from_secs(900),
    }
}

fn capture(units: i32) -> Command {
    Command::Capture {
        amount: dollars(units),
        reference: "capture-1".to_owned(),
    }
}

fn decline() -> Command {
    Command::Decline {
        message: "no".to_owned(),
    }
}

/// The payment after these commands; those that are refused change nothing.
fn after(commands: &[Command]) -> (Payment, Vec<PaymentEvent>) {
    let mut payment = Payment::default();
    let mut history = Vec::new();
    for command in commands {
        for event in payment.decide(command).unwrap_or_default() {
            payment = payment.evolve(&event);
            history.push(event);
        }
    }
    (payment, history)
}

#[test]
fn a_payment_starts_pending_and_a_capture_of_its_amount_is_its_success() {
    let (payment, history) = after(&[create(), capture(100)]);
    assert_eq!(payment.status, PaymentStatus::Success);
    assert!(!payment.late);
    assert_eq!(history.len(), 2);
}

#[test]
fn a_capture_of_another_amount_fails_the_payment() {
    let (payment, _) = after(&[create(), capture(99)]);
    assert_eq!(payment.status, PaymentStatus::Failed);
    assert_eq!(payment.failure, PaymentFailure::AmountMismatch);
}

#[test]
fn a_capture_after_the_end_is_a_late_success() {
    for end in [Command::Expire, decline()] {
        let (payment, _) = after(&[create(), end, capture(100)]);
        assert_eq!(payment.status, PaymentStatus::Success);
        assert!(payment.late);
    }
}

#[test]
fn a_repeated_capture_changes_nothing_and_another_one_is_refused() {
    let (_, history) = after(&[create(), capture(100)]);
    given::<Payment>(history.clone())
        .when(capture(100))
        .then([]);
    given::<Payment>(history)
        .when(Command::Capture {
            amount: dollars(100),
            reference: "capture-2".to_owned(),
        })
        .then_refused(Rejection::StrangeCapture {
            amount: dollars(100),
            reference: "capture-2".to_owned(),
        });
}

#[test]
fn nothing_can_happen_to_a_payment_that_was_never_started() {
    given::<Payment>([])
        .when(capture(100))
        .then_refused(Rejection::Unknown);
}

proptest! {
    /// I16, I17: whatever comes how often in which order, one success at most, of the amount
    /// asked for, and nothing after it.
    #[test]
    fn a_payment_succeeds_at_most_once(
        answers in prop::collection::vec(
            prop_oneof![
                Just(capture(100)),
                Just(capture(99)),
                Just(decline()),
                Just(Command::Expire),
            ],
            0..12,
        )
    ) {
        let commands: Vec<Command> = std::iter::once(create()).chain(answers.clone()).collect();
        let (payment, history) = after(&commands);
        let successes: Vec<&PaymentSuccessEvent> = history
            .iter()
            .filter_map(|event| match event {
                PaymentEvent::Success(success) => Some(success),
                _ => None,
            })
            .collect();
        prop_assert_eq!(successes.len(), usize::from(answers.contains(&capture(100))));
        for success in successes {
            prop_assert_eq!(&success.amount, &Some(dollars(100).to_money()));
            prop_assert!(matches!(history.last(), Some(PaymentEvent::Success(_))));
        }
        let refolded = history.iter().fold(Payment::default(), Payment::evolve);
        prop_assert_eq!(refolded, payment);
    }
}
