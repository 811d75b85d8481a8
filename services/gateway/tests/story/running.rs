//! The gateway as part of a running platform: events reach it through the broker.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use outcry_broker::Message;
use outcry_contracts::Event;
use outcry_contracts::eventlog::v1::event_log_service_client::EventLogServiceClient;
use outcry_contracts::eventlog::v1::{LoggedEvent, SubscribeRequest};
use outcry_contracts::operations::v1::ListDeadLettersRequest;
use outcry_contracts::operations::v1::dead_letter_service_client::DeadLetterServiceClient;
use outcry_contracts::users::v1::user_service_client::UserServiceClient;
use outcry_contracts::users::v1::user_service_server::UserServiceServer;
use outcry_contracts::users::v1::{GetMeRequest, UserPasswordChangedEvent, UserUpdatedEvent};
use outcry_events::{Cause, SealedEvent, Stamp, seal};
use outcry_gateway::{Config, serve, service};
use outcry_mesh::Role;
use outcry_mesh::token::{Claims, SigningKey};
use outcry_service::Clock;
use outcry_service::testing::{FakeClock, Platform, eventually};
use prost::Message as _;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::transport::Channel;

use crate::rig::{TOKEN_LIFETIME, bearing, user};
use crate::users::Users;

struct Running {
    platform: Platform,
    clock: Arc<FakeClock>,
    channel: Channel,
    key: SigningKey,
    _folder: TempDir,
}

async fn running() -> Running {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(FakeClock::default());
    let mut platform = Platform::open_at(folder.path(), Arc::clone(&clock) as _).await;
    let ctx = platform.context("gateway").await;
    let (gateway, edge) = service(ctx.clone(), Config::default()).await.unwrap();
    platform.start([(ctx, gateway)]).await;
    let key = SigningKey::from_seed(&[1; 32]);
    let keys = Arc::new(Mutex::new(vec![key.clone()]));
    let users = UserServiceServer::new(Users {
        keys,
        seen: Arc::default(),
        key_fetches: Arc::default(),
    });
    platform
        .directory()
        .register("users", Routes::new(users))
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(serve(edge, listener, CancellationToken::new()));
    let channel = Channel::from_shared(address)
        .unwrap()
        .connect()
        .await
        .unwrap();
    Running {
        platform,
        clock,
        channel,
        key,
        _folder: folder,
    }
}

impl Running {
    fn token(&self, user_id: &str, role: Role) -> String {
        let (jti, now) = (self.clock.new_id(), self.clock.now());
        self.key
            .sign(&Claims::new(user_id, &[role], 0, jti, now, TOKEN_LIFETIME))
            .unwrap()
    }

    fn sealed<E: Event>(&self, event: &E) -> SealedEvent {
        let cause = Cause::root(self.clock.new_id(), "service:users");
        let now = self.clock.now();
        let stamp = Stamp {
            event_id: self.clock.new_id(),
            sequence: 1,
            occurred_at: now,
            recorded_at: now,
            cause: &cause,
        };
        seal(event, stamp).unwrap()
    }

    async fn publish(&self, events: &[SealedEvent]) {
        let messages = events.iter().map(Message::from).collect();
        for outcome in self.platform.broker().publish(messages).await {
            outcome.unwrap();
        }
    }

    /// The first events of the archive, as an operator sees them.
    async fn archived(&self, count: usize) -> Vec<LoggedEvent> {
        let mut log = EventLogServiceClient::new(self.channel.clone());
        let token = self.token(&user(9), Role::Viewer);
        let request = bearing(&token, SubscribeRequest::default());
        let mut events = log.subscribe(request).await.unwrap().into_inner();
        let mut archived = Vec::new();
        while archived.len() < count {
            archived.push(events.message().await.unwrap().unwrap().logged.unwrap());
        }
        archived
    }
}

#[tokio::test]
async fn every_event_reaches_the_archive_once_and_in_the_order_of_its_key() {
    let running = running().await;
    const KEYS: u128 = 20;
    let events: Vec<SealedEvent> = (0..200)
        .map(|number| {
            let user_id = user(number % KEYS);
            running.sealed(&UserUpdatedEvent {
                user_id,
                ..Default::default()
            })
        })
        .collect();
    running.publish(&events).await;
    // Published once more, as a relay does after a crash.
    running.publish(&events[..50]).await;
    let archived = running.archived(events.len()).await;
    let ids = |key: &str| -> Vec<String> {
        let of_key = |event: &&LoggedEvent| event.event.as_ref().unwrap().partition_key == key;
        let of_key = archived.iter().filter(of_key);
        of_key
            .map(|event| event.event.as_ref().unwrap().event_id.clone())
            .collect()
    };
    for key in 0..KEYS {
        let of_key = events
            .iter()
            .filter(|event| event.partition_key() == user(key));
        let published: Vec<String> = of_key.map(|event| event.id().to_string()).collect();
        assert_eq!(ids(&user(key)), published);
    }
}

#[tokio::test]
async fn an_event_this_build_does_not_know_is_archived_as_it_came() {
    let running = running().await;
    let known = running.sealed(&UserUpdatedEvent {
        user_id: user(1),
        ..Default::default()
    });
    let mut envelope = known.envelope().clone();
    envelope.event_type = "future.happened".into();
    envelope.aggregate_type = "future".into();
    let payload = envelope.payload.as_mut().unwrap();
    payload.type_url = "type.googleapis.com/outcry.future.v1.FutureHappenedEvent".into();
    let unknown = SealedEvent::open(Bytes::from(envelope.encode_to_vec())).unwrap();
    running.publish(std::slice::from_ref(&unknown)).await;
    let archived = running.archived(1).await;
    assert_eq!(archived[0].event.as_ref(), Some(unknown.envelope()));
}

#[tokio::test]
async fn a_revocation_published_anywhere_shuts_the_edge_to_the_token() {
    let running = running().await;
    let token = running.token(&user(7), Role::User);
    let mut users = UserServiceClient::new(running.channel.clone());
    users
        .get_me(bearing(&token, GetMeRequest {}))
        .await
        .unwrap();
    let changed = UserPasswordChangedEvent {
        user_id: user(7),
        token_epoch: 1,
    };
    running.publish(&[running.sealed(&changed)]).await;
    eventually("the token is refused", async || {
        users
            .get_me(bearing(&token, GetMeRequest {}))
            .await
            .is_err()
    })
    .await;
}

#[tokio::test]
async fn the_gateways_own_dead_letters_are_found_beside_those_of_others() {
    let running = running().await;
    let mut letters = DeadLetterServiceClient::new(running.channel.clone());
    let token = running.token(&user(9), Role::Admin);
    for group in ["gateway", ""] {
        let asked = ListDeadLettersRequest {
            group: group.into(),
            ..Default::default()
        };
        let answer = letters
            .list_dead_letters(bearing(&token, asked))
            .await
            .unwrap();
        assert!(answer.into_inner().dead_letters.is_empty());
    }
}
