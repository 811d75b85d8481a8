//! Tax lots, profit and holdings in reports follow the same rule as those of the portfolio service.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use outcry_events::Amount;
use outcry_portfolio::domain::{self as portfolio, Holding, Movement};
use outcry_reports::content::lots::{Lot, Matched, Sale, Step, matched};
use proptest::prelude::*;
use uuid::Uuid;

/// Shares that come in or go out: whether they come, portfolio, shares, cash, and for a deposit taken
/// back the number of the event it came with.
type Told = (bool, u128, i64, i64, Option<u128>);

fn lot((_, in_portfolio, quantity, cash, _): Told, number: u128) -> portfolio::Lot {
    let cash = Amount::from_raw(cash).unwrap();
    portfolio::Lot {
        opened_by: Uuid::from_u128(number),
        portfolio_id: Uuid::from_u128(in_portfolio),
        reference: format!("ACME-{number}"),
        opened_at_ns: 0,
        acquired: quantity,
        full_cost: cash,
        quantity,
        cost: cash,
    }
}

fn movement(told: Told, number: u128) -> Movement {
    let (comes, in_portfolio, quantity, cash, back) = told;
    let amount = Amount::from_raw(cash).unwrap();
    if comes {
        return Movement::Acquired {
            lot: lot(told, number),
            paid: amount,
            fee: Amount::ZERO,
        };
    }
    Movement::Disposed {
        sale: portfolio::Sale {
            event_id: Uuid::from_u128(number),
            portfolio_id: Uuid::from_u128(in_portfolio),
            quantity,
            uncovered: quantity,
            of_lot: back.map(Uuid::from_u128),
        },
        received: amount,
        fee: Amount::ZERO,
    }
}

fn step((comes, in_portfolio, quantity, cash, back): Told, number: u128) -> Step {
    let (id, portfolio) = (Uuid::from_u128(number), in_portfolio.to_string());
    let (amount, reference) = (Amount::from_raw(cash).unwrap(), format!("ACME-{number}"));
    if comes {
        return Step::In(Lot {
            opened_by: id,
            at_ns: 0,
            reference,
            portfolio,
            acquired: quantity,
            full_cost: amount,
            left: quantity,
        });
    }
    Step::Out(Sale {
        event_id: id,
        at_ns: 0,
        reference,
        portfolio,
        quantity,
        received: amount,
        fee: Amount::ZERO,
        of_lot: back.map(Uuid::from_u128),
    })
}

/// Sale, lot, shares and cost of all that was taken.
fn taken(matched: &Matched) -> Vec<(Uuid, Uuid, i64, Amount)> {
    let of = |one: &outcry_reports::content::lots::Disposal| {
        let sale = matched.sales[one.sale].event_id;
        one.lot.map(|lot| (sale, lot, one.quantity, one.cost))
    };
    let mut taken: Vec<_> = matched.disposals.iter().filter_map(of).collect();
    taken.sort();
    taken
}

proptest! {
    #[test]
    fn reports_and_portfolios_say_the_same_of_which_lots_were_sold(
        told in proptest::collection::vec(
            (
                any::<bool>(),
                0..3_u128,
                1..50_i64,
                0..10_000_i64,
                proptest::option::weighted(0.2, 1..40_u128),
            ),
            1..40,
        )
    ) {
        let numbered = || (1_u128..).zip(told.iter().copied());
        let matched = matched(numbered().map(|(number, one)| step(one, number)).collect()).unwrap();
        let mut holding = Holding::empty("u", "ACME");
        for (number, one) in numbered() {
            holding.count(&movement(one, number), None).unwrap();
        }
        holding.arrange().unwrap();
        let takes = holding.takes.values();
        let takes = takes.map(|take| (take.sale, take.lot, take.quantity, take.cost));
        prop_assert_eq!(taken(&matched), takes.collect::<Vec<_>>());
        let gain: i64 = matched
            .disposals
            .iter()
            .map(|one| one.proceeds.raw() - one.cost.raw())
            .sum();
        prop_assert_eq!(gain, holding.position.total.realised_profit.raw());
    }
}
