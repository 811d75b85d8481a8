//! The way to dead letters: each service keeps those of its own groups, and operators ask here for any.

use futures::future::BoxFuture;
use outcry_contracts::operations::v1::dead_letter_service_client::DeadLetterServiceClient;
use outcry_contracts::operations::v1::dead_letter_service_server::DeadLetterService;
use outcry_contracts::operations::v1::{
    DiscardDeadLetterRequest, DiscardDeadLetterResponse, GetDeadLetterRequest,
    GetDeadLetterResponse, ListDeadLetterAuditRequest, ListDeadLetterAuditResponse,
    ListDeadLettersRequest, ListDeadLettersResponse, RedriveDeadLettersRequest,
    RedriveDeadLettersResponse,
};
use outcry_contracts::types::v1::{PageInfo, PageRequest};
use outcry_mesh::{Channel, Directory, User, acting_for, identity, refusal};
use tonic::{Code, Request, Response, Status};

use crate::SERVICE;

/// The name this is registered under: the contract's owner of the methods.
pub(crate) const OPERATIONS: &str = "operations";

/// The gRPC service that every service with consumers serves for its own groups.
const DEAD_LETTERS: &str = "outcry.operations.v1.DeadLetterService";

/// Rows of a page when none are asked for, and at most: what the contract says of pages.
const PAGE: i32 = 50;
const PAGE_MAX: i32 = 500;

/// Finds the service by the group.
pub(crate) struct DeadLetters {
    pub(crate) directory: Directory,
}

/// One page from one service: its rows and the token of the next page.
type Page<Row> = Result<(Vec<Row>, String), Status>;

impl DeadLetters {
    /// Names of the services with groups, which are the groups' names.
    fn groups(&self) -> Vec<String> {
        let mut groups = self.directory.serving(DEAD_LETTERS);
        groups.retain(|group| group != OPERATIONS);
        groups
    }

    fn client(&self, group: String) -> Result<DeadLetterServiceClient<Channel>, Status> {
        let groups = self.groups();
        if groups.contains(&group) {
            return Ok(DeadLetterServiceClient::new(
                self.directory.channel(SERVICE, group),
            ));
        }
        Err(refusal::with_metadata(
            Code::NotFound,
            "NO_SUCH_GROUP",
            format!(
                "there is no consumer group `{group}` here; there are: {}",
                groups.join(", ")
            ),
            [("groups".to_owned(), groups.join(","))],
        ))
    }

    /// One page over all groups: those of one service after those of the other.
    async fn across<Row>(
        &self,
        page: Option<PageRequest>,
        ask: impl Fn(DeadLetterServiceClient<Channel>, PageRequest) -> BoxFuture<'static, Page<Row>>,
    ) -> Result<(Vec<Row>, PageInfo), Status> {
        let page = page.unwrap_or_default();
        let wanted = if page.size == 0 {
            PAGE
        } else {
            page.size.min(PAGE_MAX)
        };
        let (mut from, mut token) = match page.token.split_once('/') {
            Some((group, token)) => (group.to_owned(), token.to_owned()),
            None if page.token.is_empty() => Default::default(),
            None => {
                return Err(refusal::invalid(
                    "page.token",
                    "is not a token of this listing",
                ));
            }
        };
        let mut rows = Vec::new();
        for group in self.groups() {
            if group < from {
                continue;
            }
            from.clone_from(&group);
            loop {
                let left = wanted - i32::try_from(rows.len()).unwrap_or(wanted);
                if left <= 0 {
                    return Ok((
                        rows,
                        PageInfo {
                            next_token: format!("{from}/{token}"),
                        },
                    ));
                }
                let request = PageRequest {
                    size: left,
                    token: std::mem::take(&mut token),
                };
                let (more, next) = ask(self.client(group.clone())?, request).await?;
                rows.extend(more);
                if next.is_empty() {
                    break;
                }
                token = next;
            }
        }
        Ok((rows, PageInfo::default()))
    }
}

/// The same request on behalf of the same user.
fn onward<T>(message: T, user: Option<&User>) -> Request<T> {
    let mut request = Request::new(message);
    if let Some(user) = user {
        acting_for(&mut request, user);
    }
    request
}

#[tonic::async_trait]
impl DeadLetterService for DeadLetters {
    async fn list_dead_letters(
        &self,
        request: Request<ListDeadLettersRequest>,
    ) -> Result<Response<ListDeadLettersResponse>, Status> {
        let user = identity(&request).user.clone();
        let asked = request.into_inner();
        if !asked.group.is_empty() {
            let mut client = self.client(asked.group.clone())?;
            return client.list_dead_letters(onward(asked, user.as_ref())).await;
        }
        let (dead_letters, page) = self
            .across(asked.page.clone(), |mut client, page| {
                let request = ListDeadLettersRequest {
                    page: Some(page),
                    ..asked.clone()
                };
                let request = onward(request, user.as_ref());
                Box::pin(async move {
                    let answer = client.list_dead_letters(request).await?.into_inner();
                    Ok((
                        answer.dead_letters,
                        answer.page.unwrap_or_default().next_token,
                    ))
                })
            })
            .await?;
        Ok(Response::new(ListDeadLettersResponse {
            dead_letters,
            page: Some(page),
        }))
    }

    async fn get_dead_letter(
        &self,
        request: Request<GetDeadLetterRequest>,
    ) -> Result<Response<GetDeadLetterResponse>, Status> {
        let user = identity(&request).user.clone();
        let asked = request.into_inner();
        let mut client = self.client(asked.group.clone())?;
        client.get_dead_letter(onward(asked, user.as_ref())).await
    }

    async fn redrive_dead_letters(
        &self,
        request: Request<RedriveDeadLettersRequest>,
    ) -> Result<Response<RedriveDeadLettersResponse>, Status> {
        let user = identity(&request).user.clone();
        let asked = request.into_inner();
        let mut client = self.client(asked.group.clone())?;
        client
            .redrive_dead_letters(onward(asked, user.as_ref()))
            .await
    }

    async fn discard_dead_letter(
        &self,
        request: Request<DiscardDeadLetterRequest>,
    ) -> Result<Response<DiscardDeadLetterResponse>, Status> {
        let user = identity(&request).user.clone();
        let asked = request.into_inner();
        let mut client = self.client(asked.group.clone())?;
        client
            .discard_dead_letter(onward(asked, user.as_ref()))
            .await
    }

    async fn list_dead_letter_audit(
        &self,
        request: Request<ListDeadLetterAuditRequest>,
    ) -> Result<Response<ListDeadLetterAuditResponse>, Status> {
        let user = identity(&request).user.clone();
        let asked = request.into_inner();
        if !asked.group.is_empty() {
            let mut client = self.client(asked.group.clone())?;
            return client
                .list_dead_letter_audit(onward(asked, user.as_ref()))
                .await;
        }
        let (actions, page) = self
            .across(asked.page.clone(), |mut client, page| {
                let request = ListDeadLetterAuditRequest {
                    page: Some(page),
                    ..asked.clone()
                };
                let request = onward(request, user.as_ref());
                Box::pin(async move {
                    let answer = client.list_dead_letter_audit(request).await?.into_inner();
                    Ok((answer.actions, answer.page.unwrap_or_default().next_token))
                })
            })
            .await?;
        Ok(Response::new(ListDeadLetterAuditResponse {
            actions,
            page: Some(page),
        }))
    }
}
