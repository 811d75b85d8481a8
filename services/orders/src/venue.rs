//! What orders asks of the trades service.

use outcry_contracts::orders::v1::{CancelReason, RejectReason};
use outcry_contracts::trades::v1::trade_service_client::TradeServiceClient;
use outcry_contracts::trades::v1::{
    BookLevel, CancelTradeRequest, FailureReason, GetBookRequest, ReplaceTradeRequest,
    ReplaceTradeResponse, SessionState, SubmitOrderRequest, Trade,
};
use outcry_events::{Amount, Cause};
use outcry_mesh::{Channel, refusal};
use outcry_service::Context;
use tonic::{Code, Status};

use crate::custody::outgoing;
use crate::pretrade::Quote;
use crate::views::{Document, Replacing};

/// The top of a book.
///
/// # Errors
/// The venue did not say.
pub(crate) async fn quote(ctx: &Context, cause: &Cause, symbol: &str) -> Result<Quote, Status> {
    let message = GetBookRequest {
        symbol: symbol.to_owned(),
        depth: 1,
    };
    let book = client(ctx)
        .get_book(outgoing(message, cause))
        .await?
        .into_inner();
    Ok(Quote {
        best_bid: best(&book.bids),
        best_ask: best(&book.asks),
        session: if book.halted {
            SessionState::Halted
        } else {
            book.session()
        },
    })
}

/// Hands an order to the venue. Repeatable by order.
///
/// # Errors
/// It is not known whether the venue has it: ask again.
pub(crate) async fn submit(
    ctx: &Context,
    cause: &Cause,
    order: &Document,
) -> Result<Trade, Status> {
    let protection = order
        .protection_price
        .and_then(|raw| Amount::from_raw(raw).ok());
    let message = SubmitOrderRequest {
        order_id: order.order_id.clone(),
        user_id: order.user_id.clone(),
        terms: Some(order.terms()),
        protection_price: protection.map(Amount::to_money),
    };
    let answer = client(ctx).submit_order(outgoing(message, cause)).await?;
    answer.into_inner().trade.ok_or_else(no_trade)
}

/// Takes an order off the market. None when the venue had not seen it: it never will then.
///
/// # Errors
/// It is not known whether that was done: ask again.
pub(crate) async fn cancel(
    ctx: &Context,
    cause: &Cause,
    order: &Document,
    reason: CancelReason,
) -> Result<Option<Trade>, Status> {
    let message = CancelTradeRequest {
        order_id: order.order_id.clone(),
        user_id: order.user_id.clone(),
        symbol: order.symbol.clone(),
        reason: reason.into(),
    };
    let answer = client(ctx).cancel_trade(outgoing(message, cause)).await?;
    Ok(answer.into_inner().trade)
}

/// Changes an order. Repeatable by revision.
///
/// # Errors
/// The venue refuses the terms ([`is_refusal`]), or it is not known what it did.
pub(crate) async fn replace(
    ctx: &Context,
    cause: &Cause,
    order: &Document,
    new: &Replacing,
) -> Result<(Trade, ReplaceTradeResponse), Status> {
    let message = ReplaceTradeRequest {
        order_id: order.order_id.clone(),
        user_id: order.user_id.clone(),
        symbol: order.symbol.clone(),
        revision: new.revision,
        quantity: new.quantity,
        limit_price: Amount::from_raw(new.limit_price).ok().map(Amount::to_money),
        stop_price: new
            .stop_price
            .and_then(|raw| Amount::from_raw(raw).ok())
            .map(Amount::to_money),
    };
    let answer = client(ctx)
        .replace_trade(outgoing(message, cause))
        .await?
        .into_inner();
    match answer.trade.clone() {
        Some(trade) => Ok((trade, answer)),
        None => Err(no_trade()),
    }
}

/// Whether asking again would be refused again.
pub(crate) fn is_refusal(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange | Code::NotFound
    )
}

/// The word of this service for the venue's.
pub(crate) fn reject_reason(reason: FailureReason) -> RejectReason {
    match reason {
        FailureReason::UnknownSymbol => RejectReason::UnknownSymbol,
        FailureReason::SymbolHalted => RejectReason::SymbolHalted,
        FailureReason::SymbolClosed => RejectReason::SymbolClosed,
        FailureReason::NoLiquidity => RejectReason::NoLiquidity,
        FailureReason::PriceBand => RejectReason::PriceBand,
        FailureReason::WouldTake => RejectReason::WouldTake,
        FailureReason::AlreadyExpired => RejectReason::AlreadyExpired,
        FailureReason::Unspecified
        | FailureReason::CancelledBeforeVenue
        | FailureReason::BadTerms => RejectReason::VenueRefused,
    }
}

/// The venue.
pub(crate) fn client(ctx: &Context) -> TradeServiceClient<Channel> {
    TradeServiceClient::new(ctx.channel("trades"))
}

fn best(levels: &[BookLevel]) -> Option<Amount> {
    Amount::from_required(levels.first()?.price.as_ref()).ok()
}

fn no_trade() -> Status {
    refusal::with_reason(
        Code::Internal,
        "NO_TRADE",
        "the venue answered without a trade",
    )
}
