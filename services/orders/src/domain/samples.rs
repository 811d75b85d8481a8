//! Orders, commands and events for the tests.

use outcry_contracts::orders::v1::{OrderType, Side, TimeInForce};
use outcry_contracts::types::v1::AssetAmount;
use outcry_contracts::types::v1::asset_amount::Asset;

use super::*;

pub(crate) const ORDER: &str = "0191f000-0000-7000-8000-000000000001";
pub(crate) const USER: &str = "0191f000-0000-7000-8000-00000000000a";

/// So many whole dollars.
pub(crate) fn dollars(units: i32) -> Amount {
    Amount::from_units(units)
}

/// A limit buy at 10.00.
pub(crate) fn terms(quantity: i64) -> OrderTerms {
    OrderTerms {
        symbol: "ACME".to_owned(),
        side: Side::Buy.into(),
        r#type: OrderType::Limit.into(),
        quantity,
        limit_price: Some(dollars(10).to_money()),
        time_in_force: TimeInForce::Gtc.into(),
        ..OrderTerms::default()
    }
}

pub(crate) fn place(quantity: i64) -> Command {
    Command::Place {
        order_id: ORDER.to_owned(),
        user_id: USER.to_owned(),
        client_order_id: String::new(),
        terms: Box::new(terms(quantity)),
        refused: None,
    }
}

pub(crate) fn locked() -> AssetAmount {
    AssetAmount {
        asset: Some(Asset::Cash(dollars(1000).to_money())),
    }
}

pub(crate) fn validate() -> Command {
    Command::Validate {
        locked: locked(),
        protection: dollars(10),
    }
}

pub(crate) fn refused() -> Refused {
    Refused {
        reason: RejectReason::InsufficientFunds,
        message: "3.00 USD is available".to_owned(),
    }
}

/// A fill at 9.00 of an order that wants `total` shares.
pub(crate) fn fill(execution: u32, last: i64, cumulative: i64, total: i64) -> Command {
    Command::Fill(Fill {
        execution_id: format!("ACME-{execution}-B"),
        last,
        price: dollars(9),
        cumulative,
        leaves: total - cumulative,
    })
}

pub(crate) fn replace(revision: u32, quantity: i64) -> Command {
    Command::Replace(Replacement {
        revision,
        quantity,
        limit: dollars(11),
        stop: None,
        kept_priority: false,
    })
}

pub(crate) fn take_off(cumulative: i64, unfilled: i64, reason: CancelReason) -> Command {
    Command::TakeOff {
        cumulative,
        unfilled,
        reason,
    }
}

/// The events of these commands, one after the other.
pub(crate) fn after(commands: &[Command]) -> Vec<OrderEvent> {
    let mut order = Order::default();
    let mut events = Vec::new();
    for command in commands {
        let decided = order.decide(command).expect("a command of the history");
        order = decided.iter().fold(order, Order::evolve);
        events.extend(decided);
    }
    events
}
