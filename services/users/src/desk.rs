//! Commands carried out: events, rows, timers and the answer in one commit.

use outcry_contracts::options::v1::Role;
use outcry_events::Cause;
use outcry_mesh::refusal;
use outcry_service::{CommandError, Context, Executed, plan, store_failure};
use outcry_store::{Answer, Commit, CommitError, Store, StoreError, ViewWrite};
use tonic::{Code, Status};

use crate::domain::{Command, Rejection, User};
use crate::passwords::Passwords;
use crate::views::{
    ADDRESSES, ADMINISTRATORS, AddressRow, CREDENTIALS, CredentialRow, LAST_GONE, USERS, UserRow,
    Versioned, by_address, other_administrator, row,
};

/// Tries of a commit while others change the same user: more than people do at the same time.
const ATTEMPTS_MAX: u32 = 20;

/// Carries out what is asked of users.
pub(crate) struct Desk {
    pub(crate) ctx: Context,
    pub(crate) passwords: Passwords,
}

/// Somebody who wants to register.
#[derive(Clone, Debug)]
pub(crate) struct Newcomer {
    /// Normalised.
    pub(crate) email: String,
    pub(crate) display_name: String,
    pub(crate) roles: Vec<Role>,
}

/// What else a change of a user writes, and the row it leaves.
pub(crate) struct Change<'a> {
    /// What the events did.
    pub(crate) executed: &'a Executed<User>,
    /// The row, as it will be: may be changed further.
    pub(crate) row: &'a mut UserRow,
    /// The commit, for everything else.
    pub(crate) commit: &'a mut Commit,
}

// === impl Desk ===

impl Desk {
    pub(crate) fn new(ctx: Context, passwords: Passwords) -> Self {
        Self { ctx, passwords }
    }

    pub(crate) fn store(&self) -> &dyn Store {
        self.ctx.store.as_ref()
    }

    /// The user with this id.
    pub(crate) async fn user(&self, user_id: &str) -> Result<Versioned<UserRow>, Status> {
        row(self.store(), USERS, user_id)
            .await
            .map_err(store_failure)?
            .ok_or_else(|| refusal::status(&Rejection::Unknown))
    }

    /// The user with this normalised address.
    pub(crate) async fn user_of(&self, email: &str) -> Result<Option<Versioned<UserRow>>, Status> {
        by_address(self.store(), email).await.map_err(store_failure)
    }

    /// The hash of a user's password.
    pub(crate) async fn password_hash(&self, user_id: &str) -> Result<Option<String>, Status> {
        let known = row::<CredentialRow>(self.store(), CREDENTIALS, user_id).await;
        Ok(known
            .map_err(store_failure)?
            .map(|known| known.row.password_hash))
    }

    /// Whether a user's password is this one.
    pub(crate) async fn has_password(&self, user_id: &str, password: &str) -> Result<bool, Status> {
        let turn = self.passwords.turn().await?;
        let known = self.password_hash(user_id).await?;
        self.passwords.matches(&turn, password, known).await
    }

    /// Registers somebody; their row.
    pub(crate) async fn register(
        &self,
        newcomer: &Newcomer,
        password: &str,
        cause: &Cause,
        answer: impl Fn(&UserRow) -> Option<Answer>,
    ) -> Result<UserRow, Status> {
        self.address_is_free(&newcomer.email).await?;
        let turn = self.passwords.turn().await?;
        let password_hash = self.passwords.hash(&turn, password).await?;
        drop(turn);
        let credential = CredentialRow { password_hash };
        let user_id = self.ctx.clock.new_id().to_string();
        let command = Command::Register {
            user_id: user_id.clone(),
            display_name: newcomer.display_name.clone(),
            roles: newcomer.roles.clone(),
        };
        let (executed, mut commit) = plan::<User>(&self.ctx, &user_id, cause, &command).await?;
        let created_at = executed.events.first().map(|event| event.occurred_at());
        let mut row = UserRow {
            user_id: String::new(),
            email: newcomer.email.clone(),
            display_name: String::new(),
            status: 0,
            roles: Vec::new(),
            token_epoch: 0,
            created_at: created_at.unwrap_or_else(|| self.ctx.clock.now()),
            last_login_at: None,
        };
        row.shows(&executed.after);
        commit.views = vec![
            row.write(0).map_err(store_failure)?,
            take_address(&newcomer.email, &user_id).map_err(store_failure)?,
            ViewWrite::put(CREDENTIALS, user_id, &credential).map_err(store_failure)?,
        ];
        commit.answered = answer(&row);
        match self.ctx.store.commit(commit).await {
            Ok(()) => Ok(row),
            // The id is new, so what somebody else was faster with is the address.
            Err(CommitError::Conflict(_)) => Err(address_taken()),
            Err(error) => Err(refused(error)),
        }
    }

    /// Carries out a command on a user who is there, and keeps their row in step; the row then.
    pub(crate) async fn change(
        &self,
        user_id: &str,
        cause: &Cause,
        command: &Command,
        also: impl Fn(Change<'_>) -> Result<(), StoreError>,
    ) -> Result<UserRow, Status> {
        for _ in 0..ATTEMPTS_MAX {
            let known = self.user(user_id).await?;
            let (executed, mut commit) = plan::<User>(&self.ctx, user_id, cause, command).await?;
            if executed.before.administers() && !executed.after.administers() {
                commit.views.push(self.not_the_last(user_id).await?);
            }
            let mut row = known.row;
            row.shows(&executed.after);
            also(Change {
                executed: &executed,
                row: &mut row,
                commit: &mut commit,
            })
            .map_err(store_failure)?;
            if commit.is_empty() {
                return Ok(row);
            }
            commit
                .views
                .push(row.write(known.version).map_err(store_failure)?);
            match self.ctx.store.commit(commit).await {
                Ok(()) => return Ok(row),
                Err(CommitError::Conflict(_)) => {}
                Err(error) => return Err(refused(error)),
            }
        }
        Err(busy())
    }

    /// Gives a user another profile; an empty name or address stays.
    pub(crate) async fn update(
        &self,
        user_id: &str,
        display_name: Option<String>,
        email: Option<String>,
        cause: &Cause,
        answer: impl Fn(&UserRow) -> Option<Answer>,
    ) -> Result<UserRow, Status> {
        let known = self.user(user_id).await?.row;
        let email = email.filter(|email| *email != known.email);
        if let Some(email) = &email {
            self.address_is_free(email).await?;
        }
        let command = Command::Update {
            display_name,
            email_changed: email.is_some(),
        };
        let changed = self.change(user_id, cause, &command, |change| {
            if let Some(email) = &email {
                let views = &mut change.commit.views;
                views.push(ViewWrite::delete(ADDRESSES, &change.row.email));
                views.push(take_address(email, user_id)?);
                change.row.email.clone_from(email);
            }
            change.commit.answered = answer(change.row);
            Ok(())
        });
        match changed.await {
            // Somebody who takes the address in between makes every try a conflict.
            Err(status) if status.code() == Code::Aborted => match &email {
                Some(email) => Err(self.address_is_free(email).await.err().unwrap_or(status)),
                None => Err(status),
            },
            changed => changed,
        }
    }

    /// Gives a user another password, who knows the old one.
    pub(crate) async fn change_password(
        &self,
        user_id: &str,
        new_password: &str,
        cause: &Cause,
        answer: impl Fn() -> Option<Answer>,
    ) -> Result<(), Status> {
        let turn = self.passwords.turn().await?;
        let password_hash = self.passwords.hash(&turn, new_password).await?;
        drop(turn);
        let credential = CredentialRow { password_hash };
        let changed = self.change(user_id, cause, &Command::ChangePassword, |change| {
            let write = ViewWrite::put(CREDENTIALS, user_id, &credential)?;
            change.commit.views.push(write);
            change.commit.answered = answer();
            Ok(())
        });
        changed.await.map(drop)
    }

    /// A write that holds as long as no other administrator goes meanwhile, provided that there is
    /// another one.
    async fn not_the_last(&self, user_id: &str) -> Result<ViewWrite, Status> {
        let store = self.store();
        // Before looking at the others: of two who go at the same time, one has to look again.
        let version = store
            .view(ADMINISTRATORS, LAST_GONE)
            .await
            .map_err(store_failure)?
            .map_or(0, |row| row.version);
        other_administrator(store, user_id)
            .await
            .map_err(store_failure)?
            .ok_or_else(|| refusal::status(&Rejection::LastAdministrator))?;
        let write = ViewWrite::put(ADMINISTRATORS, LAST_GONE, &user_id).map_err(store_failure)?;
        Ok(write.expect(version))
    }

    async fn address_is_free(&self, email: &str) -> Result<(), Status> {
        match self.user_of(email).await? {
            Some(_) => Err(address_taken()),
            None => Ok(()),
        }
    }
}

/// Takes an address, provided it is free.
fn take_address(email: &str, user_id: &str) -> Result<ViewWrite, StoreError> {
    let row = AddressRow {
        user_id: user_id.to_owned(),
    };
    Ok(ViewWrite::put(ADDRESSES, email, &row)?.expect(0))
}

fn address_taken() -> Status {
    refusal::with_reason(
        Code::AlreadyExists,
        "EMAIL_TAKEN",
        "somebody has registered with this address already",
    )
}

/// The status of a user whom others keep changing.
pub(crate) fn busy() -> Status {
    refusal::with_reason(
        Code::Aborted,
        "CONFLICT",
        "the user is being changed by others; try again",
    )
}

/// The status of a commit that failed.
pub(crate) fn refused(error: CommitError) -> Status {
    let stream = "user".to_owned();
    let error: CommandError<Rejection> = match error {
        CommitError::Conflict(_) => CommandError::Conflict { stream },
        CommitError::Duplicate(_) => CommandError::Duplicate,
        CommitError::Invalid(source) => CommandError::Invalid { stream, source },
        CommitError::Store(source) => CommandError::Store { stream, source },
    };
    error.into()
}
