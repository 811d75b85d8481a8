//! Several replicas of the venue on one store.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use outcry_contracts::orders::v1::TimeInForce;
use outcry_contracts::trades::v1::trade_service_client::TradeServiceClient;
use outcry_contracts::trades::v1::{
    GetBookRequest, HaltSymbolRequest, ListExecutionsRequest, ListInstrumentsRequest, SessionState,
    SetSessionRequest, TradeStatus,
};
use outcry_events::SealedEvent;
use outcry_mesh::{Directory, EDGE, Role, User, acting_for};
use outcry_service::Clock;
use outcry_service::testing::{FakeClock, Platform, eventually, found};
use outcry_store::ReadAll;
use tokio::task::JoinSet;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;
use uuid::Uuid;

use crate::hall::{Hall, POOL, SYMBOLS, reason, submit};
use crate::order::{Order, buy, sell};
use crate::streams::{Mirror, next};

/// How long an order is submitted again and again: far longer than symbols move.
const INSIST_MAX: Duration = Duration::from_secs(60);

/// Both have their share of the posts.
async fn share(halls: [&Hall; 2]) {
    eventually("both replicas hold half of the posts", async || {
        halls.iter().all(|hall| hall.replica.held(POOL) == 8)
    })
    .await;
}

async fn events(platform: &Platform) -> Vec<SealedEvent> {
    let store = platform.context("trades").await.store;
    let filter = ReadAll {
        limit: 20_000,
        ..ReadAll::default()
    };
    let stored = store.read_all(&filter).await.unwrap();
    stored.into_iter().map(|stored| stored.event).collect()
}

/// Orders of all symbols that fill each other but for the rest of the sold.
fn orders(rounds: u128) -> Vec<Order> {
    let number = |round: u128, place: usize| round * SYMBOLS.len() as u128 + place as u128;
    (0..rounds)
        .flat_map(|round| SYMBOLS.iter().enumerate().map(move |at| (round, at)))
        .map(|(round, (place, symbol))| {
            let order = match round % 2 {
                0 => sell(number(round, place), 10, "10.00"),
                _ => buy(number(round, place), 7, "10.00"),
            };
            order.symbol(symbol)
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_sent_to_any_replica_make_one_book_written_by_its_owner() {
    let folder = tempfile::tempdir().unwrap();
    let platform = Platform::open(folder.path()).await;
    let (early, late) = (
        Arc::new(FakeClock::default()),
        Arc::new(FakeClock::default()),
    );
    late.advance(Duration::from_secs(60));
    let one = Hall::open(&platform, early.clone()).await;
    let other = Hall::open(&platform, late.clone()).await;
    share([&one, &other]).await;

    let orders = orders(10);
    let mut callers = JoinSet::new();
    for (place, order) in orders.iter().enumerate() {
        let hall = if place % 3 == 0 { &one } else { &other };
        let (directory, order) = (hall.replica.ctx.directory.clone(), order.clone());
        callers.spawn(async move { submit(&directory, &order).await.unwrap() });
    }
    callers.join_all().await;

    let books = one.books().await;
    assert_eq!(other.books().await, books);
    for book in &books {
        assert_eq!(book.asks.iter().map(|ask| ask.quantity).sum::<i64>(), 15);
    }
    // A replica's clock tells who wrote.
    let mut writers: BTreeMap<String, BTreeSet<SystemTime>> = BTreeMap::new();
    for event in events(&platform).await {
        let times = writers.entry(event.partition_key().to_owned()).or_default();
        times.insert(event.occurred_at());
    }
    assert!(writers.values().all(|times| times.len() == 1));
    let times: BTreeSet<_> = writers.values().flatten().copied().collect();
    assert_eq!(times, BTreeSet::from([early.now(), late.now()]));

    // What a book is loaded from gives the same book.
    one.close().await;
    other.close().await;
    let next = Hall::open(&platform, late).await;
    assert_eq!(next.books().await, books);
    next.close().await;
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_can_be_asked_of_a_replica_without_the_symbol() {
    let folder = tempfile::tempdir().unwrap();
    let platform = Platform::open(folder.path()).await;
    let clock = Arc::new(FakeClock::default());
    let one = Hall::open(&platform, clock.clone()).await;
    let other = Hall::open(&platform, clock).await;
    share([&one, &other]).await;
    for (place, symbol) in SYMBOLS.iter().enumerate() {
        let number = 100 * place as u128;
        let maker = sell(number, 10, "10.00").symbol(symbol);
        let taker = buy(number + 1, 4, "10.00").symbol(symbol);
        one.submit(&maker).await;
        let taken = other.submit(&taker).await;
        assert_eq!(taken.status(), TradeStatus::Filled);
        assert_eq!(one.submit(&taker).await, taken);

        let replacement = maker.replacement(1, 8, "10.00");
        let replaced = one.client().replace_trade(replacement).await;
        let replaced = replaced.unwrap().into_inner();
        assert!(replaced.replaced && replaced.kept_priority);
        let refused = other
            .client()
            .replace_trade(maker.replacement(2, 8, "10.001"))
            .await
            .unwrap_err();
        assert_eq!(refused.code(), Code::FailedPrecondition);
        assert_eq!(reason(&refused), "BAD_TICK");
        let stranger = maker.clone().owned_by(&taker);
        let refused = other.client().cancel_trade(stranger.cancellation()).await;
        assert_eq!(reason(&refused.unwrap_err()), "NO_SUCH_ORDER");

        for hall in [&one, &other] {
            let request = ListExecutionsRequest {
                symbol: (*symbol).into(),
                ..ListExecutionsRequest::default()
            };
            let tape = hall.client().list_executions(request).await.unwrap();
            assert_eq!(tape.into_inner().executions.len(), 1);
            assert_eq!(hall.book(symbol).await.unwrap().asks[0].quantity, 4);
        }
        let cancelled = other.client().cancel_trade(maker.cancellation()).await;
        assert!(cancelled.unwrap().into_inner().cancelled);
        let never = buy(number + 2, 4, "10.00").symbol(symbol);
        let absent = one.client().cancel_trade(never.cancellation()).await;
        assert_eq!(absent.unwrap().into_inner().trade, None);
        let failed = other.submit(&never).await;
        assert_eq!(failed.status(), TradeStatus::Failed);

        let mut halt = Request::new(HaltSymbolRequest {
            symbol: (*symbol).into(),
            reason: "news".into(),
        });
        let admin = User {
            id: "admin".into(),
            roles: vec![Role::Admin],
        };
        acting_for(&mut halt, &admin);
        let edge = one.replica.ctx.directory.channel(EDGE, "trades");
        TradeServiceClient::new(edge)
            .halt_symbol(halt)
            .await
            .unwrap();
        for hall in [&one, &other] {
            assert!(hall.book(symbol).await.unwrap().halted);
            let request = ListInstrumentsRequest {};
            let listed = hall.client().list_instruments(request).await;
            let listed = listed.unwrap().into_inner().instruments;
            let halted = listed.iter().find(|one| one.symbol == *symbol);
            assert!(halted.unwrap().halted);
        }
        // Once, whoever is asked; and another request under its id is refused by whoever is asked.
        for (hall, state) in [
            (&one, SessionState::CancelOnly),
            (&other, SessionState::CancelOnly),
            (&one, SessionState::Closed),
            (&other, SessionState::Closed),
        ] {
            let mut set = Request::new(SetSessionRequest {
                request_id: Uuid::from_u128(number).to_string(),
                symbol: (*symbol).into(),
                state: state.into(),
                reason: "drill".into(),
            });
            acting_for(&mut set, &admin);
            let edge = hall.replica.ctx.directory.channel(EDGE, "trades");
            let answer = TradeServiceClient::new(edge).set_session(set).await;
            match state {
                SessionState::CancelOnly => assert_eq!(answer.unwrap().get_ref().state(), state),
                _ => assert_eq!(reason(&answer.unwrap_err()), "REQUEST_ID_REUSED"),
            }
            let shown = hall.book(symbol).await.unwrap().session();
            assert_eq!(shown, SessionState::CancelOnly);
        }
    }
    let unknown = other.book("ZETA").await.unwrap_err();
    assert_eq!(reason(&unknown), "UNKNOWN_SYMBOL");
    // Who asked, in which flow and why is told on, whoever has the symbol.
    let created = events(&platform).await.into_iter();
    for event in created.filter(|event| event.topic() == "trade.created") {
        let flow = event.correlation_id().as_u128();
        assert_eq!(event.envelope().actor, "service:orders");
        assert_eq!(flow & !0xfff, 0xc000 & !0xfff);
        assert_eq!(
            event.causation_id().map(|id| id.as_u128()),
            Some(flow << 64)
        );
    }
    one.close().await;
    other.close().await;
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_from_any_replica_tell_the_same_also_while_symbols_move() {
    let folder = tempfile::tempdir().unwrap();
    let platform = Platform::open(folder.path()).await;
    let clock = Arc::new(FakeClock::default());
    let one = Hall::open(&platform, clock.clone()).await;
    let mut orders = orders(20);
    let later = orders.split_off(orders.len() / 2);
    for order in &orders {
        one.submit(order).await;
    }
    let mut listeners = Vec::new();
    for symbol in SYMBOLS {
        listeners.push((symbol, one.streams(symbol).await));
    }
    // About half of the symbols move away from the replica that is listened to.
    let other = Hall::open(&platform, clock).await;
    let directory = other.replica.ctx.directory.clone();
    let mut callers = send(&directory, later);
    share([&one, &other]).await;
    while let Some(sent) = callers.join_next().await {
        sent.unwrap();
    }
    for symbol in SYMBOLS {
        listeners.push((symbol, other.streams(symbol).await));
    }
    for (symbol, (mut book, mut tape)) in listeners {
        let expected = Mirror::of(&one.book(symbol).await.unwrap());
        let mut mirror = Mirror::default();
        while mirror != expected {
            mirror.take(&next(&mut book).await.unwrap());
        }
        let request = ListExecutionsRequest {
            symbol: symbol.into(),
            ..ListExecutionsRequest::default()
        };
        let executions = other.client().list_executions(request).await;
        for execution in executions.unwrap().into_inner().executions {
            let told = next(&mut tape).await.unwrap().execution;
            assert_eq!(told, Some(execution));
        }
    }
    one.close().await;
    other.close().await;
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn symbols_that_move_under_load_lose_and_double_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let platform = Platform::open(folder.path()).await;
    let clock = Arc::new(FakeClock::default());
    let one = Hall::open(&platform, clock.clone()).await;
    let directory = one.replica.ctx.directory.clone();
    let mut orders = orders(60).into_iter();
    let (first, second): (Vec<_>, Vec<_>) = (orders.by_ref().take(240).collect(), orders.collect());
    let sent = first.len() + second.len();

    // The other comes while orders come in, and takes over its share.
    let mut callers = send(&directory, first);
    let other = Hall::open(&platform, clock).await;
    share([&one, &other]).await;
    while let Some(sent) = callers.join_next().await {
        sent.unwrap();
    }
    // The first goes while orders come in at the other.
    let directory = other.replica.ctx.directory.clone();
    let mut callers = send(&directory, second);
    one.close().await;
    while let Some(sent) = callers.join_next().await {
        sent.unwrap();
    }

    let mut created = HashMap::new();
    let (mut sold, mut bought) = (0, 0);
    for event in events(&platform).await {
        if event.topic() == "trade.created" {
            *created.entry(event.aggregate_id().to_owned()).or_insert(0) += 1;
        }
        let Ok(executed) = event.payload::<outcry_contracts::trades::v1::TradeExecutedEvent>()
        else {
            continue;
        };
        match executed.side() {
            outcry_contracts::orders::v1::Side::Buy => bought += executed.last_quantity,
            _ => sold += executed.last_quantity,
        }
    }
    assert_eq!(created.len(), sent);
    assert!(created.values().all(|times| *times == 1));
    let expected = 7 * sent as i64 / 2;
    assert_eq!((sold, bought), (expected, expected));
    let books = other.books().await;
    other.close().await;
    let next = Hall::open(&platform, Arc::new(FakeClock::default())).await;
    assert_eq!(next.books().await, books);
    next.close().await;
    platform.stop().await;
}

/// Sends all orders through one replica, a few at a time, each until it is answered.
fn send(directory: &Directory, orders: Vec<Order>) -> JoinSet<()> {
    let mut callers = JoinSet::new();
    let orders: Vec<_> = orders.chunks(30).map(<[Order]>::to_vec).collect();
    for chunk in orders {
        let directory = directory.clone();
        callers.spawn(async move {
            for order in chunk {
                insist(&directory, &order).await;
            }
        });
    }
    callers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn day_orders_leave_whichever_replica_their_time_comes_at() {
    let folder = tempfile::tempdir().unwrap();
    let platform = Platform::open(folder.path()).await;
    let clock = Arc::new(FakeClock::default());
    let one = Hall::open(&platform, clock.clone()).await;
    let other = Hall::open(&platform, clock.clone()).await;
    share([&one, &other]).await;
    for (number, symbol) in SYMBOLS.iter().enumerate() {
        let order = sell(number as u128, 10, "10.00").symbol(symbol);
        one.submit(&order.tif(TimeInForce::Day)).await;
    }
    // Stories begin at 14:30; the session ends at 21:00.
    clock.advance(Duration::from_secs(7 * 3600));
    eventually("no order is left", async || {
        let books = other.books().await;
        books.iter().all(|book| book.asks.is_empty())
    })
    .await;
    one.close().await;
    other.close().await;
    platform.stop().await;
}

/// Submits an order until it is answered, as the order service does.
async fn insist(directory: &Directory, order: &Order) {
    let deadline = Instant::now() + INSIST_MAX;
    while let Err(status) = submit(directory, order).await {
        assert_eq!(status.code(), Code::Unavailable, "{status:?}");
        assert!(Instant::now() < deadline, "{status:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_symbols_of_a_replica_that_is_gone_are_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let platform = Platform::open(folder.path()).await;
    let clock = Arc::new(FakeClock::default());
    let one = Hall::open(&platform, clock.clone()).await;
    let other = Hall::open(&platform, clock).await;
    share([&one, &other]).await;
    for (number, symbol) in SYMBOLS.iter().enumerate() {
        one.submit(&sell(number as u128, 10, "10.00").symbol(symbol))
            .await;
    }
    let books = other.books().await;
    one.crash().await;

    // The lease outlasts what a call waits, so some of them are told to come back.
    let mut asked = JoinSet::new();
    for symbol in SYMBOLS {
        let mut client = other.client();
        let request = GetBookRequest {
            symbol: symbol.into(),
            depth: 1,
        };
        asked.spawn(async move { client.get_book(request).await });
    }
    let refused: Vec<Status> = asked
        .join_all()
        .await
        .into_iter()
        .filter_map(Result::err)
        .collect();
    assert!(!refused.is_empty());
    for status in refused {
        assert_eq!(status.code(), Code::Unavailable);
        assert_eq!(reason(&status), "SYMBOL_MOVING");
        assert!(
            status
                .get_details_retry_info()
                .unwrap()
                .retry_delay
                .is_some()
        );
    }
    for (symbol, before) in SYMBOLS.iter().zip(books) {
        let book = found("the symbol is taken over", async || {
            other.book(symbol).await.ok()
        })
        .await;
        assert_eq!(book, before);
    }
    other.close().await;
    platform.stop().await;
}
