//! What desks are asked in tests.

use std::time::{Duration, SystemTime};

use outcry_contracts::orders::v1::{
    CancelReason, OrderTerms, OrderType, SelfTradePrevention, Side, TimeInForce,
};
use outcry_contracts::trades::v1::TradeCreatedEvent;
use outcry_events::Amount;
use proptest::prelude::*;
use uuid::Uuid;

use crate::book::Session;
use crate::calendar::{Calendar, Hours};
use crate::desk::{Ask, Cancel, Replace, SetSession};
use crate::trade::trade_id;

pub(super) const ORDERS: u128 = 30;
pub(super) const OWNERS: u128 = 4;
pub(super) const CENT: i64 = 100;

/// When good-till-date orders expire: some hours after the fake clock begins.
pub(super) const EXPIRES: Duration = Duration::from_secs(1_767_640_000);

pub(super) fn order_id(number: u128) -> Uuid {
    Uuid::from_u128(0xa000 + number)
}

pub(super) fn owner(number: u128) -> Uuid {
    Uuid::from_u128(0xb000 + number % OWNERS)
}

pub(super) fn money(cents: i64) -> Option<outcry_contracts::types::v1::Money> {
    Some(Amount::from_raw(cents * CENT).unwrap().to_money())
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) number: u128,
    pub(super) side: Side,
    pub(super) market: bool,
    pub(super) quantity: i64,
    pub(super) cents: i64,
    pub(super) tif: TimeInForce,
    pub(super) post_only: bool,
    pub(super) stop_cents: Option<i64>,
    pub(super) prevention: SelfTradePrevention,
}

pub(super) fn submit(shape: Shape) -> Ask {
    let kind = match (shape.market, shape.stop_cents) {
        (true, None) => OrderType::Market,
        (true, Some(_)) => OrderType::Stop,
        (false, None) => OrderType::Limit,
        (false, Some(_)) => OrderType::StopLimit,
    };
    let expires_at =
        (shape.tif == TimeInForce::Gtd).then(|| (SystemTime::UNIX_EPOCH + EXPIRES).into());
    Ask::Submit(Box::new(TradeCreatedEvent {
        trade_id: trade_id(order_id(shape.number)).to_string(),
        order_id: order_id(shape.number).to_string(),
        user_id: owner(shape.number).to_string(),
        symbol: "ACME".into(),
        terms: Some(OrderTerms {
            symbol: "ACME".into(),
            side: shape.side.into(),
            r#type: kind.into(),
            quantity: shape.quantity,
            limit_price: money(shape.cents).filter(|_| !shape.market),
            time_in_force: shape.tif.into(),
            post_only: shape.post_only,
            stop_price: shape.stop_cents.and_then(money),
            expires_at,
            self_trade_prevention: shape.prevention.into(),
            portfolio_id: String::new(),
        }),
        protection_price: money(shape.cents),
    }))
}

pub(super) fn limit(number: u128, side: Side, quantity: i64, cents: i64) -> Ask {
    submit(Shape {
        number,
        side,
        market: false,
        quantity,
        cents,
        tif: TimeInForce::Gtc,
        post_only: false,
        stop_cents: None,
        prevention: SelfTradePrevention::Unspecified,
    })
}

pub(super) fn shape() -> impl Strategy<Value = Shape> {
    let side = prop_oneof![Just(Side::Buy), Just(Side::Sell)];
    let tif = prop_oneof![
        4 => Just(TimeInForce::Gtc),
        2 => Just(TimeInForce::Day),
        1 => Just(TimeInForce::Ioc),
        1 => Just(TimeInForce::Fok),
        1 => Just(TimeInForce::Gtd),
    ];
    let stop = prop_oneof![3 => Just(None), 1 => (95..106i64).prop_map(Some)];
    let prevention = prop_oneof![
        Just(SelfTradePrevention::CancelNewest),
        Just(SelfTradePrevention::CancelOldest),
        Just(SelfTradePrevention::CancelBoth),
        Just(SelfTradePrevention::Decrement),
    ];
    let ways = (stop, prevention);
    let flags = (prop::bool::weighted(0.15), prop::bool::weighted(0.1));
    (0..ORDERS, side, flags, 1..50i64, 95..106i64, tif, ways).prop_map(
        |(number, side, (market, post_only), quantity, cents, tif, (stop_cents, prevention))| {
            Shape {
                number,
                side,
                market,
                quantity,
                cents,
                tif,
                post_only,
                stop_cents,
                prevention,
            }
        },
    )
}

pub(super) fn session() -> impl Strategy<Value = (u128, Session)> {
    let session = prop_oneof![
        Just(Session::Open),
        Just(Session::Halted),
        Just(Session::CancelOnly),
        Just(Session::PostOnly),
        Just(Session::Closed),
    ];
    (0..4u128, session)
}

pub(super) fn ask() -> impl Strategy<Value = Ask> {
    prop_oneof![
        12 => shape().prop_map(submit),
        3 => (0..ORDERS).prop_map(|number| Ask::Cancel(Cancel {
            order_id: order_id(number),
            user_id: owner(number),
            reason: CancelReason::User,
        })),
        4 => (0..ORDERS, 1..4u32, 1..50i64, 95..106i64, prop::option::of(95..106i64)).prop_map(
            |(number, revision, quantity, cents, stop)| Ask::Replace(Replace {
                order_id: order_id(number),
                user_id: owner(number),
                revision,
                quantity,
                price: cents * CENT,
                stop: stop.map(|cents| cents * CENT),
            })
        ),
        1 => session().prop_map(|(number, session)| Ask::SetSession(SetSession {
            request_id: Some(order_id(number)),
            session,
            reason: "news".into(),
        })),
        2 => Just(Ask::Resume),
    ]
}

/// Requests that are carried out together, after a while and perhaps by a new desk.
#[derive(Clone, Debug)]
pub(super) struct Batch {
    pub(super) pause: Duration,
    pub(super) is_restarted: bool,
    pub(super) asks: Vec<Ask>,
}

pub(super) fn batch() -> impl Strategy<Value = Batch> {
    let asks = prop::collection::vec(ask(), 1..25);
    let pause = prop_oneof![Just(0), 0..30_000u64];
    (pause, prop::bool::weighted(0.3), asks).prop_map(|(seconds, is_restarted, asks)| Batch {
        pause: Duration::from_secs(seconds),
        is_restarted,
        asks,
    })
}

/// Open by day, every day.
pub(super) fn hours() -> Calendar {
    let weekdays = ["monday", "tuesday", "wednesday", "thursday", "friday"];
    let hours = Hours {
        open: "09:00:00".parse().unwrap(),
        close: "17:00:00".parse().unwrap(),
    };
    Calendar {
        hours: weekdays.map(|day| (day.to_owned(), hours)).into(),
        ..Calendar::default()
    }
}
