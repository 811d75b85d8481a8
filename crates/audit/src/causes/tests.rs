use outcry_contracts::funds::v1::FundsSettledEvent;
use outcry_contracts::orders::v1::{OrderFilledEvent, OrderValidatedEvent};
use outcry_contracts::trades::v1::TradeExecutedEvent;
use outcry_contracts::users::v1::UserCreatedEvent;
use uuid::Uuid;

use crate::samples::day::day;
use crate::samples::{FLOW, sale};

const NONE: [&str; 0] = [];

#[test]
fn a_day_as_it_should_be_breaks_nothing() {
    assert_eq!(day().broken(), NONE);
    assert!(day().findings().checked["I23"] > 100);
}

#[test]
fn i23_an_event_whose_cause_is_missing_is_found_unless_that_is_the_command() {
    let stranger = Some(Uuid::from_u128(0xbad));
    let script = sale().because::<FundsSettledEvent>(0, FLOW, stranger);
    assert_eq!(script.broken(), ["I23"]);
    let command = Some(Uuid::from_u128(FLOW));
    let script = sale().because::<FundsSettledEvent>(0, FLOW, command);
    assert_eq!(script.broken(), NONE);
}

#[test]
fn i23_an_event_of_another_flow_than_its_cause_is_found() {
    let cause = sale().event_id::<TradeExecutedEvent>(0);
    let script = sale().because::<OrderFilledEvent>(0, FLOW + 1, Some(cause));
    assert_eq!(script.broken(), ["I23"]);
    let script = sale().because::<OrderFilledEvent>(0, FLOW, Some(cause));
    assert_eq!(script.broken(), NONE);
}

#[test]
fn i23_an_event_written_before_its_cause_is_found() {
    let cause = sale().event_id::<OrderFilledEvent>(0);
    let script = sale().because::<OrderValidatedEvent>(0, FLOW, Some(cause));
    assert_eq!(script.broken(), ["I23"]);
}

#[test]
fn i23_events_of_two_services_that_led_to_each_other_are_found() {
    let (filled, executed) = (
        sale().event_id::<OrderFilledEvent>(0),
        sale().event_id::<TradeExecutedEvent>(0),
    );
    let script = sale()
        .because::<OrderFilledEvent>(0, FLOW, Some(executed))
        .because::<TradeExecutedEvent>(0, FLOW, Some(filled));
    assert_eq!(script.broken(), ["I23"]);
}

#[test]
fn events_without_a_cause_begin_a_flow() {
    let script = sale().because::<UserCreatedEvent>(1, FLOW + 1, None);
    assert_eq!(script.broken(), NONE);
}
