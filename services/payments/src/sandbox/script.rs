//! What becomes of a payment or payout in the sandbox, from its start to its end.
//!
//! The cents of an amount choose the course; all others are captured, and the payment's id decides
//! whether the webhook comes once, twice or with another one around it.

#[cfg(test)]
mod tests;

use std::time::{Duration, SystemTime};

use outcry_contracts::payments::v1::PayoutStatus;
use outcry_contracts::types::v1::Money;
use outcry_events::Amount;
use sha2::{Digest, Sha256};

use super::{NAME, letter};
use crate::provider::{
    Capture, Charge, Notice, Payout, PayoutStanding, Post, Standing, Unanswered,
};

/// Ten-thousandths in a cent, and in a unit.
const CENT: i64 = 100;
const UNIT: i64 = 100 * CENT;

/// How many times as long as usual something slow takes.
const SLOWLY: u32 = 10;

/// How long after the payment's time a late capture comes.
const LATE_BY: Duration = Duration::from_millis(500);

/// How long a slow webhook takes.
const WEBHOOK_DELAY: Duration = Duration::from_secs(60);

/// How long the sandbox gives no answers at first where it has an outage.
const OUTAGE: Duration = Duration::from_secs(2);

/// How long a payout takes that is not done at once.
const PAYOUT_DELAY: Duration = Duration::from_secs(2);

/// The currency captured where another one was asked for.
const OTHER_CURRENCY: &str = "EUR";

/// A course that the cents of an amount choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Course {
    /// Captured; the id decides how the webhooks come.
    Usual,
    /// `.11`: captured, and no webhook comes. A payout is paid, and the answer is lost.
    Lost,
    /// `.12`: captured, and the webhook comes three times.
    Repeated,
    /// `.13`: declined. A payout is refused at once.
    Declined,
    /// `.14`: a cent less is captured. A payout is refused a while later.
    WrongAmount,
    /// `.15`: another currency is captured.
    WrongCurrency,
    /// `.16`: authorized as usual, captured much later.
    AuthorizedFirst,
    /// `.17`: captured after the payment expired. A payout is paid a while later.
    Late,
    /// `.18`: the same, and no webhook comes.
    LateAndLost,
    /// `.19`: the webhook of the capture comes before the one of the authorization.
    OutOfOrder,
    /// `.21`: declined, and captured all the same a while later.
    DeclinedThenCaptured,
    /// `.22`: authorized, and never captured.
    NeverCaptured,
    /// `.23`: captured, and the webhook comes a minute later.
    SlowWebhook,
    /// `.24`: no answer for two seconds, then captured.
    Outage,
}

// === impl Course ===

impl Course {
    fn of(amount: Amount) -> Self {
        match amount.raw() % UNIT / CENT {
            11 => Self::Lost,
            12 => Self::Repeated,
            13 => Self::Declined,
            14 => Self::WrongAmount,
            15 => Self::WrongCurrency,
            16 => Self::AuthorizedFirst,
            17 => Self::Late,
            18 => Self::LateAndLost,
            19 => Self::OutOfOrder,
            21 => Self::DeclinedThenCaptured,
            22 => Self::NeverCaptured,
            23 => Self::SlowWebhook,
            24 => Self::Outage,
            _ => Self::Usual,
        }
    }
}

/// A payment's life at the sandbox.
#[derive(Debug, Clone, PartialEq)]
pub struct Script {
    /// From when on it is what, in order of time; open before.
    standings: Vec<(SystemTime, Standing)>,
    /// Until when the sandbox does not answer.
    answers_from: SystemTime,
    /// Its webhooks, in order of time.
    pub posts: Vec<Post>,
}

// === impl Script ===

impl Script {
    /// What the sandbox says when it is asked at `now`.
    ///
    /// # Errors
    /// It has an outage.
    pub fn standing_at(&self, now: SystemTime) -> Result<Standing, Unanswered> {
        if now < self.answers_from {
            return Err(Unanswered("the sandbox has an outage".to_owned()));
        }
        let latest = self.standings.iter().rev().find(|(from, _)| *from <= now);
        Ok(latest.map_or(Standing::Open, |(_, standing)| standing.clone()))
    }
}

/// The script of a payment, where the sandbox usually takes `usual`.
pub fn of_charge(charge: &Charge, usual: Duration) -> Script {
    let Charge {
        created, expires, ..
    } = *charge;
    let (soon, slow, late) = (created + usual, created + usual * SLOWLY, expires + LATE_BY);
    let authorized = (created + usual / 2, Standing::Authorized);
    let captured = Standing::Captured(capture(charge));
    let declined = Standing::Declined {
        message: "the sandbox declines this amount".to_owned(),
    };
    // Times of webhooks, each with the number of the standing it tells.
    let (standings, told): (_, Vec<(SystemTime, usize)>) = match Course::of(charge.amount) {
        Course::Usual => return usually(charge, usual),
        Course::Lost => (vec![(soon, captured)], vec![]),
        Course::Repeated => (
            vec![(soon, captured)],
            vec![(soon, 0), (soon + usual, 0), (slow, 0)],
        ),
        Course::Declined => (vec![(soon, declined)], vec![(soon, 0)]),
        Course::WrongAmount | Course::WrongCurrency => (vec![(soon, captured)], vec![(soon, 0)]),
        Course::AuthorizedFirst => (
            vec![(soon, Standing::Authorized), (slow, captured)],
            vec![(soon, 0), (slow, 1)],
        ),
        Course::Late => (vec![(late, captured)], vec![(late, 0)]),
        Course::LateAndLost => (vec![(late, captured)], vec![]),
        Course::OutOfOrder => (
            vec![authorized, (soon, captured)],
            vec![(soon, 1), (soon + usual, 0)],
        ),
        Course::DeclinedThenCaptured => (
            vec![(soon, declined), (slow, captured)],
            vec![(soon, 0), (slow, 1)],
        ),
        Course::NeverCaptured => (vec![(soon, Standing::Authorized)], vec![(soon, 0)]),
        Course::SlowWebhook => (vec![(soon, captured)], vec![(soon + WEBHOOK_DELAY, 0)]),
        Course::Outage => {
            let after = created + OUTAGE + usual;
            let mut script = script(charge, vec![(after, captured)], &[(after, 0)]);
            script.answers_from = created + OUTAGE;
            return script;
        }
    };
    script(charge, standings, &told)
}

/// A capture as usual, with what the id adds to its webhooks.
fn usually(charge: &Charge, usual: Duration) -> Script {
    let authorized = (charge.created + usual / 2, Standing::Authorized);
    let soon = charge.created + usual;
    let captured = (soon, Standing::Captured(capture(charge)));
    let told = match Sha256::digest(charge.payment_id.as_bytes())[0] % 4 {
        0 => vec![(soon, 1)],
        1 => vec![(authorized.0, 0), (soon, 1)],
        2 => vec![(soon, 1), (soon + usual, 1)],
        _ => vec![(soon, 1), (soon + usual, 0)],
    };
    script(charge, vec![authorized, captured], &told)
}

fn script(
    charge: &Charge,
    standings: Vec<(SystemTime, Standing)>,
    told: &[(SystemTime, usize)],
) -> Script {
    let posts = told
        .iter()
        .filter_map(|(at, number)| {
            let (_, standing) = standings.get(*number)?;
            let notice = Notice {
                event_id: format!("evt-{}-{number}", charge.payment_id),
                payment_id: charge.payment_id.clone(),
                standing: standing.clone(),
            };
            Some(Post {
                at: *at,
                body: letter::write(&notice),
            })
        })
        .collect();
    Script {
        standings,
        answers_from: charge.created,
        posts,
    }
}

/// What is captured of a payment.
fn capture(charge: &Charge) -> Capture {
    let money = match Course::of(charge.amount) {
        // The amount has fourteen cents, so one can be missing.
        Course::WrongAmount => Amount::from_raw(charge.amount.raw() - CENT)
            .unwrap_or_default()
            .to_money(),
        Course::WrongCurrency => Money {
            currency_code: OTHER_CURRENCY.to_owned(),
            ..charge.amount.to_money()
        },
        _ => charge.amount.to_money(),
    };
    Capture {
        money,
        reference: format!("{NAME}-{}", charge.payment_id),
    }
}

/// What the sandbox answers to a payout.
///
/// # Errors
/// The answer, or the payout itself, is lost.
pub fn payout_sent(payout: &Payout, now: SystemTime) -> Result<PayoutStanding, Unanswered> {
    match Course::of(payout.amount) {
        Course::Lost => Err(Unanswered("the answer was lost".to_owned())),
        Course::Outage if now < payout.asked + OUTAGE => {
            Err(Unanswered("the sandbox has an outage".to_owned()))
        }
        _ => Ok(payout_at(payout, now)),
    }
}

/// What has become of a payout.
pub fn payout_at(payout: &Payout, now: SystemTime) -> PayoutStanding {
    let is_slow = now < payout.asked + PAYOUT_DELAY;
    let status = match Course::of(payout.amount) {
        Course::Declined => PayoutStatus::Refused,
        Course::WrongAmount if !is_slow => PayoutStatus::Refused,
        Course::WrongAmount | Course::Late if is_slow => PayoutStatus::Pending,
        Course::Outage if now < payout.asked + OUTAGE => PayoutStatus::Unknown,
        _ => PayoutStatus::Paid,
    };
    let message = if status == PayoutStatus::Refused {
        "the sandbox refuses this amount".to_owned()
    } else {
        String::new()
    };
    PayoutStanding { status, message }
}
