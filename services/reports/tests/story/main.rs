//! Reports on a running platform: what happened is kept, and shown as of any time.

#![expect(clippy::unwrap_used, reason = "a story that cannot go on fails there")]

mod house;
mod opened;
mod outside;
mod versions;

use std::time::Duration;

use outcry_contracts::orders::v1::{OrderRejectedEvent, RejectReason, Side};
use outcry_contracts::payments::v1::PaymentSuccessEvent;
use outcry_contracts::reports::v1 as wire;
use outcry_contracts::reports::v1::{
    ReportCompletedEvent, ReportFailedEvent, ReportFormat, ReportStatus, ReportType,
};
use outcry_contracts::types::v1::PageRequest;
use outcry_events::money::Amount;
use outcry_reports::Config;
use outcry_reports::journal::{BY_TIME, Entry, JOURNAL};
use outcry_reports::views::{CONTENTS, PIECE_BYTES, REPORTS, ReportRow};
use outcry_service::Clock;
use outcry_service::testing::eventually;
use outcry_store::limits::LEASE_TTL;
use outcry_store::{Commit, ReadAll, Scan, ViewWrite};
use sha2::{Digest, Sha256};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::house::{BUY, BUYER, House, SELLER, at_once, fetched, pieces};

const MINUTE: Duration = Duration::from_secs(60);

fn reason(status: &Status) -> String {
    let info = status.get_details_error_info();
    info.map(|info| info.reason).unwrap_or_default()
}

async fn text(house: &House, user: &str, report_id: &str) -> String {
    let pieces = fetched(&mut house.user(user), report_id, 0).await.unwrap();
    String::from_utf8(pieces.concat()).unwrap()
}

#[tokio::test]
async fn every_event_is_kept_in_its_own_bytes_for_each_user_it_is_about() {
    let house = House::open(at_once()).await;
    let now = house.clock.now();
    let deposited = house.deposited(BUYER, 1000, now).await;
    house.kept(BUYER, 1).await;
    let paid = PaymentSuccessEvent {
        payment_id: BUY.to_owned(),
        user_id: BUYER.to_owned(),
        amount: Some(Amount::from_units(1000).to_money()),
        provider: "built-in".to_owned(),
        provider_reference: "r-1".to_owned(),
        late: false,
    };
    house.say(&paid, now).await;
    house.settled(now).await;
    house.kept(BUYER, 3).await;
    house.kept(SELLER, 1).await;
    let scan = Scan::new(JOURNAL).prefix(format!("{BUYER}/"));
    let rows = house.ctx.store.scan(&scan).await.unwrap();
    let first: Entry = rows[0].decode().unwrap();
    assert_eq!(first.position, 1);
    assert_eq!(first.event().unwrap().bytes(), deposited.bytes());
    house.platform.stop().await;
}

#[tokio::test]
async fn positions_have_no_gap_when_events_of_a_user_come_over_many_partitions() {
    let house = House::open(at_once()).await;
    let events = 100;
    for number in 0..events {
        let rejected = OrderRejectedEvent {
            order_id: format!("00000000-0000-0000-0000-{number:012}"),
            ..rejected()
        };
        house.say(&rejected, house.clock.now()).await;
    }
    house.kept(BUYER, events).await;
    let scan = Scan::new(JOURNAL).limit(events as usize + 1);
    let rows = house.ctx.store.scan(&scan).await.unwrap();
    let positions = rows
        .iter()
        .map(|row| row.decode::<Entry>().unwrap().position);
    assert!(positions.eq(1..=events));
    house.platform.stop().await;
}

fn rejected() -> OrderRejectedEvent {
    OrderRejectedEvent {
        order_id: BUY.to_owned(),
        user_id: BUYER.to_owned(),
        symbol: "ACME".to_owned(),
        side: Side::Buy.into(),
        reason: RejectReason::InsufficientFunds.into(),
        message: String::new(),
    }
}

#[tokio::test]
async fn the_same_account_gives_the_same_bytes_whatever_came_first_and_after_a_crash() {
    let (first, second) = (House::open(at_once()).await, House::open(at_once()).await);
    let start = first.clock.now();
    let late = start + 10 * MINUTE;
    first.clock.set(late);
    first.deposited(BUYER, 1000, start).await;
    first.kept(BUYER, 1).await;
    first.locked(BUYER, BUY, 210, start + MINUTE).await;
    first.kept(BUYER, 2).await;
    first.settled(start + 2 * MINUTE).await;
    first.kept(BUYER, 3).await;

    // The settlement arrives first, from another partition.
    second.clock.set(late);
    second.settled(start + 2 * MINUTE).await;
    second.kept(BUYER, 1).await;
    second.deposited(BUYER, 1000, start).await;
    second.locked(BUYER, BUY, 210, start + MINUTE).await;
    second.kept(BUYER, 3).await;

    let statement = |house: &House| house.request(ReportType::Statement, Some(late));
    let made = first.made(BUYER, statement(&first)).await;
    assert_eq!(made.status(), ReportStatus::Completed);
    let content = text(&first, BUYER, &made.report_id).await;
    for line in [
        "Closing balance,798.00,",
        "of which available,790.00,",
        "of which reserved,8.00,",
    ] {
        assert!(content.contains(line), "{content}");
    }
    assert_eq!(made.sha256, format!("{:x}", Sha256::digest(&content)));
    // Nine of the summary, one holding, two movements of cash and one of shares.
    assert_eq!((made.size_bytes, made.rows), (content.len() as i64, 13));
    assert_eq!(
        second.made(BUYER, statement(&second)).await.sha256,
        made.sha256
    );

    let first = first.crash().await;
    assert_eq!(text(&first, BUYER, &made.report_id).await, content);
    let again = first.made(BUYER, statement(&first)).await;
    assert_ne!(again.report_id, made.report_id);
    assert_eq!(again.sha256, made.sha256);
    let activity = first.request(ReportType::Activity, Some(late));
    let activity = first.made(BUYER, activity).await;
    let lines = text(&first, BUYER, &activity.report_id).await;
    let topics: Vec<&str> = lines
        .lines()
        .filter(|line| line.starts_with("activity,row,"))
        .filter_map(|line| line.split(',').nth(4))
        .collect();
    assert_eq!(
        topics,
        [
            "funds.deposited",
            "funds.locked",
            "funds.settled",
            "funds.settled"
        ]
    );
    first.platform.stop().await;
    second.platform.stop().await;
}

#[tokio::test]
async fn a_report_is_as_of_when_things_occurred_and_not_of_when_they_arrived() {
    let house = House::open(at_once()).await;
    let start = house.clock.now();
    house.clock.set(start + 5 * MINUTE);
    house.deposited(BUYER, 70, start + 2 * MINUTE).await;
    house.kept(BUYER, 1).await;
    house.deposited(BUYER, 30, start).await;
    house.kept(BUYER, 2).await;
    for (minutes, available) in [
        (0, "balance,30.00,"),
        (1, "balance,30.00,"),
        (2, "balance,100.00,"),
    ] {
        let as_of = start + minutes * MINUTE;
        let request = house.request(ReportType::Statement, Some(as_of));
        let made = house.made(BUYER, request).await;
        let content = text(&house, BUYER, &made.report_id).await;
        assert!(content.contains(available), "{minutes}: {content}");
    }
    let now = house
        .made(BUYER, house.request(ReportType::Statement, None))
        .await;
    assert_eq!(now.as_of, Some(house.clock.now().into()));
    let completed = completed(&house, &now.report_id).await;
    assert_eq!(completed.as_of_position, 2);
    assert_eq!(completed.sha256, now.sha256);
    house.platform.stop().await;
}

async fn completed(house: &House, report_id: &str) -> ReportCompletedEvent {
    let stream = format!("report-{report_id}");
    let events = house.ctx.store.read_stream(&stream, 0, 9).await.unwrap();
    assert_eq!(events.len(), 2, "requested and completed");
    let (requested, completed) = (&events[0].event, &events[1].event);
    assert_eq!(completed.correlation_id(), requested.correlation_id());
    assert_eq!(completed.causation_id(), Some(requested.id()));
    completed.payload().unwrap()
}

#[tokio::test]
async fn a_request_is_carried_out_once_and_times_to_come_are_refused() {
    let house = House::open(at_once()).await;
    let mut buyer = house.user(BUYER);
    let request = house.request(ReportType::Activity, None);
    let one = buyer.request_report(request.clone()).await.unwrap();
    let other = buyer.request_report(request.clone()).await.unwrap();
    assert_eq!(one.into_inner(), other.into_inner());
    let reused = wire::RequestReportRequest {
        r#type: ReportType::Statement.into(),
        ..request
    };
    let refused = buyer.request_report(reused).await.unwrap_err();
    assert_eq!(reason(&refused), "REQUEST_ID_REUSED");

    let later = house.clock.now() + Duration::from_nanos(1);
    let later = house.request(ReportType::Activity, Some(later));
    let refused = buyer.request_report(later).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert_eq!(reason(&refused), "AS_OF_IN_FUTURE");
    house.platform.stop().await;
}

#[tokio::test]
async fn a_report_waits_for_what_is_still_on_its_way_and_survives_a_crash_meanwhile() {
    let house = House::open(Config::default()).await;
    let now = house.clock.now();
    let mut buyer = house.user(BUYER);
    let request = house.request(ReportType::Statement, None);
    let asked = buyer.request_report(request).await.unwrap().into_inner();
    let report_id = asked.report.unwrap().report_id;
    let refused = fetched(&mut buyer, &report_id, 0).await.unwrap_err();
    assert_eq!(reason(&refused), "REPORT_NOT_READY");
    house.deposited(BUYER, 5, now).await;
    house.kept(BUYER, 1).await;
    let house = house.crash().await;
    house.clock.advance(Duration::from_secs(1));
    house.ended(BUYER, &report_id).await;
    let content = text(&house, BUYER, &report_id).await;
    assert!(content.contains("Closing balance,5.00,"), "{content}");
    house.platform.stop().await;
}

#[tokio::test]
async fn no_more_than_ten_reports_of_a_user_wait_at_once() {
    let house = House::open(Config::default()).await;
    let mut buyer = house.user(BUYER);
    for _ in 0..10 {
        let request = house.request(ReportType::Statement, None);
        buyer.request_report(request).await.unwrap();
    }
    let request = house.request(ReportType::Statement, None);
    let refused = buyer.request_report(request.clone()).await.unwrap_err();
    assert_eq!(reason(&refused), "TOO_MANY_REPORTS");
    house.user(SELLER).request_report(request).await.unwrap();
    house.platform.stop().await;
}

#[tokio::test]
async fn a_report_with_too_many_lines_fails_and_says_so() {
    let config = Config {
        rows_max: 1,
        ..at_once()
    };
    let house = House::open(config).await;
    house.say(&rejected(), house.clock.now()).await;
    house.deposited(BUYER, 5, house.clock.now()).await;
    house.kept(BUYER, 2).await;
    let failed = house
        .made(BUYER, house.request(ReportType::Activity, None))
        .await;
    assert_eq!(failed.status(), ReportStatus::Failed);
    assert!(failed.message.contains("more than 1 lines"), "{failed:?}");
    let refused = fetched(&mut house.user(BUYER), &failed.report_id, 0).await;
    assert_eq!(reason(&refused.unwrap_err()), "REPORT_FAILED");
    let everything = ReadAll {
        limit: 100,
        ..ReadAll::default()
    };
    let all = house.ctx.store.read_all(&everything).await.unwrap();
    assert!(
        all.iter()
            .any(|stored| stored.event.is::<ReportFailedEvent>())
    );
    house.platform.stop().await;
}

#[tokio::test]
async fn others_do_not_see_a_report_and_operators_do() {
    let house = House::open(at_once()).await;
    let made = house
        .made(BUYER, house.request(ReportType::Statement, None))
        .await;
    let report_id = made.report_id.clone();
    let get = wire::GetReportRequest {
        report_id: report_id.clone(),
    };
    let mut seller = house.user(SELLER);
    let refused = seller.get_report(get.clone()).await.unwrap_err();
    assert_eq!(
        (refused.code(), reason(&refused).as_str()),
        (Code::NotFound, "NO_SUCH_REPORT")
    );
    let refused = fetched(&mut seller, &report_id, 0).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    let list = wire::ListReportsRequest {
        page: None,
        user_id: BUYER.to_owned(),
    };
    let refused = seller.list_reports(list.clone()).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);

    let mut admin = house.admin();
    let seen = admin.get_report(get).await.unwrap().into_inner();
    assert_eq!(seen.report, Some(made.clone()));
    let listed = admin.list_reports(list).await.unwrap().into_inner();
    assert_eq!(listed.reports, [made]);
    assert_eq!(fetched(&mut admin, &report_id, 0).await.unwrap().len(), 1);
    house.platform.stop().await;
}

#[tokio::test]
async fn reports_are_listed_page_by_page_newest_first() {
    let house = House::open(at_once()).await;
    let mut wanted = Vec::new();
    for _ in 0..3 {
        let made = house
            .made(BUYER, house.request(ReportType::Statement, None))
            .await;
        wanted.insert(0, made.report_id);
    }
    let (mut seen, mut token) = (Vec::new(), String::new());
    loop {
        let page = Some(PageRequest { size: 2, token });
        let mut buyer = house.user(BUYER);
        let request = wire::ListReportsRequest {
            page,
            user_id: String::new(),
        };
        let listed = buyer.list_reports(request).await.unwrap().into_inner();
        seen.extend(listed.reports.into_iter().map(|report| report.report_id));
        token = listed.page.unwrap().next_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(seen, wanted);
    house.platform.stop().await;
}

#[tokio::test]
async fn a_long_report_comes_in_pieces_from_any_offset() {
    let house = House::open(at_once()).await;
    let now = house.clock.now();
    // More than 120 bytes a line: more than one piece.
    let events = 2 * PIECE_BYTES / 200;
    for _ in 0..events {
        house.deposited(BUYER, 5, now).await;
    }
    house.kept(BUYER, events as u64).await;
    let scan = Scan::new(JOURNAL).index(BY_TIME).limit(events + 1);
    assert_eq!(house.ctx.store.scan(&scan).await.unwrap().len(), events);
    let made = house
        .made(BUYER, house.request(ReportType::Activity, None))
        .await;
    assert_eq!(
        (made.status(), made.rows),
        (ReportStatus::Completed, events as i64)
    );
    let mut buyer = house.user(BUYER);
    let all = fetched(&mut buyer, &made.report_id, 0).await.unwrap();
    assert_eq!(all.len(), made.size_bytes as usize / PIECE_BYTES + 1);
    assert!(all.len() > 1);
    let whole = all.concat();
    assert_eq!(made.sha256, format!("{:x}", Sha256::digest(&whole)));
    for offset in [
        1,
        PIECE_BYTES - 1,
        PIECE_BYTES,
        PIECE_BYTES + 1,
        whole.len(),
    ] {
        for length in [0, 1, PIECE_BYTES, PIECE_BYTES + 5, 10 * PIECE_BYTES] {
            let asked = (offset as i64, length as i64);
            let range = pieces(&mut buyer, &made.report_id, asked.0, asked.1)
                .await
                .unwrap();
            let end = if length == 0 {
                whole.len()
            } else {
                whole.len().min(offset + length)
            };
            let mut place = offset;
            for piece in &range {
                assert_eq!(piece.offset, place as i64);
                assert_eq!(piece.total_bytes, whole.len() as i64);
                place += piece.content.len();
            }
            let content: Vec<u8> = range.into_iter().flat_map(|piece| piece.content).collect();
            assert_eq!(content, whole[offset..end], "{length} from {offset}");
        }
    }
    let beyond = fetched(&mut buyer, &made.report_id, whole.len() as i64 + 1).await;
    assert_eq!(beyond.unwrap_err().code(), Code::InvalidArgument);
    house.platform.stop().await;
}

#[tokio::test]
async fn content_is_forgotten_after_a_month_and_the_same_can_be_made_again() {
    let house = House::open(at_once()).await;
    let now = house.clock.now();
    house.deposited(BUYER, 5, now).await;
    house.kept(BUYER, 1).await;
    let made = house
        .made(BUYER, house.request(ReportType::Statement, None))
        .await;
    let day = 24 * 60 * MINUTE;
    assert_eq!(made.expires_at, Some((house.clock.now() + 30 * day).into()));
    let mut buyer = house.user(BUYER);
    house.clock.advance(30 * day - MINUTE);
    assert_eq!(
        fetched(&mut buyer, &made.report_id, 0).await.unwrap().len(),
        1
    );
    let house = house.crash().await;
    house.clock.advance(MINUTE);
    let report_id = &made.report_id;
    eventually("the content is forgotten", async || {
        status(&house, report_id).await == ReportStatus::Expired
    })
    .await;
    let mut buyer = house.user(BUYER);
    let refused = fetched(&mut buyer, report_id, 0).await.unwrap_err();
    assert_eq!(reason(&refused), "REPORT_EXPIRED");
    let contents = house.ctx.store.scan(&Scan::new(CONTENTS)).await.unwrap();
    assert_eq!(contents, []);
    let again = wire::RequestReportRequest {
        as_of: made.as_of,
        as_of_position: made.as_of_position,
        ..house.request(ReportType::Statement, None)
    };
    assert_eq!(house.made(BUYER, again).await.sha256, made.sha256);
    house.platform.stop().await;
}

async fn status(house: &House, report_id: &str) -> ReportStatus {
    let report_id = report_id.to_owned();
    let get = wire::GetReportRequest { report_id };
    let got = house.user(BUYER).get_report(get).await.unwrap();
    got.into_inner().report.unwrap().status()
}

#[tokio::test]
async fn a_report_is_deleted_by_whose_it_is_and_by_nobody_else_and_stays_listed() {
    let house = House::open(at_once()).await;
    let made = house
        .made(BUYER, house.request(ReportType::Statement, None))
        .await;
    let delete = wire::DeleteReportRequest {
        report_id: made.report_id.clone(),
    };
    let refused = house.user(SELLER).delete_report(delete.clone()).await;
    assert_eq!(refused.unwrap_err().code(), Code::NotFound);
    let mut buyer = house.user(BUYER);
    for _ in 0..2 {
        let deleted = buyer
            .delete_report(delete.clone())
            .await
            .unwrap()
            .into_inner();
        let deleted = deleted.report.unwrap();
        assert_eq!(deleted.status(), ReportStatus::Expired);
        assert_eq!(deleted.file_name, made.file_name);
    }
    let refused = fetched(&mut buyer, &made.report_id, 0).await.unwrap_err();
    assert_eq!(reason(&refused), "REPORT_EXPIRED");
    let listed = buyer
        .list_reports(wire::ListReportsRequest::default())
        .await;
    assert_eq!(listed.unwrap().into_inner().reports.len(), 1);
    let timers = house.ctx.store.next_timer().await.unwrap();
    assert_eq!(timers, None, "nothing is left to be done");
    house.platform.stop().await;
}

#[tokio::test]
async fn a_report_as_of_a_place_in_the_journal_does_not_see_what_came_later() {
    let house = House::open(at_once()).await;
    let start = house.clock.now();
    house.clock.set(start + 10 * MINUTE);
    house.deposited(BUYER, 70, start + 2 * MINUTE).await;
    house.kept(BUYER, 1).await;
    let place = |as_of_position| wire::RequestReportRequest {
        as_of_position,
        ..house.request(ReportType::Statement, None)
    };
    let first = house.made(BUYER, place(1)).await;
    assert_eq!(first.as_of, Some((start + 2 * MINUTE).into()));
    // It occurred earlier and came later.
    house.deposited(BUYER, 30, start).await;
    house.kept(BUYER, 2).await;
    let again = house.made(BUYER, place(1)).await;
    assert_eq!((again.sha256, again.as_of_position), (first.sha256, 1));
    let both = house.made(BUYER, place(2)).await;
    let content = text(&house, BUYER, &both.report_id).await;
    assert!(content.contains("Closing balance,100.00,"), "{content}");
    let refused = house
        .user(BUYER)
        .request_report(place(3))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    house.platform.stop().await;
}

#[tokio::test]
async fn holdings_are_worth_the_last_price_up_to_the_time_of_the_report_and_stay_so() {
    let house = House::open(at_once()).await;
    let start = house.clock.now();
    house.clock.set(start + 10 * MINUTE);
    for (number, price) in [(1, 20), (2, 30), (3, 40)] {
        let at = start + u32::try_from(number).unwrap() * MINUTE;
        house.settled_at(number, price, at).await;
        house.kept(BUYER, number).await;
    }
    for (minutes, value) in [
        (1, "20.00,200.00"),
        (2, "30.00,600.00"),
        (9, "40.00,1200.00"),
    ] {
        let request = house.request(ReportType::Holdings, Some(start + minutes * MINUTE));
        let made = house.made(BUYER, request).await;
        let content = text(&house, BUYER, &made.report_id).await;
        assert!(content.contains(value), "{minutes}: {content}");
    }
    house.platform.stop().await;
}

#[tokio::test]
async fn a_report_that_is_being_made_when_the_process_dies_is_made_after_it() {
    let house = House::open(Config::default()).await;
    house.deposited(BUYER, 5, house.clock.now()).await;
    house.kept(BUYER, 1).await;
    let mut buyer = house.user(BUYER);
    let asked = buyer
        .request_report(house.request(ReportType::Statement, None))
        .await;
    let report_id = asked.unwrap().into_inner().report.unwrap().report_id;
    // As a process leaves it that dies while it makes the report.
    let row = house
        .ctx
        .store
        .view(REPORTS, &report_id)
        .await
        .unwrap()
        .unwrap();
    let running = ReportRow {
        status: ReportStatus::Running.into(),
        ..row.decode().unwrap()
    };
    let commit = Commit {
        views: vec![ViewWrite::put(REPORTS, report_id.clone(), &running).unwrap()],
        ..Commit::default()
    };
    house.ctx.store.commit(commit).await.unwrap();
    let refused = fetched(&mut buyer, &report_id, 0).await.unwrap_err();
    assert_eq!(reason(&refused), "REPORT_NOT_READY");
    let delete = wire::DeleteReportRequest {
        report_id: report_id.clone(),
    };
    let refused = buyer.delete_report(delete).await.unwrap_err();
    assert_eq!(reason(&refused), "REPORT_NOT_READY");
    let house = house.crash().await;
    house.clock.advance(Duration::from_secs(1));
    let made = house.ended(BUYER, &report_id).await;
    assert_eq!(made.status(), ReportStatus::Completed);
    let again = wire::RequestReportRequest {
        as_of: made.as_of,
        as_of_position: made.as_of_position,
        ..house.request(ReportType::Statement, None)
    };
    let again = house
        .user(BUYER)
        .request_report(again)
        .await
        .unwrap()
        .into_inner();
    house.clock.advance(Duration::from_secs(1));
    let again = house.ended(BUYER, &again.report.unwrap().report_id).await;
    assert_eq!(again.sha256, made.sha256);
    house.platform.stop().await;
}

#[tokio::test]
async fn every_report_is_made_once_also_when_the_replica_that_makes_them_dies() {
    let house = House::open(Config::default()).await;
    let replica = house.replica().await;
    house.deposited(BUYER, 5, house.clock.now()).await;
    house.kept(BUYER, 1).await;
    let mut asked = Vec::new();
    for format in [ReportFormat::Csv, ReportFormat::Pdf, ReportFormat::Xlsx] {
        let request = wire::RequestReportRequest {
            format: format.into(),
            ..house.request(ReportType::Statement, None)
        };
        let mut buyer = house.user(BUYER);
        let reply = buyer.request_report(request).await.unwrap().into_inner();
        asked.push(reply.report.unwrap().report_id);
    }
    house.clock.advance(Duration::from_secs(1));
    replica.crash().await;
    // What it held is held until its leases run out.
    house.clock.advance(2 * LEASE_TTL);
    for report_id in asked {
        let made = house.ended(BUYER, &report_id).await;
        assert_eq!(made.status(), ReportStatus::Completed);
        assert_eq!(completed(&house, &report_id).await.sha256, made.sha256);
    }
    house.platform.stop().await;
}
