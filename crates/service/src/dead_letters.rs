//! Looking after parked events: list, show, redrive, discard, and who did what.
//!
//! Every service serves this for its own groups. Authorization is the contract's, checked before
//! any of this runs.

mod reply;

use std::sync::Arc;

use outcry_contracts::operations::v1 as api;
use outcry_contracts::operations::v1::dead_letter_service_server::{
    DeadLetterService, DeadLetterServiceServer,
};
use outcry_contracts::types::v1::PageRequest;
use outcry_mesh::{cause, refusal};
use outcry_store::{
    Asked, AuditFilter, Commit, CommitError, ParkWrite, Parked, ParkedFilter, RedriveRequest,
    RedriveScope,
};
use tonic::{Code, Request, Response, Status, async_trait};
use tracing::info;

use crate::consumer::Consumer;
use crate::context::Context;
use crate::faults::{chain, store_failure};
use crate::paging::Page;

/// Serves the dead letters of one service's groups.
pub(crate) struct DeadLetters {
    ctx: Context,
    groups: Vec<&'static str>,
}

// === impl DeadLetters ===

impl DeadLetters {
    pub(crate) fn new(ctx: Context, consumers: &[Arc<Consumer>]) -> Self {
        Self {
            ctx,
            groups: consumers
                .iter()
                .map(|consumer| consumer.spec().name)
                .collect(),
        }
    }

    /// As a gRPC service.
    pub(crate) fn server(self) -> DeadLetterServiceServer<Self> {
        DeadLetterServiceServer::new(self)
    }

    /// The group of that name, if it is one of this service.
    fn group(&self, name: &str) -> Result<String, Status> {
        if self.groups.contains(&name) {
            return Ok(name.to_owned());
        }
        Err(refusal::with_reason(
            Code::NotFound,
            "NO_SUCH_GROUP",
            format!("service {} has no group {name}", self.ctx.service),
        ))
    }

    /// The same where an empty name means all groups.
    fn any_group(&self, name: &str) -> Result<Option<String>, Status> {
        match name {
            "" => Ok(None),
            name => self.group(name).map(Some),
        }
    }

    /// One parked event.
    async fn row(&self, group: String, position: u64) -> Result<Parked, Status> {
        let filter = ParkedFilter {
            group: Some(group),
            position: Some(position),
            limit: 1,
            ..ParkedFilter::default()
        };
        let rows = self.ctx.store.parked(&filter).await;
        let row = rows.map_err(store_failure)?.into_iter().next();
        row.ok_or_else(|| not_parked(position))
    }

    /// What a redrive of this scope would do, as things are now.
    async fn extent(
        &self,
        group: &str,
        scope: &RedriveScope,
    ) -> Result<api::RedriveDeadLettersResponse, Status> {
        let store = &self.ctx.store;
        if let RedriveScope::Event(position) = *scope {
            let row = self.row(group.to_owned(), position).await?;
            let first = store.first_parked(group, &row.key).await;
            return match first.map_err(store_failure)? {
                Some(first) if first < position => Err(not_first(position, first)),
                _ => Ok(api::RedriveDeadLettersResponse { events: 1, keys: 1 }),
            };
        }
        let keys = store.parked_keys(group).await;
        let keys = keys.map_err(store_failure)?;
        let wanted = keys.iter().filter(|(key, _)| match scope {
            RedriveScope::Key(wanted) => key == wanted,
            RedriveScope::Event(_) | RedriveScope::Group => true,
        });
        let counts: Vec<u64> = wanted.map(|(_, events)| *events).collect();
        Ok(api::RedriveDeadLettersResponse {
            events: counts.iter().sum(),
            keys: counts.len() as u64,
        })
    }

    /// Commits one change that somebody asked for.
    async fn change(&self, write: ParkWrite) -> Result<(), Status> {
        let commit = Commit {
            parked: vec![write],
            ..Commit::default()
        };
        match self.ctx.store.commit(commit).await {
            Ok(()) => Ok(()),
            Err(CommitError::Store(error)) => Err(store_failure(error)),
            Err(error) => Err(refusal::with_reason(
                Code::FailedPrecondition,
                "PARKING_CHANGED",
                chain(&error),
            )),
        }
    }

    fn asked<T>(&self, request: &Request<T>, why: &str) -> Asked {
        Asked {
            by: cause(request).actor,
            why: why.to_owned(),
            at: self.ctx.clock.now(),
        }
    }
}

#[async_trait]
impl DeadLetterService for DeadLetters {
    async fn list_dead_letters(
        &self,
        request: Request<api::ListDeadLettersRequest>,
    ) -> Result<Response<api::ListDeadLettersResponse>, Status> {
        let request = request.into_inner();
        let (page, position) = asked_page(request.page)?;
        let filter = ParkedFilter {
            group: self.any_group(&request.group)?,
            key: wanted(request.key),
            topic: wanted(request.topic),
            after: position.unwrap_or(0),
            limit: page.limit(),
            ..ParkedFilter::default()
        };
        let rows = self.ctx.store.parked(&filter).await;
        let mut rows = rows.map_err(store_failure)?;
        let page = page.cut(&mut rows, |last| last.position.to_string());
        Ok(Response::new(api::ListDeadLettersResponse {
            page: Some(page),
            dead_letters: rows.into_iter().map(reply::dead_letter).collect(),
        }))
    }

    async fn get_dead_letter(
        &self,
        request: Request<api::GetDeadLetterRequest>,
    ) -> Result<Response<api::GetDeadLetterResponse>, Status> {
        let request = request.into_inner();
        let group = self.group(&request.group)?;
        let row = self.row(group, request.position).await?;
        Ok(Response::new(reply::shown(row)))
    }

    async fn redrive_dead_letters(
        &self,
        request: Request<api::RedriveDeadLettersRequest>,
    ) -> Result<Response<api::RedriveDeadLettersResponse>, Status> {
        let asked = self.asked(&request, "");
        let request = request.into_inner();
        let group = self.group(&request.group)?;
        let scope = scope(&request)?;
        let extent = self.extent(&group, &scope).await?;
        if !request.dry_run {
            info!(group, ?scope, by = asked.by, "redrive requested");
            self.change(ParkWrite::RequestRedrive(RedriveRequest {
                group,
                scope,
                per_second: request.rate_per_second,
                asked,
            }))
            .await?;
        }
        Ok(Response::new(extent))
    }

    async fn discard_dead_letter(
        &self,
        request: Request<api::DiscardDeadLetterRequest>,
    ) -> Result<Response<api::DiscardDeadLetterResponse>, Status> {
        let asked = self.asked(&request, &request.get_ref().reason);
        let request = request.into_inner();
        let group = self.group(&request.group)?;
        let position = self.row(group, request.position).await?.position;
        info!(
            position,
            by = asked.by,
            why = asked.why,
            "dead letter discarded"
        );
        self.change(ParkWrite::Discard { position, asked }).await?;
        Ok(Response::new(api::DiscardDeadLetterResponse {}))
    }

    async fn list_dead_letter_audit(
        &self,
        request: Request<api::ListDeadLetterAuditRequest>,
    ) -> Result<Response<api::ListDeadLetterAuditResponse>, Status> {
        let request = request.into_inner();
        let (page, position) = asked_page(request.page)?;
        let filter = AuditFilter {
            group: self.any_group(&request.group)?,
            before: position,
            limit: page.limit(),
        };
        let entries = self.ctx.store.parking_audit(&filter).await;
        let mut entries = entries.map_err(store_failure)?;
        let page = page.cut(&mut entries, |last| last.position.to_string());
        Ok(Response::new(api::ListDeadLetterAuditResponse {
            page: Some(page),
            actions: entries.into_iter().map(reply::action).collect(),
        }))
    }
}

/// The page a caller asks for, and behind which position it begins: tokens are positions.
fn asked_page(request: Option<PageRequest>) -> Result<(Page, Option<u64>), Status> {
    if request.as_ref().is_some_and(|request| request.size < 0) {
        return Err(refusal::invalid("page.size", "must not be negative"));
    }
    let page = Page::of(request);
    let position = page.after.as_deref().map(str::parse).transpose();
    let position = position
        .map_err(|_| refusal::invalid("page.token", "must be the next_token of the page before"))?;
    Ok((page, position))
}

/// A filter of which empty means none.
fn wanted(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

/// Which events a request means.
fn scope(request: &api::RedriveDeadLettersRequest) -> Result<RedriveScope, Status> {
    match (request.position, request.key.as_str()) {
        (0, "") => Ok(RedriveScope::Group),
        (0, key) => Ok(RedriveScope::Key(key.to_owned())),
        (position, "") => Ok(RedriveScope::Event(position)),
        _ => Err(refusal::invalid(
            "key",
            "must be empty when a position is given",
        )),
    }
}

fn not_parked(position: u64) -> Status {
    refusal::with_reason(
        Code::NotFound,
        "NOT_PARKED",
        format!("nothing is parked at position {position}"),
    )
}

fn not_first(position: u64, first: u64) -> Status {
    refusal::with_reason(
        Code::FailedPrecondition,
        "NOT_FIRST",
        format!("{position} waits behind {first}; redrive or discard that one first, or the key"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_begins_behind_a_position() {
        let request = |size, token: &str| {
            Some(PageRequest {
                size,
                token: token.to_owned(),
            })
        };
        let (page, position) = asked_page(request(2, "7")).unwrap();
        assert_eq!((page.size, position), (2, Some(7)));
        assert_eq!(asked_page(request(0, "")).unwrap().1, None);
        assert_eq!(asked_page(None).unwrap(), (Page::of(None), None));
        for bad in [request(0, "x"), request(-1, "")] {
            let status = asked_page(bad).unwrap_err();
            assert_eq!(status.code(), Code::InvalidArgument);
        }
    }

    #[test]
    fn a_redrive_is_of_an_event_or_a_key_or_a_group() {
        let request = |position, key: &str| api::RedriveDeadLettersRequest {
            position,
            key: key.to_owned(),
            ..Default::default()
        };
        assert_eq!(scope(&request(0, "")).unwrap(), RedriveScope::Group);
        assert_eq!(
            scope(&request(0, "k")).unwrap(),
            RedriveScope::Key("k".into())
        );
        assert_eq!(scope(&request(3, "")).unwrap(), RedriveScope::Event(3));
        assert!(scope(&request(3, "k")).is_err());
    }
}
