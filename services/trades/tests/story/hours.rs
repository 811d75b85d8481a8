//! What the market allows: by administrators and by trading hours.

use std::collections::BTreeMap;

use outcry_contracts::orders::v1::{CancelReason, TimeInForce};
use outcry_contracts::trades::v1::{
    FailureReason, GetCalendarRequest, GetCalendarResponse, HaltSymbolRequest,
    ListInstrumentsRequest, ResumeSymbolRequest, SessionChangedEvent, SessionState, TradeStatus,
};
use outcry_service::testing::eventually;
use outcry_trades::{Calendar, Config, Hours};
use tonic::Code;
use tonic_types::StatusExt;

use crate::floor::{ACME, Floor, config};
use crate::order::{buy, sell};

const HOUR: u64 = 3_600;

/// New York without summer time. Stories begin on a Monday at its opening, 9:30.
fn with_hours() -> Config {
    let weekdays = ["monday", "tuesday", "wednesday", "thursday", "friday"];
    let hours = Hours {
        open: "09:30:00".parse().unwrap(),
        close: "16:00:00".parse().unwrap(),
    };
    let holiday = ("2026-01-06".parse().unwrap(), "Three Kings".to_owned());
    Config {
        calendar: Calendar {
            utc_offset_minutes: -300,
            hours: weekdays.map(|day| (day.to_owned(), hours)).into(),
            holidays: BTreeMap::from([holiday]),
        },
        ..config()
    }
}

async fn until_session(floor: &Floor, state: SessionState) {
    eventually(&format!("{state:?}"), async || {
        floor.session().await == state
    })
    .await;
}

fn changes(told: &[SessionChangedEvent]) -> Vec<(SessionState, SessionState)> {
    told.iter()
        .filter(|event| event.symbol == ACME)
        .map(|event| (event.old_state(), event.new_state()))
        .collect()
}

#[tokio::test]
async fn each_session_refuses_in_its_own_words_and_lets_orders_leave() {
    use SessionState::{CancelOnly, Closed, Halted, Open, PostOnly};
    let folder = tempfile::tempdir().unwrap();
    let floor = Floor::open(folder.path()).await;
    let mut number: u128 = 0;
    for (state, expected, reason) in [
        (Halted, FailureReason::SymbolHalted, "SYMBOL_HALTED"),
        (CancelOnly, FailureReason::SymbolHalted, "SYMBOL_HALTED"),
        (Closed, FailureReason::SymbolClosed, "SYMBOL_CLOSED"),
        (PostOnly, FailureReason::WouldTake, "WOULD_TAKE"),
    ] {
        number += 10;
        let (ask, bid) = (sell(number, 10, "10.00"), buy(number + 1, 10, "9.00"));
        floor.submit(&ask).await;
        floor.submit(&bid).await;
        assert_eq!(floor.set_session(number, state).await, state);
        assert_eq!(floor.session().await, state);
        let refused = floor.submit(&buy(number + 2, 10, "10.00")).await;
        assert_eq!(refused.failure_reason(), expected);
        let kept = floor.replace(&bid, 1, 10, "10.00").await.unwrap_err();
        let info = kept.get_details_error_info().unwrap();
        assert_eq!(info.reason, reason);
        let rests = floor.submit(&buy(number + 3, 1, "9.50")).await;
        let comes_in = rests.status() == TradeStatus::Placed;
        assert_eq!(comes_in, state == PostOnly);
        for order in [&ask, &bid] {
            assert!(floor.cancel(order).await.cancelled);
        }
        floor.set_session(number + 5, Open).await;
    }
    floor.platform.stop().await;
}

#[tokio::test]
async fn a_session_is_set_once_per_request_and_outlives_a_restart() {
    use SessionState::{CancelOnly, Closed, Halted, Open};
    let folder = tempfile::tempdir().unwrap();
    let floor = Floor::open(folder.path()).await;
    floor.submit(&sell(1, 10, "10.00")).await;
    assert_eq!(floor.set_session(1, Halted).await, Halted);
    assert_eq!(floor.set_session(2, CancelOnly).await, CancelOnly);
    // The first request again changes nothing and tells how it stands now.
    assert_eq!(floor.set_session(1, Halted).await, CancelOnly);
    let reused = floor.try_set_session(1, Closed).await.unwrap_err();
    assert_eq!(reused.code(), Code::InvalidArgument);
    let floor = floor.crash().await;
    assert_eq!(floor.session().await, CancelOnly);
    assert_eq!(floor.set_session(2, CancelOnly).await, CancelOnly);

    let mut admin = floor.as_admin();
    let resume = ResumeSymbolRequest {
        symbol: ACME.into(),
    };
    let halt = HaltSymbolRequest {
        symbol: ACME.into(),
        reason: "news".into(),
    };
    for _ in 0..2 {
        admin.resume_symbol(resume.clone()).await.unwrap();
    }
    for _ in 0..2 {
        admin.halt_symbol(halt.clone()).await.unwrap();
    }
    let told: Vec<SessionChangedEvent> = floor.told().await;
    assert_eq!(
        changes(&told),
        [
            (Open, Halted),
            (Halted, CancelOnly),
            (CancelOnly, Open),
            (Open, Halted)
        ]
    );
    assert!(told.iter().all(|event| event.venue_sequence == 1));
    assert_eq!(
        (told[0].reason.as_str(), told[3].reason.as_str()),
        ("drill", "news")
    );
    let denied = floor
        .as_user(buy(1, 1, "1.00").owner)
        .halt_symbol(halt)
        .await;
    assert_eq!(denied.unwrap_err().code(), Code::PermissionDenied);
    floor.platform.stop().await;
}

#[tokio::test]
async fn the_market_opens_and_closes_by_its_hours() {
    use SessionState::{Closed, Open};
    let folder = tempfile::tempdir().unwrap();
    let floor = Floor::open_with(folder.path(), with_hours()).await;
    until_session(&floor, Open).await;
    let (day, good) = (
        buy(1, 10, "10.00").tif(TimeInForce::Day),
        buy(2, 10, "9.00"),
    );
    floor.submit(&day).await;
    floor.submit(&good).await;
    // 16:00: nobody asks for anything, the timer does it.
    floor.advance(6 * HOUR + HOUR / 2);
    until_session(&floor, Closed).await;
    floor.until_status(&day, TradeStatus::Cancelled).await;
    let ended = floor.trade(&day).await.unwrap();
    assert_eq!(ended.cancel_reason(), CancelReason::Expired);
    assert_eq!(
        floor.trade(&good).await.unwrap().status(),
        TradeStatus::Placed
    );
    let refused = floor.submit(&sell(3, 10, "9.00")).await;
    assert_eq!(refused.failure_reason(), FailureReason::SymbolClosed);
    let listed = floor
        .as_anybody()
        .list_instruments(ListInstrumentsRequest {})
        .await;
    let listed = listed.unwrap().into_inner().instruments;
    assert!(
        listed
            .iter()
            .all(|one| one.session() == Closed && !one.halted)
    );

    // Tuesday is a holiday; the venue is down on Wednesday at its opening.
    floor.advance(24 * HOUR);
    assert_eq!(floor.session().await, Closed);
    let floor = floor.sleep(18 * HOUR).await;
    until_session(&floor, Open).await;
    let filled = floor.submit(&sell(4, 10, "9.00")).await;
    assert_eq!(filled.status(), TradeStatus::Filled);
    let told: Vec<SessionChangedEvent> = floor.told().await;
    assert_eq!(changes(&told), [(Open, Closed), (Closed, Open)]);
    floor.platform.stop().await;
}

#[tokio::test]
async fn an_order_that_comes_after_the_close_is_refused_even_before_the_timer_fires() {
    let folder = tempfile::tempdir().unwrap();
    let floor = Floor::open_with(folder.path(), with_hours()).await;
    let day = sell(1, 10, "10.00").tif(TimeInForce::Day);
    floor.submit(&day).await;
    floor.advance(7 * HOUR);
    let late = floor.submit(&buy(2, 10, "10.00")).await;
    assert_eq!(late.failure_reason(), FailureReason::SymbolClosed);
    assert_eq!(floor.trade(&day).await.unwrap().cumulative_quantity, 0);
    floor.platform.stop().await;
}

#[tokio::test]
async fn a_halt_outlasts_the_hours_and_what_else_was_set_does_not() {
    use SessionState::{CancelOnly, Closed, Halted, Open};
    let folder = tempfile::tempdir().unwrap();
    let floor = Floor::open_with(folder.path(), with_hours()).await;
    until_session(&floor, Open).await;
    floor.set_session(1, Halted).await;
    floor.advance(7 * HOUR);
    // Something that has the desk look at the clock.
    floor.cancel(&buy(1, 1, "1.00")).await;
    assert_eq!(floor.session().await, Halted);
    let mut admin = floor.as_admin();
    let resume = ResumeSymbolRequest {
        symbol: ACME.into(),
    };
    admin.resume_symbol(resume).await.unwrap();
    assert_eq!(floor.session().await, Closed);
    floor.set_session(2, CancelOnly).await;
    assert_eq!(floor.session().await, CancelOnly);
    floor.advance(2 * 24 * HOUR - 7 * HOUR);
    until_session(&floor, Open).await;
    floor.platform.stop().await;
}

#[tokio::test]
async fn hours_that_are_configured_later_or_no_more_count_from_then_on() {
    use SessionState::{Closed, Open};
    let folder = tempfile::tempdir().unwrap();
    let floor = Floor::open(folder.path()).await;
    floor.submit(&buy(1, 10, "10.00")).await;
    floor.advance(12 * HOUR);
    assert_eq!(floor.session().await, Open);
    let floor = floor.restart_with(with_hours()).await;
    until_session(&floor, Closed).await;
    let floor = floor.restart_with(config()).await;
    until_session(&floor, Open).await;
    assert_eq!(
        floor.submit(&sell(2, 10, "10.00")).await.status(),
        TradeStatus::Filled
    );
    floor.platform.stop().await;
}

#[tokio::test]
async fn the_calendar_tells_days_hours_and_why_not() {
    let folder = tempfile::tempdir().unwrap();
    let floor = Floor::open_with(folder.path(), with_hours()).await;
    let ask = async |from: &str, days: i32| {
        let request = GetCalendarRequest {
            from: from.into(),
            days,
        };
        let response = floor.as_anybody().get_calendar(request).await;
        response.map(tonic::Response::into_inner)
    };
    let GetCalendarResponse {
        days,
        utc_offset_minutes,
    } = ask("", 0).await.unwrap();
    assert_eq!(utc_offset_minutes, -300);
    let dates: Vec<_> = days
        .iter()
        .map(|day| (day.date.as_str(), day.open, day.note.as_str()))
        .collect();
    assert_eq!(
        dates,
        [
            ("2026-01-05", true, ""),
            ("2026-01-06", false, "Three Kings"),
            ("2026-01-07", true, ""),
            ("2026-01-08", true, ""),
            ("2026-01-09", true, ""),
            ("2026-01-10", false, "weekend"),
            ("2026-01-11", false, "weekend"),
        ]
    );
    let hours = [&days[0].opens_at, &days[0].closes_at].map(|at| at.unwrap().to_string());
    assert_eq!(hours, ["2026-01-05T14:30:00Z", "2026-01-05T21:00:00Z"]);
    assert_eq!(ask("2026-12-30", 1_000).await.unwrap().days.len(), 366);
    let refused = ask("tomorrow", 1).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    floor.platform.stop().await;
}
