//! gRPC: a user's messages and preferences.

use std::collections::BTreeSet;

use outcry_contracts::notifications::v1 as wire;
use outcry_contracts::notifications::v1::notification_service_server::NotificationService;
use outcry_mesh::{refusal, user};
use outcry_service::{Context, Page, store_failure};
use outcry_store::{Commit, CommitError, Store, StoreError, ViewWrite};
use tokio::sync::watch;
use tonic::{Code, Request, Response, Status};

use crate::inbox::{self, Message, Preferences};
use crate::stream::{self, Messages, Stop};
use crate::templates::{UNMUTABLE, is_known};

/// Messages marked as read at once: what is well within a commit.
const MARKED_MAX: usize = 500;

/// Tries of a change that meets a new message each time.
const ATTEMPTS: usize = 20;

/// The methods of the service.
pub(crate) struct Api {
    pub(crate) ctx: Context,
    pub(crate) news: watch::Receiver<u64>,
    pub(crate) stop: Stop,
}

// === impl Api ===

impl Api {
    fn store(&self) -> &dyn Store {
        self.ctx.store.as_ref()
    }

    /// Marks one batch as read; how many changed, or none when a message came in between.
    async fn mark(&self, user_id: &str, ids: &[String]) -> Result<Option<u64>, Status> {
        let (mut counter, version) = inbox::counter(self.store(), user_id)
            .await
            .map_err(store_failure)?;
        let mut commit = Commit::default();
        for mut message in self.unread(user_id, ids).await.map_err(store_failure)? {
            message.read = true;
            commit.views.push(message.write().map_err(store_failure)?);
        }
        let changed = commit.views.len() as u64;
        if changed == 0 {
            return Ok(Some(0));
        }
        counter.unread = counter.unread.saturating_sub(changed);
        let write = counter.write(user_id, version).map_err(store_failure)?;
        commit.views.push(write);
        match self.store().commit(commit).await {
            Ok(()) => Ok(Some(changed)),
            Err(CommitError::Conflict { .. }) => Ok(None),
            Err(error) => {
                tracing::error!(%error, "marking messages as read failed");
                Err(unavailable())
            }
        }
    }

    /// The unread ones among these, or the newest unread ones when none is named.
    async fn unread(&self, user_id: &str, ids: &[String]) -> Result<Vec<Message>, StoreError> {
        if ids.is_empty() {
            let first = Page {
                size: MARKED_MAX,
                after: None,
            };
            let (newest, _) = inbox::newest(self.store(), user_id, true, first).await?;
            return Ok(newest);
        }
        let distinct: BTreeSet<&String> = ids.iter().collect();
        let mut unread = Vec::new();
        for id in distinct {
            let found = inbox::by_id(self.store(), user_id, id).await?;
            unread.extend(found.filter(|message| !message.read));
        }
        Ok(unread)
    }

    async fn mark_all(&self, user_id: &str, ids: &[String]) -> Result<u64, Status> {
        let mut total = 0;
        let mut conflicts = 0;
        loop {
            match self.mark(user_id, ids).await? {
                Some(changed) => {
                    total += changed;
                    // Without ids there may be another page of unread ones.
                    if !ids.is_empty() || changed < MARKED_MAX as u64 {
                        return Ok(total);
                    }
                }
                None if conflicts < ATTEMPTS => conflicts += 1,
                None => {
                    let message = "messages keep coming in between; try again";
                    return Err(refusal::with_reason(Code::Aborted, "CONFLICT", message));
                }
            }
        }
    }
}

#[tonic::async_trait]
impl NotificationService for Api {
    type StreamNotificationsStream = Messages;

    async fn list_notifications(
        &self,
        request: Request<wire::ListNotificationsRequest>,
    ) -> Result<Response<wire::ListNotificationsResponse>, Status> {
        let user_id = user(&request)?.id.clone();
        let asked = request.into_inner();
        let page = Page::of(asked.page);
        let (messages, page) = inbox::newest(self.store(), &user_id, asked.unread_only, page)
            .await
            .map_err(store_failure)?;
        Ok(Response::new(wire::ListNotificationsResponse {
            notifications: messages.iter().map(Message::shown).collect(),
            page: Some(page),
        }))
    }

    async fn count_unread(
        &self,
        request: Request<wire::CountUnreadRequest>,
    ) -> Result<Response<wire::CountUnreadResponse>, Status> {
        let user_id = &user(&request)?.id;
        let (counter, _) = inbox::counter(self.store(), user_id)
            .await
            .map_err(store_failure)?;
        let unread = i64::try_from(counter.unread).unwrap_or(i64::MAX);
        Ok(Response::new(wire::CountUnreadResponse { unread }))
    }

    async fn mark_read(
        &self,
        request: Request<wire::MarkReadRequest>,
    ) -> Result<Response<wire::MarkReadResponse>, Status> {
        let user_id = user(&request)?.id.clone();
        let ids = request.into_inner().notification_ids;
        let changed = self.mark_all(&user_id, &ids).await?;
        let changed = i64::try_from(changed).unwrap_or(i64::MAX);
        Ok(Response::new(wire::MarkReadResponse { changed }))
    }

    async fn get_preferences(
        &self,
        request: Request<wire::GetPreferencesRequest>,
    ) -> Result<Response<wire::GetPreferencesResponse>, Status> {
        let user_id = &user(&request)?.id;
        let preferences = inbox::preferences(self.store(), user_id)
            .await
            .map_err(store_failure)?;
        Ok(Response::new(wire::GetPreferencesResponse {
            muted_topics: preferences.muted.into_iter().collect(),
            unmutable_topics: UNMUTABLE.map(str::to_owned).to_vec(),
            ..Default::default()
        }))
    }

    async fn set_preferences(
        &self,
        request: Request<wire::SetPreferencesRequest>,
    ) -> Result<Response<wire::SetPreferencesResponse>, Status> {
        let user_id = user(&request)?.id.clone();
        let muted: BTreeSet<String> = request.into_inner().muted_topics.into_iter().collect();
        for topic in &muted {
            if !is_known(topic) {
                let message = format!("`{topic}` is no topic; ListEventTypes names them");
                return Err(refusal::invalid("muted_topics", message));
            }
            if UNMUTABLE.contains(&topic.as_str()) {
                let message = format!("`{topic}` is about security and cannot be muted");
                return Err(refusal::invalid("muted_topics", message));
            }
        }
        let preferences = Preferences { muted };
        let write =
            ViewWrite::put(inbox::PREFERENCES, user_id, &preferences).map_err(store_failure)?;
        let commit = Commit {
            views: vec![write],
            ..Commit::default()
        };
        self.store().commit(commit).await.map_err(|error| {
            tracing::error!(%error, "writing preferences failed");
            unavailable()
        })?;
        Ok(Response::new(wire::SetPreferencesResponse {
            muted_topics: preferences.muted.into_iter().collect(),
            ..Default::default()
        }))
    }

    async fn stream_notifications(
        &self,
        request: Request<wire::StreamNotificationsRequest>,
    ) -> Result<Response<Messages>, Status> {
        let user_id = user(&request)?.id.clone();
        let after = request.get_ref().after_sequence;
        let (counter, _) = inbox::counter(self.store(), &user_id)
            .await
            .map_err(store_failure)?;
        if after > counter.sequence {
            let message = format!("your last message has sequence {}", counter.sequence);
            return Err(refusal::with_reason(
                Code::OutOfRange,
                "SEQUENCE_AHEAD",
                message,
            ));
        }
        let (ctx, news) = (self.ctx.clone(), self.news.clone());
        let messages = stream::messages(ctx, user_id, after, news, self.stop.clone())?;
        Ok(Response::new(messages))
    }

    async fn archive_notifications(
        &self,
        _request: Request<outcry_contracts::notifications::v1::ArchiveNotificationsRequest>,
    ) -> Result<Response<outcry_contracts::notifications::v1::ArchiveNotificationsResponse>, Status>
    {
        Err(Status::unimplemented("not served yet"))
    }

    async fn delete_notifications(
        &self,
        _request: Request<outcry_contracts::notifications::v1::DeleteNotificationsRequest>,
    ) -> Result<Response<outcry_contracts::notifications::v1::DeleteNotificationsResponse>, Status>
    {
        Err(Status::unimplemented("not served yet"))
    }

    async fn list_channels(
        &self,
        _request: Request<outcry_contracts::notifications::v1::ListChannelsRequest>,
    ) -> Result<Response<outcry_contracts::notifications::v1::ListChannelsResponse>, Status> {
        Err(Status::unimplemented("not served yet"))
    }

    async fn set_channel(
        &self,
        _request: Request<outcry_contracts::notifications::v1::SetChannelRequest>,
    ) -> Result<Response<outcry_contracts::notifications::v1::SetChannelResponse>, Status> {
        Err(Status::unimplemented("not served yet"))
    }

    async fn delete_channel(
        &self,
        _request: Request<outcry_contracts::notifications::v1::DeleteChannelRequest>,
    ) -> Result<Response<outcry_contracts::notifications::v1::DeleteChannelResponse>, Status> {
        Err(Status::unimplemented("not served yet"))
    }

    async fn list_deliveries(
        &self,
        _request: Request<outcry_contracts::notifications::v1::ListDeliveriesRequest>,
    ) -> Result<Response<outcry_contracts::notifications::v1::ListDeliveriesResponse>, Status> {
        Err(Status::unimplemented("not served yet"))
    }

    async fn retry_delivery(
        &self,
        _request: Request<outcry_contracts::notifications::v1::RetryDeliveryRequest>,
    ) -> Result<Response<outcry_contracts::notifications::v1::RetryDeliveryResponse>, Status> {
        Err(Status::unimplemented("not served yet"))
    }
}

fn unavailable() -> Status {
    let message = "the service cannot reach its store; try again";
    refusal::with_reason(Code::Unavailable, "STORE_UNAVAILABLE", message)
}
