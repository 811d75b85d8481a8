//! What a desk can be sent, and how that travels between replicas.

use outcry_contracts::trades::v1::ask_desk_request::Ask as Wire;
use outcry_contracts::trades::v1::{
    AskDeskRequest, AskDeskResponse, CancelTradeRequest, DeskOutcome, GetBookRequest,
    GetBookResponse, HaltSymbolRequest, ReplaceTradeRequest, ResumeSymbolRequest,
    SetSessionRequest, SubmitOrderRequest, WakeDesk,
};
use outcry_events::Cause;
use outcry_mesh::{correlate, deadline};
use tonic::Request;
use uuid::Uuid;

use crate::desk::{Ask, state_of};
use crate::trade::{Trade, amount};

/// Something for a desk to see to.
#[derive(Clone, Debug)]
pub(crate) enum Errand {
    /// A request to carry out.
    Carry(Ask),
    /// The book to show, with so many levels a side as the contract counts them.
    Show { depth: i32 },
}

/// What comes of it.
#[derive(Debug)]
pub(crate) enum Reply {
    /// The trade as it stands now, if there is one to show.
    Trade(Option<Box<Trade>>),
    /// The book after the last commit.
    Book(GetBookResponse),
}

// === impl Errand ===

impl Errand {
    /// The order it is about, if it is about one.
    pub(super) fn order_id(&self) -> Option<Uuid> {
        match self {
            Errand::Carry(ask) => ask.order_id(),
            Errand::Show { .. } => None,
        }
    }

    /// The errand as a call to another replica, in the flow of its cause and within the time the
    /// call that is being handled has left.
    pub(super) fn request(&self, symbol: &str, cause: &Cause) -> Request<AskDeskRequest> {
        let mut request = Request::new(AskDeskRequest {
            symbol: symbol.to_owned(),
            actor: cause.actor.clone(),
            ask: Some(self.wire(symbol)),
        });
        correlate(&mut request, cause);
        request.set_timeout(deadline::DEFAULT_DEADLINE);
        request
    }

    fn wire(&self, symbol: &str) -> Wire {
        let symbol = symbol.to_owned();
        match self {
            Errand::Show { depth } => Wire::Show(GetBookRequest {
                symbol,
                depth: *depth,
            }),
            Errand::Carry(Ask::Submit(created)) => Wire::Submit(SubmitOrderRequest {
                order_id: created.order_id.clone(),
                user_id: created.user_id.clone(),
                terms: created.terms.clone(),
                protection_price: created.protection_price.clone(),
            }),
            Errand::Carry(Ask::Cancel(asked)) => Wire::Cancel(CancelTradeRequest {
                order_id: asked.order_id.to_string(),
                user_id: asked.user_id.to_string(),
                symbol,
                reason: asked.reason.into(),
            }),
            Errand::Carry(Ask::Replace(asked)) => Wire::Replace(ReplaceTradeRequest {
                order_id: asked.order_id.to_string(),
                user_id: asked.user_id.to_string(),
                symbol,
                revision: asked.revision,
                quantity: asked.quantity,
                limit_price: Some(amount(asked.price).to_money()),
                stop_price: asked.stop.map(|raw| amount(raw).to_money()),
            }),
            // Without a request id there are only halts.
            Errand::Carry(Ask::SetSession(asked)) => match asked.request_id {
                None => Wire::Halt(HaltSymbolRequest {
                    symbol,
                    reason: asked.reason.clone(),
                }),
                Some(request_id) => Wire::SetSession(SetSessionRequest {
                    request_id: request_id.to_string(),
                    symbol,
                    state: state_of(asked.session).into(),
                    reason: asked.reason.clone(),
                }),
            },
            Errand::Carry(Ask::Resume) => Wire::Resume(ResumeSymbolRequest { symbol }),
            Errand::Carry(Ask::Wake) => Wire::Wake(WakeDesk {}),
        }
    }
}

// === impl Reply ===

impl From<Reply> for AskDeskResponse {
    /// A trade itself stays behind: whoever asked has the same store.
    fn from(reply: Reply) -> AskDeskResponse {
        let (outcome, book) = match reply {
            Reply::Trade(Some(_)) => (DeskOutcome::Trade, None),
            Reply::Trade(None) => (DeskOutcome::NoTrade, None),
            Reply::Book(book) => (DeskOutcome::Book, Some(book)),
        };
        AskDeskResponse {
            outcome: outcome.into(),
            book,
        }
    }
}
