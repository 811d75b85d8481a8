//! Whatever is asked in whatever order: nothing is lost, nothing appears, nothing goes below zero.

use outcry_events::money::Amount;
use proptest::prelude::*;

use super::desk::{Desk, cash, ending, in_suspense, need, order, shares, side, user};
use crate::domain::lock::{Phase, Reason};
use crate::domain::settlement::Match;
use crate::domain::{Outcome, Slot, Value};

const USERS: usize = 3;
const ORDERS: usize = 6;

#[derive(Debug, Clone)]
enum Step {
    Lock {
        order: usize,
        revision: u32,
        size: i32,
    },
    Release(usize),
    Settle {
        buy: usize,
        sell: usize,
        quantity: i64,
        price: i32,
        fee: i64,
    },
    End {
        order: usize,
        more: i64,
    },
    Deposit(usize, i32),
    Withdraw(usize, i32),
    EndPayout(prop::sample::Index, bool),
    Suspense(usize, i32, bool),
    Reverse(prop::sample::Index),
}

fn step() -> impl Strategy<Value = Step> {
    let order = 0..ORDERS;
    prop_oneof![
        4 => (order.clone(), 0..4u32, 1..400i32)
            .prop_map(|(order, revision, size)| Step::Lock { order, revision, size }),
        1 => order.clone().prop_map(Step::Release),
        6 => (order.clone(), order.clone(), 1..12i64, 1..12i32, 0..500i64).prop_map(
            |(buy, sell, quantity, price, fee)| Step::Settle { buy, sell, quantity, price, fee }
        ),
        2 => (order, 0..3i64).prop_map(|(order, more)| Step::End { order, more }),
        1 => (0..USERS, 1..50i32).prop_map(|(user, units)| Step::Deposit(user, units)),
        2 => (0..USERS, 1..500i32).prop_map(|(user, units)| Step::Withdraw(user, units)),
        2 => (any::<prop::sample::Index>(), any::<bool>())
            .prop_map(|(payout, paid)| Step::EndPayout(payout, paid)),
        1 => (0..USERS, 1..50i32, any::<bool>())
            .prop_map(|(user, units, credit)| Step::Suspense(user, units, credit)),
        1 => any::<prop::sample::Index>().prop_map(Step::Reverse),
    ]
}

/// Orders with even numbers buy, the others sell; each belongs to one user.
fn owner(order: usize) -> String {
    user(order % USERS)
}

fn take(desk: &mut Desk, step: Step, number: usize) {
    match step {
        Step::Lock {
            order: id,
            revision,
            size,
        } => {
            let value: Value = if id % 2 == 0 {
                cash(size)
            } else {
                shares(i64::from(size / 10).max(1))
            };
            let _ = desk.lock(&owner(id), &need(&order(id), revision, value));
        }
        Step::Release(id) => {
            let _ = desk.release(&owner(id), &order(id));
        }
        Step::Settle {
            buy,
            sell,
            quantity,
            price,
            fee,
        } => {
            let known = [buy, sell]
                .iter()
                .all(|id| matches!(desk.slots.get(&order(*id)), Some(Slot::Lock(_))));
            let sides = Match::of(
                side(true, true, (&owner(buy), &order(buy)), quantity, price, fee),
                side(
                    false,
                    false,
                    (&owner(sell), &order(sell)),
                    quantity,
                    price,
                    fee,
                ),
            );
            if let Ok(matched) = sides
                && known
            {
                let _ = desk.settle(&matched);
            }
        }
        Step::End { order: id, more } => {
            let settled = match desk.slots.get(&order(id)) {
                Some(Slot::Lock(lock)) => lock.totals.quantity,
                _ => 0,
            };
            let ending = ending(settled + more, Reason::Cancelled);
            let _ = desk.end(&owner(id), &order(id), ending);
        }
        Step::Deposit(who, units) => desk.deposit(&user(who), &cash(units)),
        Step::Withdraw(who, units) => {
            let id = uuid::Uuid::from_u128(0x0c00 + number as u128).to_string();
            let _ = desk.withdraw(&user(who), &id, Amount::from_units(units));
        }
        Step::EndPayout(payout, paid) => {
            let ids: Vec<_> = desk.payouts.keys().cloned().collect();
            if !ids.is_empty() {
                let id = &ids[payout.index(ids.len())];
                let _ = desk.end_payout(id, paid);
            }
        }
        Step::Suspense(who, units, credit) => {
            let payment = uuid::Uuid::from_u128(0x0d00 + number as u128).to_string();
            let item = in_suspense(&user(who), &payment, Amount::from_units(units));
            let outcome = if credit {
                Outcome::Credit
            } else {
                Outcome::Refund
            };
            desk.resolve(&item, outcome).unwrap();
        }
        Step::Reverse(event) => {
            let index = event.index(desk.events.len());
            let _ = desk.reverse(index);
        }
    }
}

/// What is charged for one more fill, so that all fees together are the rate's share of the whole
/// notional, rounded up once.
fn next_fee(bps: i64, notional_before: i64, notional: i64, charged: i64) -> i64 {
    let due = (notional_before + notional) * bps;
    (due + 9_999) / 10_000 - charged
}

proptest! {
    /// I2, I3, I4, I6, I7 after every step, and the events alone tell the same (I19).
    #[test]
    fn custody_holds_after_every_step(steps in prop::collection::vec(step(), 1..80)) {
        let mut desk = Desk::with(USERS, 1000, 100);
        for (number, step) in steps.into_iter().enumerate() {
            take(&mut desk, step, number);
            desk.check();
        }
    }

    /// I5: whenever the end of an order comes among its settlements, nothing stays locked.
    #[test]
    fn nothing_stays_locked_once_an_order_ended_and_its_fills_are_settled(
        fills in prop::collection::vec((1..6i64, 1..11i32), 0..6),
        end_at in 0..7usize,
    ) {
        let mut desk = Desk::with(2, 1000, 100);
        let cumulative: i64 = fills.iter().map(|(quantity, _)| quantity).sum();
        desk.lock(&user(0), &need(&order(0), 0, cash(400))).unwrap();
        desk.lock(&user(1), &need(&order(1), 0, shares(40))).unwrap();
        let end_at = end_at.min(fills.len());
        let end = |desk: &mut Desk| {
            for number in [0, 1] {
                let ending = ending(cumulative, Reason::Expired);
                desk.end(&user(number), &order(number), ending).unwrap();
            }
        };
        for (number, (quantity, price)) in fills.iter().enumerate() {
            if number == end_at {
                end(&mut desk);
            }
            let matched = Match::of(
                side(true, false, (&user(0), &order(0)), *quantity, *price, 7),
                side(false, true, (&user(1), &order(1)), *quantity, *price, 7),
            );
            desk.settle(&matched.unwrap()).unwrap();
        }
        if end_at == fills.len() {
            end(&mut desk);
        }
        for number in [0, 1] {
            let lock = desk.lock_of(&order(number));
            prop_assert_eq!(lock.phase, Phase::Closed);
        }
        desk.check();
    }

    /// Fees follow the cumulative notional, so however an order is sliced and whatever the fills
    /// save on its limit, its lock covers them, and the house gets the rate's share of the whole,
    /// rounded up once per order (I6, I9).
    #[test]
    fn fees_on_the_cumulative_notional_never_exceed_the_lock(
        fills in prop::collection::vec((1..40i64, 1..20i32), 1..20),
        bps in 0..300i64,
    ) {
        let mut desk = Desk::with(2, 1_000_000, 1_000);
        let quantity: i64 = fills.iter().map(|(quantity, _)| quantity).sum();
        let limit = 20;
        let value = quantity * i64::from(limit) * 10_000;
        let locked = Amount::from_raw(value + next_fee(bps, 0, value, 0)).unwrap();
        desk.lock(&user(0), &need(&order(0), 0, Value::cash(locked))).unwrap();
        desk.lock(&user(1), &need(&order(1), 0, shares(quantity))).unwrap();
        let (mut before, mut charged) = (0, 0);
        for (quantity, price) in fills {
            let notional = quantity * i64::from(price) * 10_000;
            let fee = next_fee(bps, before, notional, charged);
            let (buyer, seller) = (user(0), user(1));
            let matched = Match::of(
                side(true, true, (&buyer, &order(0)), quantity, price, fee),
                side(false, false, (&seller, &order(1)), quantity, price, fee),
            );
            desk.settle(&matched.unwrap()).unwrap();
            before += notional;
            charged += fee;
        }
        let whole = next_fee(bps, 0, before, 0);
        prop_assert_eq!(charged, whole);
        prop_assert_eq!(desk.told.fees, i128::from(2 * whole));
        for number in [0, 1] {
            desk.end(&user(number), &order(number), ending(quantity, Reason::Filled)).unwrap();
            prop_assert_eq!(desk.lock_of(&order(number)).remaining(), 0);
        }
        desk.check();
    }

    /// I18: whatever is asked for at once, what is paid out never exceeds what there was.
    #[test]
    fn payouts_never_exceed_the_balance(asked in prop::collection::vec(1..60i32, 1..20)) {
        let mut desk = Desk::with(1, 100, 0);
        let mut under_way = Vec::new();
        for (number, units) in asked.into_iter().enumerate() {
            let id = uuid::Uuid::from_u128(number as u128).to_string();
            if desk.withdraw(&user(0), &id, Amount::from_units(units)).is_ok() {
                under_way.push((id, units));
            }
        }
        prop_assert!(under_way.iter().map(|(_, units)| units).sum::<i32>() <= 100);
        for (id, _) in &under_way {
            desk.end_payout(id, true).unwrap();
        }
        desk.check();
    }
}
