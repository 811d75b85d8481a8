use outcry_events::Amount;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;

fn raw(ten_thousandths: i64) -> Amount {
    Amount::from_raw(ten_thousandths).unwrap()
}

fn acquired_in(portfolio: u128, number: u128, quantity: i64, paid: i64, fee: i64) -> Movement {
    Movement::Acquired {
        lot: Lot {
            opened_by: Uuid::from_u128(number),
            portfolio_id: Uuid::from_u128(portfolio),
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

fn disposed_in(portfolio: u128, number: u128, quantity: i64, received: i64, fee: i64) -> Movement {
    Movement::Disposed {
        sale: Sale {
            event_id: Uuid::from_u128(number),
            portfolio_id: Uuid::from_u128(portfolio),
            quantity,
            uncovered: quantity,
            of_lot: None,
        },
        received: raw(received),
        fee: raw(fee),
    }
}

fn acquired(number: u128, quantity: i64, paid: i64, fee: i64) -> Movement {
    acquired_in(0, number, quantity, paid, fee)
}

fn disposed(number: u128, quantity: i64, received: i64, fee: i64) -> Movement {
    disposed_in(0, number, quantity, received, fee)
}

/// Arranged after every movement.
fn after(movements: &[Movement]) -> Result<Holding, TooLarge> {
    let mut holding = Holding::empty("u", "ACME");
    for movement in movements {
        let first_early = holding.first_early();
        holding.count(movement, first_early)?;
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

/// Sale, lot and shares of every take.
fn takes(holding: &Holding) -> Vec<(u128, u128, i64)> {
    let takes = holding.takes.values();
    takes
        .map(|take| (take.sale.as_u128(), take.lot.as_u128(), take.quantity))
        .collect()
}

#[test]
fn the_buyers_fee_is_cost_and_the_sellers_fee_lowers_proceeds() {
    let holding = after(&[acquired(1, 10, 1000, 10), disposed(2, 10, 1500, 15)]).unwrap();
    assert_eq!(lots(&holding), []);
    let sums = holding.position.total;
    assert_eq!(sums.realised_profit, raw(1500 - 15 - 1010));
    assert_eq!(sums.fees, raw(25));
    assert_eq!((sums.quantity, sums.cost), (0, Amount::ZERO));
}

#[test]
fn a_sale_takes_the_oldest_lots_first_whatever_order_they_came_in() {
    let late = acquired(2, 5, 900, 0);
    let early = acquired(1, 5, 500, 0);
    let sale = disposed(3, 7, 2000, 0);
    let holding = after(&[late, early, sale]).unwrap();
    assert_eq!(lots(&holding), [(3, 540)]);
    assert_eq!(
        holding.position.total.realised_profit,
        raw(2000 - 500 - 360)
    );
}

#[test]
fn a_sale_takes_lots_of_its_own_portfolio_first_and_then_the_oldest_of_the_others() {
    let holding = after(&[
        acquired_in(1, 1, 10, 100, 0),
        acquired_in(2, 2, 10, 200, 0),
        acquired_in(1, 3, 10, 300, 0),
        disposed_in(2, 4, 25, 1000, 0),
    ])
    .unwrap();
    assert_eq!(takes(&holding), [(4, 1, 10), (4, 2, 10), (4, 3, 5)]);
    let (one, two) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let (one, two) = (holding.position.of(one), holding.position.of(two));
    assert_eq!(
        (one.quantity, one.cost, one.realised_profit),
        (5, raw(150), raw(0))
    );
    assert_eq!(
        (two.quantity, two.cost, two.realised_profit),
        (0, raw(0), raw(550))
    );
    assert!(holding.position.is_conserved());
}

#[test]
fn what_a_portfolio_buys_later_does_not_change_what_its_sale_took_of_others() {
    let told = [
        acquired_in(1, 1, 10, 100, 0),
        disposed_in(2, 2, 10, 900, 0),
        acquired_in(2, 3, 10, 500, 0),
    ];
    let holding = after(&told).unwrap();
    assert_eq!(takes(&holding), [(2, 1, 10)]);
    assert_eq!(holding.position.total.realised_profit, raw(800));
}

#[test]
fn a_deposit_taken_back_takes_its_own_lot() {
    let mut back = disposed(4, 5, 0, 0);
    if let Movement::Disposed { sale, .. } = &mut back {
        sale.of_lot = Some(Uuid::from_u128(2));
    }
    let told = [
        acquired(1, 5, 500, 0),
        acquired(2, 5, 0, 0),
        acquired(3, 5, 700, 0),
        back,
    ];
    let holding = after(&told).unwrap();
    assert_eq!(lots(&holding), [(5, 500), (5, 700)]);
    assert_eq!(holding.position.total.realised_profit, Amount::ZERO);
}

#[test]
fn the_rounding_of_a_split_lot_stays_with_the_lot() {
    let mut holding = after(&[acquired(1, 3, 100, 0)]).unwrap();
    let mut third = |number| {
        holding.count(&disposed(number, 1, 0, 0), None).unwrap();
        holding.arrange().unwrap();
        (lots(&holding), holding.position.total.realised_profit)
    };
    assert_eq!(third(2), (vec![(2, 67)], raw(-33)));
    assert_eq!(third(3), (vec![(1, 34)], raw(-66)));
    assert_eq!(third(4), (vec![], raw(-100)));
    // Two at once leave what two after the other leave.
    let both = after(&[acquired(1, 3, 100, 0), disposed(2, 2, 0, 0)]).unwrap();
    assert_eq!(lots(&both), [(1, 34)]);
}

#[test]
fn issued_shares_cost_nothing_and_all_they_bring_is_profit() {
    let holding = after(&[acquired(1, 10, 0, 0), disposed(2, 4, 800, 8)]).unwrap();
    assert_eq!(lots(&holding), [(6, 0)]);
    assert_eq!(holding.position.total.realised_profit, raw(792));
}

#[test]
fn a_sale_that_comes_before_its_shares_counts_and_the_next_lots_give_them() {
    let told = [
        acquired(2, 3, 300, 0),
        disposed(3, 4, 800, 8),
        acquired(1, 2, 0, 0),
    ];
    let early = after(&told[..2]).unwrap();
    assert_eq!(lots(&early), []);
    let sums = early.position.total;
    assert_eq!((sums.quantity, sums.uncovered), (0, 1));
    assert_eq!(sums.realised_profit, raw(800 - 8 - 300));
    assert!(early.position.is_conserved());

    let covered = after(&told).unwrap();
    assert_eq!(lots(&covered), [(1, 100)]);
    let sums = covered.position.total;
    assert_eq!(
        (sums.uncovered, sums.realised_profit),
        (0, raw(800 - 8 - 200))
    );
}

#[test]
fn a_sale_with_an_id_before_that_of_its_shares_takes_the_next_ones() {
    let told = [
        disposed(1, 4, 800, 0),
        acquired(3, 3, 300, 0),
        acquired(4, 3, 600, 0),
    ];
    let holding = after(&told).unwrap();
    assert_eq!(takes(&holding), [(1, 3, 3), (1, 4, 1)]);
    // One in between comes late.
    let holding = after(&[&told[..], &[acquired(2, 1, 100, 0)]].concat()).unwrap();
    assert_eq!(takes(&holding), [(1, 2, 1), (1, 3, 3)]);
    assert!(holding.position.is_conserved());
}

#[test]
fn a_lot_that_comes_late_takes_the_place_of_newer_ones() {
    let bought = [acquired(2, 5, 500, 0), acquired(3, 5, 1000, 0)];
    let sold = after(&[&bought[..], &[disposed(4, 7, 0, 0)]].concat()).unwrap();
    assert_eq!(lots(&sold), [(3, 600)]);
    let late = acquired(1, 4, 40, 0);
    let sold = after(&[&bought[..], &[disposed(4, 7, 0, 0), late]].concat()).unwrap();
    assert_eq!(lots(&sold), [(2, 200), (5, 1000)]);
    assert_eq!(sold.position.total.realised_profit, raw(-40 - 300));
}

#[test]
fn a_sum_that_is_too_large_is_told_and_changes_nothing() {
    let mut holding = after(&[acquired(1, 1, Amount::MAX.raw(), 0)]).unwrap();
    let before = holding.clone();
    let large = holding.count(&acquired(2, 1, 1, 0), None);
    let symbol = "ACME".to_owned();
    assert_eq!(large, Err(TooLarge { symbol }));
    assert_eq!(holding, before);
}

#[test]
fn rows_read_back_as_they_were_written() {
    let holding = after(&[acquired(1, 3, 100, 1), disposed(2, 1, 50, 1)]).unwrap();
    let json = serde_json::to_string(&holding.position).unwrap();
    assert!(json.contains("\"cost\":68"), "{json}");
    assert_eq!(
        serde_json::from_str::<Position>(&json).unwrap(),
        holding.position
    );
    assert!(serde_json::from_str::<Position>(&json.replace("68", "0.5")).is_err());
}

/// Purchases and sales of three portfolios, in any order of their ids.
fn movements() -> impl Strategy<Value = Vec<Movement>> {
    let one = (
        any::<bool>(),
        0..3_u128,
        1..1000_i64,
        0..1_000_000_000_i64,
        0..10_000_i64,
    );
    proptest::collection::vec(one, 1..40).prop_map(|all| {
        let movement = |(number, (buys, portfolio, quantity, cash, fee))| {
            if buys {
                acquired_in(portfolio, number, quantity, cash, fee)
            } else {
                disposed_in(portfolio, number, quantity, cash, fee)
            }
        };
        (1_u128..).zip(all).map(movement).collect()
    })
}

proptest! {
    #[test]
    fn nothing_vanishes_between_lots_and_profit(
        movements in movements().prop_flat_map(|all| Just(all).prop_shuffle())
    ) {
        let mut holding = Holding::empty("u", "ACME");
        for movement in movements {
            let first_early = holding.first_early();
            holding.count(&movement, first_early).unwrap();
            holding.arrange().unwrap();
            prop_assert!(holding.position.is_conserved());
            let sums = &holding.position.total;
            let quantity: i64 = holding.lots.values().map(|lot| lot.quantity).sum();
            let cost: i64 = holding.lots.values().map(|lot| lot.cost.raw()).sum();
            prop_assert_eq!((quantity, cost), (sums.quantity, sums.cost.raw()));
            let waiting: i64 = holding.sales.values().map(|sale| sale.uncovered).sum();
            prop_assert_eq!(waiting, sums.uncovered);
            prop_assert!(holding.lots.values().all(|lot| lot.quantity >= 0 && lot.cost.raw() >= 0));
            prop_assert!(sums.uncovered == 0 || quantity == 0, "who waits takes what there is");
        }
    }

    #[test]
    fn without_portfolios_the_shares_that_are_left_are_the_newest(movements in movements()) {
        let mut shares = std::collections::VecDeque::new();
        let mut told = Vec::new();
        for movement in movements {
            match movement {
                Movement::Acquired { mut lot, paid, fee } => {
                    lot.portfolio_id = Uuid::nil();
                    shares.extend((0..lot.quantity).map(|_| lot.opened_by));
                    told.push(Movement::Acquired { lot, paid, fee });
                }
                // Only what there is, as funds has it.
                Movement::Disposed { mut sale, received, fee } => {
                    sale.portfolio_id = Uuid::nil();
                    sale.quantity = sale.quantity.min(i64::try_from(shares.len()).unwrap());
                    sale.uncovered = sale.quantity;
                    shares.drain(..usize::try_from(sale.quantity).unwrap());
                    told.push(Movement::Disposed { sale, received, fee });
                }
            }
        }
        let holding = after(&told).unwrap();
        let left = open(&holding).flat_map(|lot| (0..lot.quantity).map(|_| lot.opened_by));
        prop_assert!(left.eq(shares));
    }

    #[test]
    fn a_holding_does_not_depend_on_the_order_movements_become_known_in(
        (ordered, known) in movements().prop_flat_map(|all| {
            (Just(all.clone()), Just(all).prop_shuffle())
        })
    ) {
        let expected = after(&ordered).unwrap();
        prop_assert_eq!(&after(&known).unwrap(), &expected);
        // Nor on how many of them are taken in at a time.
        let mut at_once = Holding::empty("u", "ACME");
        for movement in &known {
            at_once.count(movement, None).unwrap();
        }
        at_once.arrange().unwrap();
        prop_assert_eq!(at_once, expected);
    }
}
