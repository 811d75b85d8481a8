//! Calls between services: identity, authorization from the contract, deadlines and error mapping.
//!
//! Rooms, in reading order:
//! - [`Directory`] and [`Channel`]: which services run here and how one calls another, without sockets;
//! - the server's layers (outermost first): span with correlation id, authorization, deadline, panic guard;
//! - [`identity()`], [`user`], [`acting_for`]: who calls, and for whom;
//! - [`cause`], [`correlate`]: which flow a call belongs to;
//! - [`authorize`]: the contract's access rules; [`deadline`]: the time a call has;
//! - [`refusal`]: errors as gRPC statuses with `google.rpc` details;
//! - [`token`]: the access tokens that users signs and the public edge verifies.
//!
//! Invariants:
//! 1. Who calls is never read from metadata, only from typed extensions set by the channel.
//! 2. A method without a rule is denied, and a service with a method nobody may call does not start.
//! 3. A unary call always ends: by its answer or by its deadline, and a callee never has more time than its caller.
//! 4. Every call belongs to exactly one flow.

pub mod authorize;
mod channel;
mod correlation;
pub mod deadline;
mod directory;
mod identity;
pub mod refusal;
mod server;
pub mod token;

pub use authorize::Rules;
pub use channel::Channel;
pub use correlation::{
    CAUSATION_ID, CORRELATION_ID, INTERNAL_PREFIX, REQUEST_ID, TRACEPARENT, cause, correlate,
};
pub use directory::{Directory, RegisterError};
pub use identity::{
    CLIENT_ADDRESS, EDGE, Identity, User, acting_for, client_address, forward_for, identity,
    role_name, role_of, subject, user,
};
pub use outcry_contracts::options::v1::Role;
pub use refusal::Refusal;
