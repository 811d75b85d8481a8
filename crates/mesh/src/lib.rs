//! Calls between services: identity, authorization from the contract, deadlines and error mapping.
//!
//! Rooms, in reading order:
//! - [`Directory`] and [`Channel`]: where services run and how one calls another, without sockets in one process;
//! - [`Endpoints`] and [`listen`]: the same calls between processes, over HTTP/2, proven by [`Credentials`]:
//!   [`Certificates`] that name the process by its [`SpiffeId`], or the [`MeshKey`];
//! - [`door`]: the one way in by a socket, for peers, for the public and for operators ([`administer`]);
//! - the server's layers (outermost first): span with correlation id, metrics, authorization, limit, deadline,
//!   panic guard;
//! - [`identity()`], [`user`], [`acting_for`]: who calls, and for whom;
//! - [`cause`], [`correlate`]: which flow a call belongs to; [`trace`]: which trace;
//! - [`authorize`]: the contract's access rules; [`deadline`]: the time a call has; [`criticality`]: how much it
//!   matters;
//! - [`CallRecorder`]: which calls are accounted for, wherever that is written down;
//! - [`faults`]: failures made on purpose;
//! - [`refusal`]: errors as gRPC statuses with `google.rpc` details;
//! - [`token`]: the access tokens that users signs and the public edge verifies.
//!
//! Invariants:
//! 1. Who calls is never read from metadata, only from typed extensions; a channel sets them, or the listener
//!    after it has verified the caller's token, or that its certificate's account may speak for the caller.
//! 2. A method without a rule is denied, and a service with a method nobody may call does not start.
//! 3. A unary call always ends: by its answer or by its deadline, and a callee never has more time than its caller.
//! 4. Every call belongs to exactly one flow.
//! 5. A call is made a second time only if no handler began with it, or the contract says that it changes nothing more.

mod accounts;
mod address;
mod admin;
mod answer;
pub mod authorize;
mod budget;
mod call;
mod certificates;
mod channel;
mod choice;
mod conduct;
mod correlation;
mod count;
mod credentials;
pub mod criticality;
pub mod deadline;
mod directory;
pub mod door;
mod endpoint;
pub mod faults;
mod gate;
mod identity;
mod limit;
mod listener;
mod load;
mod metrics;
mod network;
pub mod overview;
mod pass;
mod passport;
mod pool;
mod readiness;
mod reception;
mod recorder;
pub mod refusal;
mod replicas;
mod resolver;
mod retry;
mod sent;
mod server;
mod socket;
mod spiffe;
mod stream;
mod throttle;
pub mod token;
pub mod trace;
mod turn;
mod verification;
mod window;
mod wire;

pub use accounts::Accounts;
pub use address::{EndpointError, Endpoints};
pub use admin::administer;
pub use authorize::Rules;
pub use certificates::{
    CertificateError, CertificateFacts, CertificateFiles, CertificateStatus, Certificates,
    LeafError,
};
pub use channel::Channel;
pub use correlation::{
    CAUSATION_ID, CORRELATION_ID, INTERNAL_PREFIX, REQUEST_ID, TRACEPARENT, cause, correlate,
};
pub use credentials::Credentials;
pub use directory::{Directory, RegisterError};
pub use door::{Bounds, DRAIN_MAX, Door};
pub use identity::{
    CLIENT_ADDRESS, EDGE, Identity, User, acting_for, client_address, forward_for, identity,
    role_name, role_of, subject, user,
};
pub use listener::{listen, listen_within};
pub use metrics::{MeshMetrics, Served, SlowCall};
pub use outcry_contracts::options::v1::Role;
pub use recorder::{CallRecorder, Ending, RecordedCall, Report, UNKNOWN_METHOD};
pub use refusal::Refusal;
pub use spiffe::{SpiffeError, SpiffeId, TrustDomain};
pub use token::MeshKey;
