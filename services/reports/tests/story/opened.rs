//! A statement in every format, opened by readers that are not ours: they agree with each other and
//! with the ledger.

use std::io::Cursor;
use std::time::SystemTime;

use calamine::{Data, Reader, Xlsx};
use outcry_contracts::reports::v1 as wire;
use outcry_contracts::reports::v1::{Report, ReportFormat, ReportStatus, ReportType};
use outcry_events::money::Amount;
use outcry_service::Clock;
use outcry_service::testing::eventually;

use crate::house::{BUY, BUYER, House, SELL, SELLER, at_once, fetched};

const PAYOUT: &str = "00000000-0000-0000-0000-0000000000c1";

/// What a reader finds in a statement.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    holder: String,
    opening: Amount,
    closing: Amount,
    available: Amount,
    reserved: Amount,
    fees: Amount,
    cash_fees: Amount,
    cash_total: Amount,
    shares: i64,
    value: Amount,
}

fn amount(text: &str) -> Amount {
    text.replace(',', "")
        .parse()
        .unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn in_csv(bytes: &[u8]) -> Seen {
    let mut reader = csv::Reader::from_reader(bytes);
    let lines: Vec<csv::StringRecord> = reader.records().map(|line| line.unwrap()).collect();
    let line = |section: &str, record: &str, first: &str| {
        let named = |line: &&csv::StringRecord| {
            (&line[0], &line[1]) == (section, record) && (first.is_empty() || &line[2] == first)
        };
        lines
            .iter()
            .find(named)
            .unwrap_or_else(|| panic!("no {section} {first}"))
            .clone()
    };
    let item = |name| amount(&line("summary", "row", name)[3]);
    let total = line("cash_movements", "total", "");
    Seen {
        holder: line("report", "row", "holder")[3].to_owned(),
        opening: item("Opening balance"),
        closing: item("Closing balance"),
        available: item("of which available"),
        reserved: item("of which reserved"),
        fees: item("Fees"),
        cash_fees: amount(&total[6]),
        cash_total: amount(&total[8]),
        shares: line("holdings", "row", "ACME")[5].parse().unwrap(),
        value: amount(&line("holdings", "total", "")[8]),
    }
}

fn in_workbook(bytes: &[u8]) -> Seen {
    let mut book = Xlsx::new(Cursor::new(bytes.to_vec())).unwrap();
    let mut line = |sheet: &str, first: &str| {
        let range = book.worksheet_range(sheet).unwrap();
        let mut rows = range.rows();
        let row = rows.find(|row| row[0] == Data::String(first.to_owned()));
        row.unwrap_or_else(|| panic!("no {first} in {sheet}"))
            .to_vec()
    };
    let number = |cell: &Data| {
        let Data::Float(number) = cell else {
            panic!("{cell:?} is no number")
        };
        // The shortest form of the float is the amount that was written.
        amount(&number.to_string())
    };
    let mut item = |name| number(&line("Summary", name)[1]);
    let (opening, closing) = (item("Opening balance"), item("Closing balance"));
    let (available, reserved) = (item("of which available"), item("of which reserved"));
    let fees = item("Fees");
    let total = line("Cash movements", "Total");
    let Data::Float(shares) = line("Holdings", "ACME")[3] else {
        panic!("no number of shares")
    };
    Seen {
        holder: line("Report", "Account holder")[1].to_string(),
        opening,
        closing,
        available,
        reserved,
        fees,
        cash_fees: number(&total[4]),
        cash_total: number(&total[6]),
        shares: shares as i64,
        value: number(&line("Holdings", "Total")[6]),
    }
}

fn in_pdf(bytes: &[u8]) -> Seen {
    let file = lopdf::Document::load_mem(bytes).unwrap();
    let numbers: Vec<u32> = file.get_pages().keys().copied().collect();
    let text = file.extract_text(&numbers).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    // Every cell is a line of its own.
    let behind = |section: &str, name: &str, by: usize| {
        let from = lines.iter().position(|line| *line == section).unwrap();
        let at = lines[from..].iter().position(|line| *line == name);
        let at = at.unwrap_or_else(|| panic!("no {name} in {text}"));
        lines[from + at + by].to_owned()
    };
    let item = |name| amount(&behind("Summary", name, 1));
    let total = |section, by| amount(&behind(section, "Total", by));
    Seen {
        holder: behind("Account holder", "Account holder", 1),
        opening: item("Opening balance"),
        closing: item("Closing balance"),
        available: item("of which available"),
        reserved: item("of which reserved"),
        fees: item("Fees"),
        cash_fees: total("Cash movements", 1),
        cash_total: total("Cash movements", 3),
        shares: behind("Holdings", "ACME", 3).parse().unwrap(),
        value: total("Holdings", 2),
    }
}

async fn statement(house: &House, format: ReportFormat, as_of: SystemTime) -> (Report, Vec<u8>) {
    let request = wire::RequestReportRequest {
        format: format.into(),
        ..house.request(ReportType::Statement, Some(as_of))
    };
    let made = house.made(BUYER, request).await;
    assert_eq!(made.status(), ReportStatus::Completed, "{}", made.message);
    let content = fetched(&mut house.user(BUYER), &made.report_id, 0)
        .await
        .unwrap();
    (made, content.concat())
}

#[tokio::test]
async fn statements_in_all_formats_agree_with_each_other_and_with_the_ledger() {
    let house = House::open_with_ledger(at_once()).await;
    let now = house.clock.now();
    house.registered(BUYER, "Ada Lovelace", now).await;
    house.kept(BUYER, 1).await;
    house.deposited(BUYER, 1000, now).await;
    house.issued(SELLER, 50, now).await;
    house.locked(BUYER, BUY, 612, now).await;
    house.locked_shares(SELLER, SELL, 20, now).await;
    house.settled_at(1, 20, now).await;
    house.settled_at(2, 30, now).await;
    house.released(BUYER, BUY, 8, now).await;
    house.paid_out(BUYER, PAYOUT, 90, now).await;
    house.kept(BUYER, 8).await;
    let account = |user: &str, rest: &str| format!("u:{user}:{rest}");
    eventually("the ledger has booked everything", async || {
        house.booked(&account(BUYER, "USD:avail")).await == 306_0000
            && house.booked(&account(BUYER, "ACME:avail")).await == 20
    })
    .await;

    let (csv, csv_bytes) = statement(&house, ReportFormat::Csv, now).await;
    let seen = in_csv(&csv_bytes);
    assert_eq!(csv.content_type, "text/csv; charset=utf-8; header=present");
    let (xlsx, xlsx_bytes) = statement(&house, ReportFormat::Xlsx, now).await;
    assert_eq!(in_workbook(&xlsx_bytes), seen);
    assert!(xlsx.file_name.ends_with(".xlsx"), "{}", xlsx.file_name);
    let (pdf, pdf_bytes) = statement(&house, ReportFormat::Pdf, now).await;
    assert_eq!(in_pdf(&pdf_bytes), seen);
    assert_eq!(pdf.content_type, "application/pdf");
    assert!(pdf.file_name.starts_with("statement-"), "{}", pdf.file_name);

    assert_eq!(seen.holder, "Ada Lovelace");
    let booked = async |rest: &str| house.booked(&account(BUYER, rest)).await;
    assert_eq!(seen.available.raw(), booked("USD:avail").await);
    assert_eq!(seen.reserved.raw(), booked("USD:locked").await);
    let both = booked("USD:avail").await + booked("USD:locked").await;
    assert_eq!((seen.closing.raw(), seen.cash_total.raw()), (both, both));
    assert_eq!(seen.shares, booked("ACME:avail").await);
    assert_eq!(seen.opening, Amount::ZERO);
    assert_eq!(seen.fees, -Amount::from_units(4));
    assert_eq!(seen.cash_fees, Amount::from_units(4));
    // Both sides paid them; the seller three for each fill.
    assert_eq!(house.booked("house:fees:USD").await, 10_0000);
    assert_eq!(seen.value, Amount::from_units(600));

    // The same once more, byte by byte, and after a crash.
    let house = house.crash().await;
    for (format, bytes) in [
        (ReportFormat::Csv, csv_bytes),
        (ReportFormat::Xlsx, xlsx_bytes),
        (ReportFormat::Pdf, pdf_bytes),
    ] {
        assert_eq!(statement(&house, format, now).await.1, bytes);
    }
    house.platform.stop().await;
}
