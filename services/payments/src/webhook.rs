//! Webhooks: believed when signed, applied once, answered when durable.
//!
//! One way in for all of them, whether they come through the public route or from the sandbox.

use outcry_contracts::payments::v1::ReceiveWebhookResponse;
use outcry_events::Cause;
use outcry_mesh::refusal;
use outcry_service::store_failure;
use outcry_store::Answer;
use prost::Message;
use sha2::{Digest, Sha256};
use tonic::{Code, Status};

use crate::desk::{Applied, Desk};

/// Full name of the method, under which events of providers are remembered.
const METHOD: &str = "/outcry.payments.v1.PaymentService/ReceiveWebhook";

/// Bytes of a webhook at most: several times what providers send.
pub const BODY_BYTES_MAX: usize = 64 * 1024;

/// A webhook as it came.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Webhook<'a> {
    /// Name of the provider it claims to come from.
    pub(crate) provider: &'a str,
    /// The body, byte for byte.
    pub(crate) body: &'a [u8],
    /// The signature header.
    pub(crate) signature: &'a str,
}

// === impl Webhook ===

impl Webhook<'_> {
    /// Takes it; whether the same event has been taken before.
    ///
    /// # Errors
    /// `NOT_FOUND` for an unknown provider, `UNAUTHENTICATED` for a signature that is not to be
    /// believed, `INVALID_ARGUMENT` for a body that is none of the provider's, `UNAVAILABLE` when
    /// it could not be stored: the provider is to send it again.
    pub(crate) async fn receive(self, desk: &Desk, cause: &Cause) -> Result<bool, Status> {
        if self.provider != desk.provider.name() {
            return Err(refusal::with_reason(
                Code::NotFound,
                "PROVIDER_NOT_FOUND",
                "there is no payment provider of this name",
            ));
        }
        if self.body.len() > BODY_BYTES_MAX {
            let message = format!("must have at most {BODY_BYTES_MAX} bytes");
            return Err(refusal::invalid("body", message));
        }
        let now = desk.ctx.clock.now();
        let believed = desk.secrets.verify(self.signature, self.body, now);
        if let Err(forged) = believed {
            tracing::warn!(
                provider = self.provider,
                reason = forged.reason(),
                "webhook refused"
            );
            let (reason, message) = (forged.reason(), forged.to_string());
            return Err(refusal::with_reason(Code::Unauthenticated, reason, message));
        }
        let notice = desk.provider.read(self.body).map_err(|error| {
            tracing::error!(provider = self.provider, %error, "a signed webhook is refused");
            refusal::invalid("body", error.to_string())
        })?;
        let answer = self.answer(desk, &notice.event_id);
        let Answer {
            principal,
            request_id,
            ..
        } = &answer;
        let taken = desk.ctx.store.answer(principal, METHOD, request_id).await;
        if taken.map_err(store_failure)?.is_some() {
            return Ok(true);
        }
        let applied = desk
            .apply(&notice.payment_id, &notice.standing, cause, Some(answer))
            .await
            .map_err(|error| again(error.into()))?;
        Ok(applied == Applied::Duplicate)
    }

    /// The mark that an event has been taken, kept like the answer to a request of the provider's.
    fn answer(&self, desk: &Desk, event_id: &str) -> Answer {
        Answer {
            principal: format!("provider:{}", self.provider),
            method: METHOD.to_owned(),
            request_id: event_id.to_owned(),
            request_hash: Sha256::digest(self.body).into(),
            response: ReceiveWebhookResponse { duplicate: true }.encode_to_vec(),
            at: desk.ctx.clock.now(),
        }
    }
}

/// What the provider is told about something it is to send again: a race looks like a busy store.
fn again(status: Status) -> Status {
    if status.code() != Code::Aborted {
        return status;
    }
    refusal::with_reason(Code::Unavailable, "BUSY", status.message())
}
