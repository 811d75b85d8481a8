//! The journal under any order of arrival; the chain notices every change.

use std::collections::BTreeMap;

use outcry_contracts::funds::v1::{
    DepositMethod, FundsDepositedEvent, FundsLockedEvent, FundsReleasedEvent, FundsSettledEvent,
    FundsWithdrawnEvent, LockPurpose, ReleaseReason, WithdrawalMethod,
};
use outcry_contracts::payments::v1::PaymentFailedEvent;
use outcry_contracts::types::v1::{AssetAmount, Money, Shares, asset_amount};
use outcry_events::money::Amount;
use proptest::prelude::*;
use uuid::Uuid;

mod templates;

use super::verification::Problem;
use super::*;

const BUYER: &str = "00000000-0000-0000-0000-00000000000b";
const SELLER: &str = "00000000-0000-0000-0000-00000000000a";

fn money(units: i32) -> Money {
    Amount::from_units(units).to_money()
}

fn cash(units: i32) -> Option<AssetAmount> {
    Some(AssetAmount {
        asset: Some(asset_amount::Asset::Cash(money(units))),
    })
}

fn shares(quantity: i64) -> Option<AssetAmount> {
    Some(AssetAmount {
        asset: Some(asset_amount::Asset::Shares(Shares {
            symbol: "ACME".to_owned(),
            quantity,
        })),
    })
}

fn deposited(user: &str, amount: Option<AssetAmount>, method: DepositMethod) -> Bookable {
    Bookable::Deposited(FundsDepositedEvent {
        user_id: user.to_owned(),
        available: amount.clone(),
        amount,
        method: method.into(),
        reference: format!("ref-{user}"),
        ..Default::default()
    })
}

fn locked(user: &str, lock: &str, purpose: LockPurpose, amount: Option<AssetAmount>) -> Bookable {
    Bookable::Locked(FundsLockedEvent {
        user_id: user.to_owned(),
        lock_id: lock.to_owned(),
        purpose: purpose.into(),
        remaining: amount.clone(),
        amount,
        revision: 0,
    })
}

/// One of every kind, in an order in which they can happen.
fn story() -> Vec<Bookable> {
    vec![
        deposited(BUYER, cash(1000), DepositMethod::Payment),
        deposited(SELLER, shares(50), DepositMethod::Issue),
        locked(BUYER, "o-1", LockPurpose::Order, cash(210)),
        locked(SELLER, "o-2", LockPurpose::Order, shares(10)),
        Bookable::Settled(FundsSettledEvent {
            match_id: "ACME-1".to_owned(),
            symbol: "ACME".to_owned(),
            quantity: 10,
            price: Some(money(20)),
            notional: Some(money(200)),
            buyer_user_id: BUYER.to_owned(),
            buyer_order_id: "o-1".to_owned(),
            buyer_fee: Some(money(2)),
            seller_user_id: SELLER.to_owned(),
            seller_order_id: "o-2".to_owned(),
            seller_fee: Some(money(3)),
            ..Default::default()
        }),
        Bookable::Released(FundsReleasedEvent {
            user_id: BUYER.to_owned(),
            lock_id: "o-1".to_owned(),
            purpose: LockPurpose::Order.into(),
            amount: cash(8),
            remaining: cash(0),
            reason: ReleaseReason::Filled.into(),
        }),
        locked(SELLER, "w-1", LockPurpose::Withdrawal, cash(100)),
        Bookable::Withdrawn(FundsWithdrawnEvent {
            user_id: SELLER.to_owned(),
            withdrawal_id: "w-1".to_owned(),
            amount: cash(100),
            available: cash(97),
            destination_last4: "1234".to_owned(),
            ..Default::default()
        }),
        locked(BUYER, "w-2", LockPurpose::Withdrawal, cash(70)),
        Bookable::Released(FundsReleasedEvent {
            user_id: BUYER.to_owned(),
            lock_id: "w-2".to_owned(),
            purpose: LockPurpose::Withdrawal.into(),
            amount: cash(70),
            remaining: cash(0),
            reason: ReleaseReason::WithdrawalFailed.into(),
        }),
        captured("p-8", money(30)),
        captured("p-9", euros(7)),
        deposited(BUYER, cash(30), DepositMethod::Suspense),
        withdrawn(
            "p-9",
            Some(in_cash(euros(7))),
            WithdrawalMethod::SuspenseRefund,
            "",
        ),
        withdrawn("e-1", cash(20), WithdrawalMethod::Reversal, "e-1"),
        withdrawn("e-2", shares(4), WithdrawalMethod::Reversal, "e-2"),
        Bookable::Deposited(FundsDepositedEvent {
            user_id: SELLER.to_owned(),
            amount: cash(100),
            available: cash(197),
            method: DepositMethod::Reversal.into(),
            reference: "w-1".to_owned(),
            reverses_event_id: "e-8".to_owned(),
            note: String::new(),
        }),
    ]
}

fn euros(units: i32) -> Money {
    Money {
        currency_code: "EUR".to_owned(),
        ..money(units)
    }
}

fn in_cash(money: Money) -> AssetAmount {
    AssetAmount {
        asset: Some(asset_amount::Asset::Cash(money)),
    }
}

fn captured(payment: &str, captured: Money) -> Bookable {
    Bookable::PaymentFailed(PaymentFailedEvent {
        payment_id: payment.to_owned(),
        user_id: BUYER.to_owned(),
        captured: Some(captured),
        ..PaymentFailedEvent::default()
    })
}

/// Cash of the buyer, or shares of the seller, that left.
fn withdrawn(
    id: &str,
    amount: Option<AssetAmount>,
    method: WithdrawalMethod,
    reverses: &str,
) -> Bookable {
    let is_shares = matches!(
        amount.as_ref().and_then(|amount| amount.asset.as_ref()),
        Some(asset_amount::Asset::Shares(_))
    );
    Bookable::Withdrawn(FundsWithdrawnEvent {
        user_id: if is_shares { SELLER } else { BUYER }.to_owned(),
        withdrawal_id: id.to_owned(),
        available: amount.clone(),
        amount,
        destination_last4: "0000".to_owned(),
        method: method.into(),
        reverses_event_id: reverses.to_owned(),
        note: String::new(),
    })
}

fn id_of(sequence: u64) -> Uuid {
    Uuid::from_u128(u128::from(sequence))
}

fn posting(event: &Bookable, sequence: u64) -> Posting {
    event.posting(id_of(sequence), sequence).unwrap().unwrap()
}

fn book(events: &[Bookable]) -> Vec<Transaction> {
    let mut head = Head::ORIGIN;
    let mut balances = BTreeMap::new();
    let mut journal = Vec::new();
    for (sequence, event) in (1..).zip(events) {
        let posting = posting(event, sequence);
        let id = id_of(sequence);
        let at_ns = 1_000 * i64::try_from(sequence).unwrap();
        let transaction = record(&head, &posting, id, at_ns, &balances).unwrap();
        for (account, balance) in transaction.balances() {
            balances.insert(account.clone(), balance);
        }
        head = transaction.head();
        journal.push(transaction);
    }
    journal
}

fn verify(journal: &[Transaction]) -> Result<Verification, Broken> {
    let mut verification = Verification::default();
    for transaction in journal {
        verification.follow(transaction)?;
    }
    Ok(verification)
}

#[test]
fn every_kind_of_event_is_booked_under_its_key_and_balances() {
    let journal = book(&story());
    let keys: Vec<&str> = journal.iter().map(|one| one.key.as_str()).collect();
    assert_eq!(
        keys,
        [
            "pay:ref-00000000-0000-0000-0000-00000000000b",
            "issue:ACME:ref-00000000-0000-0000-0000-00000000000a",
            "lock:o-1:0",
            "lock:o-2:0",
            "match:ACME-1",
            "rel:o-1:6",
            "wd:w-1:lock",
            "wd:w-1:post",
            "wd:w-2:lock",
            "wd:w-2:void",
            "susp:00000000-0000-0000-0000-00000000000b",
            "susp:00000000-0000-0000-0000-00000000000c",
            "susp:ref-00000000-0000-0000-0000-00000000000b:credit",
            "susp:p-9:refund",
            "rev:e-1",
            "rev:e-2",
            "rev:e-8",
        ]
    );
    for transaction in &journal {
        assert_eq!(transaction.balanced(), Ok(()), "{}", transaction.key);
    }
}

#[test]
fn the_balances_after_a_story_are_what_everybody_has() {
    let verification = verify(&book(&story())).unwrap();
    let units = |units: i64| units * 10_000;
    let expected: BTreeMap<AccountName, i64> = [
        (AccountName::available(BUYER, "USD"), units(808)),
        (AccountName::locked(BUYER, "USD"), 0),
        (AccountName::available(BUYER, "ACME"), 10),
        (AccountName::available(SELLER, "USD"), units(197)),
        (AccountName::locked(SELLER, "USD"), 0),
        (AccountName::available(SELLER, "ACME"), 36),
        (AccountName::locked(SELLER, "ACME"), 0),
        (AccountName::fees(), units(5)),
        (AccountName::suspense("USD"), 0),
        (AccountName::suspense("EUR"), 0),
        (AccountName::payout_clearing(), 0),
        (AccountName::world("USD"), units(-1010)),
        (AccountName::world("EUR"), 0),
        (AccountName::issuer("ACME"), -46),
    ]
    .into();
    assert_eq!(verification.balances(), &expected);
}

#[test]
fn each_asset_sums_to_zero_after_every_transaction() {
    let journal = book(&story());
    let mut verification = Verification::default();
    for transaction in &journal {
        verification.follow(transaction).unwrap();
        for asset in ["USD", "EUR", "ACME"] {
            let sum: i64 = verification
                .balances()
                .iter()
                .filter(|(account, _)| account.asset() == asset)
                .map(|(_, balance)| balance)
                .sum();
            assert_eq!(sum, 0, "{asset} after {}", transaction.number);
        }
    }
}

#[test]
fn a_user_never_holds_less_than_nothing() {
    let posting = posting(&locked(BUYER, "o-1", LockPurpose::Order, cash(1)), 1);
    let refused = record(&Head::ORIGIN, &posting, Uuid::nil(), 0, &BTreeMap::new());
    assert!(matches!(refused, Err(JournalError::Overdrawn { .. })));
}

#[test]
fn money_leaves_suspense_only_once_it_is_there() {
    let credit = posting(&deposited(BUYER, cash(30), DepositMethod::Suspense), 1);
    let refused = record(&Head::ORIGIN, &credit, id_of(1), 0, &BTreeMap::new());
    assert!(matches!(refused, Err(JournalError::Overdrawn { .. })));
}

#[test]
fn the_counts_and_sums_by_kind_of_an_account_are_its_balance() {
    let verification = verify(&book(&story())).unwrap();
    for (account, balance) in verification.balances() {
        let totals = verification.summaries()[account].totals();
        let sum: i64 = totals.map(|(_, total)| total.sum).sum();
        assert_eq!(sum, *balance, "{account}");
    }
    let mut kept = verification.summaries().clone();
    assert_eq!(verification.check_summaries(&kept), Ok(()));
    kept.entry(AccountName::fees()).or_default().count(1, 0);
    let broken = verification.check_summaries(&kept).unwrap_err();
    assert!(matches!(broken.problem, Problem::KeptSummary { .. }));
}

#[test]
fn a_missing_or_exchanged_transaction_is_found() {
    let journal = book(&story());
    let mut missing = journal.clone();
    missing.remove(3);
    let broken = verify(&missing).unwrap_err();
    assert_eq!(broken.number, 4);
    let shorter = verify(&journal[..5]).unwrap();
    let end = journal.last().unwrap().head();
    let broken = shorter.finish(&BTreeMap::new(), &end).unwrap_err();
    assert_eq!((broken.number, broken.problem), (6, Problem::Missing(17)));
}

#[test]
fn a_kept_balance_that_entries_do_not_lead_to_is_found() {
    let journal = book(&story());
    let verification = verify(&journal).unwrap();
    let mut kept = verification.balances().clone();
    assert_eq!(verification.finish(&kept, verification.head()), Ok(()));
    kept.insert(AccountName::fees(), 1);
    let broken = verification.finish(&kept, verification.head()).unwrap_err();
    assert!(matches!(broken.problem, Problem::KeptBalance { .. }));
}

#[test]
fn time_in_the_journal_never_goes_back() {
    let first = &book(&story())[0];
    let posting = posting(&deposited(SELLER, cash(1), DepositMethod::Payment), 1);
    let earlier = record(&first.head(), &posting, Uuid::nil(), 1, &BTreeMap::new()).unwrap();
    assert_eq!(earlier.at_ns, first.at_ns);
}

proptest! {
    /// In whatever order events arrive, everything is booked in the end, to the same balances, and
    /// no account of a user is ever below nothing.
    #[test]
    fn the_order_of_arrival_does_not_matter(order in Just((0..17usize).collect::<Vec<_>>()).prop_shuffle()) {
        let events = story();
        let straight = verify(&book(&events)).unwrap();
        let (mut head, mut waiting) = (Head::ORIGIN, Vec::new());
        let mut balances = BTreeMap::new();
        let mut journal = Vec::new();
        for index in order {
            let sequence = index as u64 + 1;
            waiting.insert(0, Waiting {
                posting: posting(&events[index], sequence),
                event_id: id_of(sequence),
                at_ns: 0,
            });
            let recorded = record_covered(head, waiting, balances.clone()).unwrap();
            for transaction in &recorded.transactions {
                for (account, balance) in transaction.balances() {
                    balances.insert(account.clone(), balance);
                }
                head = transaction.head();
            }
            journal.extend(recorded.transactions);
            waiting = recorded.waiting;
        }
        prop_assert_eq!(waiting, Vec::new());
        let shuffled = verify(&journal).unwrap();
        prop_assert_eq!(shuffled.balances(), straight.balances());
    }

    /// Whichever byte of the journal is changed, it is noticed: by the chain, or because it cannot
    /// be read any more.
    #[test]
    fn a_changed_byte_is_found(place in any::<prop::sample::Index>(), bit in 0..8u8) {
        let journal = book(&story());
        let mut bytes = serde_json::to_vec(&journal).unwrap();
        let index = place.index(bytes.len());
        bytes[index] ^= 1 << bit;
        let Ok(changed) = serde_json::from_slice::<Vec<Transaction>>(&bytes) else {
            return Ok(());
        };
        prop_assume!(changed != journal);
        let noticed = match verify(&changed) {
            Err(_) => true,
            Ok(verification) => {
                verification.finish(verification.balances(), &journal.last().unwrap().head()).is_err()
            }
        };
        prop_assert!(noticed, "{changed:?}");
    }
}
