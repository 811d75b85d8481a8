use outcry_events::Amount;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;

fn raw(ten_thousandths: i64) -> Amount {
    Amount::from_raw(ten_thousandths).unwrap()
}

fn acquired(number: u128, quantity: i64, paid: i64, fee: i64) -> Movement {
    Movement::Acquired {
        lot: Lot {
            opened_by: Uuid::from_u128(number),
            reference: format!("ACME-{number}"),
            opened_at_ns: i64::try_from(number).unwrap(),
            acquired: quantity,
            full_cost: raw(paid + fee),
            quantity,
            cost: raw(paid + fee),
        },
        paid: raw(paid),
        fee: raw(fee),
    }
}

fn disposed(quantity: i64, received: i64, fee: i64) -> Movement {
    Movement::Disposed {
        quantity,
        received: raw(received),
        fee: raw(fee),
    }
}

/// Arranged after every movement.
fn after(movements: &[Movement]) -> Result<Holding, TooLarge> {
    let mut holding = Holding::empty("u", "ACME");
    for movement in movements {
        holding.count(movement)?;
        holding.arrange()?;
    }
    Ok(holding)
}

fn open(holding: &Holding) -> impl Iterator<Item = &Lot> {
    holding.lots.values().filter(|lot| lot.is_open())
}

fn lots(holding: &Holding) -> Vec<(i64, i64)> {
    open(holding)
        .map(|lot| (lot.quantity, lot.cost.raw()))
        .collect()
}

#[test]
fn the_buyers_fee_is_cost_and_the_sellers_fee_lowers_proceeds() {
    let holding = after(&[acquired(1, 10, 1000, 10), disposed(10, 1500, 15)]).unwrap();
    assert_eq!(lots(&holding), []);
    let position = holding.position;
    assert_eq!(position.realised_profit, raw(1500 - 15 - 1010));
    assert_eq!(position.fees, raw(25));
    assert_eq!((position.quantity, position.cost), (0, Amount::ZERO));
}

#[test]
fn a_sale_takes_the_oldest_lots_first_whatever_order_they_came_in() {
    let late = acquired(2, 5, 900, 0);
    let early = acquired(1, 5, 500, 0);
    let sale = disposed(7, 2000, 0);
    let holding = after(&[late, early, sale]).unwrap();
    assert_eq!(lots(&holding), [(3, 540)]);
    assert_eq!(holding.position.realised_profit, raw(2000 - 500 - 360));
}

#[test]
fn the_rounding_of_a_split_lot_stays_with_the_lot() {
    let mut holding = after(&[acquired(1, 3, 100, 0)]).unwrap();
    let mut third = || {
        holding.count(&disposed(1, 0, 0)).unwrap();
        holding.arrange().unwrap();
        (lots(&holding), holding.position.realised_profit)
    };
    assert_eq!(third(), (vec![(2, 67)], raw(-33)));
    assert_eq!(third(), (vec![(1, 34)], raw(-66)));
    assert_eq!(third(), (vec![], raw(-100)));
    // Two at once leave what two after the other leave.
    let both = after(&[acquired(1, 3, 100, 0), disposed(2, 0, 0)]).unwrap();
    assert_eq!(lots(&both), [(1, 34)]);
}

#[test]
fn issued_shares_cost_nothing_and_all_they_bring_is_profit() {
    let holding = after(&[acquired(1, 10, 0, 0), disposed(4, 800, 8)]).unwrap();
    assert_eq!(lots(&holding), [(6, 0)]);
    assert_eq!(holding.position.realised_profit, raw(792));
}

#[test]
fn a_sale_that_comes_before_its_shares_counts_and_the_next_lots_give_them() {
    let early = after(&[acquired(2, 3, 300, 0), disposed(4, 800, 8)]).unwrap();
    assert_eq!(lots(&early), []);
    let position = early.position;
    assert_eq!((position.quantity, position.uncovered), (0, 1));
    assert_eq!(position.realised_profit, raw(800 - 8 - 300));
    assert!(position.is_conserved());

    let told = [acquired(2, 3, 300, 0), disposed(4, 800, 8)];
    let covered = after(&[told[0].clone(), told[1].clone(), acquired(1, 2, 0, 0)]).unwrap();
    assert_eq!(lots(&covered), [(1, 100)]);
    assert_eq!(covered.position.uncovered, 0);
    assert_eq!(covered.position.realised_profit, raw(800 - 8 - 200));
}

#[test]
fn a_lot_that_comes_late_takes_the_place_of_newer_ones() {
    let bought = [acquired(2, 5, 500, 0), acquired(3, 5, 1000, 0)];
    let sold = after(&[&bought[..], &[disposed(7, 0, 0)]].concat()).unwrap();
    assert_eq!(lots(&sold), [(3, 600)]);
    assert_eq!(sold.position.sold_into, Some(Uuid::from_u128(3)));
    let late = acquired(1, 4, 40, 0);
    let sold = after(&[&bought[..], &[disposed(7, 0, 0), late]].concat()).unwrap();
    assert_eq!(lots(&sold), [(2, 200), (5, 1000)]);
    assert_eq!(sold.position.sold_into, Some(Uuid::from_u128(2)));
    assert_eq!(sold.position.realised_profit, raw(-40 - 300));
}

#[test]
fn a_sum_that_is_too_large_is_told_and_changes_nothing() {
    let mut holding = after(&[acquired(1, 1, Amount::MAX.raw(), 0)]).unwrap();
    let before = holding.clone();
    let large = holding.count(&acquired(2, 1, 1, 0));
    let symbol = "ACME".to_owned();
    assert_eq!(large, Err(TooLarge { symbol }));
    assert_eq!(holding, before);
}

#[test]
fn rows_read_back_as_they_were_written() {
    let holding = after(&[acquired(1, 3, 100, 1), disposed(1, 50, 1)]).unwrap();
    let json = serde_json::to_string(&holding.position).unwrap();
    assert!(json.contains("\"cost\":68"), "{json}");
    assert_eq!(
        serde_json::from_str::<Position>(&json).unwrap(),
        holding.position
    );
    assert!(serde_json::from_str::<Position>(&json.replace("68", "0.5")).is_err());
}

/// Purchases, and sales of a fraction of what is held then.
fn trades() -> impl Strategy<Value = Vec<(bool, i64, i64, i64)>> {
    let trade = (
        any::<bool>(),
        1..1000_i64,
        0..1_000_000_000_i64,
        0..10_000_i64,
    );
    proptest::collection::vec(trade, 1..60)
}

/// Movements that can be: what is sold was there. In the order of their ids.
fn committed(trades: Vec<(bool, i64, i64, i64)>) -> Vec<Movement> {
    let mut held = 0;
    let mut committed = Vec::new();
    for (number, (buy, quantity, cash, fee)) in (1_u128..).zip(trades) {
        let movement = if buy || held == 0 {
            held += quantity;
            acquired(number, quantity, cash, fee)
        } else {
            let quantity = 1 + quantity % held;
            held -= quantity;
            disposed(quantity, cash, fee)
        };
        committed.push(movement);
    }
    committed
}

proptest! {
    #[test]
    fn nothing_vanishes_between_lots_and_profit(trades in trades()) {
        let mut holding = Holding::empty("u", "ACME");
        for movement in committed(trades) {
            // With only the lots shares are left of, and of the others none, it comes to the same.
            let mut partly = holding.clone();
            partly.lots.retain(|_, lot| lot.is_open());
            partly.count(&movement).unwrap();
            partly.arrange().unwrap();
            holding.count(&movement).unwrap();
            holding.arrange().unwrap();
            prop_assert_eq!(&partly.position, &holding.position);
            let position = &holding.position;
            prop_assert!(position.is_conserved());
            prop_assert_eq!(position.uncovered, 0);
            let quantity: i64 = holding.lots.values().map(|lot| lot.quantity).sum();
            let cost: i64 = holding.lots.values().map(|lot| lot.cost.raw()).sum();
            prop_assert_eq!((quantity, cost), (position.quantity, position.cost.raw()));
            prop_assert!(holding.lots.values().all(|lot| lot.quantity >= 0 && lot.cost.raw() >= 0));
        }
    }

    #[test]
    fn the_shares_that_are_left_are_the_newest(trades in trades()) {
        let mut shares = std::collections::VecDeque::new();
        let committed = committed(trades);
        for movement in &committed {
            match movement {
                Movement::Acquired { lot, .. } => {
                    shares.extend((0..lot.quantity).map(|_| lot.opened_by));
                }
                Movement::Disposed { quantity, .. } => {
                    shares.drain(..usize::try_from(*quantity).unwrap());
                }
            }
        }
        let holding = after(&committed).unwrap();
        let left = open(&holding).flat_map(|lot| (0..lot.quantity).map(|_| lot.opened_by));
        prop_assert!(left.eq(shares));
    }

    #[test]
    fn a_holding_does_not_depend_on_the_order_movements_become_known_in(
        (committed, known) in trades().prop_map(committed).prop_flat_map(|committed| {
            (Just(committed.clone()), Just(committed).prop_shuffle())
        })
    ) {
        let expected = after(&committed).unwrap();
        prop_assert_eq!(&after(&known).unwrap(), &expected);
        // Nor on how many of them are taken in at a time.
        let mut at_once = Holding::empty("u", "ACME");
        for movement in &known {
            at_once.count(movement).unwrap();
        }
        at_once.arrange().unwrap();
        prop_assert_eq!(at_once, expected);
    }
}
