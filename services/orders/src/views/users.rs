//! What is known of users, and who must not have new orders.

use outcry_contracts::users::v1::UserStatus;
use outcry_store::{Store, StoreError, ViewWrite};
use serde::{Deserialize, Serialize};

use super::Versioned;

/// What is known of users, by id: rows are [`UserRow`].
pub const USERS: &str = "users";

/// Users who must not have new orders, by id. A commit that makes an order demands that its user
/// has no row here (`not_barred`), so none is made after the commit that barred the user; and
/// those that demand so do not get into each other's way.
pub const BARRED: &str = "barred_users";

/// What is known of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserRow {
    /// The contract's number of the user's status.
    pub status: i32,
    /// Sequence of the user's event that said so: an earlier one that comes later says nothing.
    #[serde(default)]
    pub sequence: u64,
}

/// What is known of a user; none before the user is known here.
pub(crate) async fn known_user(
    store: &dyn Store,
    user_id: &str,
) -> Result<Option<Versioned<UserRow>>, StoreError> {
    let Some(row) = store.view(USERS, user_id).await? else {
        return Ok(None);
    };
    Ok(Some(Versioned {
        row: row.decode()?,
        version: row.version,
    }))
}

/// The row of a user, provided nobody has written it meanwhile, and whether the user is barred.
pub(crate) fn write_user(
    user_id: &str,
    user: &Versioned<UserRow>,
) -> Result<[ViewWrite; 2], StoreError> {
    let row = ViewWrite::put(USERS, user_id, &user.row)?.expect(user.version);
    let bar = match user.row.status() {
        UserStatus::Active => ViewWrite::delete(BARRED, user_id),
        _ => ViewWrite::put(BARRED, user_id, &user.row)?,
    };
    Ok([row, bar])
}

/// Demands that the user is not barred, and changes nothing.
pub(crate) fn not_barred(user_id: &str) -> ViewWrite {
    ViewWrite::delete(BARRED, user_id).expect(0)
}

// === impl UserRow ===

impl UserRow {
    /// The user's status.
    pub fn status(&self) -> UserStatus {
        UserStatus::try_from(self.status).unwrap_or_default()
    }
}
