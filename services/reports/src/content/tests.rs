use std::io::Cursor;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use calamine::{Data, Reader, Xlsx};

use outcry_contracts::Event;
use outcry_contracts::funds::v1::{
    DepositMethod, FundsDepositedEvent, FundsLockedEvent, FundsReleasedEvent, FundsSettledEvent,
    FundsWithdrawnEvent, LockPurpose, ReleaseReason, WithdrawalMethod,
};
use outcry_contracts::orders::v1::{OrderRejectedEvent, RejectReason, Side};
use outcry_contracts::reports::v1::{ReportFormat, ReportType};
use outcry_contracts::types::v1::{AssetAmount, Shares, asset_amount};
use outcry_contracts::users::v1::UserCreatedEvent;
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

const KINDS: [ReportType; 6] = [
    ReportType::Activity,
    ReportType::Statement,
    ReportType::TradeHistory,
    ReportType::Holdings,
    ReportType::ProfitAndLoss,
    ReportType::TaxLots,
];

const FORMATS: [ReportFormat; 4] = [
    ReportFormat::Csv,
    ReportFormat::Json,
    ReportFormat::Xlsx,
    ReportFormat::Pdf,
];

fn registered(name: &str) -> UserCreatedEvent {
    UserCreatedEvent {
        user_id: BUYER.to_owned(),
        display_name: name.to_owned(),
        roles: Vec::new(),
    }
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
        sealed(&registered("Zoë Ångström"), 0, 100),
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
        as_of_position: 0,
    }
}

fn prices() -> Prices {
    [("ACME".to_owned(), Amount::from_units(25))].into()
}

fn made(terms: &Terms, events: &[SealedEvent], rows_max: usize) -> Result<Rendered, Unmade> {
    let mut content = Content::new(terms, rows_max);
    for event in events {
        content.take(event)?;
    }
    content.finish(&prices())
}

/// The rows of a section of a CSV file, and those of its totals.
fn lines(bytes: &[u8], section: &str, record: &str) -> Vec<Vec<String>> {
    let mut reader = csv::Reader::from_reader(bytes);
    let lines = reader.records().map(|line| line.unwrap());
    lines
        .filter(|line| (&line[0], &line[1]) == (section, record))
        .map(|line| line.iter().skip(2).map(str::to_owned).collect())
        .collect()
}

/// The rows of a section of a report in CSV, without the empty fields behind them.
fn rows(terms: &Terms, events: &[SealedEvent], section: &str) -> Vec<String> {
    let bytes = made(terms, events, 100).unwrap().bytes;
    let rows = lines(&bytes, section, "row").into_iter();
    rows.map(|row| row.join(",").trim_end_matches(',').to_owned())
        .collect()
}

fn csv_of(kind: ReportType, as_of_minute: u64) -> Terms {
    terms(kind, ReportFormat::Csv, as_of_minute)
}

#[test]
fn a_statement_tells_balances_movements_and_what_is_held() {
    let terms = csv_of(ReportType::Statement, 9);
    assert_eq!(
        rows(&terms, &history(), "summary"),
        [
            "Opening balance,0.00",
            "Deposits,1000.00",
            "Withdrawals,-90.00",
            "Purchases,-200.00",
            "Sales,0.00",
            "Fees,-2.00",
            "Closing balance,708.00",
            "of which available,708.00",
            "of which reserved,0.00",
        ]
    );
    assert_eq!(
        rows(&terms, &history(), "cash_movements"),
        [
            "2026-01-05T14:30:00Z,Deposit,p-1,PAYMENT,,1000.00,1000.00".to_owned(),
            format!("2026-01-05T14:33:00Z,Purchase,{BUY},10 ACME at 20.00,2.00,-202.00,798.00"),
            format!(
                "2026-01-05T14:36:00Z,Withdrawal,{PAYOUT},to account ending 1234,,-90.00,708.00"
            ),
        ]
    );
    assert_eq!(
        rows(&terms, &history(), "share_movements"),
        ["ACME,0,5,0,10,0,15,200.00,0.00,2.00"]
    );
    assert_eq!(
        rows(&terms, &history(), "holdings"),
        ["ACME,15,0,15,202.00,25.00,375.00,173.00"]
    );
}

#[test]
fn a_statement_shows_the_account_as_of_its_time() {
    let locked = rows(&csv_of(ReportType::Statement, 2), &history(), "summary");
    assert_eq!(locked[6], "Closing balance,1000.00");
    assert_eq!(
        locked[7..],
        ["of which available,790.00", "of which reserved,210.00"]
    );
    let settled = rows(&csv_of(ReportType::Statement, 3), &history(), "summary");
    assert_eq!(
        settled[7..],
        ["of which available,790.00", "of which reserved,8.00"]
    );
}

#[test]
fn a_period_begins_with_the_balance_before_it() {
    let mut terms = csv_of(ReportType::Statement, 9);
    terms.from_ns = nanos(at(4));
    let summary = rows(&terms, &history(), "summary");
    assert_eq!(summary[0], "Opening balance,798.00");
    assert_eq!(summary[2], "Withdrawals,-90.00");
    assert_eq!(summary[6], "Closing balance,708.00");
    assert_eq!(rows(&terms, &history(), "cash_movements").len(), 1);
    let shares = rows(&terms, &history(), "share_movements");
    assert_eq!(shares, ["ACME,15,0,0,0,0,15,0.00,0.00,0.00"]);
}

#[test]
fn an_account_without_events_is_empty_in_every_format() {
    let summary = rows(&csv_of(ReportType::Statement, 9), &[], "summary");
    assert_eq!(summary[6], "Closing balance,0.00");
    for kind in KINDS {
        for format in FORMATS {
            let rows = made(&terms(kind, format, 9), &[], 100).unwrap().rows;
            assert_eq!(rows, if kind == ReportType::Statement { 9 } else { 0 });
        }
    }
}

#[test]
fn activity_has_a_line_per_event_and_two_for_a_settled_fill() {
    let activity = rows(&csv_of(ReportType::Activity, 9), &history(), "activity");
    assert_eq!(activity.len(), 9);
    assert_eq!(
        activity[0],
        "2026-01-05T14:30:00Z,00000000-0000-0000-0000-000000000100,funds.deposited,p-1,\
         USD,1000.00,0.00,,,,,,,PAYMENT"
    );
    for (line, ending) in [
        (
            3,
            "USD,0.00,-202.00,ACME,BUY,10,20.00,200.00,2.00,match ACME-1",
        ),
        (4, "ACME,10,0,ACME,BUY,,,,,match ACME-1"),
        (6, "ACME,BUY,,,,,INSUFFICIENT_FUNDS"),
    ] {
        assert!(activity[line].ends_with(ending), "{}", activity[line]);
    }
    assert!(activity[8].contains("funds.withdrawn"), "{}", activity[8]);
}

#[test]
fn activity_is_cut_at_both_ends_of_the_period() {
    let mut terms = csv_of(ReportType::Activity, 4);
    terms.from_ns = nanos(at(2));
    let made = made(&terms, &history(), 100).unwrap();
    assert_eq!(made.rows, 4, "locked, settled twice, released");
}

#[test]
fn json_names_the_same_columns_as_csv() {
    for kind in KINDS {
        let bytes = made(&terms(kind, ReportFormat::Json, 9), &history(), 100)
            .unwrap()
            .bytes;
        let file: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        let csv = made(&csv_of(kind, 9), &history(), 100).unwrap().bytes;
        for (name, section) in file["sections"].as_object().unwrap() {
            let mut named = lines(&csv, name, "header").remove(0);
            named.retain(|name| !name.is_empty());
            named.sort();
            for row in section["rows"].as_array().unwrap() {
                let mut fields: Vec<&String> = row.as_object().unwrap().keys().collect();
                fields.sort();
                assert_eq!(fields, named.iter().collect::<Vec<_>>());
            }
        }
        assert_eq!(file["as_of"], "2026-01-05T14:39:00Z");
        assert_eq!(file["holder"], "Zoë Ångström");
    }
}

#[test]
fn every_line_of_csv_has_the_same_number_of_fields_and_ends_in_cr_lf() {
    for kind in KINDS {
        let bytes = made(&csv_of(kind, 9), &history(), 100).unwrap().bytes;
        let text = String::from_utf8(bytes.clone()).unwrap();
        assert_eq!(text.matches('\n').count(), text.matches("\r\n").count());
        // The reader refuses lines of another length than the first.
        assert!(
            csv::Reader::from_reader(&bytes[..])
                .records()
                .all(|line| line.is_ok())
        );
    }
}

#[test]
fn a_name_that_is_a_formula_is_none_in_a_spreadsheet() {
    let name = "=HYPERLINK(\"http://example.com\",\"x\")";
    let events = [sealed(&registered(name), 0, 0)];
    let holder = rows(&csv_of(ReportType::Statement, 9), &events, "report");
    assert!(holder.contains(&format!("holder,'{name}")), "{holder:?}");
    let workbook = terms(ReportType::Statement, ReportFormat::Xlsx, 9);
    let mut workbook = opened(&made(&workbook, &events, 100).unwrap().bytes);
    let sheet = workbook.worksheet_range("Report").unwrap();
    assert!(
        sheet
            .rows()
            .any(|row| row.contains(&Data::String(name.to_owned())))
    );
    assert!(workbook.worksheet_formula("Report").unwrap().is_empty());
}

#[test]
fn the_seller_gets_the_proceeds_without_the_fee() {
    let mut terms = csv_of(ReportType::Statement, 9);
    terms.user_id = SELLER.to_owned();
    let events = [sealed(&settled(BUYER, SELLER), 0, 0)];
    let summary = rows(&terms, &events, "summary");
    assert_eq!(
        summary[4..7],
        ["Sales,200.00", "Fees,-3.00", "Closing balance,197.00"]
    );
    let shares = rows(&terms, &events, "share_movements");
    assert_eq!(shares, ["ACME,0,0,0,0,10,-10,0.00,200.00,3.00"]);
}

#[test]
fn a_user_on_both_sides_has_both() {
    let terms = csv_of(ReportType::Activity, 9);
    let made = made(&terms, &[sealed(&settled(BUYER, BUYER), 0, 0)], 100).unwrap();
    assert_eq!(made.rows, 4);
}

/// A purchase of 10 at 20, one of 10 at 40, and a sale of 15 at 30, all of different days.
fn traded() -> Vec<SealedEvent> {
    let day = 24 * 60;
    let price = |units| Some(Amount::from_units(units).to_money());
    let dear = FundsSettledEvent {
        match_id: "ACME-2".to_owned(),
        price: price(40),
        notional: price(400),
        ..settled(BUYER, SELLER)
    };
    let sale = FundsSettledEvent {
        match_id: "ACME-3".to_owned(),
        quantity: 15,
        price: price(30),
        notional: price(450),
        ..settled(SELLER, BUYER)
    };
    vec![
        sealed(&settled(BUYER, SELLER), 0, 1),
        sealed(&dear, day, 2),
        sealed(&sale, 3 * day + 5, 3),
    ]
}

#[test]
fn every_fill_of_an_order_is_a_line_of_the_trade_history() {
    let terms = csv_of(ReportType::TradeHistory, 9999);
    let trades = rows(&terms, &traded(), "trades");
    assert_eq!(trades.len(), 3);
    assert_eq!(
        trades[1],
        format!("2026-01-06T14:30:00Z,ACME-2,{BUY},,ACME,BUY,10,40.00,400.00,2.00,-402.00")
    );
    let bytes = made(&terms, &traded(), 100).unwrap().bytes;
    let total = lines(&bytes, "trades", "total").remove(0);
    assert_eq!(total[8..], ["1050.00", "7.00", "-157.00"]);
}

#[test]
fn profit_comes_from_the_lots_that_were_sold_and_not_from_a_guess() {
    let profit = rows(
        &csv_of(ReportType::ProfitAndLoss, 9999),
        &traded(),
        "profit",
    );
    // Cost of 10 at 20 and 5 at 40 with two fees, of which half of the second.
    assert_eq!(
        profit,
        ["ACME,15,447.00,403.00,44.00,5,201.00,125.00,-76.00"]
    );
}

#[test]
fn tax_lots_match_a_sale_with_the_purchases_it_disposed_of() {
    let lots = rows(&csv_of(ReportType::TaxLots, 9999), &traded(), "disposals");
    assert_eq!(
        lots,
        [
            "ACME,10,2026-01-05T14:30:00Z,ACME-1,2026-01-08T14:35:00Z,ACME-3,,3,298.00,202.00,96.00",
            "ACME,5,2026-01-06T14:30:00Z,ACME-2,2026-01-08T14:35:00Z,ACME-3,,2,149.00,201.00,-52.00",
        ]
    );
}

#[test]
fn profit_tax_lots_and_holdings_agree() {
    let total = |kind, section: &str| {
        let bytes = made(&csv_of(kind, 9999), &traded(), 100).unwrap().bytes;
        lines(&bytes, section, "total").remove(0)
    };
    let profit = total(ReportType::ProfitAndLoss, "profit");
    let tax = total(ReportType::TaxLots, "disposals");
    assert_eq!(profit[2..5], tax[8..11]);
    let held = total(ReportType::Holdings, "holdings");
    assert_eq!(profit[6], held[4]);
    assert_eq!(profit[8], held[7]);
}

#[test]
fn a_deposit_taken_back_and_money_in_suspense_leave_no_trace_in_the_balance() {
    let withdrawn = |method: WithdrawalMethod, number| {
        let event = FundsWithdrawnEvent {
            user_id: BUYER.to_owned(),
            withdrawal_id: PAYOUT.to_owned(),
            amount: cash(1000),
            available: cash(0),
            destination_last4: "0000".to_owned(),
            method: method.into(),
            ..Default::default()
        };
        sealed(&event, 7, number)
    };
    let mut events = history();
    events.truncate(2);
    events.push(withdrawn(WithdrawalMethod::Reversal, 50));
    events.push(withdrawn(WithdrawalMethod::SuspenseRefund, 51));
    let summary = rows(&csv_of(ReportType::Statement, 9), &events, "summary");
    assert_eq!(
        summary[6..8],
        ["Closing balance,0.00", "of which available,0.00"]
    );
}

#[test]
fn a_report_with_more_lines_than_allowed_is_refused_in_words() {
    let terms = csv_of(ReportType::Activity, 9);
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
    let terms = csv_of(ReportType::Statement, 9);
    let refused = made(&terms, &[deposited(0), deposited(1)], 9);
    assert!(matches!(refused, Err(Unmade::TooLarge)), "{refused:?}");
}

fn opened(bytes: &[u8]) -> Xlsx<Cursor<Vec<u8>>> {
    Xlsx::new(Cursor::new(bytes.to_vec())).unwrap()
}

/// What stands on each page.
fn pages(bytes: &[u8]) -> Vec<String> {
    let file = lopdf::Document::load_mem(bytes).unwrap();
    let numbers: Vec<u32> = file.get_pages().keys().copied().collect();
    let text = |number| file.extract_text(&[number]).unwrap();
    numbers.into_iter().map(text).collect()
}

#[test]
fn a_workbook_has_numbers_and_times_under_headings_that_stay_in_sight() {
    let terms = terms(ReportType::Statement, ReportFormat::Xlsx, 9);
    let mut workbook = opened(&made(&terms, &history(), 100).unwrap().bytes);
    let names = [
        "Report",
        "Summary",
        "Holdings",
        "Cash movements",
        "Share movements",
    ];
    assert_eq!(workbook.sheet_names(), names);
    let sheet = workbook.worksheet_range("Cash movements").unwrap();
    let rows: Vec<&[Data]> = sheet.rows().collect();
    assert_eq!(rows[0][5], Data::String("Amount".to_owned()));
    assert_eq!(rows[2][5], Data::Float(-202.0));
    let Data::DateTime(at) = rows[2][0] else {
        panic!("{:?} is no time", rows[2][0])
    };
    // 2026-01-05 14:33:00 in days since the end of 1899.
    assert!((at.as_f64() - 46_027.606_25).abs() < 1e-6, "{at:?}");
    assert_eq!(
        rows[4][..5].first(),
        Some(&Data::String("Total".to_owned()))
    );
    assert_eq!(rows[4][6], Data::Float(708.0));
}

#[test]
fn a_pdf_goes_on_over_pages_that_say_what_they_are() {
    let fills = (0..400_u32).map(|number| {
        let fill = FundsSettledEvent {
            match_id: format!("ACME-{number}"),
            ..settled(BUYER, SELLER)
        };
        sealed(&fill, u64::from(number), u128::from(number))
    });
    let fills: Vec<SealedEvent> = fills.collect();
    let terms = terms(ReportType::TradeHistory, ReportFormat::Pdf, 9999);
    let pages = pages(&made(&terms, &fills, 1000).unwrap().bytes);
    assert!(pages.len() > 5);
    for (number, page) in (1..).zip(&pages) {
        let place = format!("Page {number} of {}", pages.len());
        for part in [
            place.as_str(),
            "Cash change",
            "Computed from 400 events",
            "Reference",
        ] {
            assert!(page.contains(part), "no {part} on page {number}: {page}");
        }
    }
    for fill in 0..400 {
        let named = format!("ACME-{fill}\n");
        let on = pages.iter().filter(|page| page.contains(&named)).count();
        assert_eq!(on, 1, "{named}");
    }
    assert!(pages.last().unwrap().contains("-80,800.00"), "the total");
}

#[test]
fn every_kind_of_report_is_a_pdf_with_its_name_its_holder_and_its_total() {
    for (kind, title, total) in [
        (ReportType::Activity, "Account activity", "-202.00"),
        (ReportType::Statement, "Account statement", "708.00"),
        (ReportType::TradeHistory, "Trade history", "-202.00"),
        (ReportType::Holdings, "Holdings", "173.00"),
        (ReportType::ProfitAndLoss, "Profit and loss", "375.00"),
        (ReportType::TaxLots, "Tax lots", "Nothing in this period."),
    ] {
        let made = made(&terms(kind, ReportFormat::Pdf, 9), &history(), 100).unwrap();
        let text = pages(&made.bytes).concat();
        let period = "from the beginning to 2026-01-05 14:39:00 UTC";
        for part in [title, "Zoë Ångström", BUYER, period, total, "Page 1 of"] {
            assert!(text.contains(part), "{kind:?}: no {part} in {text}");
        }
    }
}

#[test]
fn reports_about_the_same_have_the_same_reference_and_others_another() {
    let reference = |terms: &Terms| {
        Content::new(terms, 9)
            .document(&prices())
            .unwrap()
            .reference
    };
    let one = terms(ReportType::Statement, ReportFormat::Pdf, 9);
    let again = Terms {
        report_id: "00000000-0000-0000-0000-000000000002".to_owned(),
        format: ReportFormat::Csv,
        ..one.clone()
    };
    assert_eq!(reference(&one), reference(&again));
    let earlier = terms(ReportType::Statement, ReportFormat::Pdf, 8);
    assert_ne!(reference(&one), reference(&earlier));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn the_bytes_do_not_depend_on_the_order_of_arrival(
        (ordered, shuffled) in prop_oneof![Just(history()), Just(traded())]
            .prop_flat_map(|events| (Just(events.clone()), Just(events).prop_shuffle())),
        as_of_minute in prop_oneof![0_u64..8, Just(9999)],
    ) {
        for kind in KINDS {
            for format in FORMATS {
                let terms = terms(kind, format, as_of_minute);
                let one = made(&terms, &shuffled, 100).unwrap();
                prop_assert_eq!(one, made(&terms, &ordered, 100).unwrap());
            }
        }
    }
}
