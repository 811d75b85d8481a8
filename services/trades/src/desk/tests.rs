//! Desks against a real store: what is loaded is what was written, whatever comes in between.

mod asks;

use std::path::Path;

use outcry_contracts::orders::v1::{SelfTradePrevention, Side, TimeInForce};
use outcry_contracts::trades::v1::TradeStatus;
use outcry_events::Cause;
use outcry_service::testing::{FakeClock, Platform};
use outcry_service::{Clock, Context};
use outcry_store::{Fence, LeaseRequest, PoolRequest, ReadAll};
use proptest::prelude::*;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use asks::{Batch, CENT, OWNERS, Shape, batch, hours, limit, order_id, submit};

use super::replay::load;
use super::writer::bench::testing;
use super::*;
use crate::book::FeeSchedule;
use crate::calendar::Calendar;
use crate::floor::{POOL, POSTS, post_of};
use crate::session::SessionEnd;

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
