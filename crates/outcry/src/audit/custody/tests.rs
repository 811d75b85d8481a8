use outcry_contracts::funds::v1::{
    FundsDepositedEvent, FundsLockedEvent, FundsReleasedEvent, FundsSettledEvent,
};
use outcry_contracts::trades::v1::TradeExecutedEvent;
use outcry_events::EventSet as _;
use outcry_funds::domain::movement::{AccountEvent, SettlementEvent, movements_of};
use outcry_funds::domain::{Account, Lock, Purpose, Slot};
use outcry_ledger::domain::{FundsEvent, Head, Transaction, record};
use serde_json::json;

use super::*;
use crate::audit::samples::{ALICE, BOB, BUY, SELL, Script, broken, cash, id, money, sale, shares};

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
fn money_that_is_not_there_is_found() {
    let script = sale().edit::<FundsDepositedEvent>(0, |deposited| {
        deposited.amount = cash(4_000_000);
        deposited.available = cash(4_000_000);
    });
    assert_eq!(judged(&script), ["I2"]);
}

#[test]
fn an_event_that_says_another_balance_is_found() {
    let script = sale().edit::<FundsDepositedEvent>(1, |deposited| {
        deposited.available = shares(11);
    });
    assert_eq!(judged(&script), ["I6"]);
}

#[test]
fn a_lock_that_gives_more_than_it_holds_is_found() {
    let script = sale().edit::<FundsReleasedEvent>(0, |released| released.amount = cash(46_001));
    assert_eq!(judged(&script), ["I2", "I4"]);
    let script = sale().edit::<FundsReleasedEvent>(0, |released| released.remaining = cash(1));
    assert_eq!(judged(&script), ["I4"]);
}

#[test]
fn a_lock_used_after_its_end_is_found() {
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
fn a_lock_used_by_somebody_else_is_found() {
    let script = sale().edit::<FundsReleasedEvent>(0, |released| released.user_id = id(BOB));
    let broken = judged(&script);
    assert!(
        broken.contains(&"I4") && broken.contains(&"I3"),
        "{broken:?}"
    );
}

#[test]
fn a_match_settled_twice_is_found() {
    assert!(judged(&sale().again::<FundsSettledEvent>(0)).contains(&"I4"));
}

#[test]
fn a_settlement_that_is_not_what_the_venue_told_is_found() {
    let script = sale().edit::<TradeExecutedEvent>(0, |fill| fill.fee = money(4_001));
    assert_eq!(judged(&script), ["I6"]);
}

#[test]
fn what_stays_locked_for_an_ended_order_is_due_when_all_is_settled() {
    let script = sale().without::<FundsReleasedEvent>(0);
    let history = script.history();
    let told = fold::custody(&history, &mut Findings::default()).unwrap();
    let ends = ends(&history).unwrap();
    let end = ends.iter().find(|end| end.order_id == id(BUY)).unwrap();
    assert_eq!(told.remaining(&end.order_id), 46_000);
    assert!(end.is_due(&told));

    let script = script.without::<FundsSettledEvent>(0);
    let told = fold::custody(&script.history(), &mut Findings::default()).unwrap();
    assert!(!end.is_due(&told));
}

/// What funds keeps after a sale, in its own documents.
fn documents() -> (BTreeMap<String, Value>, BTreeMap<String, Value>) {
    let mut accounts: BTreeMap<String, Account> = BTreeMap::new();
    let mut locks: BTreeMap<String, Lock> = BTreeMap::new();
    let history = sale().history();
    for recorded in history.events.iter().filter(|one| one.service == "funds") {
        let movements = match AccountEvent::open(&recorded.event) {
            Ok(event) => vec![event.movement().unwrap()],
            Err(_) => {
                let SettlementEvent::Settled(settled) =
                    SettlementEvent::open(&recorded.event).unwrap();
                movements_of(&settled).unwrap().to_vec()
            }
        };
        for movement in movements {
            let user = &movement.user_id;
            let account = accounts.remove(user).unwrap_or_else(|| Account::open(user));
            let mut account = account.moved(&movement).unwrap();
            if recorded.event.aggregate_id() == user {
                account.sequence = recorded.event.sequence();
            }
            accounts.insert(user.clone(), account);
            if let Some(change) = &movement.lock {
                let id = &change.lock_id;
                let lock = locks
                    .remove(id)
                    .unwrap_or_else(|| Lock::new(id, user, Purpose::Order, &movement.asset));
                locks.insert(id.clone(), lock.after(change.step).unwrap());
            }
        }
    }
    let row = |(id, account)| (id, serde_json::to_value(account).unwrap());
    let slot = |(id, lock)| (id, serde_json::to_value(Slot::Lock(lock)).unwrap());
    (
        accounts.into_iter().map(row).collect(),
        locks.into_iter().map(slot).collect(),
    )
}

#[test]
fn the_documents_of_funds_after_a_sale_break_nothing() {
    let (accounts, locks) = documents();
    let mut findings = Findings::default();
    check_accounts(&custody(), &accounts, &mut findings);
    check_kept_locks(&custody(), &locks, &mut findings);
    assert_eq!(findings.breaches, []);
    assert_eq!((accounts.len(), locks.len()), (2, 2));
}

#[test]
fn accounts_that_differ_from_events_are_found() {
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
    assert_eq!(judge(6_036_001, 3, "ACME"), ["I6"]);
    assert_eq!(judge(6_036_000, 4, "ACME"), ["I6"]);
    assert_eq!(judge(6_036_000, 3, "OTHER"), ["I6"]);
}

#[test]
fn kept_locks_that_differ_from_events_are_found() {
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
    assert_eq!(judge(3_964_001, None), ["I4"]);
    assert_eq!(judge(3_964_000, Some(99)), ["I4"]);
}

/// What the ledger books of a history.
fn journal(history: &History) -> Vec<Transaction> {
    let mut head = Head::ORIGIN;
    let mut balances = BTreeMap::new();
    let mut journal = Vec::new();
    for recorded in history.events.iter().filter(|one| one.service == "funds") {
        let event = &recorded.event;
        let posting = FundsEvent::open(event)
            .unwrap()
            .posting(event.sequence())
            .unwrap();
        let transaction = record(&head, &posting, event.id(), 0, &balances).unwrap();
        for (account, balance) in transaction.balances() {
            balances.insert(account.clone(), balance);
        }
        head = transaction.head();
        journal.push(transaction);
    }
    journal
}

fn judged_books(history: &History, journal: &[Transaction], off: i64) -> Vec<&'static str> {
    let mut balances: BTreeMap<String, i64> = BTreeMap::new();
    let mut rows = BTreeMap::new();
    for transaction in journal {
        for (account, balance) in transaction.balances() {
            balances.insert(account.to_string(), balance + off);
        }
        let row = serde_json::to_value(transaction).unwrap();
        rows.insert(format!("{:020}", transaction.number), row);
    }
    let balances = balances
        .into_iter()
        .map(|(account, balance)| (account, json!({"balance": balance})))
        .collect();
    let mut findings = Findings::default();
    let booked = books::check_journal(history, &rows, &mut findings).unwrap();
    books::check_balances(history, &booked, &balances, &mut findings).unwrap();
    broken(&findings)
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
fn a_journal_that_was_changed_is_found() {
    let history = sale().history();
    let mut changed = journal(&history);
    changed[1].entries[0].amount += 1;
    assert_eq!(judged_books(&history, &changed, 0), ["I1"]);

    let mut gap = journal(&history);
    gap.remove(1);
    assert!(judged_books(&history, &gap, 0).contains(&"I1"));
}

#[test]
fn a_journal_of_another_history_is_found() {
    let other = sale().edit::<FundsDepositedEvent>(0, |deposited| {
        deposited.amount = cash(20_000_000);
        deposited.available = cash(20_000_000);
    });
    let broken = judged_books(&sale().history(), &journal(&other.history()), 0);
    assert_eq!(broken, ["I1", "I6"]);
}

#[test]
fn kept_balances_that_differ_from_events_are_found() {
    let history = sale().history();
    assert_eq!(judged_books(&history, &journal(&history), 1), ["I6"]);
}
