//! The rows that are kept: users, whose address is whose, password hashes, sessions, failures.
//!
//! Users are listed by id, which is the order in which they registered, or by name.

use std::time::SystemTime;

use outcry_contracts::options::v1::Role;
use outcry_contracts::types::v1::{PageInfo, PageRequest};
use outcry_contracts::users::v1 as wire;
use outcry_contracts::users::v1::UserStatus;
use outcry_service::{Page, store_failure};
use outcry_store::{Scan, Store, StoreError, ViewRow, ViewWrite};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tonic::Status;

use crate::domain::User;

/// Users by id: rows are [`UserRow`].
pub const USERS: &str = "users";
/// User ids by address: rows are [`AddressRow`].
pub const ADDRESSES: &str = "addresses";
/// Password hashes by user id: rows are [`CredentialRow`].
pub const CREDENTIALS: &str = "credentials";
/// Under [`LAST_GONE`], the user who last ceased to be an active administrator.
pub(crate) const ADMINISTRATORS: &str = "administrators";
/// The one key of [`ADMINISTRATORS`].
pub(crate) const LAST_GONE: &str = "last_gone";
/// Sessions: rows are [`SessionRow`](crate::sessions::SessionRow).
pub(crate) const SESSIONS: &str = "sessions";
/// Failures by the hash of an address: rows are [`Attempts`](crate::lockout::Attempts).
pub(crate) const ATTEMPTS: &str = "attempts";

/// Users in a status.
const BY_STATUS: &str = "status";
/// Users with a role: one place for each.
const BY_ROLE: &str = "role";
/// Users in a status with a role: one place for each.
const BY_STATUS_ROLE: &str = "status_role";
/// Users by [`name_key`].
const BY_NAME: &str = "name";
/// Users in a status by name.
const BY_STATUS_NAME: &str = "status_name";
/// Users with a role by name.
const BY_ROLE_NAME: &str = "role_name";
/// Users in a status with a role by name.
const BY_STATUS_ROLE_NAME: &str = "status_role_name";

/// Bytes of a name that it is found and sorted by: room for every prefix that can be asked for, and
/// well within a sort key.
const NAME_BYTES_MAX: usize = 800;

/// A user as they are kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserRow {
    /// The user.
    pub user_id: String,
    /// Their address, [`normalised`].
    pub email: String,
    /// How they want to be addressed.
    pub display_name: String,
    /// The contract's number of their status.
    pub status: i32,
    /// The contract's numbers of their roles, ascending.
    pub roles: Vec<i32>,
    /// Tokens of an earlier epoch are void.
    pub token_epoch: u64,
    /// When they registered.
    pub created_at: SystemTime,
    /// When they last signed in.
    pub last_login_at: Option<SystemTime>,
}

/// Whose an address is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressRow {
    /// The user.
    pub user_id: String,
}

/// How a user proves who they are.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CredentialRow {
    /// The password's hash, as a PHC string.
    pub password_hash: String,
}

/// A row and how often it was written.
#[derive(Clone, Debug)]
pub struct Versioned<T> {
    /// The row.
    pub row: T,
    /// How often it was written; 0 for one that is not there yet.
    pub version: u64,
}

/// Which users are wanted: all that is asked for must hold.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    pub(crate) status: Option<UserStatus>,
    pub(crate) role: Option<Role>,
    /// Normalised; empty means any.
    pub(crate) email: String,
    /// What the [`name_key`] begins with.
    pub(crate) name: String,
}

/// An address as it is stored and compared: without surrounding blanks, in small letters.
#[must_use]
pub fn normalised(email: &str) -> String {
    email.trim().to_lowercase()
}

/// A name as it is found and sorted by: in small letters, and not endless.
pub(crate) fn name_key(name: &str) -> String {
    // Letter by letter: what a letter becomes must not depend on what follows it, or a prefix of a
    // name would not be one of its key.
    let mut key: String = name.chars().flat_map(char::to_lowercase).collect();
    key.truncate(key.floor_char_boundary(NAME_BYTES_MAX));
    key
}

/// Under what failures for an address are kept: addresses nobody registered stay out of the file.
pub(crate) fn attempts_key(email: &str) -> String {
    hex(&Sha256::digest(email))
}

/// Bytes as small hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// One row.
pub(crate) async fn row<T: DeserializeOwned>(
    store: &dyn Store,
    view: &str,
    key: &str,
) -> Result<Option<Versioned<T>>, StoreError> {
    let Some(found) = store.view(view, key).await? else {
        return Ok(None);
    };
    Ok(Some(Versioned {
        row: found.decode()?,
        version: found.version,
    }))
}

/// One page of users, in the order in which they registered, or by name when that is asked for.
pub(crate) async fn users(
    store: &dyn Store,
    filter: &Filter,
    page: Option<PageRequest>,
) -> Result<wire::ListUsersResponse, Status> {
    if !filter.email.is_empty() {
        return one_user(store, filter).await;
    }
    let (rows, page) = Page::of(page)
        .read(store, filter.scan())
        .await
        .map_err(store_failure)?;
    let users = rows
        .iter()
        .map(|row: &ViewRow| Ok(row.decode::<UserRow>()?.to_message()))
        .collect::<Result<_, StoreError>>()
        .map_err(store_failure)?;
    Ok(wire::ListUsersResponse {
        users,
        page: Some(page),
    })
}

/// The listing of those with one address: one at most.
async fn one_user(store: &dyn Store, filter: &Filter) -> Result<wire::ListUsersResponse, Status> {
    let found = by_address(store, &filter.email)
        .await
        .map_err(store_failure)?;
    Ok(wire::ListUsersResponse {
        users: found
            .filter(|known| filter.takes(&known.row))
            .map(|known| known.row.to_message())
            .into_iter()
            .collect(),
        page: Some(PageInfo::default()),
    })
}

/// An active administrator who is not this user, if there is one.
pub(crate) async fn other_administrator(
    store: &dyn Store,
    user_id: &str,
) -> Result<Option<String>, StoreError> {
    let active = Filter {
        status: Some(UserStatus::Active),
        role: Some(Role::Admin),
        ..Filter::default()
    };
    // The first two: one of them is somebody else, if anybody is.
    let rows = store.scan(&active.scan().limit(2)).await?;
    let mut ids = rows.into_iter().map(|row| row.key);
    Ok(ids.find(|id| id != user_id))
}

/// The user with an address.
pub(crate) async fn by_address(
    store: &dyn Store,
    email: &str,
) -> Result<Option<Versioned<UserRow>>, StoreError> {
    match row::<AddressRow>(store, ADDRESSES, email).await? {
        Some(address) => row(store, USERS, &address.row.user_id).await,
        None => Ok(None),
    }
}

// === impl UserRow ===

impl UserRow {
    /// What the user may do.
    pub fn roles(&self) -> Vec<Role> {
        self.roles
            .iter()
            .filter_map(|role| Role::try_from(*role).ok())
            .collect()
    }

    /// Where the user is in their life.
    pub fn status(&self) -> UserStatus {
        UserStatus::try_from(self.status).unwrap_or_default()
    }

    /// As the events have it now.
    pub(crate) fn shows(&mut self, user: &User) {
        self.user_id.clone_from(&user.user_id);
        self.display_name.clone_from(&user.display_name);
        self.status = user.status.into();
        self.roles = user.roles.iter().copied().map(i32::from).collect();
        self.token_epoch = user.token_epoch;
    }

    /// The row with its places in the listings.
    pub(crate) fn write(&self, version: u64) -> Result<ViewWrite, StoreError> {
        let (id, status) = (&self.user_id, self.status);
        let name = name_key(&self.display_name);
        let mut write = ViewWrite::put(USERS, id, self)?
            .expect(version)
            .index(BY_STATUS, format!("{status}/{id}"))
            .index(BY_NAME, name.clone())
            .index(BY_STATUS_NAME, format!("{status}/{name}"));
        for role in &self.roles {
            write = write
                .index(BY_ROLE, format!("{role}/{id}"))
                .index(BY_ROLE_NAME, format!("{role}/{name}"))
                .index(BY_STATUS_ROLE, format!("{status}/{role}/{id}"))
                .index(BY_STATUS_ROLE_NAME, format!("{status}/{role}/{name}"));
        }
        Ok(write)
    }

    pub(crate) fn to_message(&self) -> wire::User {
        wire::User {
            user_id: self.user_id.clone(),
            email: self.email.clone(),
            display_name: self.display_name.clone(),
            status: self.status,
            roles: self.roles.clone(),
            created_at: Some(self.created_at.into()),
            last_login_at: self.last_login_at.map(Into::into),
        }
    }
}

// === impl Filter ===

impl Filter {
    fn scan(&self) -> Scan {
        let status = self.status.map(i32::from);
        let role = self.role.map(i32::from);
        let name = &self.name;
        let of_name = !name.is_empty();
        let scan = Scan::new(USERS);
        let (index, prefix) = match (status, role) {
            (None, None) if of_name => (BY_NAME, name.clone()),
            (None, None) => return scan,
            (Some(status), None) if of_name => (BY_STATUS_NAME, format!("{status}/{name}")),
            (Some(status), None) => (BY_STATUS, format!("{status}/")),
            (None, Some(role)) if of_name => (BY_ROLE_NAME, format!("{role}/{name}")),
            (None, Some(role)) => (BY_ROLE, format!("{role}/")),
            (Some(status), Some(role)) if of_name => {
                (BY_STATUS_ROLE_NAME, format!("{status}/{role}/{name}"))
            }
            (Some(status), Some(role)) => (BY_STATUS_ROLE, format!("{status}/{role}/")),
        };
        scan.index(index).prefix(prefix)
    }

    fn takes(&self, row: &UserRow) -> bool {
        self.status.is_none_or(|status| row.status() == status)
            && self.role.is_none_or(|role| row.roles().contains(&role))
            && name_key(&row.display_name).starts_with(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_compared_without_case_and_blanks() {
        assert_eq!(normalised(" Ann@Example.COM "), "ann@example.com");
        assert_eq!(attempts_key("ann@example.com").len(), 64);
    }

    #[test]
    fn a_name_is_found_by_each_of_its_beginnings_in_any_case() {
        let name = "ΟΔΟΣΑΣ İstanbul Straße";
        for end in name.char_indices().map(|(at, _)| at) {
            let prefix = &name[..end];
            assert!(name_key(name).starts_with(&name_key(prefix)), "{prefix}");
        }
        assert_eq!(name_key("ANN"), name_key("ann"));
        let endless = name_key(&"ß".repeat(1_000));
        assert_eq!(endless.len(), NAME_BYTES_MAX);
        // The longest that may be asked for is found within the shortened name.
        let longest = name_key(&"İ".repeat(128));
        assert!(longest.len() <= NAME_BYTES_MAX);
    }
}
