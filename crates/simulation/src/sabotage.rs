//! Bugs, planted in what services write: a simulation that does not find them proves nothing.

use outcry_contracts::funds::v1::{
    FundsDepositedEvent, FundsLockedEvent, FundsReleasedEvent, FundsSettledEvent,
    FundsWithdrawnEvent,
};
use outcry_contracts::orders::v1::{
    CancelReason, OrderCancelledEvent, OrderFilledEvent, Side, TimeInForce,
};
use outcry_contracts::trades::v1::{TradeCreatedEvent, TradeExecutedEvent, TradePlacedEvent};
use outcry_contracts::types::v1::asset_amount::Asset;
use outcry_contracts::types::v1::{AssetAmount, Money};
use outcry_contracts::users::v1::UserStatus;
use outcry_events::{Cause, Event, SealedEvent, Stamp, seal};
use outcry_store::{Change, Commit};
use uuid::Uuid;

/// A bug that can be planted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bug {
    /// The ledger takes events and books nothing.
    BooksNothing,
    /// The portfolio does not note what it has handled.
    ForgetsWhatItHandled,
    /// Custody keeps what it should release.
    KeepsLocks,
    /// Custody charges the buyer a little more than it says.
    MiscountsFees,
    /// Orders count one share too many in a fill.
    MiscountsFills,
    /// The venue trades beyond the limit.
    TradesBeyondLimits,
    /// The venue lets users trade with themselves.
    TradesWithOneself,
    /// An order ends twice.
    EndsTwice,
    /// A deposit is credited double.
    CreditsDouble,
    /// Custody starts flows of its own.
    LosesTheFlow,
    /// Orders do not note suspensions.
    IgnoresSuspensions,
    /// The portfolio loses lots.
    LosesLots,
    /// A payout is more than was asked for.
    PaysOutTooMuch,
    /// Settlement makes shares.
    MakesShares,
    /// Post-only orders take.
    TakesPostOnly,
    /// Sells are said to stand higher in the book than they do.
    LosesPriority,
}

/// A ten-thousandth, in billionths.
const SMALLEST: i32 = 100_000;

// === impl Bug ===

impl Bug {
    /// All of them.
    pub const ALL: [Bug; 16] = [
        Bug::BooksNothing,
        Bug::ForgetsWhatItHandled,
        Bug::KeepsLocks,
        Bug::MiscountsFees,
        Bug::MiscountsFills,
        Bug::TradesBeyondLimits,
        Bug::TradesWithOneself,
        Bug::EndsTwice,
        Bug::CreditsDouble,
        Bug::LosesTheFlow,
        Bug::IgnoresSuspensions,
        Bug::LosesLots,
        Bug::PaysOutTooMuch,
        Bug::MakesShares,
        Bug::TakesPostOnly,
        Bug::LosesPriority,
    ];

    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Bug::BooksNothing => "books-nothing",
            Bug::ForgetsWhatItHandled => "forgets-what-it-handled",
            Bug::KeepsLocks => "keeps-locks",
            Bug::MiscountsFees => "miscounts-fees",
            Bug::MiscountsFills => "miscounts-fills",
            Bug::TradesBeyondLimits => "trades-beyond-limits",
            Bug::TradesWithOneself => "trades-with-oneself",
            Bug::EndsTwice => "ends-twice",
            Bug::CreditsDouble => "credits-double",
            Bug::LosesTheFlow => "loses-the-flow",
            Bug::IgnoresSuspensions => "ignores-suspensions",
            Bug::LosesLots => "loses-lots",
            Bug::PaysOutTooMuch => "pays-out-too-much",
            Bug::MakesShares => "makes-shares",
            Bug::TakesPostOnly => "takes-post-only",
            Bug::LosesPriority => "loses-priority",
        }
    }

    /// The invariant that must be named when it is planted.
    #[must_use]
    pub fn breaks(self) -> &'static str {
        match self {
            Bug::BooksNothing | Bug::ForgetsWhatItHandled => "I14",
            Bug::KeepsLocks => "I5",
            Bug::MiscountsFees => "I6",
            Bug::MiscountsFills => "I8",
            Bug::TradesBeyondLimits => "I9",
            Bug::TradesWithOneself => "I12",
            Bug::EndsTwice => "I16",
            Bug::CreditsDouble => "I17",
            Bug::LosesTheFlow => "I23",
            Bug::IgnoresSuspensions => "I22",
            Bug::LosesLots => "I20",
            Bug::PaysOutTooMuch => "I18",
            Bug::MakesShares => "I7",
            Bug::TakesPostOnly => "I11",
            Bug::LosesPriority => "I10",
        }
    }
}

/// What a service with this bug writes instead; none when it writes nothing and believes it has.
pub(crate) fn sabotaged(bug: Option<Bug>, service: &str, mut commit: Commit) -> Option<Commit> {
    let Some(bug) = bug else { return Some(commit) };
    match (bug, service) {
        (Bug::BooksNothing, "ledger") if commit.handled.is_some() => {
            commit.appends.clear();
            commit.views.clear();
        }
        (Bug::ForgetsWhatItHandled, "portfolio") => commit.handled = None,
        (Bug::KeepsLocks, "funds") if has::<FundsReleasedEvent>(&commit) => {
            commit.appends.clear();
            commit.views.clear();
        }
        (Bug::MiscountsFees, "funds") => change(&mut commit, |event: &mut FundsSettledEvent| {
            add(&mut event.buyer_fee, SMALLEST);
        }),
        (Bug::MiscountsFills, "orders") => change(&mut commit, |event: &mut OrderFilledEvent| {
            event.cumulative_quantity += 1;
        }),
        (Bug::TradesBeyondLimits, "trades") => {
            change(&mut commit, |event: &mut TradeExecutedEvent| {
                if let Some(price) = &mut event.last_price {
                    price.units += 3;
                }
            });
        }
        (Bug::TradesWithOneself, "trades") => {
            let mut first = None;
            change(&mut commit, |event: &mut TradeExecutedEvent| {
                let first = first.get_or_insert_with(|| event.user_id.clone());
                event.user_id.clone_from(first);
            });
        }
        (Bug::EndsTwice, "orders") => end_twice(&mut commit),
        (Bug::CreditsDouble, "funds") => change(&mut commit, |event: &mut FundsDepositedEvent| {
            if let Some(AssetAmount {
                asset: Some(Asset::Cash(cash)),
            }) = &mut event.amount
            {
                cash.units *= 2;
                cash.nanos = 0;
            }
        }),
        (Bug::LosesTheFlow, "funds") => lose_flow(&mut commit),
        (Bug::IgnoresSuspensions, "orders") => ignore_suspensions(&mut commit),
        (Bug::LosesLots, "portfolio") if commit.handled.is_some() => commit.views.clear(),
        (Bug::PaysOutTooMuch, "funds") => change(&mut commit, |event: &mut FundsWithdrawnEvent| {
            if let Some(AssetAmount {
                asset: Some(Asset::Cash(cash)),
            }) = &mut event.amount
            {
                cash.units += 100_000;
            }
        }),
        (Bug::MakesShares, "funds") => change(&mut commit, |event: &mut FundsSettledEvent| {
            event.quantity += 1;
        }),
        (Bug::TakesPostOnly, "trades") => change(&mut commit, |event: &mut TradeCreatedEvent| {
            if let Some(terms) = &mut event.terms
                && matches!(terms.time_in_force(), TimeInForce::Gtc | TimeInForce::Day)
                && terms.stop_price.is_none()
                && terms.limit_price.is_some()
            {
                terms.post_only = true;
            }
        }),
        (Bug::LosesPriority, "trades") => change(&mut commit, |event: &mut TradePlacedEvent| {
            if event.side() == Side::Sell
                && let Some(price) = &mut event.limit_price
            {
                price.units += 1;
            }
        }),
        _ => {}
    }
    Some(commit)
}

/// Users are written down as active, whatever they are.
fn ignore_suspensions(commit: &mut Commit) {
    commit
        .views
        .retain(|write| write.view != "barred_users" || write.change == Change::Delete);
    for write in &mut commit.views {
        if let Change::Put { body, .. } = &mut write.change
            && write.view == "users"
            && let Ok(mut row) = serde_json::from_slice::<serde_json::Value>(body)
        {
            row["status"] = i32::from(UserStatus::Active).into();
            *body = row.to_string().into_bytes();
        }
    }
}

fn add(money: &mut Option<Money>, nanos: i32) {
    if let Some(money) = money {
        money.nanos += nanos;
    }
}

fn has<E: Event>(commit: &Commit) -> bool {
    let mut events = commit.appends.iter().flat_map(|append| &append.events);
    events.any(SealedEvent::is::<E>)
}

/// Changes every event of one kind.
fn change<E: Event>(commit: &mut Commit, mut wrong: impl FnMut(&mut E)) {
    for append in &mut commit.appends {
        for event in &mut append.events {
            if let Some(changed) = remade(event, |_, payload| wrong(payload)) {
                *event = changed;
            }
        }
    }
}

/// The same event with another payload or cause; none when it is of another kind.
fn remade<E: Event>(
    event: &SealedEvent,
    wrong: impl FnOnce(&mut Cause, &mut E),
) -> Option<SealedEvent> {
    if !event.is::<E>() {
        return None;
    }
    let mut payload = event.payload::<E>().ok()?;
    let mut cause = Cause {
        correlation_id: event.correlation_id(),
        causation_id: event.causation_id(),
        actor: event.envelope().actor.clone(),
        traceparent: event.envelope().traceparent.clone(),
    };
    wrong(&mut cause, &mut payload);
    let stamp = Stamp {
        event_id: event.id(),
        sequence: event.sequence(),
        occurred_at: event.occurred_at(),
        recorded_at: event.recorded_at().unwrap_or(event.occurred_at()),
        cause: &cause,
    };
    seal(&payload, stamp).ok()
}

/// Every lock is the start of a flow of its own.
fn lose_flow(commit: &mut Commit) {
    for append in &mut commit.appends {
        for event in &mut append.events {
            let other = Uuid::from_u128(!event.id().as_u128());
            let lost = remade(event, |cause, _: &mut FundsLockedEvent| {
                cause.correlation_id = Uuid::from_u64_pair(
                    event.correlation_id().as_u64_pair().0,
                    other.as_u64_pair().1,
                );
            });
            if let Some(lost) = lost {
                *event = lost;
            }
        }
    }
}

/// What is filled is cancelled, too.
fn end_twice(commit: &mut Commit) {
    for append in &mut commit.appends {
        let Some(last) = append.events.last() else {
            continue;
        };
        let Ok(filled) = last.payload::<OrderFilledEvent>() else {
            continue;
        };
        if filled.leaves_quantity > 0 {
            continue;
        }
        let cancelled = OrderCancelledEvent {
            order_id: filled.order_id,
            user_id: filled.user_id,
            symbol: filled.symbol,
            side: filled.side,
            cumulative_quantity: filled.cumulative_quantity,
            cancelled_quantity: 0,
            reason: CancelReason::User.into(),
        };
        let cause = last.cause("service:orders");
        let stamp = Stamp {
            event_id: Uuid::from_u128(last.id().as_u128() + 1),
            sequence: last.sequence() + 1,
            occurred_at: last.occurred_at(),
            recorded_at: last.occurred_at(),
            cause: &cause,
        };
        if let Ok(event) = seal(&cancelled, stamp) {
            append.events.push(event);
        }
    }
}
