//! What a wish to change an order means for it: whether it may be, and what it needs. Pure.

use outcry_contracts::orders::v1::{OrderStatus, OrderType};
use outcry_events::Amount;
use outcry_mesh::refusal;
use tonic::{Code, Status};

use super::{Wish, not_now};
use crate::config::Config;
use crate::domain::lifecycle::{self, Step};
use crate::instruments::Rules;
use crate::pretrade::{self, Lock};
use crate::views::{self, Document, OrderRow, Progress, Replacing};

/// What becomes of the progress when `wish` is taken up; unchanged when there is nothing to do.
pub(super) fn planned(
    config: &Config,
    rules: Option<&Rules>,
    row: &OrderRow,
    wish: &Wish,
) -> Result<Progress, Status> {
    let (order, progress) = (&row.order, &row.progress);
    if let Some(current) = &progress.replacing
        && current.request == wish.request
    {
        return Ok(progress.clone());
    }
    may_change(row)?;
    let kind = order.order_type();
    if kind == OrderType::Market {
        return Err(not_now(
            "NOT_A_RESTING_ORDER",
            "a market order never rests, so it cannot be changed",
        ));
    }
    if wish.stop.is_some() && (progress.triggered || order.cumulative_quantity > 0) {
        let message = "the order has been woken: its stop price has done its work";
        return Err(not_now("STOP_TRIGGERED", message));
    }
    let rules = rules.ok_or_else(|| {
        let message = format!("{} cannot be traded here any more", order.symbol);
        not_now("UNKNOWN_SYMBOL", &message)
    })?;
    if let Some(stop) = wish.stop {
        pretrade::check_tick(rules, stop).map_err(not_allowed)?;
    }
    let price = price_bound(config, rules, order, wish)?;
    let stop = wish.stop.map(Amount::raw);
    let same_stop = stop.is_none() || stop == order.stop_price;
    if wish.quantity == order.quantity && Some(price) == order.protection() && same_stop {
        return Ok(progress.clone());
    }
    pretrade::check_order(rules, price, wish.quantity).map_err(not_allowed)?;
    let revision = progress.last_revision.max(order.revision) + 1;
    Ok(Progress {
        replacing: Some(Replacing {
            request: wish.request.clone(),
            revision,
            quantity: wish.quantity,
            limit_price: price.raw(),
            stop_price: stop,
            is_applied: false,
        }),
        last_revision: revision,
        ..progress.clone()
    })
}

/// Whether the table of an order's life allows to ask for a change now.
fn may_change(row: &OrderRow) -> Result<(), Status> {
    let status = views::status(row);
    if lifecycle::allows(status, Step::AskReplace) && row.progress.placing.is_none() {
        return Ok(());
    }
    Err(match status {
        OrderStatus::PendingReplace => not_now(
            "REPLACE_PENDING",
            "another change of the order is being decided",
        ),
        OrderStatus::PendingCancel => not_now("CANCEL_PENDING", "the order is being cancelled"),
        status if lifecycle::is_final(status) => {
            let message = format!("the order is {} and final", status.as_str_name());
            not_now("ORDER_FINAL", &message)
        }
        _ => not_now("NOT_AT_VENUE", "the order is not at the venue yet"),
    })
}

/// The price the changed order must not be filled beyond: its limit, or the collar of its stop.
fn price_bound(
    config: &Config,
    rules: &Rules,
    order: &Document,
    wish: &Wish,
) -> Result<Amount, Status> {
    let kept = || {
        order.protection().ok_or_else(|| {
            refusal::with_reason(Code::Internal, "INTERNAL", "the order has no price")
        })
    };
    match (order.order_type(), wish.limit, wish.stop) {
        (OrderType::Limit | OrderType::StopLimit, Some(limit), _) => Ok(limit),
        (OrderType::Stop, _, Some(stop)) => pretrade::collar(config, rules, order.side(), stop)
            .ok_or_else(|| refusal::invalid("stop_price", "is too large")),
        _ => kept(),
    }
}

/// What the shares not filled yet need under the new terms, beside what they need now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Needs {
    /// This, which is more: it is locked before the venue is asked.
    More(Lock),
    /// As much.
    Same,
    /// Less: that goes back once the venue has accepted the change.
    Less,
}

/// Compares the needs. The venue's news of a change may have overtaken its answer; what the change
/// needed more was locked before then, and custody does nothing twice.
pub(super) fn change_of_need(config: &Config, order: &Document, new: &Replacing) -> Needs {
    if new.is_applied {
        return Needs::Less;
    }
    let (terms, filled) = (order.terms(), order.cumulative_quantity);
    let need = |price: Option<Amount>, quantity: i64| {
        pretrade::lock(config, &terms, price?, quantity - filled)
    };
    let wanted = need(Amount::from_raw(new.limit_price).ok(), new.quantity);
    let present = need(order.protection(), order.quantity);
    match (wanted, present) {
        (Some(wanted), Some(present)) if wanted.size() > present.size() => Needs::More(wanted),
        (Some(wanted), Some(present)) if wanted.size() < present.size() => Needs::Less,
        _ => Needs::Same,
    }
}

/// The caller's terms break a rule of the symbol.
fn not_allowed(refused: crate::domain::Refused) -> Status {
    refusal::with_reason(
        Code::InvalidArgument,
        refused
            .reason
            .as_str_name()
            .trim_start_matches("REJECT_REASON_"),
        refused.message,
    )
}
