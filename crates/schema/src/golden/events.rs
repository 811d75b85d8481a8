//! The Rust types of all events, to seal what was made without them.

use outcry_events::{Event, SealError, SealedEvent, Stamp, seal as seal_event};

/// Decodes a payload and seals it.
type Seal = fn(&[u8], Stamp<'_>) -> Option<Result<SealedEvent, SealError>>;

/// How events of one type are sealed.
struct Line {
    full_name: fn() -> String,
    seal: Seal,
}

/// Seals the bytes of an event by its full name. None if it is not listed here or the bytes are not
/// of its type.
pub(super) fn seal(
    full_name: &str,
    payload: &[u8],
    stamp: Stamp<'_>,
) -> Option<Result<SealedEvent, SealError>> {
    let line = LINES.iter().find(|line| (line.full_name)() == full_name)?;
    (line.seal)(payload, stamp)
}

fn seal_as<E: Event>(payload: &[u8], stamp: Stamp<'_>) -> Option<Result<SealedEvent, SealError>> {
    Some(seal_event(&E::decode(payload).ok()?, stamp))
}

macro_rules! lines {
    ($($event:path),+ $(,)?) => {
        &[$(Line {
            full_name: <$event as prost::Name>::full_name,
            seal: seal_as::<$event>,
        }),+]
    };
}

/// One line per event and version.
static LINES: &[Line] = lines![
    outcry_contracts::funds::v1::FundsDepositedEvent,
    outcry_contracts::funds::v1::FundsWithdrawnEvent,
    outcry_contracts::funds::v1::FundsLockedEvent,
    outcry_contracts::funds::v1::FundsReleasedEvent,
    outcry_contracts::funds::v1::FundsSettledEvent,
    outcry_contracts::orders::v1::OrderCreatedEvent,
    outcry_contracts::orders::v1::OrderValidatedEvent,
    outcry_contracts::orders::v1::OrderFilledEvent,
    outcry_contracts::orders::v1::OrderCancelledEvent,
    outcry_contracts::orders::v1::OrderExpiredEvent,
    outcry_contracts::orders::v1::OrderRejectedEvent,
    outcry_contracts::orders::v1::OrderReplacedEvent,
    outcry_contracts::payments::v1::PaymentCreatedEvent,
    outcry_contracts::payments::v1::PaymentSuccessEvent,
    outcry_contracts::payments::v1::PaymentFailedEvent,
    outcry_contracts::payments::v1::PaymentExpiredEvent,
    outcry_contracts::reports::v1::ReportRequestedEvent,
    outcry_contracts::reports::v1::ReportCompletedEvent,
    outcry_contracts::reports::v1::ReportFailedEvent,
    outcry_contracts::reports::v2::ReportRequestedEvent,
    outcry_contracts::trades::v1::TradeCreatedEvent,
    outcry_contracts::trades::v1::TradePlacedEvent,
    outcry_contracts::trades::v1::TradeExecutedEvent,
    outcry_contracts::trades::v1::TradeClosedEvent,
    outcry_contracts::trades::v1::TradeCancelledEvent,
    outcry_contracts::trades::v1::TradeFailedEvent,
    outcry_contracts::trades::v1::SessionChangedEvent,
    outcry_contracts::users::v1::UserCreatedEvent,
    outcry_contracts::users::v1::UserUpdatedEvent,
    outcry_contracts::users::v1::UserLoginEvent,
    outcry_contracts::users::v1::UserStatusChangedEvent,
    outcry_contracts::users::v1::UserRoleChangedEvent,
    outcry_contracts::users::v1::UserPasswordChangedEvent,
];
