//! gRPC: a user's messages, preferences, channels and deliveries.

use std::collections::BTreeSet;
use std::sync::Arc;

use outcry_contracts::notifications::v1 as wire;
use outcry_contracts::notifications::v1::DeliveryStatus;
use outcry_contracts::notifications::v1::notification_service_server::NotificationService;
use outcry_events::topic::event_name;
use outcry_mesh::{refusal, subject, user};
use outcry_service::answers;
use outcry_service::{Context, Page, store_failure};
use outcry_store::{Commit, Store, ViewWrite};
use tokio::sync::watch;
use tonic::{Code, Request, Response, Status};

use crate::channels::{self, ChannelRow, setting};
use crate::courier::Ways;
use crate::deliveries::{self, DeliveryRow, retry};
use crate::inbox::{self, Message, Preferences};
use crate::sorting::{self, Fate, unavailable};
use crate::stream::{self, Messages, Stop};
use crate::templates::{UNMUTABLE, is_known};

const SET_CHANNEL: &str = "/outcry.notifications.v1.NotificationService/SetChannel";

/// The methods of the service.
pub(crate) struct Api {
    pub(crate) ctx: Context,
    pub(crate) news: watch::Receiver<u64>,
    pub(crate) stop: Stop,
    pub(crate) ways: Arc<Ways>,
}

// === impl Api ===

impl Api {
    fn store(&self) -> &dyn Store {
        self.ctx.store.as_ref()
    }

    async fn sort(&self, user_id: &str, ids: &[String], fate: Fate) -> Result<i64, Status> {
        let changed = sorting::sort(self.store(), user_id, ids, fate).await?;
        Ok(number(changed))
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
        let listing = inbox::Listing {
            unread_only: asked.unread_only,
            include_archived: asked.include_archived,
        };
        let page = Page::of(asked.page);
        let (messages, page) = inbox::newest(self.store(), &user_id, listing, page)
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
        let unread = number(counter.unread);
        Ok(Response::new(wire::CountUnreadResponse { unread }))
    }

    async fn mark_read(
        &self,
        request: Request<wire::MarkReadRequest>,
    ) -> Result<Response<wire::MarkReadResponse>, Status> {
        let user_id = user(&request)?.id.clone();
        let ids = request.into_inner().notification_ids;
        let changed = if ids.is_empty() {
            number(sorting::read_all(self.store(), &user_id).await?)
        } else {
            self.sort(&user_id, &ids, Fate::Read).await?
        };
        Ok(Response::new(wire::MarkReadResponse { changed }))
    }

    async fn archive_notifications(
        &self,
        request: Request<wire::ArchiveNotificationsRequest>,
    ) -> Result<Response<wire::ArchiveNotificationsResponse>, Status> {
        let user_id = user(&request)?.id.clone();
        let ids = request.into_inner().notification_ids;
        let changed = self.sort(&user_id, &ids, Fate::Archived).await?;
        Ok(Response::new(wire::ArchiveNotificationsResponse {
            changed,
        }))
    }

    async fn delete_notifications(
        &self,
        request: Request<wire::DeleteNotificationsRequest>,
    ) -> Result<Response<wire::DeleteNotificationsResponse>, Status> {
        let user_id = user(&request)?.id.clone();
        let ids = request.into_inner().notification_ids;
        let deleted = self.sort(&user_id, &ids, Fate::Deleted).await?;
        Ok(Response::new(wire::DeleteNotificationsResponse { deleted }))
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
            mute_all: preferences.mute_all,
        }))
    }

    async fn set_preferences(
        &self,
        request: Request<wire::SetPreferencesRequest>,
    ) -> Result<Response<wire::SetPreferencesResponse>, Status> {
        let user_id = user(&request)?.id.clone();
        let asked = request.into_inner();
        // A new version of an event is muted as the one before was.
        let names = asked.muted_topics.iter().map(|topic| event_name(topic));
        let muted: BTreeSet<String> = names.map(str::to_owned).collect();
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
        let mute_all = asked.mute_all;
        let preferences = Preferences { muted, mute_all };
        let write =
            ViewWrite::put(inbox::PREFERENCES, user_id, &preferences).map_err(store_failure)?;
        let commit = Commit {
            views: vec![write],
            ..Commit::default()
        };
        self.store().commit(commit).await.map_err(|error| {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, "writing preferences failed");
            unavailable()
        })?;
        Ok(Response::new(wire::SetPreferencesResponse {
            muted_topics: preferences.muted.into_iter().collect(),
            mute_all,
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

    async fn list_channels(
        &self,
        request: Request<wire::ListChannelsRequest>,
    ) -> Result<Response<wire::ListChannelsResponse>, Status> {
        let user_id = &user(&request)?.id;
        let channels = channels::of_user(self.store(), user_id)
            .await
            .map_err(store_failure)?;
        Ok(Response::new(wire::ListChannelsResponse {
            channels: channels.iter().map(ChannelRow::shown).collect(),
        }))
    }

    async fn set_channel(
        &self,
        request: Request<wire::SetChannelRequest>,
    ) -> Result<Response<wire::SetChannelResponse>, Status> {
        let user_id = user(&request)?.id.clone();
        let (ctx, ways, asked) = (&self.ctx, &self.ways, request.get_ref());
        let work = async |pending| setting::set(ctx, ways, &user_id, asked, &pending).await;
        let set = answers::once(ctx, &request, SET_CHANNEL, &asked.request_id, work);
        let mut reply: wire::SetChannelResponse = set.await?;
        reply.signing_secret = setting::secret(ctx, &user_id, asked).await?;
        Ok(Response::new(reply))
    }

    async fn delete_channel(
        &self,
        request: Request<wire::DeleteChannelRequest>,
    ) -> Result<Response<wire::DeleteChannelResponse>, Status> {
        let user_id = &user(&request)?.id;
        setting::remove(&self.ctx, user_id, request.get_ref().kind()).await?;
        Ok(Response::new(wire::DeleteChannelResponse {}))
    }

    async fn list_deliveries(
        &self,
        request: Request<wire::ListDeliveriesRequest>,
    ) -> Result<Response<wire::ListDeliveriesResponse>, Status> {
        let user_id = subject(&request, &request.get_ref().user_id)?;
        let asked = request.into_inner();
        let status = Some(asked.status()).filter(|one| *one != DeliveryStatus::Unspecified);
        let listing = deliveries::Listing {
            user_id,
            status,
            notification_id: asked.notification_id,
        };
        let (rows, page) = deliveries::newest(self.store(), &listing, Page::of(asked.page))
            .await
            .map_err(store_failure)?;
        Ok(Response::new(wire::ListDeliveriesResponse {
            deliveries: rows.iter().map(DeliveryRow::shown).collect(),
            page: Some(page),
        }))
    }

    async fn retry_delivery(
        &self,
        request: Request<wire::RetryDeliveryRequest>,
    ) -> Result<Response<wire::RetryDeliveryResponse>, Status> {
        let by = user(&request)?;
        let delivery = retry::retry(&self.ctx, by, &request.get_ref().delivery_id).await?;
        Ok(Response::new(wire::RetryDeliveryResponse {
            delivery: Some(delivery.shown()),
        }))
    }
}

fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
