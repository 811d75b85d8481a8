//! How the platform stands, for operators: one picture of all services, and the audit.
//!
//! - [`round`] – every replica asked once
//! - [`rates`] – what two rounds and those between say together
//! - [`board`] – the newest picture, drawn while somebody looks
//! - [`audits`] – the audit that runs, and what the last one found

mod audits;
mod board;
mod rates;
mod round;

use std::pin::Pin;

use futures::stream;
use outcry_contracts::operations::v1::status_service_server::StatusService;
use outcry_contracts::operations::v1::{
    RunAuditRequest, RunAuditResponse, WatchAuditRequest, WatchAuditResponse, WatchStatusRequest,
    WatchStatusResponse,
};
use tokio::sync::watch;
use tokio_stream::Stream;
use tonic::{Request, Response, Status};

pub(crate) use self::audits::Audits;
pub use self::audits::{Examine, Step};
pub(crate) use self::board::Board;

/// Answers from the board, and starts audits.
pub(crate) struct Standing {
    pub(crate) board: Board,
    pub(crate) audits: Audits,
}

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl StatusService for Standing {
    type WatchStatusStream = Answers<WatchStatusResponse>;
    type WatchAuditStream = Answers<WatchAuditResponse>;

    async fn watch_status(
        &self,
        _: Request<WatchStatusRequest>,
    ) -> Result<Response<Self::WatchStatusStream>, Status> {
        Ok(Response::new(following(self.board.watch())))
    }

    async fn run_audit(
        &self,
        _: Request<RunAuditRequest>,
    ) -> Result<Response<RunAuditResponse>, Status> {
        self.audits.begin()?;
        Ok(Response::new(RunAuditResponse {}))
    }

    async fn watch_audit(
        &self,
        _: Request<WatchAuditRequest>,
    ) -> Result<Response<Self::WatchAuditStream>, Status> {
        Ok(Response::new(following(self.audits.watch())))
    }
}

/// What is there now, if anything is, and then the newest whenever it is another. Whoever takes
/// slowly misses what was replaced meanwhile, so that nothing waits for anybody.
fn following<T>(newest: watch::Receiver<Option<T>>) -> Answers<T>
where
    T: Clone + Send + Sync + 'static,
{
    let mut newest = newest;
    newest.mark_changed();
    Box::pin(stream::unfold(newest, |mut newest| async move {
        loop {
            newest.changed().await.ok()?;
            let there = newest.borrow_and_update().clone();
            if let Some(there) = there {
                return Some((Ok(there), newest));
            }
        }
    }))
}
