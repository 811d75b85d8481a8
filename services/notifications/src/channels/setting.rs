//! Setting channels: what may be a target, and the secret that webhooks are signed with.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use outcry_contracts::notifications::v1::{
    ChannelKind, Priority, SetChannelRequest, SetChannelResponse,
};
use outcry_mesh::refusal;
use outcry_service::answers::Pending;
use outcry_service::{Context, store_failure};
use outcry_store::{Commit, CommitError, ViewWrite, timer};
use rand::TryRngCore;
use rand::rngs::OsRng;
use tonic::{Code, Status};

use super::{CHANNELS, ChannelRow, channel, key};
use crate::courier::Ways;
use crate::email::is_address;
use crate::sorting::{conflict, unavailable};

/// Random bytes of a secret.
const SECRET_BYTES: usize = 32;

/// What secrets begin with, so that they are recognised where they do not belong.
const SECRET_PREFIX: &str = "whsec_";

/// Tries of a change while the same user sets the channel elsewhere, too.
const ATTEMPTS: usize = 10;

/// Sets a channel of a user. The answer that is kept lacks the secret; see [`secret`].
pub(crate) async fn set(
    ctx: &Context,
    ways: &Ways,
    user_id: &str,
    asked: &SetChannelRequest,
    pending: &Pending,
) -> Result<SetChannelResponse, Status> {
    let target = asked.target.trim();
    check(ways, asked.kind(), target)?;
    for _ in 0..ATTEMPTS {
        let known = channel(ctx.store.as_ref(), user_id, asked.kind())
            .await
            .map_err(store_failure)?;
        let version = known.as_ref().map_or(0, |(_, version)| *version);
        let same = known.filter(|(known, _)| known.target == target);
        let (secret, request_id) = match (same, asked.kind()) {
            (Some((known, _)), _) => (known.secret, known.request_id),
            (None, ChannelKind::Webhook) => (new_secret()?, asked.request_id.clone()),
            (None, _) => Default::default(),
        };
        let minimum = match asked.minimum_priority() {
            Priority::Unspecified => Priority::Normal,
            given => given,
        };
        let row = ChannelRow {
            user_id: user_id.to_owned(),
            kind: asked.kind,
            target: target.to_owned(),
            enabled: asked.enabled,
            minimum_priority: minimum.into(),
            secret,
            request_id,
            updated_ns: timer::nanos(ctx.clock.now()).unwrap_or_default(),
        };
        let reply = SetChannelResponse {
            channel: Some(row.shown()),
            signing_secret: String::new(),
        };
        let commit = Commit {
            views: vec![row.write(version).map_err(store_failure)?],
            answered: pending.answer(ctx, &reply),
            ..Commit::default()
        };
        match ctx.store.commit(commit).await {
            Ok(()) => return Ok(reply),
            Err(CommitError::Conflict(_)) => {}
            Err(error) => return Err(failed(&error)),
        }
    }
    Err(conflict())
}

/// The secret that a request made, for whoever repeats that request; empty when it made none or
/// the channel has another one by now.
pub(crate) async fn secret(
    ctx: &Context,
    user_id: &str,
    asked: &SetChannelRequest,
) -> Result<String, Status> {
    let known = channel(ctx.store.as_ref(), user_id, asked.kind()).await;
    let known = known.map_err(store_failure)?.map(|(known, _)| known);
    let made = known.filter(|known| known.request_id == asked.request_id);
    Ok(made.map(|known| known.secret).unwrap_or_default())
}

/// Removes a channel of a user; gone already is fine. What is pending on it is given up.
pub(crate) async fn remove(ctx: &Context, user_id: &str, kind: ChannelKind) -> Result<(), Status> {
    let commit = Commit {
        views: vec![ViewWrite::delete(CHANNELS, key(user_id, kind))],
        ..Commit::default()
    };
    let removed = ctx.store.commit(commit).await;
    removed.map_err(|error| failed(&error))
}

fn check(ways: &Ways, kind: ChannelKind, target: &str) -> Result<(), Status> {
    match kind {
        ChannelKind::Email if ways.mailer.is_none() => Err(refusal::with_reason(
            Code::FailedPrecondition,
            "EMAIL_NOT_CONFIGURED",
            "this platform sends no e-mail: it has no mail server configured",
        )),
        ChannelKind::Email if !is_address(target) => {
            Err(refusal::invalid("target", "is not an e-mail address"))
        }
        ChannelKind::Email => Ok(()),
        ChannelKind::Webhook => {
            let checked = ways.poster.check(target);
            checked.map_err(|unfit| refusal::invalid("target", unfit.to_string()))
        }
        ChannelKind::Unspecified => Err(refusal::invalid("kind", "must be given")),
    }
}

fn new_secret() -> Result<String, Status> {
    let mut bytes = [0; SECRET_BYTES];
    if let Err(error) = OsRng.try_fill_bytes(&mut bytes) {
        tracing::error!(%error, "the system has no random bytes");
        return Err(refusal::with_reason(
            Code::Internal,
            "INTERNAL",
            "the service failed",
        ));
    }
    Ok(format!("{SECRET_PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)))
}

fn failed(error: &CommitError) -> Status {
    tracing::error!(
        error = error as &dyn std::error::Error,
        "writing a channel failed"
    );
    unavailable()
}
