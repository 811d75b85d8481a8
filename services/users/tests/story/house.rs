//! A platform with the service, and a second process of it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use outcry_contracts::options::v1::Role;
use outcry_contracts::users::v1 as wire;
use outcry_contracts::users::v1::UserStatus;
use outcry_contracts::users::v1::user_service_client::UserServiceClient;
use outcry_mesh::token::{Claims, PublicKey, TokenError, Verifier};
use outcry_mesh::{Channel, Directory, EDGE, Rules};
use outcry_service::testing::{Caller, FakeClock, Platform};
use outcry_service::{Clock, Context};
use outcry_store::ReadAll;
use outcry_users::Config;
use tempfile::TempDir;
use tonic::Status;
use tonic_types::StatusExt;

pub const PASSWORD: &str = "correct horse battery";
pub const OTHER: &str = "another long password";

pub struct House {
    pub folder: TempDir,
    pub clock: Arc<FakeClock>,
    pub platform: Platform,
    pub ctx: Context,
}

impl House {
    pub async fn open() -> Self {
        let (folder, clock) = (tempfile::tempdir().unwrap(), Arc::new(FakeClock::default()));
        let platform = Platform::open_at(folder.path(), clock.clone()).await;
        Self::start(folder, clock, platform).await
    }

    pub async fn start(folder: TempDir, clock: Arc<FakeClock>, mut platform: Platform) -> Self {
        let ctx = platform.context("users").await;
        let config = Config {
            keys_dir: keys(folder.path()),
        };
        let service = outcry_users::service(ctx.clone(), config).await.unwrap();
        platform.start([(ctx.clone(), service)]).await;
        Self {
            folder,
            clock,
            platform,
            ctx,
        }
    }

    pub async fn crash(self) -> Self {
        let platform = self.platform.crash_and_restart().await;
        Self::start(self.folder, self.clock, platform).await
    }

    pub fn anybody(&self) -> UserServiceClient<Caller> {
        UserServiceClient::new(self.platform.anybody("users"))
    }

    pub fn user(&self, id: &str) -> UserServiceClient<Caller> {
        UserServiceClient::new(self.platform.user(id, "users"))
    }

    pub fn admin(&self) -> UserServiceClient<Caller> {
        UserServiceClient::new(self.platform.admin("users"))
    }

    pub fn request(&self) -> String {
        self.clock.new_id().to_string()
    }

    pub fn registration(&self, email: &str) -> wire::RegisterRequest {
        wire::RegisterRequest {
            request_id: self.request(),
            email: email.to_owned(),
            password: PASSWORD.to_owned(),
            display_name: "Ann".to_owned(),
        }
    }

    /// One more process of the service on the same store, with its own copy of a key.
    pub async fn replica(&self, keys_dir: PathBuf) -> Replica {
        let ids = Arc::clone(&self.clock);
        let directory = Directory::with(Rules::of_the_contract(), move || ids.new_id());
        let (store, clock) = (Arc::clone(&self.ctx.store), Arc::clone(&self.clock));
        let ctx = Context::new("users", store, clock, directory.clone());
        let service = outcry_users::service(ctx, Config { keys_dir }).await;
        let service = service.unwrap();
        directory.register("users", service.routes).unwrap();
        Replica { directory }
    }

    pub async fn registered(&self, email: &str) -> wire::User {
        let reply = self.anybody().register(self.registration(email)).await;
        reply.unwrap().into_inner().user.unwrap()
    }

    pub async fn login(&self, email: &str, password: &str) -> Result<wire::LoginResponse, Status> {
        let request = wire::LoginRequest {
            email: email.to_owned(),
            password: password.to_owned(),
        };
        Ok(self.anybody().login(request).await?.into_inner())
    }

    pub async fn signed_in(&self, email: &str) -> wire::Tokens {
        self.login(email, PASSWORD).await.unwrap().tokens.unwrap()
    }

    pub async fn refresh(&self, token: &str) -> Result<wire::Tokens, Status> {
        let refresh_token = token.to_owned();
        let request = wire::RefreshRequest { refresh_token };
        let reply = self.anybody().refresh(request).await?;
        Ok(reply.into_inner().tokens.unwrap())
    }

    pub async fn set_status(
        &self,
        user_id: &str,
        status: UserStatus,
    ) -> Result<wire::User, Status> {
        let request = wire::SetUserStatusRequest {
            request_id: self.request(),
            user_id: user_id.to_owned(),
            status: status.into(),
            reason: "documents".to_owned(),
        };
        let reply = self.admin().set_user_status(request).await?;
        Ok(reply.into_inner().user.unwrap())
    }

    /// The keys the service publishes.
    pub async fn keys(&self) -> Vec<PublicKey> {
        let mut gateway = UserServiceClient::new(self.platform.service("gateway", "users"));
        let keys = gateway.get_signing_keys(wire::GetSigningKeysRequest {});
        let keys = keys.await.unwrap().into_inner().jwks_json;
        let set: serde_json::Value = serde_json::from_str(&keys).unwrap();
        let keys = set["keys"].as_array().unwrap();
        keys.iter()
            .map(|key| PublicKey::from_jwk(key).unwrap())
            .collect()
    }

    /// What an access token says, by those keys, or why it does not count.
    pub async fn verified(&self, token: &str) -> Result<Claims, TokenError> {
        Verifier::new(&self.keys().await).verify(token, self.clock.now())
    }

    pub async fn claims(&self, token: &str) -> Claims {
        self.verified(token).await.unwrap()
    }

    pub async fn set_roles(&self, user_id: &str, roles: &[Role]) -> Result<wire::User, Status> {
        let request = wire::SetUserRolesRequest {
            request_id: self.request(),
            user_id: user_id.to_owned(),
            roles: roles.iter().copied().map(i32::from).collect(),
        };
        let reply = self.admin().set_user_roles(request).await?;
        Ok(reply.into_inner().user.unwrap())
    }

    /// Topics of all events, in order.
    pub async fn said(&self) -> Vec<String> {
        let all = ReadAll {
            limit: 1000,
            ..ReadAll::default()
        };
        let events = self.ctx.store.read_all(&all).await.unwrap();
        events
            .iter()
            .map(|stored| stored.event.topic().to_owned())
            .collect()
    }
}

/// One more process of the service.
pub struct Replica {
    directory: Directory,
}

impl Replica {
    pub fn anybody(&self) -> UserServiceClient<Channel> {
        UserServiceClient::new(self.directory.channel(EDGE, "users"))
    }

    pub async fn login(&self, email: &str, password: &str) -> Result<wire::LoginResponse, Status> {
        let request = wire::LoginRequest {
            email: email.to_owned(),
            password: password.to_owned(),
        };
        Ok(self.anybody().login(request).await?.into_inner())
    }

    pub async fn refresh(&self, token: &str) -> Result<wire::Tokens, Status> {
        let refresh_token = token.to_owned();
        let request = wire::RefreshRequest { refresh_token };
        let reply = self.anybody().refresh(request).await?;
        Ok(reply.into_inner().tokens.unwrap())
    }
}

pub fn keys(folder: &Path) -> PathBuf {
    folder.join("keys")
}

pub fn reason(status: &Status) -> String {
    status.get_details_error_info().unwrap().reason
}

/// Whether a text stands anywhere in the platform's files.
pub fn stands_in(folder: &Path, text: &str) -> bool {
    let files = std::fs::read_dir(folder).unwrap();
    let paths = files.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.is_file()).any(|path| {
        let bytes = std::fs::read(path).unwrap();
        bytes
            .windows(text.len())
            .any(|window| window == text.as_bytes())
    })
}
