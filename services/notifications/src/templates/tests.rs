//! The table is complete, and says what it should.

use std::collections::BTreeSet;
use std::time::SystemTime;

use outcry_events::catalog::catalog;
use outcry_events::{Cause, Stamp, seal};
use uuid::Uuid;

use super::*;

fn sealed<E: Event>(event: &E) -> SealedEvent {
    let cause = Cause::root(Uuid::from_u128(7), "service:test");
    let stamp = Stamp {
        event_id: Uuid::from_u128(8),
        sequence: 1,
        occurred_at: SystemTime::UNIX_EPOCH,
        recorded_at: SystemTime::UNIX_EPOCH,
        cause: &cause,
    };
    seal(event, stamp).unwrap()
}

fn fill(status: OrderStatus) -> SealedEvent {
    let id = Uuid::from_u128(1).to_string();
    let price = Some(Amount::from_units(10).to_money());
    sealed(&OrderFilledEvent {
        order_id: id.clone(),
        user_id: id,
        symbol: "AAPL".to_owned(),
        side: Side::Buy.into(),
        last_quantity: 5,
        last_price: price.clone(),
        cumulative_quantity: 5,
        leaves_quantity: 5,
        average_price: price,
        status: status.into(),
        execution_id: "AAPL-1-B".to_owned(),
    })
}

#[test]
fn every_event_of_the_contract_is_in_the_table_once() {
    let contract: BTreeSet<&str> = catalog().newest().map(|event| event.topic).collect();
    let table: BTreeSet<&str> = TABLE.iter().map(|(topic, _)| *topic).collect();
    assert_eq!(table, contract);
    assert_eq!(table.len(), TABLE.len());
}

#[test]
fn events_are_known_by_their_names_whatever_their_version() {
    assert!(is_known("report.requested"));
    assert!(!is_known(ReportRequestedEvent::TOPIC));
    assert!(!is_known("report.lost"));
}

#[test]
fn the_last_fill_of_an_order_matters_more_than_the_others() {
    let last = text(&fill(OrderStatus::Filled)).unwrap().unwrap();
    assert_eq!(last.priority, Priority::High);
    assert_eq!(last.title, "Buy 5 AAPL filled");
    assert_eq!(last.body, "At an average of 10.00 USD.");
    let part = text(&fill(OrderStatus::PartiallyFilled)).unwrap().unwrap();
    assert_eq!(part.priority, Priority::Normal);
    assert_eq!(part.title, "Buy 5 AAPL at 10.00 USD");
}

#[test]
fn what_cannot_be_muted_has_a_message() {
    for topic in UNMUTABLE {
        assert!(is_known(topic));
    }
}

fn released(reason: ReleaseReason) -> Option<Text> {
    let id = Uuid::from_u128(1).to_string();
    let amount = Some(AssetAmount {
        asset: Some(Asset::Cash(Amount::from_units(10).to_money())),
    });
    let released = FundsReleasedEvent {
        user_id: id.clone(),
        lock_id: id,
        purpose: LockPurpose::Order.into(),
        remaining: amount.clone(),
        amount,
        reason: reason.into(),
    };
    text(&sealed(&released)).unwrap()
}

#[test]
fn the_end_of_an_order_makes_no_second_message_about_what_goes_back() {
    for ended in [
        ReleaseReason::Filled,
        ReleaseReason::Cancelled,
        ReleaseReason::Expired,
        ReleaseReason::Rejected,
    ] {
        assert_eq!(released(ended), None);
    }
    assert!(released(ReleaseReason::Replaced).is_some());
    let failed = released(ReleaseReason::WithdrawalFailed).unwrap();
    assert_eq!(failed.priority, Priority::High);
}

#[test]
fn what_is_set_aside_matters_little_and_what_comes_back_of_it_too() {
    let id = Uuid::from_u128(1).to_string();
    let cash = Some(AssetAmount {
        asset: Some(Asset::Cash(Amount::from_units(10).to_money())),
    });
    let locked = FundsLockedEvent {
        user_id: id.clone(),
        lock_id: id,
        purpose: LockPurpose::Order.into(),
        amount: cash.clone(),
        remaining: cash,
        revision: 0,
    };
    let locked = text(&sealed(&locked)).unwrap().unwrap();
    assert_eq!(locked.priority, Priority::Low);
    let released = released(ReleaseReason::Replaced).unwrap();
    assert_eq!(released.priority, Priority::Low);
}

#[test]
fn money_that_an_operator_moved_is_told_with_the_reason() {
    let id = Uuid::from_u128(1).to_string();
    let cash = |units| {
        Some(AssetAmount {
            asset: Some(Asset::Cash(Amount::from_units(units).to_money())),
        })
    };
    let reversed = FundsWithdrawnEvent {
        user_id: id.clone(),
        withdrawal_id: id.clone(),
        amount: cash(10),
        available: cash(5),
        destination_last4: "0000".to_owned(),
        method: WithdrawalMethod::Reversal.into(),
        reverses_event_id: id,
        note: "Paid by mistake.".to_owned(),
    };
    let told = text(&sealed(&reversed)).unwrap().unwrap();
    assert_eq!(told.title, "Deposit of 10.00 USD taken back");
    assert_eq!(told.body, "5.00 USD are available. Paid by mistake.");
}

#[test]
fn what_is_about_a_symbol_is_told_to_nobody() {
    use outcry_contracts::trades::v1::SessionState;
    let changed = SessionChangedEvent {
        symbol: "AAPL".to_owned(),
        old_state: SessionState::Open.into(),
        new_state: SessionState::Halted.into(),
        reason: "news".to_owned(),
        venue_sequence: 1,
    };
    let changed = sealed(&changed);
    assert_eq!(text(&changed).unwrap(), None);
    assert!(changed.subjects().unwrap().is_empty());
}
