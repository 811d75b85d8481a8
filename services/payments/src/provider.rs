//! The port to whoever moves the money: what is asked of a payment provider and what it says.
//!
//! A provider is far away and on its own: answers come late or not at all, webhooks come twice, out
//! of order or never. So nothing depends on any single message; what counts is what the provider
//! says in any of them, and the first capture decides.

use std::time::SystemTime;

use async_trait::async_trait;
use outcry_contracts::payments::v1::PayoutStatus;
use outcry_contracts::types::v1::Money;
use outcry_events::Amount;

/// Bytes of an id or reference of a provider at most: what the contract's fields hold.
pub(crate) const REFERENCE_BYTES_MAX: usize = 128;

/// Characters of a reason in words at most: what the contract's fields hold.
pub(crate) const MESSAGE_CHARS_MAX: usize = 256;

/// A payment provider.
///
/// All ids are ours and make every call repeatable. Nothing here takes longer than the caller
/// waits: an answer that comes too late is [`Unanswered`].
#[async_trait]
pub trait Provider: Send + Sync + 'static {
    /// Its name: in events, in the path of its webhooks.
    fn name(&self) -> &'static str;

    /// Has it collect a payment; what it says at once, which is mostly that it is open.
    ///
    /// # Errors
    /// No answer: whether it knows of the payment is open.
    async fn create(&self, charge: &Charge) -> Result<Standing, Unanswered>;

    /// What has become of a payment.
    ///
    /// # Errors
    /// No answer.
    async fn look_up(&self, charge: &Charge) -> Result<Standing, Unanswered>;

    /// Has it pay out.
    ///
    /// # Errors
    /// No answer: whether it pays is open.
    async fn send_payout(&self, payout: &Payout) -> Result<PayoutStanding, Unanswered>;

    /// What has become of a payout.
    ///
    /// # Errors
    /// No answer.
    async fn look_up_payout(&self, payout: &Payout) -> Result<PayoutStanding, Unanswered>;

    /// Reads a webhook whose signature has been verified.
    ///
    /// # Errors
    /// It is none of this provider's.
    fn read(&self, body: &[u8]) -> Result<Notice, Unreadable>;

    /// The webhooks it has this platform deliver to itself, in order of time. A provider that runs
    /// elsewhere sends its own and has none.
    fn posts(&self, _charge: &Charge) -> Vec<Post> {
        Vec::new()
    }
}

/// A payment as a provider is told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    /// Our id, and the key that makes the call repeatable.
    pub payment_id: String,
    /// How much is asked for.
    pub amount: Amount,
    /// When it was started.
    pub created: SystemTime,
    /// Until when it counts as on time.
    pub expires: SystemTime,
}

/// A payout as a provider is told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payout {
    /// Our id, and the key that makes the call repeatable.
    pub payout_id: String,
    /// How much.
    pub amount: Amount,
    /// Last four digits of the destination account.
    pub destination_last4: String,
    /// When it was asked for.
    pub asked: SystemTime,
}

/// Where a payment is at the provider.
#[derive(Debug, Clone, PartialEq)]
pub enum Standing {
    /// It has not heard of it, or nothing has been decided.
    Open,
    /// The money is promised and not taken: no reason to credit anything.
    Authorized,
    /// The money is taken.
    Captured(Capture),
    /// It was refused.
    Declined {
        /// Why, in words.
        message: String,
    },
}

/// Money a provider has taken.
#[derive(Debug, Clone, PartialEq)]
pub struct Capture {
    /// How much, in whatever currency.
    pub money: Money,
    /// The provider's id of the capture, 1 to 128 bytes: money told of again has the same.
    pub reference: String,
}

/// Where a payout is at the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PayoutStanding {
    /// In the contract's words.
    pub status: PayoutStatus,
    /// Why it was refused.
    pub message: String,
}

/// A webhook, read.
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    /// The provider's id of the event: the same in every copy of the webhook.
    pub event_id: String,
    /// Which payment it is about.
    pub payment_id: String,
    /// What it says.
    pub standing: Standing,
}

/// A webhook to be delivered at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Post {
    /// When.
    pub at: SystemTime,
    /// Its body.
    pub body: Vec<u8>,
}

/// The provider gave no answer: what was asked of it may have happened or not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the provider does not answer: {0}")]
pub struct Unanswered(pub String);

/// A webhook that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the webhook cannot be read: {0}")]
pub struct Unreadable(pub String);
