use outcry_events::Amount;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;

fn raw(ten_thousandths: i64) -> Amount {
    Amount::from_raw(ten_thousandths).unwrap()
}

fn acquired(number: u128, quantity: i64, paid: i64, fee: i64) -> Movement {
    Movement::Acquired {
        opened_by: Uuid::from_u128(number),
        reference: format!("ACME-{number}"),
        at_ns: i64::try_from(number).unwrap(),
        quantity,
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

fn after(movements: &[Movement]) -> Result<Holding, MoveError> {
    let empty = Holding::empty("u", "ACME");
    movements
        .iter()
        .try_fold(empty, |holding, movement| holding.after(movement))
}

fn lots(holding: &Holding) -> Vec<(i64, i64)> {
    holding
        .lots
        .values()
        .map(|lot| (lot.quantity, lot.cost.raw()))
        .collect()
}

#[test]
fn the_buyers_fee_is_cost_and_the_sellers_fee_lowers_proceeds() {
    let holding = after(&[acquired(1, 10, 1000, 10), disposed(10, 1500, 15)]).unwrap();
    assert!(holding.lots.is_empty());
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
    let third = |holding: Holding| holding.after(&disposed(1, 0, 0)).unwrap();
    let holding = after(&[acquired(1, 3, 100, 0)]).unwrap();
    let holding = third(holding);
    assert_eq!(lots(&holding), [(2, 67)]);
    let holding = third(holding);
    assert_eq!(lots(&holding), [(1, 34)]);
    let holding = third(holding);
    assert_eq!(holding.position.realised_profit, raw(-100));
}

#[test]
fn issued_shares_cost_nothing_and_all_they_bring_is_profit() {
    let holding = after(&[acquired(1, 10, 0, 0), disposed(4, 800, 8)]).unwrap();
    assert_eq!(lots(&holding), [(6, 0)]);
    assert_eq!(holding.position.realised_profit, raw(792));
}

#[test]
fn shares_that_have_not_come_in_cannot_be_sold() {
    let short = after(&[acquired(1, 3, 0, 0), disposed(4, 1, 0)]);
    assert_eq!(
        short.unwrap_err(),
        MoveError::Short {
            symbol: "ACME".to_owned(),
            wanted: 4,
            held: 3
        }
    );
    let large = after(&[acquired(1, 1, Amount::MAX.raw(), 1)]);
    assert!(matches!(large, Err(MoveError::TooLarge { .. })));
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

proptest! {
    #[test]
    fn nothing_vanishes_between_lots_and_profit(trades in trades()) {
        let mut holding = Holding::empty("u", "ACME");
        for (number, (buy, quantity, cash, fee)) in (1_u128..).zip(trades) {
            let held = holding.position.quantity;
            let movement = if buy || held == 0 {
                acquired(number, quantity, cash, fee)
            } else {
                disposed(1 + quantity % held, cash, fee)
            };
            let all = holding.after(&movement).unwrap();
            // With only the lots it takes, a sale comes to the same.
            let mut wanted = movement.outgoing();
            let mut partly = holding.clone();
            partly.lots.retain(|_, lot| {
                let needed = wanted > 0;
                wanted -= lot.quantity;
                needed
            });
            prop_assert_eq!(&partly.after(&movement).unwrap().position, &all.position);
            holding = all;
            let position = &holding.position;
            prop_assert!(position.is_conserved());
            let quantity: i64 = holding.lots.values().map(|lot| lot.quantity).sum();
            let cost: i64 = holding.lots.values().map(|lot| lot.cost.raw()).sum();
            prop_assert_eq!((quantity, cost), (position.quantity, position.cost.raw()));
            prop_assert!(holding.lots.values().all(|lot| lot.quantity > 0 && lot.cost.raw() >= 0));
        }
    }

    #[test]
    fn the_shares_that_are_left_are_the_newest(trades in trades()) {
        let mut holding = Holding::empty("u", "ACME");
        let mut shares = std::collections::VecDeque::new();
        for (number, (buy, quantity, cash, fee)) in (1_u128..).zip(trades) {
            let movement = if buy || shares.is_empty() {
                shares.extend((0..quantity).map(|_| number));
                acquired(number, quantity, cash, fee)
            } else {
                let quantity = 1 + quantity % i64::try_from(shares.len()).unwrap();
                shares.drain(..usize::try_from(quantity).unwrap());
                disposed(quantity, cash, fee)
            };
            holding = holding.after(&movement).unwrap();
        }
        let left = holding.lots.values().flat_map(|lot| {
            (0..lot.quantity).map(|_| lot.opened_by.as_u128())
        });
        prop_assert!(left.eq(shares));
    }
}
