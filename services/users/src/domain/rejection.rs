//! Why a user does not do what is asked of them.

use outcry_mesh::refusal::Refusal;
use tonic::Code;

/// Why the answer is no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// There is no such user.
    #[error("there is no such user")]
    Unknown,
    /// The id is taken.
    #[error("the user is registered already")]
    AlreadyRegistered,
    /// A user may do something, or is closed.
    #[error("a user needs at least one role")]
    NoRoles,
    /// They left for good.
    #[error("the user is closed for good")]
    Closed,
    /// They are suspended.
    #[error("the user is suspended")]
    Suspended,
    /// Nobody takes rights from themselves.
    #[error("nobody changes their own status or roles; another administrator can")]
    OwnAccount,
    /// Nobody could give anybody rights any more.
    #[error("the user is the last active administrator; make another one first")]
    LastAdministrator,
}

impl Refusal for Rejection {
    fn code(&self) -> Code {
        match self {
            Self::Unknown => Code::NotFound,
            Self::AlreadyRegistered => Code::AlreadyExists,
            Self::NoRoles => Code::InvalidArgument,
            Self::Closed | Self::Suspended | Self::OwnAccount | Self::LastAdministrator => {
                Code::FailedPrecondition
            }
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Unknown => "NO_SUCH_USER",
            Self::AlreadyRegistered => "USER_EXISTS",
            Self::NoRoles => "NO_ROLES",
            Self::Closed => "USER_CLOSED",
            Self::Suspended => "USER_SUSPENDED",
            Self::OwnAccount => "OWN_ACCOUNT",
            Self::LastAdministrator => "LAST_ADMINISTRATOR",
        }
    }
}
