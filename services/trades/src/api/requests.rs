//! What callers send, read as what the venue is asked.

use outcry_contracts::orders::v1::CancelReason;
use outcry_contracts::trades::v1::{
    CancelTradeRequest, ReplaceTradeRequest, SetSessionRequest, SubmitOrderRequest,
};
use outcry_events::Amount;
use outcry_mesh::refusal;
use tonic::Status;
use uuid::Uuid;

use crate::book::Session;
use crate::desk::{Cancel, Replace, SetSession, session_of};
use crate::venue::Submission;

/// An order to take in.
pub(super) fn submission(body: SubmitOrderRequest) -> Result<Submission, Status> {
    let Some(terms) = body.terms else {
        return Err(refusal::invalid("terms", "is required"));
    };
    Ok(Submission {
        order_id: uuid("order_id", &body.order_id)?,
        user_id: uuid("user_id", &body.user_id)?,
        terms,
        protection_price: body.protection_price,
    })
}

/// An order to take out.
pub(super) fn cancel(body: &CancelTradeRequest) -> Result<Cancel, Status> {
    Ok(Cancel {
        order_id: uuid("order_id", &body.order_id)?,
        user_id: uuid("user_id", &body.user_id)?,
        reason: CancelReason::try_from(body.reason).unwrap_or(CancelReason::User),
    })
}

/// An order to change.
pub(super) fn replace(body: &ReplaceTradeRequest) -> Result<Replace, Status> {
    let price = Amount::from_required(body.limit_price.as_ref())
        .map_err(|error| refusal::invalid("limit_price", error.to_string()))?;
    let stop = body.stop_price.as_ref().map(Amount::from_money);
    let stop = stop
        .transpose()
        .map_err(|error| refusal::invalid("stop_price", error.to_string()))?;
    Ok(Replace {
        order_id: uuid("order_id", &body.order_id)?,
        user_id: uuid("user_id", &body.user_id)?,
        revision: body.revision,
        quantity: body.quantity,
        price: price.raw(),
        stop: stop.map(Amount::raw),
    })
}

/// A session to set.
pub(super) fn session(body: &SetSessionRequest) -> Result<SetSession, Status> {
    let session = session_of(body.state());
    Ok(SetSession {
        request_id: Some(uuid("request_id", &body.request_id)?),
        session: session.ok_or_else(|| refusal::invalid("state", "is required"))?,
        reason: body.reason.clone(),
    })
}

/// A market to halt.
pub(super) fn halt(reason: String) -> SetSession {
    SetSession {
        request_id: None,
        session: Session::Halted,
        reason,
    }
}

pub(super) fn uuid(field: &'static str, text: &str) -> Result<Uuid, Status> {
    Uuid::try_parse(text).map_err(|_| refusal::invalid(field, "must be a uuid"))
}
