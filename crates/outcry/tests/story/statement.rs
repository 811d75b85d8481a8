//! The statement of an account that traded in a replay, in every format that people file: read by
//! readers that are not ours, it agrees with itself and with the ledger.

#[path = "../../src/fixed_id.rs"]
mod fixed_id;

use std::io::Cursor;
use std::path::Path;

use calamine::{Data, Reader as _, Xlsx};
use outcry_contracts::ledger::v1::{
    GetAccountBalanceRequest, SummarizeAccountRequest, TransactionKind,
};
use outcry_contracts::orders::v1::{
    OrderStatus, OrderTerms, OrderType, PlaceOrderRequest, Side, TimeInForce,
};
use outcry_contracts::reports::v1::{
    DownloadReportRequest, GetReportRequest, Report, ReportFormat, ReportStatus, ReportType,
    RequestReportRequest,
};
use outcry_events::Amount;

use super::outcry::{Outcry, sample};
use super::person::{Person, arrives, connect, fresh, money};
use super::recording;

/// Names the replay, and with it its users.
const RUN: &str = "statement";

/// What is traded.
const SYMBOL: &str = "AAPL";

/// Messages of the recording where there is no sample.
const MESSAGES: usize = 600;

/// Messages of the sample that are played: some thousand orders make a statement of many pages.
const SAMPLE_MESSAGES: &str = "1500";

/// What a reader finds in a statement.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    holder: String,
    opening: Amount,
    deposits: Amount,
    purchases: Amount,
    sales: Amount,
    fees: Amount,
    closing: Amount,
    available: Amount,
    reserved: Amount,
    /// Totals of the table of cash.
    cash_fees: Amount,
    cash_moved: Amount,
    /// From the table of the movements of shares.
    shares_closing: i64,
    paid: Amount,
    received: Amount,
    /// From the table of holdings.
    shares: i64,
    value: Amount,
}

fn amount(text: &str) -> Amount {
    text.replace(',', "")
        .parse()
        .unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn count(text: &str) -> i64 {
    text.replace(',', "").parse().unwrap()
}

fn in_csv(bytes: &[u8]) -> Seen {
    let mut reader = csv::Reader::from_reader(bytes);
    let lines: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let line = |section: &str, record: &str, first: &str| {
        let named =
            |line: &&csv::StringRecord| (&line[0], &line[1], &line[2]) == (section, record, first);
        lines
            .iter()
            .find(named)
            .unwrap_or_else(|| panic!("no {section} {first}"))
    };
    let item = |name| amount(&line("summary", "row", name)[3]);
    let cash = line("cash_movements", "total", "Total");
    let moved = line("share_movements", "row", SYMBOL);
    Seen {
        holder: line("report", "row", "holder")[3].to_owned(),
        opening: item("Opening balance"),
        deposits: item("Deposits"),
        purchases: item("Purchases"),
        sales: item("Sales"),
        fees: item("Fees"),
        closing: item("Closing balance"),
        available: item("of which available"),
        reserved: item("of which reserved"),
        cash_fees: amount(&cash[6]),
        cash_moved: amount(&cash[7]),
        shares_closing: count(&moved[8]),
        paid: amount(&moved[9]),
        received: amount(&moved[10]),
        shares: count(&line("holdings", "row", SYMBOL)[5]),
        value: amount(&line("holdings", "total", "Total")[8]),
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
        number.to_string()
    };
    let holder = line("Report", "Account holder")[1].to_string();
    let cash = line("Cash movements", "Total");
    let moved = line("Share movements", SYMBOL);
    let (held, holdings) = (line("Holdings", SYMBOL), line("Holdings", "Total"));
    let mut item = |name| amount(&number(&line("Summary", name)[1]));
    Seen {
        holder,
        opening: item("Opening balance"),
        deposits: item("Deposits"),
        purchases: item("Purchases"),
        sales: item("Sales"),
        fees: item("Fees"),
        closing: item("Closing balance"),
        available: item("of which available"),
        reserved: item("of which reserved"),
        cash_fees: amount(&number(&cash[4])),
        cash_moved: amount(&number(&cash[5])),
        shares_closing: count(&number(&moved[6])),
        paid: amount(&number(&moved[7])),
        received: amount(&number(&moved[8])),
        shares: count(&number(&held[3])),
        value: amount(&number(&holdings[6])),
    }
}

fn in_pdf(bytes: &[u8]) -> Seen {
    let file = lopdf::Document::load_mem(bytes).unwrap();
    let numbers: Vec<u32> = file.get_pages().keys().copied().collect();
    let text = file.extract_text(&numbers).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    // Every cell is a line of its own.
    let behind = |section: &str, name: &str, by: usize| {
        let from = lines.iter().position(|line| *line == section);
        let from = from.unwrap_or_else(|| panic!("no {section}"));
        let at = lines[from..].iter().position(|line| *line == name);
        let at = at.unwrap_or_else(|| panic!("no {name} behind {section}"));
        lines[from + at + by]
    };
    let item = |name| amount(behind("Summary", name, 1));
    Seen {
        holder: behind("Account holder", "Account holder", 1).to_owned(),
        opening: item("Opening balance"),
        deposits: item("Deposits"),
        purchases: item("Purchases"),
        sales: item("Sales"),
        fees: item("Fees"),
        closing: item("Closing balance"),
        available: item("of which available"),
        reserved: item("of which reserved"),
        cash_fees: amount(behind("Cash movements", "Total", 1)),
        cash_moved: amount(behind("Cash movements", "Total", 2)),
        shares_closing: count(behind("Share movements", SYMBOL, 6)),
        paid: amount(behind("Share movements", SYMBOL, 7)),
        received: amount(behind("Share movements", SYMBOL, 8)),
        shares: count(behind("Holdings", SYMBOL, 3)),
        value: amount(behind("Holdings", "Total", 2)),
    }
}

/// Asks for a statement as of now, or that shows what another shows; writes it to a file.
async fn statement(
    person: &Person,
    format: ReportFormat,
    like: Option<&Report>,
    into: &Path,
) -> Report {
    let request = RequestReportRequest {
        request_id: fresh(),
        r#type: ReportType::Statement.into(),
        format: format.into(),
        // Both: the place tells which movements, the time at which prices.
        as_of: like.and_then(|report| report.as_of),
        as_of_position: like.map_or(0, |report| report.as_of_position),
        ..RequestReportRequest::default()
    };
    let asked = person.reports().request_report(request).await.unwrap();
    let report_id = asked.into_inner().report.unwrap().report_id;
    let report = arrives("the statement", async || {
        let report_id = report_id.clone();
        let request = GetReportRequest { report_id };
        let shown = person.reports().get_report(request).await.unwrap();
        let report = shown.into_inner().report.unwrap();
        assert_ne!(report.status(), ReportStatus::Failed, "{}", report.message);
        (report.status() == ReportStatus::Completed).then_some(report)
    })
    .await;
    let request = DownloadReportRequest {
        report_id,
        offset: 0,
        length: 0,
    };
    let sent = person.reports().download_report(request).await.unwrap();
    let mut sent = sent.into_inner();
    let mut content = Vec::new();
    while let Some(piece) = sent.message().await.unwrap() {
        content.extend(piece.content);
    }
    assert_eq!(content.len() as i64, report.size_bytes);
    std::fs::write(into.join(&report.file_name), &content).unwrap();
    report
}

/// What the ledger has of an account of a user, in ten-thousandths or shares.
async fn booked(person: &Person, rest: &str) -> i64 {
    let asked = GetAccountBalanceRequest {
        account: format!("u:{}:{rest}", person.user_id),
        ..GetAccountBalanceRequest::default()
    };
    let balance = person.ledger().get_account_balance(asked).await.unwrap();
    balance.into_inner().balance
}

/// What entries of a kind come to, over what is available and what is locked of the user's cash.
async fn booked_as(person: &Person, kind: TransactionKind) -> i64 {
    let mut sum = 0;
    for part in ["avail", "locked"] {
        let asked = SummarizeAccountRequest {
            account: format!("u:{}:USD:{part}", person.user_id),
        };
        let summary = person.ledger().summarize_account(asked).await.unwrap();
        let kinds = summary.into_inner().kinds;
        sum += kinds
            .iter()
            .filter(|one| one.kind() == kind)
            .map(|one| one.sum)
            .sum::<i64>();
    }
    sum
}

/// The totals of a statement are the ledger's balances, and add up.
async fn agrees_with_the_ledger(person: &Person, seen: &Seen) {
    assert_eq!(seen.opening, Amount::ZERO);
    assert_eq!(seen.available.raw(), booked(person, "USD:avail").await);
    assert_eq!(seen.reserved.raw(), booked(person, "USD:locked").await);
    let parts = [seen.available, seen.reserved];
    assert_eq!(Some(seen.closing), Amount::checked_sum(parts));
    assert_eq!(seen.cash_moved, seen.closing);
    let deposited = booked_as(person, TransactionKind::Deposit).await;
    assert_eq!(seen.deposits.raw(), deposited);
    let settled = booked_as(person, TransactionKind::Settlement).await;
    let traded = seen.purchases.raw() + seen.sales.raw() + seen.fees.raw();
    assert_eq!(traded, settled);
    assert_eq!(seen.cash_fees.raw(), -seen.fees.raw());
    assert_eq!(
        (-seen.paid.raw(), seen.received.raw()),
        (seen.purchases.raw(), seen.sales.raw())
    );
    let symbol = |part| format!("{SYMBOL}:{part}");
    let shares = booked(person, &symbol("avail")).await + booked(person, &symbol("locked")).await;
    assert_eq!((seen.shares, seen.shares_closing), (shares, shares));
    assert!(seen.value.is_positive());
}

/// Rests an order far below the market: what is set aside for it belongs into a statement.
async fn reserve_something(person: &Person) {
    let terms = OrderTerms {
        symbol: SYMBOL.to_owned(),
        side: Side::Buy.into(),
        r#type: OrderType::Limit.into(),
        quantity: 3,
        limit_price: money("1.00"),
        time_in_force: TimeInForce::Gtc.into(),
        ..OrderTerms::default()
    };
    let request = PlaceOrderRequest {
        request_id: fresh(),
        client_order_id: String::new(),
        terms: Some(terms),
    };
    let placed = person.orders().place_order(request).await.unwrap();
    let order = placed.into_inner().order.unwrap();
    assert_eq!(order.status(), OrderStatus::Open, "{order:?}");
}

#[tokio::test]
async fn the_statement_of_a_replayed_account_agrees_with_the_ledger_in_every_format() {
    let mut outcry = Outcry::new();
    outcry.up();
    let file = sample().unwrap_or_else(|| recording::write(outcry.folder(), 17, MESSAGES));
    let file = file.to_str().unwrap();
    let limit = ["--limit", SAMPLE_MESSAGES];
    let replay = [&["replay", file, "--run", RUN, "--json"][..], &limit].concat();
    let result = outcry.json(&replay);
    assert!(result["recordedExecutions"]["visible"].as_u64().unwrap() > 0);
    let channel = connect(&outcry.data()).await;
    let mailbox = fixed_id::fixed_id(RUN, "mailbox");
    let sign_in = async |name: &str| {
        let email = format!("{name}.{mailbox}@replay.example");
        let password = fixed_id::fixed_id(RUN, &format!("password of {name}"));
        Person::sign_in(&channel, &email, &password).await
    };
    reserve_something(&sign_in("aggressor").await).await;
    outcry.quiet_audit();

    let files = outcry.folder().join("statements");
    std::fs::create_dir(&files).unwrap();
    let mut fees = Amount::ZERO;
    let mut reserved = Amount::ZERO;
    // Who takes has the most fills; who rests sold what they took.
    for name in ["aggressor", "seeder"] {
        let person = sign_in(name).await;
        let csv = statement(&person, ReportFormat::Csv, None, &files).await;
        let xlsx = statement(&person, ReportFormat::Xlsx, Some(&csv), &files).await;
        let pdf = statement(&person, ReportFormat::Pdf, Some(&csv), &files).await;
        let read = |report: &Report| std::fs::read(files.join(&report.file_name)).unwrap();

        let seen = in_csv(&read(&csv));
        println!("{name}: {} rows, {seen:#?}", csv.rows);
        assert_eq!(seen.holder, format!("Replay {name}"));
        assert_eq!(in_workbook(&read(&xlsx)), seen);
        assert_eq!(in_pdf(&read(&pdf)), seen);
        agrees_with_the_ledger(&person, &seen).await;
        fees = fees.checked_add(seen.cash_fees).unwrap();
        reserved = reserved.checked_add(seen.reserved).unwrap();
    }
    assert!(fees.is_positive(), "nobody traded");
    assert!(reserved.is_positive(), "nothing rests");
    outcry.stop();
}
