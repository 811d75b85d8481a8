//! Requests that another replica passes on to the desks here.

use outcry_contracts::trades::v1::ask_desk_request::Ask as Wire;
use outcry_contracts::trades::v1::desk_service_server::DeskService;
use outcry_contracts::trades::v1::{AskDeskRequest, AskDeskResponse, DeskOutcome};
use outcry_mesh::{cause, refusal};
use tonic::{Request, Response, Status};

use super::requests;
use crate::desk::Ask;
use crate::routing::Errand;
use crate::venue::{Venue, VenueError};

/// The desk service.
pub(crate) struct Desks {
    pub(crate) venue: Venue,
}

#[tonic::async_trait]
impl DeskService for Desks {
    async fn ask_desk(
        &self,
        request: Request<AskDeskRequest>,
    ) -> Result<Response<AskDeskResponse>, Status> {
        let mut cause = cause(&request);
        let body = request.into_inner();
        // The replica that passes the request on has seen who asked.
        cause.actor = body.actor;
        let ask = body
            .ask
            .ok_or_else(|| refusal::invalid("ask", "is required"))?;
        let errand = errand(ask)?;
        match self.venue.receive(&body.symbol, &errand, &cause).await {
            Ok(reply) => Ok(Response::new(reply.into())),
            Err(VenueError::UnknownSymbol(_)) => Ok(Response::new(AskDeskResponse {
                outcome: DeskOutcome::NotTraded.into(),
                book: None,
            })),
            Err(error) => Err(error.into()),
        }
    }
}

fn errand(ask: Wire) -> Result<Errand, Status> {
    Ok(Errand::Carry(match ask {
        Wire::Show(body) => return Ok(Errand::Show { depth: body.depth }),
        Wire::Submit(body) => requests::submission(body)?.into_ask(),
        Wire::Cancel(body) => Ask::Cancel(requests::cancel(&body)?),
        Wire::Replace(body) => Ask::Replace(requests::replace(&body)?),
        Wire::Halt(body) => Ask::SetSession(requests::halt(body.reason)),
        Wire::SetSession(body) => Ask::SetSession(requests::session(&body)?),
        Wire::Resume(_) => Ask::Resume,
        Wire::Wake(_) => Ask::Wake,
    }))
}
