//! Desks against a real store: what is loaded is what was written, whatever comes in between.

use std::path::Path;
use std::time::Duration;

use outcry_contracts::orders::v1::{
    CancelReason, OrderTerms, OrderType, SelfTradePrevention, Side, TimeInForce,
};
use outcry_contracts::trades::v1::{TradeCreatedEvent, TradeStatus};
use outcry_events::{Amount, Cause};
use outcry_service::{Clock, Context};
use outcry_service::testing::{FakeClock, Platform};
use outcry_store::{Fence, LeaseRequest, PoolRequest, ReadAll};
use proptest::prelude::*;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::replay::load;
use super::writer::bench::testing;
use super::*;
use crate::book::{FeeSchedule, Session};
use crate::calendar::{Calendar, Hours};
use crate::floor::{POOL, POSTS, post_of};
use crate::session::SessionEnd;
use crate::trade::trade_id;

const ORDERS: u128 = 30;
const OWNERS: u128 = 4;
const CENT: i64 = 100;

/// When good-till-date orders expire: some hours after the fake clock begins.
const EXPIRES: Duration = Duration::from_secs(1_767_640_000);

fn market(step: usize) -> Market {
    Market {
        symbol: "ACME".into(),
        rules: Rules {
            tick: CENT,
            lot: 1,
            band_bps: Some(2_000),
            listing_price: Some(100 * CENT),
            max_order_value: 1_000_000 * 10_000,
            max_order_quantity: 1_000,
            fees: FeeSchedule {
                maker_bps: 5,
                taker_bps: 12,
            },
            step,
        },
        schedule: Arc::new(Schedule {
            calendar: Calendar::default(),
            session_end: SessionEnd::default(),
        }),
        listed: true,
        checkpoint_events: 1_000_000,
    }
}

fn order_id(number: u128) -> Uuid {
    Uuid::from_u128(0xa000 + number)
}

fn owner(number: u128) -> Uuid {
    Uuid::from_u128(0xb000 + number % OWNERS)
}

fn money(cents: i64) -> Option<outcry_contracts::types::v1::Money> {
    Some(Amount::from_raw(cents * CENT).unwrap().to_money())
}

#[derive(Clone, Copy, Debug)]
struct Shape {
    number: u128,
    side: Side,
    market: bool,
    quantity: i64,
    cents: i64,
    tif: TimeInForce,
    post_only: bool,
    stop_cents: Option<i64>,
    prevention: SelfTradePrevention,
}

fn submit(shape: Shape) -> Ask {
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

fn limit(number: u128, side: Side, quantity: i64, cents: i64) -> Ask {
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

fn shape() -> impl Strategy<Value = Shape> {
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

fn session() -> impl Strategy<Value = (u128, Session)> {
    let session = prop_oneof![
        Just(Session::Open),
        Just(Session::Halted),
        Just(Session::CancelOnly),
        Just(Session::PostOnly),
        Just(Session::Closed),
    ];
    (0..4u128, session)
}

fn ask() -> impl Strategy<Value = Ask> {
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
struct Batch {
    pause: Duration,
    is_restarted: bool,
    asks: Vec<Ask>,
}

fn batch() -> impl Strategy<Value = Batch> {
    let asks = prop::collection::vec(ask(), 1..25);
    let pause = prop_oneof![Just(0), 0..30_000u64];
    (pause, prop::bool::weighted(0.3), asks).prop_map(|(seconds, is_restarted, asks)| Batch {
        pause: Duration::from_secs(seconds),
        is_restarted,
        asks,
    })
}

/// Open by day, every day.
fn hours() -> Calendar {
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

fn cause() -> Cause {
    Cause::root(Uuid::now_v7(), "service:orders")
}

/// A running desk.
struct Running {
    handle: DeskHandle,
    task: JoinHandle<Ended>,
    stop: CancellationToken,
}

impl Running {
    async fn start(ctx: &Context, step: usize, fence: Fence) -> Running {
        let news = tokio::sync::watch::Sender::new(());
        let opened = open(ctx, market(step), fence, news).await;
        let (handle, writer) = opened.unwrap();
        let stop = CancellationToken::new();
        let task = tokio::spawn(writer.run(stop.clone()));
        Running { handle, task, stop }
    }

    async fn ask(&self, ask: Ask) -> Answer {
        self.handle.ask(ask, cause()).await
    }

    async fn trade(&self, ask: Ask) -> Trade {
        match self.ask(ask).await {
            Answer::Trade(Some(trade)) => *trade,
            other => panic!("no trade but {other:?}"),
        }
    }

    async fn stop(self) {
        self.stop.cancel();
        assert_eq!(self.task.await.unwrap(), Ended::Told);
    }
}

/// The right of a context's member to write for the symbol.
async fn fence(ctx: &Context) -> Fence {
    let pool = PoolRequest {
        pool: POOL.into(),
        slots: POSTS,
        give_back: Vec::new(),
    };
    let request = LeaseRequest {
        member: ctx.member.clone(),
        pools: vec![pool],
    };
    let shares = ctx.store.lease(&request).await.unwrap();
    let mut held = shares[0].held.iter();
    let lease = held.find(|lease| lease.slot == post_of("ACME"));
    lease.unwrap().fence()
}

async fn platform(folder: &Path) -> (Platform, Context) {
    let platform = Platform::open(folder).await;
    let ctx = platform.context("trades").await;
    (platform, ctx)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_loaded_desk_is_the_desk_that_wrote(
        batches in prop::collection::vec(batch(), 1..6),
        step in prop_oneof![1..4usize, Just(STEP_MAX)],
        checkpoint_events in prop_oneof![1..60usize, Just(1_000_000)],
        calendar in prop_oneof![Just(Calendar::default()), Just(hours())],
    ) {
        tokio::runtime::Runtime::new().unwrap().block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let (platform, mut ctx) = platform(folder.path()).await;
            let clock = Arc::new(FakeClock::default());
            ctx.clock = clock.clone();
            let schedule = Schedule { calendar, session_end: SessionEnd::default() };
            let market = Market { checkpoint_events, schedule: Arc::new(schedule), ..market(step) };
            // For a market of other rules the checkpoints do not count.
            let mut other = market.clone();
            other.rules.max_order_quantity += 1;
            let mut live = testing(&ctx, market.clone(), fence(&ctx).await).await;
            for Batch { pause, is_restarted, asks } in batches {
                clock.advance(pause);
                if is_restarted {
                    live = testing(&ctx, market.clone(), fence(&ctx).await).await;
                }
                live.carry_out_all(asks.into_iter().map(|ask| (ask, cause()))).await;
                assert!(live.desk().book.next_expiry().is_none_or(|due| due > clock.now()));
                let loaded = load(ctx.store.as_ref(), &market).await.unwrap();
                let replayed = load(ctx.store.as_ref(), &other).await.unwrap();
                assert_eq!(loaded.unkept < replayed.unkept, live.desk().kept.is_some());
                assert_eq!(loaded.digest(), live.desk().digest());
                assert_eq!(replayed.digest(), live.desk().digest());
                assert_eq!(replayed.trades(), live.desk().trades());
                assert_eq!(loaded.unarmed, replayed.unarmed);
                assert_eq!(loaded.sessions, live.desk().sessions);
                assert_eq!(replayed.sessions, live.desk().sessions);
                assert_eq!(loaded.trades(), live.desk().trades());
                assert_eq!(loaded.barred, live.desk().barred);
                assert_eq!(loaded.version, live.desk().version);
                for trade in loaded.trades().values() {
                    let row = views::trade(ctx.store.as_ref(), trade.trade_id).await.unwrap();
                    assert_eq!(row.as_ref(), Some(trade));
                }
            }
            drop((live, ctx));
            platform.stop().await;
        });
    }
}

#[tokio::test]
async fn two_writers_of_one_symbol_do_not_overwrite_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let (platform, ctx) = platform(folder.path()).await;
    let fence = fence(&ctx).await;
    let (one, other) = (
        Running::start(&ctx, STEP_MAX, fence.clone()).await,
        Running::start(&ctx, STEP_MAX, fence).await,
    );
    one.trade(limit(0, Side::Sell, 10, 100)).await;
    // The other has not seen that order, and is corrected by the store.
    let taker = other.trade(limit(1, Side::Buy, 10, 100)).await;
    assert_eq!(taker.status(), TradeStatus::Filled);
    let again = one.trade(limit(1, Side::Buy, 10, 100)).await;
    assert_eq!(again, taker);
    let next = one.trade(limit(2, Side::Sell, 10, 100)).await;
    assert_eq!(next.status(), TradeStatus::Placed);
    one.stop().await;
    other.stop().await;
    let loaded = load(ctx.store.as_ref(), &market(STEP_MAX)).await.unwrap();
    assert_eq!(loaded.snapshot().venue_seq, 4);
    assert_eq!(loaded.trades().len(), 1);
    platform.stop().await;
}

#[tokio::test]
async fn a_desk_whose_symbol_is_anothers_by_now_commits_nothing_and_ends() {
    let folder = tempfile::tempdir().unwrap();
    let (platform, ctx) = platform(folder.path()).await;
    let stale = Running::start(&ctx, STEP_MAX, fence(&ctx).await).await;
    stale.trade(limit(0, Side::Sell, 10, 100)).await;
    ctx.store.leave(&ctx.member.id).await.unwrap();
    let next = platform.context("trades").await;
    let owner = Running::start(&next, STEP_MAX, fence(&next).await).await;

    let late = stale.ask(limit(1, Side::Buy, 4, 100)).await;
    assert!(matches!(late, Answer::Gone));
    assert_eq!(stale.task.await.unwrap(), Ended::Fenced);
    let gone = stale.handle.ask(limit(1, Side::Buy, 4, 100), cause()).await;
    assert!(matches!(gone, Answer::Gone));
    let all = ReadAll {
        limit: 100,
        ..ReadAll::default()
    };
    assert_eq!(next.store.read_all(&all).await.unwrap().len(), 2);

    let trade = owner.trade(limit(1, Side::Buy, 4, 100)).await;
    assert_eq!(trade.status(), TradeStatus::Filled);
    owner.stop().await;
    platform.stop().await;
}

#[tokio::test]
async fn the_time_of_a_symbol_does_not_go_back_when_it_moves_to_a_clock_that_is_behind() {
    let folder = tempfile::tempdir().unwrap();
    let (platform, mut ctx) = platform(folder.path()).await;
    let fence = fence(&ctx).await;
    let desk = Running::start(&ctx, STEP_MAX, fence.clone()).await;
    let before = desk.trade(limit(0, Side::Sell, 10, 100)).await;
    desk.stop().await;
    ctx.clock = std::sync::Arc::new(FakeClock::default());
    assert!(ctx.clock.now() < before.created_at());
    let desk = Running::start(&ctx, STEP_MAX, fence).await;
    let after = desk.trade(limit(1, Side::Sell, 10, 100)).await;
    assert_eq!(after.created_at(), before.created_at());
    desk.stop().await;
    platform.stop().await;
}

#[tokio::test]
async fn an_order_half_way_through_the_book_goes_on_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (platform, ctx) = platform(folder.path()).await;
    let mut live = testing(&ctx, market(2), fence(&ctx).await).await;
    let crowd = (0..5).map(|number| (limit(number * OWNERS, Side::Sell, 10, 100), cause()));
    live.carry_out_all(crowd).await;
    // The first commit holds two of the five matches; then the process is gone.
    live.begin((limit(101, Side::Buy, 60, 100), cause())).await;
    assert_eq!(live.desk().trades()[&order_id(101)].executed, 20);
    drop(live);

    let desk = Running::start(&ctx, 2, fence(&ctx).await).await;
    let trade = desk.trade(limit(101, Side::Buy, 60, 100)).await;
    assert_eq!((trade.executed, trade.leaves), (50, 10));
    let snapshot = desk.handle.snapshot();
    assert_eq!((snapshot.bids.len(), snapshot.asks.len()), (1, 0));
    desk.stop().await;
    platform.stop().await;
}

#[tokio::test]
async fn a_stop_that_was_reached_before_a_crash_goes_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let (platform, ctx) = platform(folder.path()).await;
    let mut live = testing(&ctx, market(2), fence(&ctx).await).await;
    let crowd = (0..5).map(|number| (limit(number * OWNERS, Side::Sell, 10, 100), cause()));
    live.carry_out_all(crowd).await;
    let stop = Shape {
        number: 6,
        side: Side::Buy,
        market: false,
        quantity: 5,
        cents: 101,
        tif: TimeInForce::Gtc,
        post_only: false,
        stop_cents: Some(100),
        prevention: SelfTradePrevention::Unspecified,
    };
    live.carry_out_all([(submit(stop), cause())]).await;
    // Two of five matches are committed, which reach the price; then the process is gone.
    live.begin((limit(101, Side::Buy, 50, 100), cause())).await;
    let waiting = live.desk().trades()[&order_id(6)].status();
    assert_eq!(waiting, TradeStatus::TriggerPending);
    drop(live);

    let desk = Running::start(&ctx, 2, fence(&ctx).await).await;
    let trade = desk.trade(limit(101, Side::Buy, 50, 100)).await;
    assert_eq!(trade.executed, 50);
    let woken = desk.trade(submit(stop)).await;
    assert_eq!((woken.status(), woken.leaves), (TradeStatus::Placed, 5));
    desk.stop().await;
    platform.stop().await;
}

#[tokio::test]
async fn a_request_that_cannot_be_written_down_harms_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let (platform, ctx) = platform(folder.path()).await;
    let mut live = testing(&ctx, market(STEP_MAX), fence(&ctx).await).await;
    let mut broken = limit(1, Side::Buy, 10, 100);
    if let Ask::Submit(created) = &mut broken {
        created.symbol = "not a symbol".into();
    }
    let asks = [
        limit(0, Side::Sell, 10, 100),
        broken,
        limit(2, Side::Buy, 4, 100),
    ];
    let answers = live
        .carry_out_all(asks.into_iter().map(|ask| (ask, cause())))
        .await;
    assert!(matches!(&answers[0], Answer::Trade(Some(trade)) if trade.executed == 4));
    assert!(matches!(&answers[1], Answer::Broken));
    assert!(matches!(&answers[2], Answer::Trade(Some(trade)) if trade.leaves == 0));
    drop((live, ctx));
    platform.stop().await;
}
