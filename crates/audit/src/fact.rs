//! Events as what they say, each decoded once.

use outcry_contracts::funds::v1::{
    FundsDepositedEvent, FundsLockedEvent, FundsReleasedEvent, FundsSettledEvent,
    FundsWithdrawnEvent,
};
use outcry_contracts::orders::v1::{
    OrderCancelledEvent, OrderCreatedEvent, OrderExpiredEvent, OrderFilledEvent,
    OrderRejectedEvent, OrderReplacedEvent, OrderValidatedEvent,
};
use outcry_contracts::payments::v1::{
    PaymentCreatedEvent, PaymentExpiredEvent, PaymentFailedEvent, PaymentSuccessEvent,
};
use outcry_contracts::reports::v1::{ReportCompletedEvent, ReportFailedEvent};
use outcry_contracts::reports::v2::ReportRequestedEvent;
use outcry_contracts::trades::v1::{
    SessionChangedEvent, TradeCancelledEvent, TradeClosedEvent, TradeCreatedEvent,
    TradeExecutedEvent, TradeFailedEvent, TradePlacedEvent,
};
use outcry_contracts::types::v1::Money;
use outcry_contracts::users::v1::{UserCreatedEvent, UserStatusChangedEvent};
use outcry_events::{Amount, Event, MoneyError, PayloadError, SealedEvent};

/// An event that a [`Fact`] can be.
pub(crate) trait Told: Event + 'static {
    /// It, if the fact is one.
    fn told(fact: &Fact) -> Option<&Self>;
}

/// Declares [`Fact`]: one variant per event that invariants speak of.
macro_rules! facts {
    ($($variant:ident($event:ident)),* $(,)?) => {
        /// What an event says, if invariants speak of it.
        pub(crate) enum Fact {
            $($variant($event),)*
            /// Nothing they speak of.
            Other,
        }

        impl Fact {
            /// What the event says.
            pub(crate) fn of(event: &SealedEvent) -> Result<Fact, PayloadError> {
                $(if event.is::<$event>() {
                    return Ok(Fact::$variant(event.payload()?));
                })*
                Ok(Fact::Other)
            }

            /// Topic of the newest version of the event; empty for others.
            pub(crate) fn topic(&self) -> &'static str {
                match self {
                    $(Fact::$variant(_) => $event::TOPIC,)*
                    Fact::Other => "",
                }
            }
        }

        $(impl Told for $event {
            fn told(fact: &Fact) -> Option<&Self> {
                match fact {
                    Fact::$variant(event) => Some(event),
                    _ => None,
                }
            }
        })*
    };
}

facts! {
    OrderCreated(OrderCreatedEvent),
    OrderValidated(OrderValidatedEvent),
    OrderFilled(OrderFilledEvent),
    OrderCancelled(OrderCancelledEvent),
    OrderExpired(OrderExpiredEvent),
    OrderRejected(OrderRejectedEvent),
    OrderReplaced(OrderReplacedEvent),
    TradeCreated(TradeCreatedEvent),
    TradePlaced(TradePlacedEvent),
    TradeExecuted(TradeExecutedEvent),
    TradeClosed(TradeClosedEvent),
    TradeCancelled(TradeCancelledEvent),
    TradeFailed(TradeFailedEvent),
    SessionChanged(SessionChangedEvent),
    FundsDeposited(FundsDepositedEvent),
    FundsWithdrawn(FundsWithdrawnEvent),
    FundsLocked(FundsLockedEvent),
    FundsReleased(FundsReleasedEvent),
    FundsSettled(FundsSettledEvent),
    PaymentCreated(PaymentCreatedEvent),
    PaymentSuccess(PaymentSuccessEvent),
    PaymentFailed(PaymentFailedEvent),
    PaymentExpired(PaymentExpiredEvent),
    ReportRequested(ReportRequestedEvent),
    ReportCompleted(ReportCompletedEvent),
    ReportFailed(ReportFailedEvent),
    UserCreated(UserCreatedEvent),
    UserStatusChanged(UserStatusChangedEvent),
}

/// A required amount in ten-thousandths.
pub(crate) fn raw(money: Option<&Money>) -> Result<i128, MoneyError> {
    Ok(i128::from(Amount::from_required(money)?.raw()))
}
