use std::collections::BTreeMap;

use outcry_events::Amount;
use outcry_service::testing::Platform;
use outcry_store::{Handled, Scan};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::*;
use crate::domain::{Holding, Lot, Sale, Take};
use crate::views::{LOTS, SALES, TAKES};

/// Stores that are opened: each takes a while.
const CASES: u32 = 12;

const USER: &str = "00000000-0000-0000-0000-00000000000a";

/// What an event moves: a purchase, a sale, or both of somebody who trades with themselves.
#[derive(Debug, Clone)]
struct Told {
    event_id: Uuid,
    moved: Vec<Moved>,
    /// Where a process dies once before the event is handled.
    dies: bool,
}

fn moved(movement: Movement) -> Moved {
    Moved {
        user_id: USER.to_owned(),
        symbol: "ACME".to_owned(),
        movement,
    }
}

fn told(number: u128, (kind, quantity, cash, dies): (u8, i64, i64, bool)) -> Told {
    let event_id = Uuid::from_u128(number);
    let cash = Amount::from_raw(cash).unwrap();
    let portfolio_id = Uuid::from_u128(u128::from(cash.raw().unsigned_abs()) % 3);
    let bought = moved(Movement::Acquired {
        lot: Lot {
            opened_by: event_id,
            portfolio_id,
            reference: format!("ACME-{number}"),
            opened_at_ns: 0,
            acquired: quantity,
            full_cost: cash,
            quantity,
            cost: cash,
        },
        paid: cash,
        fee: Amount::ZERO,
    });
    let sold = |quantity| {
        moved(Movement::Disposed {
            sale: Sale {
                event_id,
                portfolio_id,
                quantity,
                uncovered: quantity,
                of_lot: (quantity == 7).then(|| Uuid::from_u128(number / 2)),
            },
            received: cash,
            fee: Amount::ZERO,
        })
    };
    let moved = match kind {
        0..=4 => vec![bought],
        5..=7 => vec![sold(quantity)],
        8 => vec![sold(quantity * 10)],
        _ => vec![bought, sold(quantity)],
    };
    Told {
        event_id,
        moved,
        dies,
    }
}

fn in_any_order() -> impl Strategy<Value = Vec<Told>> {
    let event = (0..10_u8, 1..20_i64, 0..10_000_i64, any::<bool>());
    proptest::collection::vec(event, 1..40)
        .prop_map(|events| (1..).zip(events).map(|(n, event)| told(n, event)).collect())
        .prop_flat_map(|events: Vec<Told>| Just(events).prop_shuffle())
}

async fn handle(follower: &Follower, event: &Told) -> Result<(), CommitError> {
    let views = follower.follow(event.event_id, &event.moved).await.unwrap();
    let handled = Handled {
        group: NAME.to_owned(),
        event_id: event.event_id,
        key: event.event_id.to_string(),
        at: follower.ctx.clock.now(),
    };
    let commit = Commit {
        views,
        handled: Some(handled),
        ..Commit::default()
    };
    follower.store().commit(commit).await
}

async fn kept(store: &dyn Store) -> Holding {
    let (mut position, _) = views::position(store, USER, "ACME").await.unwrap();
    position.changed_ns = 0;
    let all = |view| Scan::new(view).limit(10_000);
    let lots: Vec<Lot> = views::read(store, &all(LOTS)).await.unwrap();
    let sales: Vec<Sale> = views::read(store, &all(SALES)).await.unwrap();
    let takes: Vec<Take> = views::read(store, &all(TAKES)).await.unwrap();
    Holding {
        position,
        lots: lots.into_iter().map(|lot| (lot.opened_by, lot)).collect(),
        sales: sales
            .into_iter()
            .map(|sale| (sale.event_id, sale))
            .collect(),
        takes: takes
            .into_iter()
            .map(|take| ((take.sale, take.lot), take))
            .collect(),
    }
}

fn expected(events: &[Told]) -> Holding {
    let mut holding = Holding::empty(USER, "ACME");
    for one in events.iter().flat_map(|event| &event.moved) {
        holding.count(&one.movement, None).unwrap();
    }
    holding.arrange().unwrap();
    holding
}

/// The lots that are listed as open, by portfolio if one is named.
async fn open_lots(store: &dyn Store, portfolio: Option<Uuid>) -> BTreeMap<Uuid, Lot> {
    let scan = views::open_lots(USER, "ACME", portfolio).limit(10_000);
    let lots: Vec<Lot> = views::read(store, &scan).await.unwrap();
    lots.into_iter().map(|lot| (lot.opened_by, lot)).collect()
}

/// A follower that sees few rows at a time, so that even small events need several commits.
async fn short_sighted(folder: &std::path::Path, page: usize) -> Follower {
    let ctx = Platform::open(folder).await.context(NAME).await;
    Follower {
        width: Width { page, takes: 2 },
        ..Follower::new(ctx, watch::Sender::new(0))
    }
}

#[test]
fn whatever_the_order_and_however_few_rows_fit_into_a_commit_the_holding_is_the_same() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut runner = TestRunner::new(ProptestConfig::with_cases(CASES));
    let result = runner.run(&(in_any_order(), 1..4_usize), |(events, page)| {
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let follower = short_sighted(folder.path(), page).await;
            for (place, event) in events.iter().enumerate() {
                if event.dies {
                    let id = event.event_id;
                    follower.follow(id, &event.moved).await.unwrap();
                    // Another event of the holding comes in between.
                    if let Some(before) = place.checked_sub(1).and_then(|at| events.get(at)) {
                        let again = handle(&follower, before).await;
                        prop_assert!(matches!(again, Err(CommitError::Duplicate(_))));
                    }
                }
                handle(&follower, event).await.unwrap();
            }
            let kept = kept(follower.store()).await;
            let expected = expected(&events);
            prop_assert_eq!(&kept, &expected);
            for portfolio in [None, Some(Uuid::from_u128(1))] {
                let open = open_lots(follower.store(), portfolio).await;
                let left = expected.lots.clone().into_iter().filter(|(_, lot)| {
                    lot.is_open() && portfolio.is_none_or(|id| lot.portfolio_id == id)
                });
                prop_assert_eq!(open, left.collect::<BTreeMap<_, _>>());
            }
            Ok(())
        })
    });
    result.unwrap();
}

#[tokio::test]
async fn a_sale_of_many_lots_is_counted_once_also_when_others_come_in_between() {
    let folder = tempfile::tempdir().unwrap();
    let follower = short_sighted(folder.path(), 2).await;
    let buy = |number| told(number, (0, 1, 100, false));
    let mut events: Vec<Told> = (10..30).map(buy).collect();
    for event in &events {
        handle(&follower, event).await.unwrap();
    }
    let sale = told(30, (5, 15, 5000, false));
    // What belongs into the last commit is lost with the process.
    follower.follow(sale.event_id, &sale.moved).await.unwrap();
    let halfway = kept(follower.store()).await.position;
    assert!(halfway.total.uncovered > 0, "{halfway:?}");
    assert!(halfway.is_conserved());
    let between = [buy(5), told(31, (5, 2, 400, false)), buy(32)];
    for event in &between {
        handle(&follower, event).await.unwrap();
    }
    handle(&follower, &sale).await.unwrap();
    let again = handle(&follower, &sale).await;
    assert!(matches!(again, Err(CommitError::Duplicate(_))));
    events.push(sale);
    events.extend(between);
    assert_eq!(kept(follower.store()).await, expected(&events));
}

#[tokio::test]
async fn two_who_change_one_holding_do_not_lose_each_others_change() {
    let folder = tempfile::tempdir().unwrap();
    let follower = short_sighted(folder.path(), 2).await;
    let (issue, purchase) = (told(1, (0, 5, 0, false)), told(2, (0, 5, 500, false)));
    let stale = follower.follow(issue.event_id, &issue.moved).await.unwrap();
    handle(&follower, &purchase).await.unwrap();
    let overtaken = Commit {
        views: stale,
        ..Commit::default()
    };
    let refused = follower.store().commit(overtaken).await;
    assert!(matches!(refused, Err(CommitError::Conflict(_))));
    handle(&follower, &issue).await.unwrap();
    assert_eq!(kept(follower.store()).await, expected(&[issue, purchase]));
}
