//! The built-in provider: no money moves, but it behaves like one that takes its time.
//!
//! The cents of an amount say what happens, so that every course can be shown: `.13` is declined,
//! `.17` is captured late, after the payment has expired; anything else is captured.

use std::time::{Duration, SystemTime};

use outcry_events::Amount;

use crate::domain::Command;

/// Its name in events.
pub const NAME: &str = "sandbox";

/// Ten-thousandths in a cent, and in a unit.
const CENT: i64 = 100;
const UNIT: i64 = 100 * CENT;

/// Cents of amounts that are declined.
const DECLINED: i64 = 13;

/// Cents of amounts that are captured late.
const LATE: i64 = 17;

/// How long after the payment's time a late capture comes.
const LATE_BY: Duration = Duration::from_millis(500);

fn cents(amount: Amount) -> i64 {
    amount.raw() % UNIT / CENT
}

/// When the provider answers.
pub fn answers_at(
    amount: Amount,
    created: SystemTime,
    expires: SystemTime,
    usually: Duration,
) -> SystemTime {
    if cents(amount) == LATE {
        expires + LATE_BY
    } else {
        created + usually
    }
}

/// What the provider answers.
pub fn answer(payment_id: &str, amount: Amount) -> Command {
    if cents(amount) == DECLINED {
        return Command::Decline {
            message: "the sandbox declines amounts that end in .13".to_owned(),
        };
    }
    Command::Capture {
        amount,
        reference: format!("{NAME}-{payment_id}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amount(text: &str) -> Amount {
        text.parse().unwrap()
    }

    #[test]
    fn the_cents_say_what_happens() {
        let (now, usually) = (SystemTime::UNIX_EPOCH, Duration::from_secs(1));
        let end = now + Duration::from_secs(60);
        assert!(matches!(
            answer("p", amount("5.13")),
            Command::Decline { .. }
        ));
        assert!(matches!(
            answer("p", amount("5.17")),
            Command::Capture { .. }
        ));
        assert!(answers_at(amount("5.17"), now, end, usually) > end);
        assert_eq!(answers_at(amount("5.00"), now, end, usually), now + usually);
    }
}
