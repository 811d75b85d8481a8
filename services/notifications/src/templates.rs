//! Every event's message, or that it deliberately has none. Pure.
//!
//! One fact makes one message: what the venue does with an order is told by the order's own
//! events, what a payment brings by the deposit.

#[cfg(test)]
mod tests;

use outcry_contracts::funds::v1::{
    DepositMethod, FundsDepositedEvent, FundsLockedEvent, FundsReleasedEvent, FundsSettledEvent,
    FundsWithdrawnEvent, LockPurpose, ReleaseReason, WithdrawalMethod,
};
use outcry_contracts::notifications::v1::Priority;
use outcry_contracts::orders::v1::{
    OrderCancelledEvent, OrderCreatedEvent, OrderExpiredEvent, OrderFilledEvent,
    OrderRejectedEvent, OrderReplacedEvent, OrderStatus, OrderValidatedEvent, Side,
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
use outcry_contracts::types::v1::asset_amount::Asset;
use outcry_contracts::types::v1::{AssetAmount, Money};
use outcry_contracts::users::v1::{
    UserCreatedEvent, UserLoginEvent, UserPasswordChangedEvent, UserRoleChangedEvent, UserStatus,
    UserStatusChangedEvent, UserUpdatedEvent,
};
use outcry_events::topic::event_name;
use outcry_events::{Amount, Event, PayloadError, SealedEvent};

/// Topics whose messages cannot be muted: somebody else may be acting in the user's name.
pub const UNMUTABLE: [&str; 4] = [
    UserLoginEvent::TOPIC,
    UserPasswordChangedEvent::TOPIC,
    UserRoleChangedEvent::TOPIC,
    UserStatusChangedEvent::TOPIC,
];

/// A message before it is addressed and numbered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// How much it matters.
    pub priority: Priority,
    /// One line.
    pub title: String,
    /// A sentence or two.
    pub body: String,
    /// Order, payment or report it is about; may be empty.
    pub reference: String,
}

/// What an event says to the users it is about.
type Template = fn(&SealedEvent) -> Result<Option<Text>, PayloadError>;

/// Every event of the contract in its newest version, with its template.
const TABLE: &[(&str, Template)] = &[
    (UserCreatedEvent::TOPIC, user_created),
    (UserUpdatedEvent::TOPIC, user_updated),
    (UserLoginEvent::TOPIC, user_login),
    (UserStatusChangedEvent::TOPIC, user_status_changed),
    (UserRoleChangedEvent::TOPIC, user_role_changed),
    (UserPasswordChangedEvent::TOPIC, user_password_changed),
    (OrderCreatedEvent::TOPIC, order_created),
    (OrderValidatedEvent::TOPIC, silent),
    (OrderFilledEvent::TOPIC, order_filled),
    (OrderCancelledEvent::TOPIC, order_cancelled),
    (OrderExpiredEvent::TOPIC, order_expired),
    (OrderRejectedEvent::TOPIC, order_rejected),
    (OrderReplacedEvent::TOPIC, order_replaced),
    (FundsDepositedEvent::TOPIC, funds_deposited),
    (FundsWithdrawnEvent::TOPIC, funds_withdrawn),
    (FundsLockedEvent::TOPIC, funds_locked),
    (FundsReleasedEvent::TOPIC, funds_released),
    (FundsSettledEvent::TOPIC, silent),
    (TradeCreatedEvent::TOPIC, silent),
    (TradePlacedEvent::TOPIC, silent),
    (TradeExecutedEvent::TOPIC, silent),
    (TradeClosedEvent::TOPIC, silent),
    (TradeCancelledEvent::TOPIC, silent),
    (TradeFailedEvent::TOPIC, silent),
    // About a symbol and so about nobody: operators have the event itself.
    (SessionChangedEvent::TOPIC, silent),
    (PaymentCreatedEvent::TOPIC, payment_created),
    (PaymentSuccessEvent::TOPIC, silent),
    (PaymentFailedEvent::TOPIC, payment_failed),
    (PaymentExpiredEvent::TOPIC, payment_expired),
    (ReportRequestedEvent::TOPIC, silent),
    (ReportCompletedEvent::TOPIC, report_completed),
    (ReportFailedEvent::TOPIC, report_failed),
];

/// The message of an event; none for what is told otherwise or not known here.
///
/// # Errors
/// The event cannot be read.
pub fn text(event: &SealedEvent) -> Result<Option<Text>, PayloadError> {
    TABLE
        .iter()
        .find(|(topic, _)| event_name(topic) == event_name(event.topic()))
        .map_or(Ok(None), |(_, template)| template(event))
}

/// Names of events, which can be muted or not: topics without a version.
pub fn is_known(name: &str) -> bool {
    TABLE.iter().any(|(topic, _)| event_name(topic) == name)
}

fn silent(_: &SealedEvent) -> Result<Option<Text>, PayloadError> {
    Ok(None)
}

fn say(
    priority: Priority,
    title: impl Into<String>,
    body: impl Into<String>,
    reference: &str,
) -> Result<Option<Text>, PayloadError> {
    Ok(Some(Text {
        priority,
        title: title.into(),
        body: body.into(),
        reference: reference.to_owned(),
    }))
}

fn money(money: Option<&Money>) -> String {
    let amount = Amount::from_required(money).unwrap_or_default();
    format!("{amount} USD")
}

fn asset(amount: Option<&AssetAmount>) -> String {
    match amount.and_then(|amount| amount.asset.as_ref()) {
        Some(Asset::Cash(cash)) => money(Some(cash)),
        Some(Asset::Shares(shares)) => format!("{} {}", shares.quantity, shares.symbol),
        None => String::new(),
    }
}

fn verb(side: Side) -> &'static str {
    match side {
        Side::Sell => "Sell",
        _ => "Buy",
    }
}

// === Users ===

fn user_created(_: &SealedEvent) -> Result<Option<Text>, PayloadError> {
    let body = "Your account is open. Deposit funds to start trading.";
    say(Priority::Normal, "Welcome", body, "")
}

fn user_updated(event: &SealedEvent) -> Result<Option<Text>, PayloadError> {
    let updated: UserUpdatedEvent = event.payload()?;
    let body = if updated.email_changed {
        "Your profile and e-mail address were changed."
    } else {
        "Your profile was changed."
    };
    say(Priority::Low, "Profile changed", body, "")
}

fn user_login(_: &SealedEvent) -> Result<Option<Text>, PayloadError> {
    let body = "Somebody signed in to your account. If it was not you, change your password.";
    say(Priority::Normal, "New sign-in", body, "")
}

fn user_status_changed(event: &SealedEvent) -> Result<Option<Text>, PayloadError> {
    let changed: UserStatusChangedEvent = event.payload()?;
    let (title, body) = match changed.new_status() {
        UserStatus::Active => ("Account active", "You can trade and withdraw."),
        UserStatus::Suspended => (
            "Account suspended",
            "Open orders are cancelled; trading and withdrawals are stopped.",
        ),
        _ => ("Account closed", "Your account is closed."),
    };
    say(Priority::High, title, body, "")
}

fn user_role_changed(_: &SealedEvent) -> Result<Option<Text>, PayloadError> {
    let body = "What your account is allowed to do was changed. Sign in again.";
    say(Priority::High, "Roles changed", body, "")
}

fn user_password_changed(_: &SealedEvent) -> Result<Option<Text>, PayloadError> {
    let body = "Your password was changed and other sessions were ended.";
    say(Priority::High, "Password changed", body, "")
}

// === Orders ===

fn order_created(event: &SealedEvent) -> Result<Option<Text>, PayloadError> {
    let created: OrderCreatedEvent = event.payload()?;
    let terms = created.terms.unwrap_or_default();
    let title = format!("{} {} {}", verb(terms.side()), terms.quantity, terms.symbol);
    say(
        Priority::Low,
        title,
        "Your order was received.",
        &created.order_id,
    )
}

fn order_filled(event: &SealedEvent) -> Result<Option<Text>, PayloadError> {
    let filled: OrderFilledEvent = event.payload()?;
    let verb = verb(filled.side());
    let (symbol, average) = (&filled.symbol, money(filled.average_price.as_ref()));
    if filled.status() == OrderStatus::Filled {
        let title = format!("{verb} {} {symbol} filled", filled.cumulative_quantity);
        let body = format!("At an average of {average}.");
        return say(Priority::High, title, body, &filled.order_id);
    }
    let price = money(filled.last_price.as_ref());
    let title = format!("{verb} {} {symbol} at {price}", filled.last_quantity);
    let body = format!("{} shares are still open.", filled.leaves_quantity);
    say(Priority::Normal, title, body, &filled.order_id)
}

fn order_cancelled(event: &SealedEvent) -> Result<Option<Text>, PayloadError> {
    let cancelled: OrderCancelledEvent = event.payload()?;
    let title = format!("{} {} cancelled", verb(cancelled.side()), cancelled.symbol);
    let body = format!(
        "{} shares were filled, {} were not.",
        cancelled.cumulative_quantity, cancelled.cancelled_quantity
    );
    say(Priority::Normal, title, body, &cancelled.order_id)
}

fn order_expired(event: &SealedEvent) -> Result<Option<Text>, PayloadError> {
    let expired: OrderExpiredEvent = event.payload()?;
    let title = format!("{} {} expired", verb(expired.side()), expired.symbol);
    let body = format!(
        "{} shares were filled, {} were not.",
        expired.cumulative_quantity, expired.expired_quantity
    );
    say(Priority::Normal, title, body, &expired.order_id)
}

fn order_rejected(event: &SealedEvent) -> Result<Option<Text>, PayloadError> {
    let rejected: OrderRejectedEvent = event.payload()?;
    let title = format!("{} {} rejected", verb(rejected.side()), rejected.symbol);
    say(Priority::High, title, rejected.message, &rejected.order_id)
}

fn order_replaced(event: &SealedEvent) -> Result<Option<Text>, PayloadError> {
    let replaced: OrderReplacedEvent = event.payload()?;
    let title = format!("{} {} changed", verb(replaced.side()), replaced.symbol);
    let limit = money(replaced.limit_price.as_ref());
    let body = format!("Now {} shares at {limit}.", replaced.quantity);
    say(Priority::Low, title, body, &replaced.order_id)
}

// === Funds ===

fn funds_deposited(event: &SealedEvent) -> Result<Option<Text>, PayloadError> {
    let deposited: FundsDepositedEvent = event.payload()?;
    let amount = asset(deposited.amount.as_ref());
    let title = match deposited.method() {
        DepositMethod::Reversal => format!("{amount} returned to you"),
        _ => format!("{amount} received"),
    };
    let available = asset(deposited.available.as_ref());
    let body = noted(format!("{available} are available."), &deposited.note);
    say(Priority::Normal, title, body, &deposited.reference)
}

fn funds_withdrawn(event: &SealedEvent) -> Result<Option<Text>, PayloadError> {
    let withdrawn: FundsWithdrawnEvent = event.payload()?;
    let amount = asset(withdrawn.amount.as_ref());
    let last4 = &withdrawn.destination_last4;
    let (title, body) = match withdrawn.method() {
        WithdrawalMethod::Reversal => {
            let available = asset(withdrawn.available.as_ref());
            let title = format!("Deposit of {amount} taken back");
            (title, format!("{available} are available."))
        }
        WithdrawalMethod::SuspenseRefund => {
            let body = "A payment that could not be booked goes back to where it came from.";
            (format!("{amount} sent back"), body.to_owned())
        }
        WithdrawalMethod::Payout | WithdrawalMethod::Unspecified => {
            let body = format!("To the account ending in {last4}.");
            (format!("{amount} paid out"), body)
        }
    };
    let body = noted(body, &withdrawn.note);
    say(Priority::High, title, body, &withdrawn.withdrawal_id)
}

/// With what an operator said about it, if anything.
fn noted(body: String, note: &str) -> String {
    if note.is_empty() {
        return body;
    }
    format!("{body} {note}")
}

fn funds_locked(event: &SealedEvent) -> Result<Option<Text>, PayloadError> {
    let locked: FundsLockedEvent = event.payload()?;
    let title = format!("{} set aside", asset(locked.amount.as_ref()));
    let body = match locked.purpose() {
        LockPurpose::Withdrawal => "For a payout.",
        _ => "For an order.",
    };
    say(Priority::Low, title, body, &locked.lock_id)
}

/// What goes back because an order ended is no message: the end of the order is.
fn funds_released(event: &SealedEvent) -> Result<Option<Text>, PayloadError> {
    let released: FundsReleasedEvent = event.payload()?;
    let title = format!("{} available again", asset(released.amount.as_ref()));
    let (priority, body) = match released.reason() {
        ReleaseReason::Filled
        | ReleaseReason::Cancelled
        | ReleaseReason::Expired
        | ReleaseReason::Rejected => return Ok(None),
        ReleaseReason::WithdrawalFailed => (Priority::High, "The payout could not be made."),
        ReleaseReason::Replaced | ReleaseReason::Unspecified => {
            (Priority::Low, "Not needed any more.")
        }
    };
    say(priority, title, body, &released.lock_id)
}

// === Payments and reports ===

fn payment_created(event: &SealedEvent) -> Result<Option<Text>, PayloadError> {
    let created: PaymentCreatedEvent = event.payload()?;
    let title = format!("Deposit of {} started", money(created.amount.as_ref()));
    let body = "Waiting for the payment provider.";
    say(Priority::Low, title, body, &created.payment_id)
}

fn payment_failed(event: &SealedEvent) -> Result<Option<Text>, PayloadError> {
    let failed: PaymentFailedEvent = event.payload()?;
    let title = format!("Deposit of {} failed", money(failed.amount.as_ref()));
    let body = match &failed.captured {
        Some(captured) => format!(
            "{} The {} that arrived are kept until somebody has looked at it.",
            failed.message,
            money(Some(captured))
        ),
        None => failed.message,
    };
    say(Priority::High, title, body, &failed.payment_id)
}

fn payment_expired(event: &SealedEvent) -> Result<Option<Text>, PayloadError> {
    let expired: PaymentExpiredEvent = event.payload()?;
    let title = format!("Deposit of {} expired", money(expired.amount.as_ref()));
    let body = "The payment provider did not answer in time.";
    say(Priority::Normal, title, body, &expired.payment_id)
}

fn report_completed(event: &SealedEvent) -> Result<Option<Text>, PayloadError> {
    let completed: ReportCompletedEvent = event.payload()?;
    let body = format!("{} rows, ready to download.", completed.rows);
    say(Priority::Normal, "Report ready", body, &completed.report_id)
}

fn report_failed(event: &SealedEvent) -> Result<Option<Text>, PayloadError> {
    let failed: ReportFailedEvent = event.payload()?;
    say(
        Priority::Normal,
        "Report failed",
        failed.message,
        &failed.report_id,
    )
}
