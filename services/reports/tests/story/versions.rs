//! Facts of an earlier release, in whose time `report.requested` had its first version only.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use outcry_contracts::reports::v1 as wire;
use outcry_contracts::reports::v1::{Report as Shown, ReportFormat, ReportStatus, ReportType};
use outcry_contracts::reports::v2::report_period::End;
use outcry_contracts::reports::v2::{JournalPlace, ReportPeriod, ReportRequestedEvent};
use outcry_events::{Cause, EventSet as _, SealedEvent, Stamp, seal};
use outcry_reports::domain::{Report, ReportEvent};
use outcry_reports::views::{BY_USER, OPEN, REPORTS, ReportRow};
use outcry_service::testing::{FakeClock, Platform};
use outcry_service::{Clock, Decider};
use outcry_store::{Append, Commit, Timer, TimerWrite, ViewWrite};
use uuid::Uuid;

use crate::house::{BUYER, House};

/// Envelopes as that release wrote them. Never written again.
const AS_OF: &[u8] = include_bytes!("../golden/report.requested.as-of.binpb");
const PLACE: &[u8] = include_bytes!("../golden/report.requested.place.binpb");

/// Ids of the reports in them.
const REPORT_AS_OF: Uuid = Uuid::from_u128(0xe1);
const REPORT_PLACE: Uuid = Uuid::from_u128(0xe2);

/// 2026-01-05 14:30 UTC, when a story's clock starts: the time both reports are as of.
const AT: u64 = 1_767_623_400;

/// How long before that the period of the second one begins.
const PERIOD: Duration = Duration::from_secs(3_600);

fn at() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(AT)
}

fn opened(bytes: &'static [u8]) -> SealedEvent {
    SealedEvent::open(Bytes::from_static(bytes)).unwrap()
}

/// The same fact as this release writes it.
fn second(report: Uuid) -> ReportRequestedEvent {
    let (from, end) = if report == REPORT_AS_OF {
        (None, End::AsOf(at().into()))
    } else {
        let place = JournalPlace {
            position: 1,
            as_of: Some(at().into()),
        };
        (Some((at() - PERIOD).into()), End::Place(place))
    };
    ReportRequestedEvent {
        report_id: report.to_string(),
        user_id: BUYER.to_owned(),
        r#type: ReportType::Statement.into(),
        format: ReportFormat::Csv.into(),
        period: Some(ReportPeriod {
            from,
            end: Some(end),
        }),
    }
}

/// The same fact as that release knew it.
fn first(report: Uuid) -> wire::ReportRequestedEvent {
    let has_place = report == REPORT_PLACE;
    wire::ReportRequestedEvent {
        report_id: report.to_string(),
        user_id: BUYER.to_owned(),
        r#type: ReportType::Statement.into(),
        format: ReportFormat::Csv.into(),
        from: has_place.then(|| (at() - PERIOD).into()),
        as_of: Some(at().into()),
        as_of_position: u64::from(has_place),
    }
}

fn stamp<'a>(report: Uuid, cause: &'a Cause) -> Stamp<'a> {
    Stamp {
        event_id: Uuid::from_u64_pair(1, report.as_u64_pair().1),
        sequence: 1,
        occurred_at: at(),
        recorded_at: at(),
        cause,
    }
}

fn cause() -> Cause {
    Cause::root(Uuid::from_u128(0xc0), format!("user:{BUYER}"))
}

/// What a history comes to.
fn folded(history: &[SealedEvent]) -> Report {
    history.iter().fold(Report::default(), |report, event| {
        report.evolve(&ReportEvent::open(event).unwrap())
    })
}

#[test]
fn the_first_version_is_still_written_as_it_was() {
    for (report, golden) in [(REPORT_AS_OF, AS_OF), (REPORT_PLACE, PLACE)] {
        let sealed = seal(&first(report), stamp(report, &cause())).unwrap();
        assert_eq!(sealed.bytes().as_ref(), golden);
    }
}

#[test]
fn a_history_of_the_first_version_replays_to_the_same_state_as_one_of_the_second() {
    for (report, golden) in [(REPORT_AS_OF, AS_OF), (REPORT_PLACE, PLACE)] {
        let old = opened(golden);
        assert_eq!(old.envelope().schema_version, 1);
        let new = seal(&second(report), stamp(report, &cause())).unwrap();
        let state = folded(&[old]);
        assert!(matches!(&state, Report::Requested(_)));
        assert_eq!(state, folded(&[new]));
    }
}

/// What that release committed when a report was asked for: fact, row and timer.
fn committed_then(event: &SealedEvent, report: Uuid, due: SystemTime) -> Commit {
    let old = first(report);
    let at_ns = i64::try_from(AT).unwrap() * 1_000_000_000;
    let hour_ns = i64::try_from(PERIOD.as_nanos()).unwrap();
    let row = ReportRow {
        report_id: old.report_id.clone(),
        user_id: old.user_id,
        r#type: old.r#type,
        format: old.format,
        status: ReportStatus::Requested.into(),
        from_ns: old.from.map(|_| at_ns - hour_ns),
        as_of_ns: at_ns,
        requested_at_ns: at_ns,
        sha256: String::new(),
        size_bytes: 0,
        rows: 0,
        as_of_position: old.as_of_position,
        message: String::new(),
        file_name: String::new(),
        expires_at_ns: None,
    };
    let place = format!("{BUYER}/{report}");
    let write = ViewWrite::put(REPORTS, report.to_string(), &row).unwrap();
    let timer = Timer {
        id: format!("make/{report}"),
        due,
        payload: old.report_id.into_bytes(),
    };
    Commit {
        appends: vec![Append {
            stream: event.stream(),
            expected: 0,
            events: vec![event.clone()],
        }],
        views: vec![write.index(BY_USER, place.clone()).index(OPEN, place)],
        timers: vec![TimerWrite::Set(timer)],
        ..Commit::default()
    }
}

/// What a customer sees of a report, but for its id, its name and when it was asked for.
fn shown(report: Shown) -> Shown {
    Shown {
        report_id: String::new(),
        file_name: String::new(),
        requested_at: None,
        expires_at: None,
        ..report
    }
}

#[tokio::test]
async fn a_data_folder_of_an_earlier_release_shows_the_same_reports() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(FakeClock::default());
    assert_eq!(clock.now(), at());
    let platform = Platform::open_at(folder.path(), clock.clone()).await;
    let ctx = platform.context(outcry_reports::NAME).await;
    let due = at() + Duration::from_secs(60);
    for (report, golden) in [(REPORT_AS_OF, AS_OF), (REPORT_PLACE, PLACE)] {
        let commit = committed_then(&opened(golden), report, due);
        ctx.store.commit(commit).await.unwrap();
    }
    drop(ctx);

    let house = House::on(folder, platform, clock).await;
    house.deposited(BUYER, 1000, at()).await;
    house.kept(BUYER, 1).await;
    house.clock.set(due);
    for report in [REPORT_AS_OF, REPORT_PLACE] {
        let old = house.ended(BUYER, &report.to_string()).await;
        assert_eq!(old.status(), ReportStatus::Completed, "{}", old.message);
        let terms = first(report);
        let request = wire::RequestReportRequest {
            from: terms.from,
            as_of_position: terms.as_of_position,
            ..house.request(ReportType::Statement, Some(at()))
        };
        let new = house.made(BUYER, request).await;
        assert_eq!(shown(old), shown(new));
    }
    house.platform.stop().await;
}
