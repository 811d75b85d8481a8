//! An order as its owner sees it.

use outcry_contracts::orders::v1::{CancelReason, Order, OrderStatus};
use outcry_contracts::trades::v1::{FailureReason, TradeStatus};
use outcry_events::Amount;
use outcry_store::timer;

use super::{OrderRow, VenueState};
use crate::domain::lifecycle;
use crate::terms::waits_for_stop;
use crate::venue::reject_reason;

/// An order as its owner sees it: its events, and over them what the venue has answered already
/// and what it has been asked.
///
/// The venue's answer to a command arrives before its events do. Where it knows more it is shown,
/// so that what a command answered is not taken back by the next read; a final status that came
/// with an event is always the last word.
pub fn shown(row: &OrderRow) -> Order {
    let document = &row.order;
    let mut order = as_told_by_events(row);
    if document.is_final() {
        return order;
    }
    if let Some(venue) = &row.progress.venue {
        lay_over(&mut order, venue);
    }
    order.set_status(status(row));
    order
}

/// Where an order is, without the questions the venue has been asked: what its events say, or the
/// venue's answers where they are ahead.
pub(crate) fn settled_status(row: &OrderRow) -> OrderStatus {
    let told = row.order.status();
    match &row.progress.venue {
        Some(venue) if !row.order.is_final() && leads(venue, row.order.cumulative_quantity) => {
            said_by(venue).unwrap_or(told)
        }
        _ => told,
    }
}

/// Where an order is, as it is shown. A question to the venue shows on an order that is in the
/// market; before, the order is on its way there with the question waiting for it.
pub(crate) fn status(row: &OrderRow) -> OrderStatus {
    let settled = settled_status(row);
    if !lifecycle::at_venue(settled) {
        return settled;
    }
    match (&row.progress.cancelling, &row.progress.replacing) {
        (Some(_), _) => OrderStatus::PendingCancel,
        (None, Some(_)) => OrderStatus::PendingReplace,
        (None, None) => settled,
    }
}

fn as_told_by_events(row: &OrderRow) -> Order {
    let document = &row.order;
    let stops = waits_for_stop(document.order_type());
    let time = |nanos| Some(timer::time_of(nanos).into());
    Order {
        order_id: document.order_id.clone(),
        user_id: document.user_id.clone(),
        client_order_id: document.client_order_id.clone(),
        terms: Some(document.terms()),
        status: document.status,
        cumulative_quantity: document.cumulative_quantity,
        leaves_quantity: document.leaves_quantity,
        average_price: money(document.average_price),
        reject_reason: document.reject_reason,
        cancel_reason: document.cancel_reason,
        message: document.message.clone(),
        revision: document.revision,
        created_at: time(document.created_at),
        updated_at: time(document.updated_at),
        correlation_id: document.correlation_id.to_string(),
        triggered: stops && (row.progress.triggered || document.cumulative_quantity > 0),
    }
}

/// Whether the venue's answer is not behind the events, which say so many shares are filled.
fn leads(venue: &VenueState, cumulative: i64) -> bool {
    venue.cumulative_quantity >= cumulative
}

/// The status the venue's answer makes; none while it says nothing yet.
fn said_by(venue: &VenueState) -> Option<OrderStatus> {
    Some(match venue.status() {
        TradeStatus::Unspecified | TradeStatus::Created => return None,
        // A stop order waits at the venue: it is open.
        TradeStatus::Placed | TradeStatus::TriggerPending => OrderStatus::Open,
        TradeStatus::PartiallyFilled => OrderStatus::PartiallyFilled,
        TradeStatus::Filled | TradeStatus::Closed => OrderStatus::Filled,
        TradeStatus::Cancelled if venue.cancel_reason == i32::from(CancelReason::Expired) => {
            OrderStatus::Expired
        }
        TradeStatus::Cancelled => OrderStatus::Cancelled,
        TradeStatus::Failed if venue.failure_reason() == FailureReason::CancelledBeforeVenue => {
            OrderStatus::Cancelled
        }
        TradeStatus::Failed => OrderStatus::Rejected,
    })
}

fn lay_over(order: &mut Order, venue: &VenueState) {
    if !leads(venue, order.cumulative_quantity) {
        return;
    }
    order.cumulative_quantity = venue.cumulative_quantity;
    order.average_price = money(venue.average_price);
    let status = said_by(venue).unwrap_or(order.status());
    match status {
        OrderStatus::Rejected => {
            order.set_reject_reason(reject_reason(venue.failure_reason()));
            order.message.clone_from(&venue.message);
        }
        OrderStatus::Cancelled | OrderStatus::Expired => order.cancel_reason = venue.cancel_reason,
        _ => {}
    }
    let quantity = order.terms.as_ref().map_or(0, |terms| terms.quantity);
    order.leaves_quantity = if lifecycle::is_final(status) {
        0
    } else {
        (quantity - venue.cumulative_quantity).max(0)
    };
}

fn money(raw: Option<i64>) -> Option<outcry_contracts::types::v1::Money> {
    Amount::from_raw(raw?).ok().map(Amount::to_money)
}

#[cfg(test)]
mod tests {
    use outcry_contracts::orders::v1::RejectReason;

    use super::*;
    use crate::views::{Cancelling, Document, Progress, Replacing, RequestKey};

    fn row(status: OrderStatus, cumulative: i64) -> OrderRow {
        OrderRow {
            order: Document {
                quantity: 100,
                status: status.into(),
                cumulative_quantity: cumulative,
                leaves_quantity: 100 - cumulative,
                ..Document::default()
            },
            progress: Progress::default(),
        }
    }

    fn venue(status: TradeStatus, cumulative: i64) -> Option<VenueState> {
        Some(VenueState {
            status: status.into(),
            cumulative_quantity: cumulative,
            ..VenueState::default()
        })
    }

    #[track_caller]
    fn check(row: &OrderRow, status: OrderStatus, cumulative: i64, leaves: i64) {
        let order = shown(row);
        assert_eq!(
            (
                order.status(),
                order.cumulative_quantity,
                order.leaves_quantity
            ),
            (status, cumulative, leaves)
        );
    }

    #[test]
    fn an_acknowledged_order_is_open() {
        let mut row = row(OrderStatus::Validated, 0);
        check(&row, OrderStatus::Validated, 0, 100);
        row.progress.venue = venue(TradeStatus::Placed, 0);
        check(&row, OrderStatus::Open, 0, 100);
    }

    #[test]
    fn the_venues_answer_is_shown_where_it_is_ahead_and_not_where_it_is_behind() {
        let mut row = row(OrderStatus::PartiallyFilled, 30);
        row.progress.venue = venue(TradeStatus::Filled, 100);
        check(&row, OrderStatus::Filled, 100, 0);
        row.progress.venue = venue(TradeStatus::Placed, 0);
        check(&row, OrderStatus::PartiallyFilled, 30, 70);
    }

    #[test]
    fn a_final_event_is_the_last_word() {
        let mut row = row(OrderStatus::Cancelled, 30);
        row.order.leaves_quantity = 0;
        row.progress.venue = venue(TradeStatus::Filled, 30);
        check(&row, OrderStatus::Cancelled, 30, 0);
    }

    #[test]
    fn what_the_venue_was_asked_shows_until_it_has_decided() {
        let mut row = row(OrderStatus::PartiallyFilled, 30);
        row.progress.replacing = Some(Replacing {
            request: RequestKey::default(),
            revision: 1,
            quantity: 50,
            limit_price: 1,
            stop_price: None,
            is_applied: false,
        });
        check(&row, OrderStatus::PendingReplace, 30, 70);
        row.progress.cancelling = Some(Cancelling {
            reason: CancelReason::User.into(),
        });
        check(&row, OrderStatus::PendingCancel, 30, 70);
        row.progress.venue = venue(TradeStatus::Filled, 100);
        check(&row, OrderStatus::Filled, 100, 0);
    }

    #[test]
    fn the_venues_refusals_read_as_rejections_or_cancellations() {
        let mut row = row(OrderStatus::Validated, 0);
        let mut state = venue(TradeStatus::Failed, 0).unwrap();
        state.failure_reason = FailureReason::SymbolHalted.into();
        row.progress.venue = Some(state.clone());
        check(&row, OrderStatus::Rejected, 0, 0);
        assert_eq!(shown(&row).reject_reason(), RejectReason::SymbolHalted);
        state.failure_reason = FailureReason::CancelledBeforeVenue.into();
        row.progress.venue = Some(state);
        check(&row, OrderStatus::Cancelled, 0, 0);
    }
}
