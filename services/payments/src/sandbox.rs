//! The built-in provider: no money moves, but it behaves like one that runs elsewhere. It takes its
//! time, sends webhooks that come twice, late, out of order or not at all, and captures what it was
//! not asked for.
//!
//! - [`script`] – what becomes of a payment and of a payout. Pure.
//! - [`letter`] – its webhooks, written and read. Pure.
//!
//! It keeps nothing: what it says follows from the payment itself and the time, so it says the same
//! after a restart and at every replica. It takes for granted that what it is asked about was sent.

pub mod letter;
pub mod script;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use outcry_service::Clock;

use self::script::Script;
use crate::provider::{
    Charge, Notice, Payout, PayoutStanding, Post, Provider, Standing, Unanswered, Unreadable,
};

/// Its name in events and in the path of its webhooks.
pub const NAME: &str = "sandbox";

/// The built-in provider.
pub struct Sandbox {
    clock: Arc<dyn Clock>,
    answers_after: Duration,
}

// === impl Sandbox ===

impl Sandbox {
    /// A sandbox that usually takes `answers_after`.
    pub fn new(clock: Arc<dyn Clock>, answers_after: Duration) -> Self {
        Self {
            clock,
            answers_after,
        }
    }

    fn script(&self, charge: &Charge) -> Script {
        script::of_charge(charge, self.answers_after)
    }
}

#[async_trait]
impl Provider for Sandbox {
    fn name(&self) -> &'static str {
        NAME
    }

    async fn create(&self, charge: &Charge) -> Result<Standing, Unanswered> {
        self.script(charge).standing_at(self.clock.now())
    }

    async fn look_up(&self, charge: &Charge) -> Result<Standing, Unanswered> {
        self.script(charge).standing_at(self.clock.now())
    }

    async fn send_payout(&self, payout: &Payout) -> Result<PayoutStanding, Unanswered> {
        script::payout_sent(payout, self.clock.now())
    }

    async fn look_up_payout(&self, payout: &Payout) -> Result<PayoutStanding, Unanswered> {
        Ok(script::payout_at(payout, self.clock.now()))
    }

    fn read(&self, body: &[u8]) -> Result<Notice, Unreadable> {
        letter::read(body)
    }

    fn posts(&self, charge: &Charge) -> Vec<Post> {
        self.script(charge).posts
    }
}
