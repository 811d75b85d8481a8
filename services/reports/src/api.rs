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
use outcry_store::timer::{nanos, time_of};
use outcry_store::{Commit, CommitError, Store};
use prost_types::Timestamp;
use tonic::{Code, Request, Response, Status};

use crate::domain::{Command, Report, Terms};
use crate::views::{self, PIECE_BYTES, ReportRow, RowAt};
use crate::{journal, making};

const REQUEST: &str = "/outcry.reports.v1.ReportService/RequestReport";

/// Tries of forgetting a report's content that others change at the same time: only its timer does.
const DELETE_ATTEMPTS: usize = 3;

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
    async fn visible<T>(&self, request: &Request<T>, report_id: &str) -> Result<RowAt, Status> {
        let at = views::report(self.store(), report_id)
            .await
            .map_err(store_failure)?
            .ok_or_else(no_report)?;
        subject(request, &at.row.user_id).map_err(|_| no_report())?;
        Ok(at)
    }

    /// The latest time any event up to a place in a user's journal occurred at.
    async fn latest(&self, user_id: &str, position: u64) -> Result<i64, Status> {
        let entry = journal::entry(self.store(), user_id, position).await;
        let entry = entry.map_err(store_failure)?.ok_or_else(|| {
            refusal::invalid(
                "as_of_position",
                "is not a place in the journal of the account",
            )
        })?;
        Ok(entry.latest_ns.max(entry.occurred_at_ns))
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
            commit.views.push(row.write()?.expect(0));
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
        let mut now = self.ctx.clock.now();
        let as_of = asked.as_of.map(|at| wire_ns("as_of", at)).transpose()?;
        let as_of_ns = match (as_of, asked.as_of_position) {
            (Some(as_of_ns), 0) => as_of_ns,
            (None, 0) => time_ns("as_of", now)?,
            (as_of, position) => {
                let latest_ns = self.latest(&user_id, position).await?;
                // What is in the journal has happened, also by the clock of another process.
                now = now.max(time_of(latest_ns));
                as_of.unwrap_or(latest_ns)
            }
        };
        let terms = Terms {
            report_id: self.ctx.clock.new_id().to_string(),
            user_id,
            kind: asked.r#type(),
            format: asked.format(),
            from_ns: asked.from.map(|from| wire_ns("from", from)).transpose()?,
            as_of_ns,
            as_of_position: asked.as_of_position,
        };
        let work = async |pending| self.request(terms, now, &cause, pending).await;
        let reply = answers::once(&self.ctx, &request, REQUEST, &asked.request_id, work).await?;
        Ok(Response::new(reply))
    }

    async fn get_report(
        &self,
        request: Request<wire::GetReportRequest>,
    ) -> Result<Response<wire::GetReportResponse>, Status> {
        let at = self.visible(&request, &request.get_ref().report_id).await?;
        Ok(Response::new(wire::GetReportResponse {
            report: Some(at.row.to_message()),
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
        let row = self
            .visible(&request, &request.get_ref().report_id)
            .await?
            .row;
        ready(&row)?;
        let asked = request.get_ref();
        let (start, end) = range(asked.offset, asked.length, row.size_bytes)?;
        let (store, report_id) = (self.ctx.store.clone(), row.report_id);
        // One piece is read at a time, when the reader asks for it.
        let pieces = stream::try_unfold(start, move |start| {
            let (store, report_id) = (store.clone(), report_id.clone());
            async move {
                if start >= end {
                    return Ok(None);
                }
                let number = start / PIECE_BYTES;
                let piece = views::piece(store.as_ref(), &report_id, number);
                // Forgotten while it was being fetched.
                let mut content = piece.await.map_err(store_failure)?.ok_or_else(expired)?;
                content.truncate(end - number * PIECE_BYTES);
                content.drain(..(start % PIECE_BYTES).min(content.len()));
                let next = start + content.len();
                let reply = wire::DownloadReportResponse {
                    content,
                    offset: wire_size(start)?,
                    total_bytes: row.size_bytes,
                };
                Ok(Some((reply, next)))
            }
        });
        Ok(Response::new(Box::pin(pieces)))
    }

    async fn delete_report(
        &self,
        request: Request<wire::DeleteReportRequest>,
    ) -> Result<Response<wire::DeleteReportResponse>, Status> {
        for _ in 0..DELETE_ATTEMPTS {
            let at = self.visible(&request, &request.get_ref().report_id).await?;
            if at.row.is_open() {
                return Err(not_ready());
            }
            let mut report = at.row.to_message();
            if at.row.is_completed() {
                let (row, writes) = making::forgetting(&at).map_err(store_failure)?;
                report = row.to_message();
                let commit = Commit {
                    views: writes,
                    timers: vec![making::no_expiry(&row.report_id)],
                    ..Commit::default()
                };
                match self.store().commit(commit).await {
                    Ok(()) => {}
                    Err(CommitError::Store(error)) => return Err(store_failure(error)),
                    // Its time was up just now: the next look sees that.
                    Err(_) => continue,
                }
            }
            let report = Some(report);
            return Ok(Response::new(wire::DeleteReportResponse { report }));
        }
        Err(refusal::with_reason(
            Code::Aborted,
            "REPORT_CHANGED",
            "the report is being changed; try again",
        ))
    }
}

/// The bytes that are asked for: from one place to before another.
fn range(offset: i64, length: i64, size_bytes: i64) -> Result<(usize, usize), Status> {
    if !(0..=size_bytes).contains(&offset) {
        let message = format!("must be from 0 to {size_bytes}");
        return Err(refusal::invalid("offset", message));
    }
    let end = match length {
        0 => size_bytes,
        length => offset.saturating_add(length).min(size_bytes),
    };
    let place = |bytes: i64| {
        let outside = |_| refusal::invalid("length", "must not be negative");
        usize::try_from(bytes).map_err(outside)
    };
    Ok((place(offset)?, place(end)?))
}

fn wire_size(bytes: usize) -> Result<i64, Status> {
    i64::try_from(bytes).map_err(|_| refusal::invalid("offset", "is too far"))
}

/// Whether there is something to fetch.
fn ready(row: &ReportRow) -> Result<(), Status> {
    match ReportStatus::try_from(row.status).unwrap_or_default() {
        ReportStatus::Completed => Ok(()),
        ReportStatus::Failed => {
            let code = Code::FailedPrecondition;
            let message = row.message.clone();
            Err(refusal::with_reason(code, "REPORT_FAILED", message))
        }
        ReportStatus::Expired => Err(expired()),
        ReportStatus::Requested | ReportStatus::Running | ReportStatus::Unspecified => {
            Err(not_ready())
        }
    }
}

fn not_ready() -> Status {
    refusal::with_reason(
        Code::FailedPrecondition,
        "REPORT_NOT_READY",
        "the report is still being made",
    )
}

fn expired() -> Status {
    refusal::with_reason(
        Code::FailedPrecondition,
        "REPORT_EXPIRED",
        "the content of the report is no longer kept; ask for it again",
    )
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
