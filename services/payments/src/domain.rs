//! What a payment is and what can happen to it. Pure: no clock, no randomness, no IO.
//!
//! `PENDING → SUCCESS | FAILED | EXPIRED`, and `FAILED | EXPIRED → SUCCESS` when the capture comes
//! late (I16, I17). Of several captures one counts at most; the same capture told again, under the
//! same reference, changes nothing.

#[cfg(test)]
mod tests;

use std::time::SystemTime;

use outcry_contracts::payments::v1::{
    PaymentCreatedEvent, PaymentExpiredEvent, PaymentFailedEvent, PaymentFailure, PaymentStatus,
    PaymentSuccessEvent,
};
use outcry_contracts::types::v1::Money;
use outcry_events::money::CURRENCY;
use outcry_events::{Amount, MoneyError};
use outcry_mesh::refusal::Refusal;
use outcry_service::Decider;
use tonic::Code;

use crate::provider::Capture;

outcry_events::event_set! {
    /// What can happen to a payment.
    pub enum PaymentEvent {
        /// It was started.
        Created(PaymentCreatedEvent),
        /// The money was captured.
        Success(PaymentSuccessEvent),
        /// It was refused, or something else was captured.
        Failed(PaymentFailedEvent),
        /// Nothing came in time.
        Expired(PaymentExpiredEvent),
    }
}

/// A payment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Payment {
    /// Its terms; none before it is created.
    pub terms: Option<PaymentCreatedEvent>,
    /// Where it is in its life.
    pub status: PaymentStatus,
    /// Why it failed.
    pub failure: PaymentFailure,
    /// The provider's id of the capture that made it a success.
    pub provider_reference: String,
    /// The provider's id of a capture that did not fit: its money is in suspense.
    pub suspended_reference: String,
    /// The capture came after it had failed or expired.
    pub late: bool,
}

/// What can be asked of a payment, by its user, its provider or its timer.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Starts it.
    Create {
        /// Id of the new payment.
        payment_id: String,
        /// Whose it is.
        user_id: String,
        /// How much.
        amount: Amount,
        /// Who captures it.
        provider: String,
        /// When it expires.
        expires_at: SystemTime,
    },
    /// The provider captured money.
    Capture(Capture),
    /// The provider refused.
    Decline {
        /// Why, in words.
        message: String,
    },
    /// The time is up.
    Expire,
}

/// Why the answer is no.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// There is no such payment.
    #[error("there is no such payment")]
    Unknown,
    /// The id is taken.
    #[error("the payment has been started already")]
    AlreadyStarted,
    /// Nothing is asked for.
    #[error("the amount must be more than nothing")]
    NotPositive,
    /// The provider captured again, or something else, after the payment had ended: money that
    /// belongs to nobody here, for a person to look at.
    #[error("the capture {reference} does not fit this payment as it stands")]
    StrangeCapture {
        /// The provider's id.
        reference: String,
    },
}

impl Refusal for Rejection {
    fn code(&self) -> Code {
        match self {
            Self::Unknown => Code::NotFound,
            Self::AlreadyStarted => Code::AlreadyExists,
            Self::NotPositive => Code::InvalidArgument,
            Self::StrangeCapture { .. } => Code::FailedPrecondition,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Unknown => "PAYMENT_NOT_FOUND",
            Self::AlreadyStarted => "PAYMENT_EXISTS",
            Self::NotPositive => "AMOUNT_NOT_POSITIVE",
            Self::StrangeCapture { .. } => "STRANGE_CAPTURE",
        }
    }
}

// === impl Payment ===

impl Payment {
    /// How much was asked for; nothing before the payment exists.
    pub fn amount(&self) -> Amount {
        let amount = self.terms.as_ref().and_then(|terms| terms.amount.as_ref());
        Amount::from_required(amount).unwrap_or_default()
    }

    fn capture(
        &self,
        terms: &PaymentCreatedEvent,
        capture: &Capture,
    ) -> Result<Vec<PaymentEvent>, Rejection> {
        let Capture { money, reference } = capture;
        let strange = || Rejection::StrangeCapture {
            reference: reference.clone(),
        };
        let misfit = self.misfit(money);
        match self.status {
            PaymentStatus::Unspecified => Err(Rejection::Unknown),
            PaymentStatus::Success if self.provider_reference == *reference && misfit.is_none() => {
                Ok(vec![])
            }
            // Its money is in suspense already; crediting it as well would be crediting it twice.
            _ if self.suspended_reference == *reference => Ok(vec![]),
            PaymentStatus::Success => Err(strange()),
            PaymentStatus::Pending | PaymentStatus::Failed | PaymentStatus::Expired => match misfit
            {
                None => Ok(vec![PaymentEvent::Success(PaymentSuccessEvent {
                    payment_id: terms.payment_id.clone(),
                    user_id: terms.user_id.clone(),
                    amount: terms.amount.clone(),
                    provider: terms.provider.clone(),
                    provider_reference: reference.clone(),
                    late: self.status != PaymentStatus::Pending,
                })]),
                Some((reason, message)) if self.status == PaymentStatus::Pending => {
                    Ok(vec![PaymentEvent::Failed(PaymentFailedEvent {
                        captured: Some(money.clone()),
                        provider_reference: reference.clone(),
                        ..self.failed(terms, reason, message)
                    })])
                }
                Some(_) => Err(strange()),
            },
        }
    }

    /// Why captured money is not what was asked for, if it is not.
    fn misfit(&self, captured: &Money) -> Option<(PaymentFailure, String)> {
        let asked = self.amount();
        match Amount::from_money(captured) {
            Ok(amount) if amount == asked => None,
            Ok(amount) => Some((
                PaymentFailure::AmountMismatch,
                format!("{amount} was captured, {asked} was asked for"),
            )),
            Err(MoneyError::Currency) => Some((
                PaymentFailure::CurrencyMismatch,
                format!("another currency was captured than the {CURRENCY} asked for"),
            )),
            Err(error) => Some((
                PaymentFailure::AmountMismatch,
                format!("{asked} was asked for, and of what was captured: {error}"),
            )),
        }
    }

    fn failed(
        &self,
        terms: &PaymentCreatedEvent,
        reason: PaymentFailure,
        message: String,
    ) -> PaymentFailedEvent {
        PaymentFailedEvent {
            payment_id: terms.payment_id.clone(),
            user_id: terms.user_id.clone(),
            amount: terms.amount.clone(),
            reason: reason.into(),
            message,
            captured: None,
            provider_reference: String::new(),
        }
    }
}

impl Decider for Payment {
    /// A payment is one flow, from its start to its end.
    const OWN_FLOW: bool = true;

    type Command = Command;
    type Event = PaymentEvent;
    type Rejection = Rejection;

    fn decide(&self, command: &Command) -> Result<Vec<PaymentEvent>, Rejection> {
        let terms = match (&self.terms, command) {
            (None, Command::Create { .. }) => return create(command),
            (None, _) => return Err(Rejection::Unknown),
            (Some(_), Command::Create { .. }) => return Err(Rejection::AlreadyStarted),
            (Some(terms), _) => terms,
        };
        match command {
            Command::Capture(capture) => self.capture(terms, capture),
            Command::Decline { message } if self.status == PaymentStatus::Pending => {
                let event = self.failed(terms, PaymentFailure::Declined, message.clone());
                Ok(vec![PaymentEvent::Failed(event)])
            }
            Command::Expire if self.status == PaymentStatus::Pending => {
                Ok(vec![PaymentEvent::Expired(PaymentExpiredEvent {
                    payment_id: terms.payment_id.clone(),
                    user_id: terms.user_id.clone(),
                    amount: terms.amount.clone(),
                })])
            }
            // It has ended already: a repeated or late no changes nothing.
            Command::Decline { .. } | Command::Expire | Command::Create { .. } => Ok(vec![]),
        }
    }

    fn evolve(mut self, event: &PaymentEvent) -> Self {
        match event {
            PaymentEvent::Created(created) => {
                self.status = PaymentStatus::Pending;
                self.terms = Some(created.clone());
            }
            PaymentEvent::Success(success) => {
                self.status = PaymentStatus::Success;
                self.failure = PaymentFailure::Unspecified;
                self.provider_reference
                    .clone_from(&success.provider_reference);
                self.late = success.late;
            }
            PaymentEvent::Failed(failed) => {
                self.status = PaymentStatus::Failed;
                self.failure = failed.reason();
                self.suspended_reference
                    .clone_from(&failed.provider_reference);
            }
            PaymentEvent::Expired(_) => self.status = PaymentStatus::Expired,
        }
        self
    }
}

fn create(command: &Command) -> Result<Vec<PaymentEvent>, Rejection> {
    let Command::Create {
        payment_id,
        user_id,
        amount,
        provider,
        expires_at,
    } = command
    else {
        return Err(Rejection::Unknown);
    };
    if !amount.is_positive() {
        return Err(Rejection::NotPositive);
    }
    Ok(vec![PaymentEvent::Created(PaymentCreatedEvent {
        payment_id: payment_id.clone(),
        user_id: user_id.clone(),
        amount: Some(amount.to_money()),
        provider: provider.clone(),
        expires_at: Some((*expires_at).into()),
    })])
}
