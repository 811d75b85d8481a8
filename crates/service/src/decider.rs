//! The shape of a decision: state, command, event, rejection. Pure and synchronous.
//!
//! ```
//! use outcry_contracts::orders::v1::{OrderRejectedEvent, RejectReason, Side};
//! use outcry_mesh::Refusal;
//! use outcry_service::Decider;
//! use outcry_service::testing::given;
//! use tonic::Code;
//!
//! outcry_events::event_set! {
//!     /// What happens to an order that nobody wants.
//!     pub enum Refused { Rejected(OrderRejectedEvent) }
//! }
//!
//! #[derive(Debug, Clone, Default)]
//! struct Order { is_rejected: bool }
//!
//! struct Reject { order_id: String, user_id: String }
//!
//! #[derive(Debug, PartialEq, thiserror::Error)]
//! #[error("the order was rejected already")]
//! struct Already;
//!
//! impl Refusal for Already {
//!     fn code(&self) -> Code { Code::FailedPrecondition }
//!     fn reason(&self) -> &'static str { "ALREADY_REJECTED" }
//! }
//!
//! impl Decider for Order {
//!     type Command = Reject;
//!     type Event = Refused;
//!     type Rejection = Already;
//!
//!     fn decide(&self, command: &Reject) -> Result<Vec<Refused>, Already> {
//!         if self.is_rejected {
//!             return Err(Already);
//!         }
//!         Ok(vec![OrderRejectedEvent {
//!             order_id: command.order_id.clone(),
//!             user_id: command.user_id.clone(),
//!             symbol: "MSFT".to_owned(),
//!             side: Side::Buy.into(),
//!             reason: RejectReason::InsufficientFunds.into(),
//!             ..OrderRejectedEvent::default()
//!         }.into()])
//!     }
//!
//!     fn evolve(self, event: &Refused) -> Order {
//!         match event {
//!             Refused::Rejected(_) => Order { is_rejected: true },
//!         }
//!     }
//! }
//!
//! let reject = || Reject { order_id: "o-1".to_owned(), user_id: "u-1".to_owned() };
//! let events = given::<Order>([]).when(reject()).then_events();
//! assert_eq!(events.len(), 1);
//! given::<Order>(events).when(reject()).then_refused(Already);
//! ```

use outcry_events::EventSet;
use outcry_mesh::refusal::Refusal;

/// An aggregate that decides: from its state and a command to events, from events to its state.
///
/// Pure: no clock, no randomness, no IO, no await. Facts a decision needs arrive in the command.
/// `default()` is the state before the first event.
pub trait Decider: Default + Clone + Send + Sync + 'static {
    /// Kind of aggregate and prefix of its streams, as the contract declares it for its events.
    const AGGREGATE: &'static str = <Self::Event as EventSet>::AGGREGATE;

    /// Whether all events of a stream belong to the flow (correlation id) of its first event.
    ///
    /// `true` for what is itself one flow, an order for example: an event caused from another
    /// flow then names the stream's last event as its cause, so that every flow stays one tree
    /// that starts at one command. `false` for what outlives flows, an account for example: each
    /// event then belongs to the flow of the command that caused it.
    const OWN_FLOW: bool = false;

    /// What can be asked.
    type Command: Send + Sync;
    /// What can have happened.
    type Event: EventSet + Send + Sync;
    /// Why the answer can be no.
    type Rejection: Refusal + Send + Sync + 'static;

    /// What happens because of `command`; no events when it already is as wished.
    ///
    /// # Errors
    /// The business reason for a no. Unknown combinations are refused, not ignored.
    fn decide(&self, command: &Self::Command) -> Result<Vec<Self::Event>, Self::Rejection>;

    /// The state after `event`. Total: history is not argued with.
    #[must_use]
    fn evolve(self, event: &Self::Event) -> Self;
}

/// Name of the stream of aggregate `id`.
pub fn stream<D: Decider>(id: &str) -> String {
    format!("{}-{id}", D::AGGREGATE)
}
