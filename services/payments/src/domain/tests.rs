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

fn captured(money: Money, reference: &str) -> Command {
    Command::Capture(Capture {
        money,
        reference: reference.to_owned(),
    })
}

fn capture(units: i32) -> Command {
    captured(dollars(units).to_money(), "capture-1")
}

fn euros(units: i32) -> Money {
    Money {
        currency_code: "EUR".to_owned(),
        ..dollars(units).to_money()
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
fn a_capture_of_another_amount_or_currency_fails_the_payment_and_its_money_is_named() {
    for (money, reason) in [
        (dollars(99).to_money(), PaymentFailure::AmountMismatch),
        (dollars(101).to_money(), PaymentFailure::AmountMismatch),
        (euros(100), PaymentFailure::CurrencyMismatch),
    ] {
        let (payment, history) = after(&[create(), captured(money.clone(), "capture-1")]);
        assert_eq!(payment.status, PaymentStatus::Failed);
        assert_eq!(payment.failure, reason);
        let Some(PaymentEvent::Failed(failed)) = history.last() else {
            panic!("it did not fail");
        };
        assert_eq!(failed.captured.as_ref(), Some(&money));
        assert_eq!(failed.provider_reference, "capture-1");
    }
}

#[test]
fn money_in_suspense_is_not_credited_when_its_capture_is_told_again_otherwise() {
    let (_, history) = after(&[create(), capture(99)]);
    for again in [capture(99), capture(100)] {
        given::<Payment>(history.clone()).when(again).then([]);
    }
    let (payment, _) = after(&[
        create(),
        capture(99),
        captured(dollars(100).to_money(), "capture-2"),
    ]);
    assert_eq!(payment.status, PaymentStatus::Success);
    assert!(payment.late);
}

#[test]
fn a_capture_that_does_not_fit_after_the_end_is_for_a_person() {
    let (_, history) = after(&[create(), Command::Expire]);
    given::<Payment>(history)
        .when(capture(99))
        .then_refused(Rejection::StrangeCapture {
            reference: "capture-1".to_owned(),
        });
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
        .when(captured(dollars(100).to_money(), "capture-2"))
        .then_refused(Rejection::StrangeCapture {
            reference: "capture-2".to_owned(),
        });
}

#[test]
fn nothing_can_happen_to_a_payment_that_was_never_started() {
    given::<Payment>([])
        .when(capture(100))
        .then_refused(Rejection::Unknown);
}

/// What counts of a payment, told without its events.
#[derive(Debug, Default)]
struct Model {
    ended: bool,
    credited: Option<String>,
    suspended: Option<String>,
    late: bool,
}

impl Model {
    fn hear(&mut self, command: &Command) {
        if self.credited.is_some() {
            return;
        }
        match command {
            Command::Capture(capture) if self.suspended.as_ref() == Some(&capture.reference) => {}
            Command::Capture(capture) if capture.money == dollars(100).to_money() => {
                self.credited = Some(capture.reference.clone());
                self.late = self.ended;
            }
            Command::Capture(capture) if !self.ended => {
                self.suspended = Some(capture.reference.clone());
                self.ended = true;
            }
            Command::Capture(_) | Command::Create { .. } => {}
            Command::Decline { .. } | Command::Expire => self.ended = true,
        }
    }
}

/// What a provider and the time may say, through whatever channel.
fn said() -> impl Strategy<Value = Command> {
    let money = prop_oneof![
        3 => Just(dollars(100).to_money()),
        1 => Just(dollars(99).to_money()),
        1 => Just(euros(100)),
    ];
    let capture =
        (money, 1..4_u8).prop_map(|(money, number)| captured(money, &format!("capture-{number}")));
    prop_oneof![4 => capture, 1 => Just(decline()), 1 => Just(Command::Expire)]
}

proptest! {
    /// I16, I17: verify, webhooks, expiry and reconciler all end in these commands. Whatever comes
    /// how often in which order, there is one success at most, of the amount asked for, nothing
    /// follows it, and no capture counts twice.
    #[test]
    fn a_payment_is_credited_once_whatever_is_said_how_often_in_which_order(
        said in prop::collection::vec(said(), 0..16),
    ) {
        let commands: Vec<Command> = std::iter::once(create()).chain(said).collect();
        let mut model = Model::default();
        for command in &commands {
            model.hear(command);
        }
        let (payment, history) = after(&commands);

        let mut successes = Vec::new();
        let mut ends = 0;
        for (place, event) in history.iter().enumerate() {
            match event {
                PaymentEvent::Created(_) => prop_assert_eq!(place, 0),
                PaymentEvent::Failed(_) | PaymentEvent::Expired(_) => {
                    ends += 1;
                    prop_assert_eq!(place, 1, "it ends once, before any late success");
                }
                PaymentEvent::Success(success) => {
                    prop_assert_eq!(place + 1, history.len(), "nothing follows a success");
                    successes.push(success);
                }
            }
        }
        prop_assert_eq!(successes.len(), usize::from(model.credited.is_some()));
        for success in successes {
            prop_assert_eq!(&success.amount, &Some(dollars(100).to_money()));
            prop_assert_eq!(Some(&success.provider_reference), model.credited.as_ref());
            prop_assert_eq!(success.late, ends == 1);
            prop_assert_eq!(success.late, model.late);
            prop_assert_ne!(&model.credited, &model.suspended);
        }
        let suspended = model.suspended.unwrap_or_default();
        prop_assert_eq!(&payment.suspended_reference, &suspended);
        let refolded = history.iter().fold(Payment::default(), Payment::evolve);
        prop_assert_eq!(refolded, payment);
    }

    /// The same messages, shuffled and repeated, credit the same.
    #[test]
    fn the_order_of_one_captures_messages_does_not_matter(
        said in Just([capture(100), capture(100), decline(), Command::Expire, capture(100)])
            .prop_shuffle(),
    ) {
        let commands: Vec<Command> = std::iter::once(create()).chain(said).collect();
        let (payment, history) = after(&commands);
        prop_assert_eq!(payment.status, PaymentStatus::Success);
        let successes = history.iter().filter(|one| matches!(one, PaymentEvent::Success(_)));
        prop_assert_eq!(successes.count(), 1);
    }
}
