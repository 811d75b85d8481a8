//! What orders asks of the portfolio service.

use outcry_contracts::orders::v1::{OrderTerms, RejectReason};
use outcry_contracts::portfolio::v1::CheckPortfolioRequest;
use outcry_contracts::portfolio::v1::portfolio_service_client::PortfolioServiceClient;
use outcry_events::Cause;
use outcry_service::Context;
use tonic::Status;

use crate::custody::outgoing;
use crate::domain::Refused;

/// Whether the portfolio that the terms name is the user's and takes orders; terms that name none
/// are for the default one, which does.
///
/// # Errors
/// Nobody knows: ask again.
pub(crate) async fn check(
    ctx: &Context,
    cause: &Cause,
    user_id: &str,
    terms: &OrderTerms,
) -> Result<Result<(), Refused>, Status> {
    if terms.portfolio_id.is_empty() {
        return Ok(Ok(()));
    }
    let message = CheckPortfolioRequest {
        user_id: user_id.to_owned(),
        portfolio_id: terms.portfolio_id.clone(),
    };
    let answer = PortfolioServiceClient::new(ctx.channel("portfolio"))
        .check_portfolio(outgoing(message, cause))
        .await?
        .into_inner();
    if answer.open {
        return Ok(Ok(()));
    }
    Ok(Err(Refused {
        reason: RejectReason::PortfolioNotOpen,
        message: "there is no such portfolio of yours, or it takes no orders".to_owned(),
    }))
}
