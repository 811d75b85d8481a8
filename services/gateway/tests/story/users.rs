//! A users service that signs like the real one and tells what it saw of its callers.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use outcry_contracts::users::v1::user_service_server::UserService;
use outcry_contracts::users::v1::*;
use outcry_mesh::token::{SigningKey, jwks};
use outcry_mesh::{Identity, cause, client_address, deadline, identity};
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status};

/// What the service saw of a call.
#[derive(Debug, Clone)]
pub struct Seen {
    pub identity: Identity,
    pub correlation_id: String,
    pub client_address: Option<String>,
    pub metadata: MetadataMap,
    pub remaining: Option<std::time::Duration>,
}

/// The service; `GetMe` answers, `Login` refuses, `UpdateProfile` does what the display name says.
pub struct Users {
    pub keys: Arc<Mutex<Vec<SigningKey>>>,
    pub seen: Arc<Mutex<Vec<Seen>>>,
    /// How often it was asked for its keys.
    pub key_fetches: Arc<AtomicUsize>,
}

impl Users {
    fn note<T>(&self, request: &Request<T>) {
        self.seen.lock().unwrap().push(Seen {
            identity: identity(request).clone(),
            correlation_id: cause(request).correlation_id.to_string(),
            client_address: client_address(request).map(str::to_owned),
            metadata: request.metadata().clone(),
            remaining: deadline::remaining(),
        });
    }
}

type Answer<T> = Result<Response<T>, Status>;

fn not_here<T>() -> Answer<T> {
    Err(Status::unimplemented("not part of this story"))
}

#[tonic::async_trait]
impl UserService for Users {
    async fn register(&self, _: Request<RegisterRequest>) -> Answer<RegisterResponse> {
        not_here()
    }

    async fn login(&self, request: Request<LoginRequest>) -> Answer<LoginResponse> {
        self.note(&request);
        Err(Status::unauthenticated("wrong e-mail or password"))
    }

    async fn refresh(&self, _: Request<RefreshRequest>) -> Answer<RefreshResponse> {
        not_here()
    }

    async fn logout(&self, _: Request<LogoutRequest>) -> Answer<LogoutResponse> {
        not_here()
    }

    async fn get_me(&self, request: Request<GetMeRequest>) -> Answer<GetMeResponse> {
        self.note(&request);
        let user_id = outcry_mesh::user(&request)?.id.clone();
        let user = User {
            user_id,
            ..User::default()
        };
        Ok(Response::new(GetMeResponse { user: Some(user) }))
    }

    async fn update_profile(
        &self,
        request: Request<UpdateProfileRequest>,
    ) -> Answer<UpdateProfileResponse> {
        self.note(&request);
        match request.get_ref().display_name.as_str() {
            "hang" => std::future::pending().await,
            "panic" => panic!("disk /var/lib/x is full"),
            _ => Ok(Response::new(UpdateProfileResponse::default())),
        }
    }

    async fn change_password(
        &self,
        _: Request<ChangePasswordRequest>,
    ) -> Answer<ChangePasswordResponse> {
        not_here()
    }

    async fn get_user(&self, _: Request<GetUserRequest>) -> Answer<GetUserResponse> {
        not_here()
    }

    async fn list_users(&self, _: Request<ListUsersRequest>) -> Answer<ListUsersResponse> {
        not_here()
    }

    async fn set_user_status(
        &self,
        _: Request<SetUserStatusRequest>,
    ) -> Answer<SetUserStatusResponse> {
        not_here()
    }

    async fn set_user_roles(
        &self,
        _: Request<SetUserRolesRequest>,
    ) -> Answer<SetUserRolesResponse> {
        not_here()
    }

    async fn get_signing_keys(
        &self,
        _: Request<GetSigningKeysRequest>,
    ) -> Answer<GetSigningKeysResponse> {
        self.key_fetches.fetch_add(1, Ordering::Relaxed);
        let keys: Vec<_> = self
            .keys
            .lock()
            .unwrap()
            .iter()
            .map(SigningKey::public_key)
            .collect();
        Ok(Response::new(GetSigningKeysResponse {
            jwks_json: jwks(&keys).to_string(),
        }))
    }
}
