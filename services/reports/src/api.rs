//! gRPC: asking for reports, looking at them and fetching them.

use std::pin::Pin;
use std::time::{Duration, SystemTime};

use futures::{Stream, stream};
use outcry_contracts::reports::v1 as wire;
use outcry_contracts::reports::v1::ReportStatus;
use outcry_contracts::reports::v1::report_service_server::ReportService;
use outcry_mesh::{cause, refusal, subject, user};
use outcry_service::answers::{self, Pending};
use outcry_service::{Context, execute, store_failure};
use outcry_store::Store;
use outcry_store::timer::{nanos, time_of};
use prost_types::Timestamp;
use tonic::{Code, Request, Response, Status};

use crate::domain::{Command, Report, Terms};
use crate::making;
use crate::views::{self, PIECE_BYTES, ReportRow};

const REQUEST: &str = "/outcry.reports.v1.ReportService/RequestReport";

/// The methods of the service.
pub(crate) struct Api {
    ctx: Context,
    /// How long after the time it is as of a report is made.
    settle: Duration,
}

// === impl Api ===

impl Api {
    pub(crate) fn new(ctx: Context, settle: Duration) -> Api {
        Api { ctx, settle }
    }

    fn store(&self) -> &dyn Store {
        self.ctx.store.as_ref()
    }

    /// A report the caller may see. To others it is not there: ids are nothing to learn from.
    async fn visible<T>(&self, request: &Request<T>, report_id: &str) -> Result<ReportRow, Status> {
        let row = views::report(self.store(), report_id)
            .await
            .map_err(store_failure)?
            .ok_or_else(no_report)?;
        subject(request, &row.user_id).map_err(|_| no_report())?;
        Ok(row)
    }

    /// Writes down that the report is wanted, with the timer that makes it and the answer.
    async fn request(
        &self,
        terms: Terms,
        now: SystemTime,
        cause: &outcry_events::Cause,
        pending: Pending,
    ) -> Result<wire::RequestReportResponse, Status> {
        let now_ns = time_ns("as_of", now)?;
        let row = ReportRow::requested(&terms, now_ns);
        let reply = wire::RequestReportResponse {
            report: Some(row.to_message()),
        };
        let answered = pending.answer(&self.ctx, &reply);
        let due = now.max(time_of(terms.as_of_ns) + self.settle);
        let report_id = terms.report_id.clone();
        let command = Command::Request {
            open: views::open(self.store(), &terms.user_id)
                .await
                .map_err(store_failure)?,
            terms,
            now_ns,
        };
        execute::<Report>(&self.ctx, &report_id, cause, &command, |_, commit| {
            commit.views.push(row.write()?);
            commit.timers.push(making::timer(&report_id, due));
            commit.answered = answered.clone();
            Ok(())
        })
        .await?;
        Ok(reply)
    }
}

#[tonic::async_trait]
impl ReportService for Api {
    async fn request_report(
        &self,
        request: Request<wire::RequestReportRequest>,
    ) -> Result<Response<wire::RequestReportResponse>, Status> {
        let user_id = user(&request)?.id.clone();
        let cause = cause(&request);
        let asked = request.get_ref();
        let now = self.ctx.clock.now();
        let terms = Terms {
            report_id: self.ctx.clock.new_id().to_string(),
            user_id,
            kind: asked.r#type(),
            format: asked.format(),
            from_ns: asked.from.map(|from| wire_ns("from", from)).transpose()?,
            as_of_ns: match asked.as_of {
                Some(as_of) => wire_ns("as_of", as_of)?,
                None => time_ns("as_of", now)?,
            },
        };
        let work = async |pending| self.request(terms, now, &cause, pending).await;
        let reply = answers::once(&self.ctx, &request, REQUEST, &asked.request_id, work).await?;
        Ok(Response::new(reply))
    }

    async fn get_report(
        &self,
        request: Request<wire::GetReportRequest>,
    ) -> Result<Response<wire::GetReportResponse>, Status> {
        let row = self.visible(&request, &request.get_ref().report_id).await?;
        Ok(Response::new(wire::GetReportResponse {
            report: Some(row.to_message()),
        }))
    }

    async fn list_reports(
        &self,
        request: Request<wire::ListReportsRequest>,
    ) -> Result<Response<wire::ListReportsResponse>, Status> {
        let user_id = subject(&request, &request.get_ref().user_id)?;
        let page = request.into_inner().page;
        let listed = views::reports(self.store(), &user_id, page).await?;
        Ok(Response::new(listed))
    }

    type DownloadReportStream =
        Pin<Box<dyn Stream<Item = Result<wire::DownloadReportResponse, Status>> + Send>>;

    async fn download_report(
        &self,
        request: Request<wire::DownloadReportRequest>,
    ) -> Result<Response<Self::DownloadReportStream>, Status> {
        let row = self.visible(&request, &request.get_ref().report_id).await?;
        ready(&row)?;
        let offset = request.get_ref().offset;
        let start = usize::try_from(offset)
            .ok()
            .filter(|_| offset <= row.size_bytes)
            .ok_or_else(|| {
                refusal::invalid("offset", format!("must be from 0 to {}", row.size_bytes))
            })?;
        let (store, report_id) = (self.ctx.store.clone(), row.report_id);
        let (first, skipped) = (start / PIECE_BYTES, start % PIECE_BYTES);
        // One piece is read at a time, when the reader asks for it.
        let pieces = stream::try_unfold((first, skipped), move |(number, skipped)| {
            let (store, report_id) = (store.clone(), report_id.clone());
            async move {
                let piece = views::piece(store.as_ref(), &report_id, number);
                let Some(mut content) = piece.await.map_err(store_failure)? else {
                    return Ok(None);
                };
                content.drain(..skipped.min(content.len()));
                let reply = wire::DownloadReportResponse {
                    content,
                    ..Default::default()
                };
                Ok(Some((reply, (number + 1, 0))))
            }
        });
        Ok(Response::new(Box::pin(pieces)))
    }

    async fn delete_report(
        &self,
        _request: Request<outcry_contracts::reports::v1::DeleteReportRequest>,
    ) -> Result<Response<outcry_contracts::reports::v1::DeleteReportResponse>, Status> {
        Err(Status::unimplemented("not served yet"))
    }
}

/// Whether there is something to fetch.
fn ready(row: &ReportRow) -> Result<(), Status> {
    if row.status == i32::from(ReportStatus::Completed) {
        return Ok(());
    }
    if row.status == i32::from(ReportStatus::Failed) {
        let code = Code::FailedPrecondition;
        return Err(refusal::with_reason(
            code,
            "REPORT_FAILED",
            row.message.clone(),
        ));
    }
    Err(refusal::with_reason(
        Code::FailedPrecondition,
        "REPORT_NOT_READY",
        "the report is still being made",
    ))
}

fn no_report() -> Status {
    refusal::with_reason(Code::NotFound, "NO_SUCH_REPORT", "there is no such report")
}

fn wire_ns(field: &str, at: Timestamp) -> Result<i64, Status> {
    let at = SystemTime::try_from(at).map_err(|_| refusal::invalid(field, "is no time"))?;
    time_ns(field, at)
}

fn time_ns(field: &str, at: SystemTime) -> Result<i64, Status> {
    nanos(at).ok_or_else(|| refusal::invalid(field, "is too far away"))
}
