use std::time::{Duration, SystemTime, UNIX_EPOCH};

use outcry_contracts::Event;
use outcry_contracts::funds::v1::{
    DepositMethod, FundsDepositedEvent, FundsLockedEvent, FundsReleasedEvent, FundsSettledEvent,
    FundsWithdrawnEvent, LockPurpose, ReleaseReason,
};
use outcry_contracts::orders::v1::{OrderRejectedEvent, RejectReason, Side};
use outcry_contracts::reports::v1::{ReportFormat, ReportType};
use outcry_contracts::types::v1::{AssetAmount, Shares, asset_amount};
use outcry_events::{Cause, Stamp, seal};
use proptest::prelude::*;

use super::*;
use outcry_events::money::Amount;
use uuid::Uuid;

const BUYER: &str = "00000000-0000-0000-0000-00000000000b";
const SELLER: &str = "00000000-0000-0000-0000-00000000000a";
const BUY: &str = "00000000-0000-0000-0000-0000000000b1";
const SELL: &str = "00000000-0000-0000-0000-0000000000a1";
const PAYOUT: &str = "00000000-0000-0000-0000-0000000000c1";

/// Seconds since 1970 of the event with number 0.
const START_S: u64 = 1_767_623_400;

fn at(minute: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(START_S + 60 * minute)
}

/// An event that occurred in this minute; its id grows with `number`.
fn sealed(event: &impl Event, minute: u64, number: u128) -> SealedEvent {
    let cause = Cause::root(Uuid::from_u128(1), "user:somebody");
    let stamp = Stamp {
        event_id: Uuid::from_u128(0x100 + number),
        sequence: 1,
        occurred_at: at(minute),
        recorded_at: at(minute),
        cause: &cause,
    };
    seal(event, stamp).unwrap()
}

fn cash(units: i32) -> Option<AssetAmount> {
    let money = Amount::from_units(units).to_money();
    Some(AssetAmount {
        asset: Some(asset_amount::Asset::Cash(money)),
    })
}

fn shares(quantity: i64) -> Option<AssetAmount> {
    let symbol = "ACME".to_owned();
    Some(AssetAmount {
        asset: Some(asset_amount::Asset::Shares(Shares { symbol, quantity })),
    })
}

fn settled(buyer: &str, seller: &str) -> FundsSettledEvent {
    let money = |units| Some(Amount::from_units(units).to_money());
    FundsSettledEvent {
        match_id: "ACME-1".to_owned(),
        symbol: "ACME".to_owned(),
        quantity: 10,
        price: money(20),
        notional: money(200),
        buyer_user_id: buyer.to_owned(),
        buyer_order_id: BUY.to_owned(),
        buyer_fee: money(2),
        seller_user_id: seller.to_owned(),
        seller_order_id: SELL.to_owned(),
        seller_fee: money(3),
        ..Default::default()
    }
}

/// A buyer's account, one event a minute; the payout's two events are of the same moment.
fn history() -> Vec<SealedEvent> {
    let user_id = BUYER.to_owned();
    let locked = |lock_id: &str, purpose: LockPurpose, amount: Option<AssetAmount>| {
        let (user_id, lock_id) = (user_id.clone(), lock_id.to_owned());
        FundsLockedEvent {
            user_id,
            lock_id,
            purpose: purpose.into(),
            remaining: amount.clone(),
            amount,
            revision: 0,
        }
    };
    let deposited = |amount: Option<AssetAmount>, method: DepositMethod| FundsDepositedEvent {
        user_id: user_id.clone(),
        available: amount.clone(),
        amount,
        method: method.into(),
        reference: "p-1".to_owned(),
        ..Default::default()
    };
    let released = FundsReleasedEvent {
        user_id: user_id.clone(),
        lock_id: BUY.to_owned(),
        purpose: LockPurpose::Order.into(),
        amount: cash(8),
        remaining: cash(0),
        reason: ReleaseReason::Filled.into(),
    };
    let withdrawn = FundsWithdrawnEvent {
        user_id: user_id.clone(),
        withdrawal_id: PAYOUT.to_owned(),
        amount: cash(90),
        available: cash(708),
        destination_last4: "1234".to_owned(),
        ..Default::default()
    };
    let rejected = OrderRejectedEvent {
        order_id: BUY.to_owned(),
        user_id: user_id.clone(),
        symbol: "ACME".to_owned(),
        side: Side::Buy.into(),
        reason: RejectReason::InsufficientFunds.into(),
        message: "not enough".to_owned(),
    };
    vec![
        sealed(&deposited(cash(1000), DepositMethod::Payment), 0, 0),
        sealed(&deposited(shares(5), DepositMethod::Issue), 1, 1),
        sealed(&locked(BUY, LockPurpose::Order, cash(210)), 2, 2),
        sealed(&settled(BUYER, SELLER), 3, 3),
        sealed(&released, 4, 4),
        sealed(&rejected, 5, 5),
        sealed(&locked(PAYOUT, LockPurpose::Withdrawal, cash(90)), 6, 6),
        sealed(&withdrawn, 6, 7),
    ]
}

fn terms(kind: ReportType, format: ReportFormat, as_of_minute: u64) -> Terms {
    Terms {
        report_id: "00000000-0000-0000-0000-000000000001".to_owned(),
        user_id: BUYER.to_owned(),
        kind,
        format,
        from_ns: None,
        as_of_ns: nanos(at(as_of_minute)).unwrap(),
    }
}

fn made(terms: &Terms, events: &[SealedEvent], rows_max: usize) -> Result<Rendered, Unmade> {
    let mut content = Content::new(terms, rows_max);
    for event in events {
        content.take(event)?;
    }
    content.finish()
}

fn text(terms: &Terms, events: &[SealedEvent]) -> String {
    String::from_utf8(made(terms, events, 100).unwrap().bytes).unwrap()
}

#[test]
fn a_statement_tells_what_is_held_and_what_was_moved() {
    let terms = terms(ReportType::Statement, ReportFormat::Csv, 9);
    assert_eq!(
        text(&terms, &history()),
        "asset,available,locked,total,deposited,withdrawn,\
         bought_quantity,bought_value,sold_quantity,sold_value,fees\n\
         USD,708.00,0.00,708.00,1000.00,90.00,,200.00,,0.00,2.00\n\
         ACME,15,0,15,5,0,10,200.00,0,0.00,2.00\n"
    );
}

#[test]
fn a_statement_shows_the_account_as_of_its_time() {
    let locked = text(
        &terms(ReportType::Statement, ReportFormat::Csv, 2),
        &history(),
    );
    assert!(
        locked.contains("USD,790.00,210.00,1000.00,1000.00,0.00,,0.00"),
        "{locked}"
    );
    let settled = text(
        &terms(ReportType::Statement, ReportFormat::Csv, 3),
        &history(),
    );
    assert!(settled.contains("USD,790.00,8.00,798.00"), "{settled}");
}

#[test]
fn totals_are_those_of_the_period_and_holdings_those_of_its_end() {
    let mut terms = terms(ReportType::Statement, ReportFormat::Csv, 9);
    terms.from_ns = nanos(at(4));
    let statement = text(&terms, &history());
    assert!(
        statement.contains("USD,708.00,0.00,708.00,0.00,90.00,,0.00,,0.00,0.00"),
        "{statement}"
    );
}

#[test]
fn an_account_without_events_holds_no_cash() {
    let statement = text(&terms(ReportType::Statement, ReportFormat::Csv, 9), &[]);
    assert!(statement.contains("\nUSD,0.00,0.00,0.00,"), "{statement}");
    let activity = text(&terms(ReportType::Activity, ReportFormat::Csv, 9), &[]);
    assert_eq!(activity, format!("{}\n", activity::COLUMNS.join(",")));
}

#[test]
fn activity_has_a_line_per_event_and_two_for_a_settled_fill() {
    let terms = terms(ReportType::Activity, ReportFormat::Csv, 9);
    let activity = text(&terms, &history());
    let lines: Vec<&str> = activity.lines().collect();
    assert_eq!(lines.len(), 1 + 9);
    assert_eq!(
        lines[1],
        "2026-01-05T14:30:00Z,00000000-0000-0000-0000-000000000100,funds.deposited,p-1,\
         USD,1000.00,0.00,,,,,,,PAYMENT"
    );
    assert!(
        lines[4].ends_with("USD,0.00,-202.00,ACME,BUY,10,20.00,200.00,2.00,match ACME-1"),
        "{}",
        lines[4]
    );
    assert!(
        lines[5].ends_with("ACME,10,0,ACME,BUY,,,,,match ACME-1"),
        "{}",
        lines[5]
    );
    assert!(
        lines[7].ends_with("ACME,BUY,,,,,INSUFFICIENT_FUNDS"),
        "{}",
        lines[7]
    );
    assert!(lines[9].contains("funds.withdrawn"), "{}", lines[9]);
}

#[test]
fn activity_is_cut_at_both_ends_of_the_period() {
    let mut terms = terms(ReportType::Activity, ReportFormat::Csv, 4);
    terms.from_ns = nanos(at(2));
    let made = made(&terms, &history(), 100).unwrap();
    assert_eq!(made.rows, 4, "locked, settled twice, released");
}

#[test]
fn json_names_the_same_columns_as_csv() {
    for (kind, columns) in [
        (ReportType::Activity, activity::COLUMNS),
        (ReportType::Statement, statement::COLUMNS),
    ] {
        let document = text(&terms(kind, ReportFormat::Json, 9), &history());
        let document: serde_json::Value = serde_json::from_str(&document).unwrap();
        for row in document["rows"].as_array().unwrap() {
            let mut names: Vec<&str> = columns.to_vec();
            names.sort_unstable();
            let mut fields: Vec<&String> = row.as_object().unwrap().keys().collect();
            fields.sort_unstable();
            assert_eq!(fields, names);
        }
        assert_eq!(document["as_of"], "2026-01-05T14:39:00Z");
    }
}

#[test]
fn the_seller_gets_the_proceeds_without_the_fee() {
    let mut terms = terms(ReportType::Statement, ReportFormat::Csv, 9);
    terms.user_id = SELLER.to_owned();
    let statement = text(&terms, &[sealed(&settled(BUYER, SELLER), 0, 0)]);
    assert!(statement.contains("USD,197.00,0.00,197.00,0.00,0.00,,0.00,,200.00,3.00"));
    assert!(statement.contains("ACME,0,-10,-10,0,0,0,0.00,10,200.00,3.00"));
}

#[test]
fn a_user_on_both_sides_has_both() {
    let terms = terms(ReportType::Activity, ReportFormat::Csv, 9);
    let made = made(&terms, &[sealed(&settled(BUYER, BUYER), 0, 0)], 100).unwrap();
    assert_eq!(made.rows, 4);
}

#[test]
fn a_report_with_more_lines_than_allowed_is_refused_in_words() {
    let terms = terms(ReportType::Activity, ReportFormat::Csv, 9);
    assert!(made(&terms, &history(), 9).is_ok());
    let refused = made(&terms, &history(), 8).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the report would have more than 8 lines; ask for a shorter period"
    );
}

#[test]
fn sums_that_are_too_large_are_refused() {
    let deposited = |number| {
        let event = FundsDepositedEvent {
            user_id: BUYER.to_owned(),
            amount: shares(i64::MAX),
            available: shares(i64::MAX),
            method: DepositMethod::Issue.into(),
            reference: "i".to_owned(),
            ..Default::default()
        };
        sealed(&event, 0, number)
    };
    let terms = terms(ReportType::Statement, ReportFormat::Csv, 9);
    let refused = made(&terms, &[deposited(0), deposited(1)], 9);
    assert!(matches!(refused, Err(Unmade::TooLarge)), "{refused:?}");
}

proptest! {
    #[test]
    fn the_bytes_do_not_depend_on_the_order_of_arrival(
        events in Just(history()).prop_shuffle(),
        as_of_minute in 0_u64..8,
    ) {
        for kind in [ReportType::Activity, ReportType::Statement] {
            for format in [ReportFormat::Csv, ReportFormat::Json] {
                let terms = terms(kind, format, as_of_minute);
                prop_assert_eq!(text(&terms, &events), text(&terms, &history()));
            }
        }
    }
}
