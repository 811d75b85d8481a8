//! What a user is and what can happen to them. Pure: no clock, no randomness, no IO.
//!
//! `ACTIVE ⇄ SUSPENDED`, and from both to `CLOSED`, which is final. Whatever takes rights away or
//! could (status, roles, password) raises the token epoch: tokens of an earlier one are void.

mod rejection;

#[cfg(test)]
mod tests;

use outcry_contracts::options::v1::Role;
use outcry_contracts::users::v1::{
    LoginMethod, UserCreatedEvent, UserLoginEvent, UserPasswordChangedEvent, UserRoleChangedEvent,
    UserStatus, UserStatusChangedEvent, UserUpdatedEvent,
};
use outcry_service::Decider;

pub use rejection::Rejection;

outcry_events::event_set! {
    /// What can happen to a user.
    pub enum UserEvent {
        /// They registered.
        Created(UserCreatedEvent),
        /// Their profile changed.
        Updated(UserUpdatedEvent),
        /// They signed in.
        Login(UserLoginEvent),
        /// They were suspended, reinstated or closed.
        StatusChanged(UserStatusChangedEvent),
        /// Their roles changed.
        RoleChanged(UserRoleChangedEvent),
        /// Their password changed.
        PasswordChanged(UserPasswordChangedEvent),
    }
}

/// A user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// Empty before they registered.
    pub user_id: String,
    /// How they want to be addressed.
    pub display_name: String,
    /// Where they are in their life.
    pub status: UserStatus,
    /// What they may do: each once, in the order of their numbers.
    pub roles: Vec<Role>,
    /// Tokens of an earlier epoch are void.
    pub token_epoch: u64,
}

/// What can be asked of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Registers them.
    Register {
        /// Id of the new user.
        user_id: String,
        /// How they want to be addressed.
        display_name: String,
        /// What they may do.
        roles: Vec<Role>,
    },
    /// Changes their profile.
    Update {
        /// The new name; none leaves it.
        display_name: Option<String>,
        /// Whether their address changes, which stands elsewhere.
        email_changed: bool,
    },
    /// Signs them in, whose password was right.
    SignIn {
        /// Where from; empty when not known.
        ip_address: String,
    },
    /// Suspends, reinstates or closes them.
    SetStatus {
        /// Who asks.
        by: String,
        /// The new status.
        status: UserStatus,
        /// Why.
        reason: String,
    },
    /// Sets what they may do.
    SetRoles {
        /// Who asks.
        by: String,
        /// The new roles.
        roles: Vec<Role>,
    },
    /// Gives them a new password, which stands elsewhere.
    ChangePassword,
}

impl Decider for User {
    type Command = Command;
    type Event = UserEvent;
    type Rejection = Rejection;

    fn decide(&self, command: &Command) -> Result<Vec<UserEvent>, Rejection> {
        if let Command::Register {
            user_id,
            display_name,
            roles,
        } = command
        {
            return self.register(user_id, display_name, roles);
        }
        if self.user_id.is_empty() {
            return Err(Rejection::Unknown);
        }
        if self.status == UserStatus::Closed {
            return Err(Rejection::Closed);
        }
        match command {
            Command::Register { .. } => Err(Rejection::AlreadyRegistered),
            Command::Update {
                display_name,
                email_changed,
            } => Ok(self.update(display_name.as_deref(), *email_changed)),
            Command::SignIn { ip_address } => self.sign_in(ip_address),
            Command::SetStatus { by, status, reason } => self.set_status(by, *status, reason),
            Command::SetRoles { by, roles } => self.set_roles(by, roles),
            Command::ChangePassword => Ok(vec![
                UserPasswordChangedEvent {
                    user_id: self.user_id.clone(),
                    token_epoch: self.token_epoch + 1,
                }
                .into(),
            ]),
        }
    }

    fn evolve(self, event: &UserEvent) -> Self {
        match event {
            UserEvent::Created(created) => Self {
                user_id: created.user_id.clone(),
                display_name: created.display_name.clone(),
                status: UserStatus::Active,
                roles: ordered(&created.roles().collect::<Vec<_>>()),
                token_epoch: 0,
            },
            UserEvent::Updated(updated) => Self {
                display_name: updated.display_name.clone(),
                ..self
            },
            UserEvent::Login(_) => self,
            UserEvent::StatusChanged(changed) => Self {
                status: changed.new_status(),
                token_epoch: changed.token_epoch,
                ..self
            },
            UserEvent::RoleChanged(changed) => Self {
                roles: ordered(&changed.new_roles().collect::<Vec<_>>()),
                token_epoch: changed.token_epoch,
                ..self
            },
            UserEvent::PasswordChanged(changed) => Self {
                token_epoch: changed.token_epoch,
                ..self
            },
        }
    }
}

// === impl User ===

impl User {
    /// Whether they can change others' status and roles.
    #[must_use]
    pub fn administers(&self) -> bool {
        self.status == UserStatus::Active && self.roles.contains(&Role::Admin)
    }

    fn register(
        &self,
        user_id: &str,
        display_name: &str,
        roles: &[Role],
    ) -> Result<Vec<UserEvent>, Rejection> {
        if !self.user_id.is_empty() {
            return Err(Rejection::AlreadyRegistered);
        }
        let roles = numbers(&ordered(roles));
        if roles.is_empty() {
            return Err(Rejection::NoRoles);
        }
        let created = UserCreatedEvent {
            user_id: user_id.to_owned(),
            display_name: display_name.to_owned(),
            roles,
        };
        Ok(vec![created.into()])
    }

    fn update(&self, display_name: Option<&str>, email_changed: bool) -> Vec<UserEvent> {
        let display_name = display_name.unwrap_or(&self.display_name);
        if display_name == self.display_name && !email_changed {
            return Vec::new();
        }
        let updated = UserUpdatedEvent {
            user_id: self.user_id.clone(),
            display_name: display_name.to_owned(),
            email_changed,
        };
        vec![updated.into()]
    }

    fn sign_in(&self, ip_address: &str) -> Result<Vec<UserEvent>, Rejection> {
        if self.status != UserStatus::Active {
            return Err(Rejection::Suspended);
        }
        let login = UserLoginEvent {
            user_id: self.user_id.clone(),
            method: LoginMethod::Password.into(),
            ip_address: ip_address.to_owned(),
        };
        Ok(vec![login.into()])
    }

    fn set_status(
        &self,
        by: &str,
        status: UserStatus,
        reason: &str,
    ) -> Result<Vec<UserEvent>, Rejection> {
        if status == self.status {
            return Ok(Vec::new());
        }
        self.not_by_oneself(by)?;
        let changed = UserStatusChangedEvent {
            user_id: self.user_id.clone(),
            old_status: self.status.into(),
            new_status: status.into(),
            reason: reason.to_owned(),
            token_epoch: self.token_epoch + 1,
        };
        Ok(vec![changed.into()])
    }

    fn set_roles(&self, by: &str, roles: &[Role]) -> Result<Vec<UserEvent>, Rejection> {
        let roles = ordered(roles);
        if roles.is_empty() {
            return Err(Rejection::NoRoles);
        }
        if roles == self.roles {
            return Ok(Vec::new());
        }
        self.not_by_oneself(by)?;
        let changed = UserRoleChangedEvent {
            user_id: self.user_id.clone(),
            old_roles: numbers(&self.roles),
            new_roles: numbers(&roles),
            token_epoch: self.token_epoch + 1,
        };
        Ok(vec![changed.into()])
    }

    /// Whoever changes rights keeps their own, so that there is always somebody who can.
    fn not_by_oneself(&self, by: &str) -> Result<(), Rejection> {
        if by == self.user_id {
            return Err(Rejection::OwnAccount);
        }
        Ok(())
    }
}

/// Each role once, in the order of their numbers; what grants nothing is left out.
fn ordered(roles: &[Role]) -> Vec<Role> {
    let mut roles: Vec<Role> = roles
        .iter()
        .copied()
        .filter(|role| *role != Role::Unspecified)
        .collect();
    roles.sort_by_key(|role| i32::from(*role));
    roles.dedup();
    roles
}

fn numbers(roles: &[Role]) -> Vec<i32> {
    roles.iter().copied().map(i32::from).collect()
}
