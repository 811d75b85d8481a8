use outcry_contracts::funds::v1::{
    FundsDepositedEvent, FundsLockedEvent, FundsReleasedEvent, FundsSettledEvent,
    FundsWithdrawnEvent,
};
use outcry_contracts::trades::v1::TradeExecutedEvent;
use serde_json::json;

use super::chain::Transaction;
use super::*;
use crate::samples::day::{PAYOUT, day};
use crate::samples::{ALICE, BOB, BUY, SELL, Script, broken, cash, id, money, sale, shares};

const NONE: [&str; 0] = [];

fn judged(script: &Script) -> Vec<&'static str> {
    let history = script.history();
    let mut findings = Findings::default();
    let custody = fold::custody(&history, &mut findings).unwrap();
    check_conserved(&custody, &mut findings);
    check_locks(&custody, &mut findings);
    check_flows(&history, &custody, &mut findings).unwrap();
    broken(&findings)
}

fn custody() -> Custody {
    fold::custody(&sale().history(), &mut Findings::default()).unwrap()
}

#[test]
fn a_sale_as_it_should_be_breaks_nothing() {
    assert_eq!(judged(&sale()), NONE);
    let custody = custody();
    let alice = custody.holding(&id(ALICE), CASH);
    assert_eq!((alice.available, alice.locked), (6_036_000, 0));
    assert_eq!(custody.holding(&id(BOB), CASH).available, 3_957_000);
    assert_eq!(custody.holding(&id(BOB), "ACME").available, 6);
    assert_eq!(custody.fees, 7_000);
}

#[test]
fn i2_money_that_is_not_there_is_found() {
    let script = sale().edit::<FundsDepositedEvent>(0, |deposited| {
        deposited.amount = cash(4_000_000);
        deposited.available = cash(4_000_000);
    });
    assert_eq!(judged(&script), ["I2"]);
}

#[test]
fn i6_an_event_that_says_another_balance_is_found() {
    let script = sale().edit::<FundsDepositedEvent>(1, |deposited| {
        deposited.available = shares(11);
    });
    assert_eq!(judged(&script), ["I6"]);
}

#[test]
fn i4_a_lock_that_gives_more_than_it_holds_is_found() {
    let script = sale().edit::<FundsReleasedEvent>(0, |released| released.amount = cash(46_001));
    assert_eq!(judged(&script), ["I2", "I4"]);
    let script = sale().edit::<FundsReleasedEvent>(0, |released| released.remaining = cash(1));
    assert_eq!(judged(&script), ["I4"]);
}

#[test]
fn i4_a_lock_used_after_its_end_is_found() {
    let script = sale().then(FundsLockedEvent {
        user_id: id(ALICE),
        lock_id: id(BUY),
        purpose: 1,
        amount: cash(5),
        remaining: cash(5),
        revision: 1,
    });
    assert_eq!(judged(&script), ["I4"]);
}

#[test]
fn i3_and_i4_a_lock_used_by_somebody_else_is_found() {
    let script = sale().edit::<FundsReleasedEvent>(0, |released| released.user_id = id(BOB));
    let broken = judged(&script);
    assert!(
        broken.contains(&"I4") && broken.contains(&"I3"),
        "{broken:?}"
    );
}

#[test]
fn i4_a_match_settled_twice_is_found() {
    assert!(judged(&sale().again::<FundsSettledEvent>(0)).contains(&"I4"));
}

#[test]
fn i6_a_settlement_that_is_not_what_the_venue_told_is_found() {
    let script = sale().edit::<TradeExecutedEvent>(0, |fill| fill.fee = money(4_001));
    assert_eq!(judged(&script), ["I6"]);
}

#[test]
fn i5_what_stays_locked_for_an_ended_order_is_due_when_all_is_settled() {
    let script = sale().without::<FundsReleasedEvent>(0);
    let history = script.history();
    let told = fold::custody(&history, &mut Findings::default()).unwrap();
    let ends = ends(&history);
    let end = ends.iter().find(|end| end.order_id == id(BUY)).unwrap();
    assert_eq!(told.remaining(end.order_id), 46_000);
    assert!(end.is_due(&told));

    let script = script.without::<FundsSettledEvent>(0);
    let told = fold::custody(&script.history(), &mut Findings::default()).unwrap();
    assert!(!end.is_due(&told));
}

#[test]
fn i19_accounts_that_differ_from_events_are_found() {
    let custody = custody();
    let judge = |available: i64, sequence: u64, symbol: &str| {
        let rows = BTreeMap::from([
            (
                id(ALICE),
                json!({"sequence": sequence, "balances": {
                    "USD": {"available": available, "locked": 0},
                    "ACME": {"available": 4, "locked": 0},
                }}),
            ),
            (
                id(BOB),
                json!({"sequence": 2, "balances": {
                    "USD": {"available": 3_957_000, "locked": 0},
                    "ACME": {"available": 6, "locked": 0},
                    symbol: {"available": 6, "locked": 0},
                }}),
            ),
        ]);
        let mut findings = Findings::default();
        check_accounts(&custody, &rows, &mut findings);
        broken(&findings)
    };
    assert_eq!(judge(6_036_000, 3, "ACME"), NONE);
    assert_eq!(judge(6_036_001, 3, "ACME"), ["I19"]);
    assert_eq!(judge(6_036_000, 4, "ACME"), ["I19"]);
    assert_eq!(judge(6_036_000, 3, "OTHER"), ["I19"]);
}

#[test]
fn i19_kept_locks_that_differ_from_events_are_found() {
    let custody = custody();
    let row = |amount: i64, posted: i64, released: i64| json!({"kind": "lock", "amount": amount, "posted": posted, "released": released});
    let judge = |posted: i64, more: Option<u128>| {
        let mut rows = BTreeMap::from([
            (id(BUY), row(4_010_000, posted, 46_000)),
            (id(SELL), row(4, 4, 0)),
        ]);
        rows.extend(more.map(|order| (id(order), row(1, 0, 0))));
        let mut findings = Findings::default();
        check_kept_locks(&custody, &rows, &mut findings);
        broken(&findings)
    };
    assert_eq!(judge(3_964_000, None), NONE);
    assert_eq!(judge(3_964_001, None), ["I19"]);
    assert_eq!(judge(3_964_000, Some(99)), ["I19"]);
}

/// What the ledger books of a history.
fn journal(history: &History) -> Vec<Transaction> {
    let mut previous = chain::ORIGIN.to_owned();
    let mut balances: BTreeMap<String, i64> = BTreeMap::new();
    let mut journal = Vec::new();
    for recorded in &history.events {
        let event = &recorded.event;
        let Some(legs) = books::legs(&recorded.fact).unwrap() else {
            continue;
        };
        let entries = legs.into_iter().map(|(account, amount)| {
            let balance = balances.entry(account.clone()).or_default();
            let amount = i64::try_from(amount).unwrap();
            *balance += amount;
            chain::Entry {
                account,
                amount,
                balance_after: *balance,
            }
        });
        let mut transaction = Transaction {
            number: journal.len() as u64 + 1,
            key: event.id().to_string(),
            kind: 1,
            reference: String::new(),
            event_id: event.id(),
            at_ns: 0,
            entries: entries.collect(),
            previous,
            hash: String::new(),
        };
        transaction.hash = transaction.computed_hash();
        previous = transaction.hash.clone();
        journal.push(transaction);
    }
    journal
}

fn judged_books(history: &History, journal: &[Transaction], off: i64) -> Vec<&'static str> {
    let mut balances: BTreeMap<String, Value> = BTreeMap::new();
    let mut rows = BTreeMap::new();
    for transaction in journal {
        let mut entries = Vec::new();
        for entry in &transaction.entries {
            let balance = json!({"balance": entry.balance_after + off});
            balances.insert(entry.account.clone(), balance);
            entries.push(json!({
                "account": entry.account, "amount": entry.amount,
                "balance_after": entry.balance_after,
            }));
        }
        let row = json!({
            "number": transaction.number, "key": transaction.key, "kind": transaction.kind,
            "reference": transaction.reference, "event_id": transaction.event_id,
            "at_ns": transaction.at_ns, "entries": entries,
            "previous": transaction.previous, "hash": transaction.hash,
        });
        rows.insert(format!("{:020}", transaction.number), row);
    }
    let mut findings = Findings::default();
    let booked = books::check_journal(history, &rows, &mut findings).unwrap();
    books::check_balances(history, &booked, &balances, &mut findings).unwrap();
    broken(&findings)
}

/// The hash the ledger has always given this transaction: it must not change.
#[test]
fn the_hash_of_a_transaction_is_what_it_has_always_been() {
    let transaction = Transaction {
        number: 1,
        key: "pay:1".to_owned(),
        kind: 1,
        reference: "1".to_owned(),
        event_id: Uuid::from_u128(7),
        at_ns: 5,
        entries: vec![chain::Entry {
            account: "world:USD".to_owned(),
            amount: -1,
            balance_after: -1,
        }],
        previous: chain::ORIGIN.to_owned(),
        hash: String::new(),
    };
    assert_eq!(
        transaction.computed_hash(),
        "c69048f086e659708a853b7f98b5eef0ee60a1e3534bbd08964f0b119a46318e"
    );
}

#[test]
fn the_ledgers_journal_of_a_day_balances_and_ends_without_suspense() {
    let history = day().history();
    let journal = journal(&history);
    let of_suspense = |transaction: &&Transaction| {
        let mut entries = transaction.entries.iter();
        entries.any(|entry| entry.account == "house:suspense:USD")
    };
    let suspense: Vec<_> = journal.iter().filter(of_suspense).collect();
    assert_eq!(suspense.len(), 2);
    let sums = journal.iter().flat_map(|transaction| &transaction.entries);
    assert_eq!(sums.map(|entry| entry.amount).sum::<i64>(), 0);
}

#[test]
fn the_ledgers_journal_of_a_sale_breaks_nothing_at_any_point() {
    let history = sale().history();
    let journal = journal(&history);
    assert!(journal.len() > 4);
    for booked in 0..=journal.len() {
        assert_eq!(judged_books(&history, &journal[..booked], 0), NONE);
    }
}

#[test]
fn i1_a_journal_that_was_changed_is_found() {
    let history = sale().history();
    let mut changed = journal(&history);
    changed[1].entries[0].amount += 1;
    assert_eq!(judged_books(&history, &changed, 0), ["I1"]);

    let mut gap = journal(&history);
    gap.remove(1);
    assert!(judged_books(&history, &gap, 0).contains(&"I1"));
}

#[test]
fn i1_and_i6_a_journal_of_another_history_is_found() {
    let other = sale().edit::<FundsDepositedEvent>(0, |deposited| {
        deposited.amount = cash(20_000_000);
        deposited.available = cash(20_000_000);
    });
    let broken = judged_books(&sale().history(), &journal(&other.history()), 0);
    assert_eq!(broken, ["I1", "I6"]);
}

#[test]
fn i6_kept_balances_that_differ_from_events_are_found() {
    let history = sale().history();
    assert_eq!(judged_books(&history, &journal(&history), 1), ["I6"]);
}

/// The nth fact of a type, of those about payouts.
fn payout<E: crate::fact::Told>(nth: usize, is_payout: impl Fn(&E) -> bool) -> usize {
    let history = day().history();
    let facts = history.all::<E>().enumerate();
    let mut payouts = facts.filter(|(_, (_, fact))| is_payout(fact));
    payouts.nth(nth).unwrap().0
}

#[test]
fn i18_payouts_of_more_than_there_is_are_found() {
    let first = payout(0, |locked: &FundsLockedEvent| locked.purpose == 2);
    // All there is after the day, and a little more than there is at its time.
    let more = |locked: &mut FundsLockedEvent| {
        locked.amount = cash(4_973_001);
        locked.remaining = cash(4_973_001);
    };
    let broken = judged(&day().edit(first, more));
    assert!(
        broken.contains(&"I18") && broken.contains(&"I2"),
        "{broken:?}"
    );
}

#[test]
fn i18_a_payout_other_than_what_is_locked_for_it_is_found() {
    let faults: [fn(&mut FundsWithdrawnEvent); 2] = [
        |gone| gone.amount = cash(999_999),
        |gone| gone.withdrawal_id = id(BUY),
    ];
    for fault in faults {
        let broken = judged(&day().edit(0, fault));
        assert!(broken.contains(&"I18"), "{broken:?}");
    }
}

#[test]
fn i16_a_payout_that_is_made_and_given_back_is_found() {
    let refused = payout(0, |back: &FundsReleasedEvent| back.purpose == 2);
    let paid = |back: &mut FundsReleasedEvent| back.lock_id = id(PAYOUT);
    let broken = judged(&day().edit(refused, paid));
    assert!(broken.contains(&"I16"), "{broken:?}");
}

#[test]
fn a_payout_whose_end_nobody_knows_is_pending_and_no_breach() {
    let open = day()
        .without::<FundsWithdrawnEvent>(0)
        .without::<FundsDepositedEvent>(2);
    let history = open.history();
    let mut findings = Findings::default();
    let custody = fold::custody(&history, &mut findings).unwrap();
    check_locks(&custody, &mut findings);
    assert_eq!(findings.pending["the end of a payout"], 1);
}
