//! Changing portfolios: one document per user, and every change of it once.

use outcry_contracts::portfolio::v1 as wire;
use outcry_mesh::refusal;
use outcry_service::answers::Pending;
use outcry_service::{Context, store_failure};
use outcry_store::timer::nanos;
use outcry_store::{Commit, CommitError};
use prost::Message;
use tonic::{Code, Status};
use uuid::Uuid;

use crate::domain::{Portfolios, Rejection};
use crate::{showing, views};

/// Tries of a change while others change the same portfolios: only their owner and their
/// registration do.
const ATTEMPTS: usize = 8;

/// What is to be changed.
pub(crate) enum Change<'a> {
    Create { name: &'a str },
    Rename { name: &'a str },
    SetDefault,
    Archive,
    Reactivate,
}

/// Changes a portfolio of a user; what it is then.
///
/// # Errors
/// [`Rejection`]; `ABORTED` when others keep changing the same.
pub(crate) async fn change<Reply: Message>(
    ctx: &Context,
    user_id: &str,
    portfolio_id: Uuid,
    change: &Change<'_>,
    pending: &Pending,
    reply: impl Fn(wire::Portfolio) -> Reply,
) -> Result<Reply, Status> {
    let store = ctx.store.as_ref();
    let now_ns = nanos(ctx.clock.now()).unwrap_or_default();
    for _ in 0..ATTEMPTS {
        let read = views::portfolios(store, user_id).await;
        let (mut portfolios, version) = read.map_err(store_failure)?;
        let done = match change {
            Change::Create { name } => portfolios.create(portfolio_id, name, now_ns),
            Change::Rename { name } => portfolios.rename(portfolio_id, name),
            Change::SetDefault => portfolios.set_default(portfolio_id),
            Change::Archive => {
                let is_empty = is_empty(ctx, user_id, portfolio_id).await?;
                portfolios.archive(portfolio_id, is_empty)
            }
            Change::Reactivate => portfolios.reactivate(portfolio_id),
        };
        done.map_err(|rejection| refusal::status(&rejection))?;
        let reply = reply(shown(&portfolios, portfolio_id)?);
        let write = views::portfolios_change(&portfolios, version).map_err(store_failure)?;
        let commit = Commit {
            views: vec![write],
            answered: pending.answer(ctx, &reply),
            ..Commit::default()
        };
        match store.commit(commit).await {
            Ok(()) => return Ok(reply),
            Err(CommitError::Conflict(_)) => {}
            Err(CommitError::Store(error)) => return Err(store_failure(error)),
            // Another process has answered the request meanwhile; its answer is looked up.
            Err(CommitError::Duplicate(_)) => break,
            Err(error @ CommitError::Invalid(_)) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(error, "a change of portfolios is invalid");
                let message = "the service failed";
                return Err(refusal::with_reason(Code::Internal, "INTERNAL", message));
            }
        }
    }
    Err(refusal::with_reason(
        Code::Aborted,
        "CONFLICT",
        "the portfolios are being changed; try again",
    ))
}

/// One of a user's portfolios as it is.
///
/// # Errors
/// There is none.
pub(crate) fn shown(
    portfolios: &Portfolios,
    portfolio_id: Uuid,
) -> Result<wire::Portfolio, Status> {
    let portfolio = portfolios.get(portfolio_id);
    let portfolio = portfolio.map_err(|rejection| refusal::status(&rejection))?;
    Ok(showing::portfolio(portfolios, portfolio))
}

/// That there is none of this id.
pub(crate) fn unknown() -> Status {
    refusal::status(&Rejection::Unknown)
}

/// Whether no shares are in a portfolio. One that fills up while this is asked is archived with
/// shares in it: it only takes no orders.
async fn is_empty(ctx: &Context, user_id: &str, portfolio_id: Uuid) -> Result<bool, Status> {
    let positions = views::positions(ctx.store.as_ref(), user_id).await;
    let positions = positions.map_err(store_failure)?;
    Ok(positions.iter().all(|position| {
        let sums = position.of(portfolio_id);
        (sums.quantity, sums.uncovered) == (0, 0)
    }))
}
