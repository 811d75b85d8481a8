use super::*;
use crate::history::Recorded;
use crate::samples::{broken, sale};

fn judged(events: Vec<Recorded>) -> Vec<&'static str> {
    let mut findings = Findings::default();
    check(&History::new(events), &mut findings);
    broken(&findings)
}

#[test]
fn a_sale_as_it_should_be_breaks_nothing() {
    assert_eq!(judged(sale().history().events), Vec::<&str>::new());
}

#[test]
fn i15_a_gap_in_a_stream_is_found() {
    let mut events = sale().history().events;
    let first = events
        .iter()
        .position(|one| one.event.topic() == "trade.created");
    events.remove(first.unwrap());
    assert_eq!(judged(events), ["I15"]);
}

#[test]
fn i15_an_event_in_another_services_store_is_found() {
    let mut events = sale().history().events;
    events[0].service = "gateway";
    assert_eq!(judged(events), ["I15"]);
}

#[test]
fn i15_an_event_that_is_there_twice_is_found() {
    let mut events = sale().history().events;
    let again = sale().history().events.remove(0);
    events.insert(1, again);
    assert_eq!(judged(events), ["I15"]);
}
