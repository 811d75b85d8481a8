//! The event log: live, from the past, and as one flow. Customers see what is about them, operators everything.

mod feed;

use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};

use outcry_contracts::eventlog::v1::event_log_service_server::EventLogService;
use outcry_contracts::eventlog::v1::{
    EventType, ListEventTypesRequest, ListEventTypesResponse, LoggedEvent, SubscribeRequest,
    SubscribeResponse, TraceRequest, TraceResponse,
};
use outcry_events::catalog::{CatalogEntry, catalog};
use outcry_mesh::{User, refusal, user};
use outcry_service::GroupSpec;
use tokio_stream::Stream;
use tonic::{Code, Request, Response, Status};
use uuid::Uuid;

use crate::archive::{Archive, ArchiveError, Entry, Filter, Reader};

/// Events of one flow that are shown at most: a hundred times those of an ordinary order, and
/// still within one message.
const FLOW_EVENTS_MAX: usize = 4000;

/// Who consumes what, as far as known here: group names with their topic patterns.
#[derive(Debug, Clone, Default)]
pub(crate) struct Consumers {
    groups: Arc<RwLock<Vec<GroupSpec>>>,
}

impl Consumers {
    pub(crate) fn announce(&self, groups: impl IntoIterator<Item = GroupSpec>) {
        let mut known = self.groups.write().unwrap_or_else(PoisonError::into_inner);
        known.extend(groups);
        known.sort_by_key(|group| group.name);
        known.dedup_by_key(|group| group.name);
    }

    fn of(&self, event: &CatalogEntry) -> Vec<String> {
        let known = self.groups.read().unwrap_or_else(PoisonError::into_inner);
        known
            .iter()
            .filter(|group| event.is_handled_by(group.topics))
            .map(|group| group.name.to_owned())
            .collect()
    }
}

/// Answers from the archive.
pub(crate) struct EventLog {
    pub(crate) archive: Archive,
    pub(crate) consumers: Consumers,
}

type Events = Pin<Box<dyn Stream<Item = Result<SubscribeResponse, Status>> + Send>>;

#[tonic::async_trait]
impl EventLogService for EventLog {
    type SubscribeStream = Events;

    async fn subscribe(
        &self,
        request: Request<SubscribeRequest>,
    ) -> Result<Response<Events>, Status> {
        let subject = only_about(user(&request)?);
        let asked = request.into_inner();
        // Another process may have archived what this caller has read already.
        let caught_up = self.archive.catch_up().await;
        caught_up.map_err(|error| unreadable(&error))?;
        let follower = self.archive.end();
        let end = *follower.borrow();
        let after = if asked.from_now {
            end
        } else {
            asked.after_position
        };
        if after > end {
            return Err(beyond(after, end));
        }
        let filter = Filter {
            topics: asked.topics,
            partition_key: Some(asked.partition_key).filter(|key| !key.is_empty()),
            subject,
        };
        let reader = Reader::new(self.archive.clone(), filter, after);
        let events = feed::open(reader, follower, asked.stop_at_end);
        Ok(Response::new(Box::pin(events)))
    }

    async fn trace(
        &self,
        request: Request<TraceRequest>,
    ) -> Result<Response<TraceResponse>, Status> {
        let filter = Filter {
            subject: only_about(user(&request)?),
            ..Filter::default()
        };
        let correlation_id = Uuid::parse_str(&request.get_ref().correlation_id)
            .map_err(|_| refusal::invalid("correlation_id", "must be a UUID"))?;
        let flow = self.archive.flow(correlation_id, FLOW_EVENTS_MAX + 1).await;
        let flow = flow.map_err(|error| unreadable(&error))?;
        if flow.len() > FLOW_EVENTS_MAX {
            return Err(too_long());
        }
        let events = flow
            .iter()
            .filter(|entry| filter.passes(entry))
            .map(logged)
            .collect();
        Ok(Response::new(TraceResponse { events }))
    }

    async fn list_event_types(
        &self,
        _: Request<ListEventTypesRequest>,
    ) -> Result<Response<ListEventTypesResponse>, Status> {
        let event_types = catalog()
            .events
            .iter()
            .map(|event| EventType {
                topic: event.topic.to_owned(),
                message: event.full_name.to_owned(),
                owner: event.owner.to_owned(),
                schema_version: event.version,
                extension: event.extension,
                consumers: self.consumers.of(event),
                superseded_by: event.superseded_by.unwrap_or_default().to_owned(),
                published_until: event.published_until.unwrap_or_default().to_owned(),
            })
            .collect();
        Ok(Response::new(ListEventTypesResponse { event_types }))
    }
}

/// The one user whose events may be seen; `None` for operators, who see all.
fn only_about(user: &User) -> Option<String> {
    (!user.is_operator()).then(|| user.id.clone())
}

fn logged(entry: &Entry) -> LoggedEvent {
    LoggedEvent {
        position: entry.position,
        event: Some(entry.event.envelope().clone()),
    }
}

fn beyond(after: u64, end: u64) -> Status {
    refusal::with_metadata(
        Code::OutOfRange,
        "POSITION_BEYOND_END",
        format!(
            "there is no position {after}: the archive ends at {end}; start from there or from 0"
        ),
        [("end".to_owned(), end.to_string())],
    )
}

fn too_long() -> Status {
    refusal::with_reason(
        Code::ResourceExhausted,
        "FLOW_TOO_LONG",
        format!(
            "the flow has more than {FLOW_EVENTS_MAX} events; subscribe with its partition key instead"
        ),
    )
}

/// What a caller learns of an archive that cannot be read; the log has the rest.
fn unreadable(error: &ArchiveError) -> Status {
    tracing::error!(
        error = error as &dyn std::error::Error,
        "reading the archive failed"
    );
    match error {
        ArchiveError::Store(_) => refusal::with_reason(
            Code::Unavailable,
            "ARCHIVE_UNAVAILABLE",
            "the archive cannot be read right now; try again",
        ),
        ArchiveError::Damaged { .. } => refusal::with_reason(
            Code::DataLoss,
            "ARCHIVE_DAMAGED",
            "an archived event is damaged",
        ),
    }
}
