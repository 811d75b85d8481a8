//! gRPC: requests to commands, rows to answers.

use std::sync::Arc;

use outcry_contracts::options::v1::Role;
use outcry_contracts::users::v1 as wire;
use outcry_contracts::users::v1::UserStatus;
use outcry_contracts::users::v1::user_service_server::UserService;
use outcry_mesh::{cause, client_address, refusal, user};
use outcry_service::answers::{self, Lookup};
use tonic::{Code, Request, Response, Status};

use crate::desk::{Desk, Newcomer};
use crate::domain::Command;
use crate::signing_in::{SigningIn, Visitor};
use crate::views::{self, Filter, UserRow, name_key, normalised};

const REGISTER: &str = "/outcry.users.v1.UserService/Register";
const UPDATE_PROFILE: &str = "/outcry.users.v1.UserService/UpdateProfile";
const CHANGE_PASSWORD: &str = "/outcry.users.v1.UserService/ChangePassword";
const SET_USER_STATUS: &str = "/outcry.users.v1.UserService/SetUserStatus";
const SET_USER_ROLES: &str = "/outcry.users.v1.UserService/SetUserRoles";

/// Longest address of a client that is written down, as the contract has it.
const IP_ADDRESS_MAX: usize = 64;

/// The methods of the service.
pub(crate) struct Api {
    desk: Arc<Desk>,
    signing_in: SigningIn,
}

// === impl Api ===

impl Api {
    pub(crate) fn new(desk: Arc<Desk>, signing_in: SigningIn) -> Self {
        Self { desk, signing_in }
    }
}

#[tonic::async_trait]
impl UserService for Api {
    async fn register(
        &self,
        request: Request<wire::RegisterRequest>,
    ) -> Result<Response<wire::RegisterResponse>, Status> {
        let cause = cause(&request);
        let (desk, ctx) = (&self.desk, &self.desk.ctx);
        // What is kept about the request must not help anybody to guess the password.
        let (request, password) = without(request, |asked| std::mem::take(&mut asked.password));
        let asked = request.get_ref();
        let found: Lookup<wire::RegisterResponse> =
            answers::lookup(ctx, &request, REGISTER, &asked.request_id).await?;
        let pending = match found {
            Lookup::New(pending) => pending,
            Lookup::Answered(reply) => {
                let user_id = reply.user.as_ref().map(|user| user.user_id.as_str());
                self.same_password(user_id.unwrap_or_default(), &password)
                    .await?;
                return Ok(Response::new(reply));
            }
        };
        let newcomer = Newcomer {
            email: normalised(&asked.email),
            display_name: asked.display_name.clone(),
            roles: vec![Role::User],
        };
        let reply = |row: &UserRow| wire::RegisterResponse {
            user: Some(row.to_message()),
        };
        let answer = |row: &UserRow| pending.answer(ctx, &reply(row));
        let row = desk.register(&newcomer, &password, &cause, answer).await?;
        Ok(Response::new(reply(&row)))
    }

    async fn login(
        &self,
        request: Request<wire::LoginRequest>,
    ) -> Result<Response<wire::LoginResponse>, Status> {
        let cause = cause(&request);
        let ip_address = client_address(&request).unwrap_or_default();
        let visitor = Visitor {
            ip_address: ip_address.chars().take(IP_ADDRESS_MAX).collect(),
            email: normalised(&request.get_ref().email),
            password: request.into_inner().password,
        };
        let (tokens, row) = self.signing_in.login(&visitor, &cause).await?;
        Ok(Response::new(wire::LoginResponse {
            tokens: Some(tokens),
            user: Some(row.to_message()),
        }))
    }

    async fn refresh(
        &self,
        request: Request<wire::RefreshRequest>,
    ) -> Result<Response<wire::RefreshResponse>, Status> {
        let tokens = self.signing_in.refresh(&request.get_ref().refresh_token);
        Ok(Response::new(wire::RefreshResponse {
            tokens: Some(tokens.await?),
        }))
    }

    async fn logout(
        &self,
        request: Request<wire::LogoutRequest>,
    ) -> Result<Response<wire::LogoutResponse>, Status> {
        self.signing_in
            .logout(&request.get_ref().refresh_token)
            .await?;
        Ok(Response::new(wire::LogoutResponse {}))
    }

    async fn get_me(
        &self,
        request: Request<wire::GetMeRequest>,
    ) -> Result<Response<wire::GetMeResponse>, Status> {
        let known = self.desk.user(&user(&request)?.id).await?;
        Ok(Response::new(wire::GetMeResponse {
            user: Some(known.row.to_message()),
        }))
    }

    async fn update_profile(
        &self,
        request: Request<wire::UpdateProfileRequest>,
    ) -> Result<Response<wire::UpdateProfileResponse>, Status> {
        let (cause, user_id) = (cause(&request), user(&request)?.id.clone());
        let (ctx, asked) = (&self.desk.ctx, request.get_ref());
        let reply = answers::once(
            ctx,
            &request,
            UPDATE_PROFILE,
            &asked.request_id,
            async |pending| {
                let reply = |row: &UserRow| wire::UpdateProfileResponse {
                    user: Some(row.to_message()),
                };
                let name = given(&asked.display_name);
                let email = given(&normalised(&asked.email));
                let answer = |row: &UserRow| pending.answer(ctx, &reply(row));
                let updated = self.desk.update(&user_id, name, email, &cause, answer);
                Ok(reply(&updated.await?))
            },
        );
        Ok(Response::new(reply.await?))
    }

    async fn change_password(
        &self,
        request: Request<wire::ChangePasswordRequest>,
    ) -> Result<Response<wire::ChangePasswordResponse>, Status> {
        let (cause, user_id) = (cause(&request), user(&request)?.id.clone());
        let (desk, ctx) = (&self.desk, &self.desk.ctx);
        let (request, (old, new)) = without(request, |asked| {
            let old = std::mem::take(&mut asked.old_password);
            (old, std::mem::take(&mut asked.new_password))
        });
        let request_id = &request.get_ref().request_id;
        let found: Lookup<wire::ChangePasswordResponse> =
            answers::lookup(ctx, &request, CHANGE_PASSWORD, request_id).await?;
        let pending = match found {
            Lookup::New(pending) => pending,
            Lookup::Answered(reply) => {
                self.same_password(&user_id, &new).await?;
                return Ok(Response::new(reply));
            }
        };
        let email = desk.user(&user_id).await?.row.email;
        self.signing_in.proves(&email, &user_id, &old).await?;
        let reply = wire::ChangePasswordResponse {};
        desk.change_password(&user_id, &new, &cause, || pending.answer(ctx, &reply))
            .await?;
        Ok(Response::new(reply))
    }

    async fn get_user(
        &self,
        request: Request<wire::GetUserRequest>,
    ) -> Result<Response<wire::GetUserResponse>, Status> {
        let known = self.desk.user(&request.get_ref().user_id).await?;
        Ok(Response::new(wire::GetUserResponse {
            user: Some(known.row.to_message()),
        }))
    }

    async fn list_users(
        &self,
        request: Request<wire::ListUsersRequest>,
    ) -> Result<Response<wire::ListUsersResponse>, Status> {
        let asked = request.into_inner();
        let filter = Filter {
            status: Some(asked.status()).filter(|status| *status != UserStatus::Unspecified),
            role: Some(asked.role()).filter(|role| *role != Role::Unspecified),
            email: normalised(&asked.email),
            name: name_key(&asked.display_name_prefix),
        };
        let listed = views::users(self.desk.store(), &filter, asked.page).await?;
        Ok(Response::new(listed))
    }

    async fn set_user_status(
        &self,
        request: Request<wire::SetUserStatusRequest>,
    ) -> Result<Response<wire::SetUserStatusResponse>, Status> {
        let (cause, by) = (cause(&request), user(&request)?.id.clone());
        let (ctx, asked) = (&self.desk.ctx, request.get_ref());
        let command = Command::SetStatus {
            by,
            status: asked.status(),
            reason: asked.reason.clone(),
        };
        let (id, user_id) = (&asked.request_id, &asked.user_id);
        let reply = answers::once(ctx, &request, SET_USER_STATUS, id, async |pending| {
            let reply = |row: &UserRow| wire::SetUserStatusResponse {
                user: Some(row.to_message()),
            };
            let changed = self.desk.change(user_id, &cause, &command, |change| {
                change.commit.answered = pending.answer(ctx, &reply(change.row));
                Ok(())
            });
            Ok(reply(&changed.await?))
        });
        Ok(Response::new(reply.await?))
    }

    async fn set_user_roles(
        &self,
        request: Request<wire::SetUserRolesRequest>,
    ) -> Result<Response<wire::SetUserRolesResponse>, Status> {
        let (cause, by) = (cause(&request), user(&request)?.id.clone());
        let (ctx, asked) = (&self.desk.ctx, request.get_ref());
        let command = Command::SetRoles {
            by,
            roles: asked.roles().collect(),
        };
        let (id, user_id) = (&asked.request_id, &asked.user_id);
        let reply = answers::once(ctx, &request, SET_USER_ROLES, id, async |pending| {
            let reply = |row: &UserRow| wire::SetUserRolesResponse {
                user: Some(row.to_message()),
            };
            let changed = self.desk.change(user_id, &cause, &command, |change| {
                change.commit.answered = pending.answer(ctx, &reply(change.row));
                Ok(())
            });
            Ok(reply(&changed.await?))
        });
        Ok(Response::new(reply.await?))
    }

    async fn get_signing_keys(
        &self,
        _request: Request<wire::GetSigningKeysRequest>,
    ) -> Result<Response<wire::GetSigningKeysResponse>, Status> {
        Ok(Response::new(wire::GetSigningKeysResponse {
            jwks_json: self.signing_in.keys().await?,
        }))
    }
}

// === impl Api ===

impl Api {
    /// A repetition must bring the password that was given then: the stored request lacks it.
    async fn same_password(&self, user_id: &str, password: &str) -> Result<(), Status> {
        if self.desk.has_password(user_id, password).await? {
            return Ok(());
        }
        Err(refusal::with_reason(
            Code::InvalidArgument,
            "REQUEST_ID_REUSED",
            "this request id was used for another request; use a new one",
        ))
    }
}

/// The request without what `take` takes from it.
fn without<T, S>(request: Request<T>, take: impl FnOnce(&mut T) -> S) -> (Request<T>, S) {
    let (metadata, extensions, mut asked) = request.into_parts();
    let secret = take(&mut asked);
    (Request::from_parts(metadata, extensions, asked), secret)
}

/// What was given, if anything was.
fn given(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}
