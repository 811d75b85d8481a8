//! All of custody in maps, driven by the same decisions as the real one.

use std::collections::BTreeMap;

use outcry_contracts::funds::v1::DepositMethod;
use outcry_events::money::Amount;
use uuid::Uuid;

use crate::domain::custody::Custody;
use crate::domain::deposit::{deposit, withdraw};
use crate::domain::lock::{Ending, Lock, Phase, Reason, Slot};
use crate::domain::locking::{self, Need};
use crate::domain::settlement::{Match, MatchSide, Party, settle};
use crate::domain::{Account, AccountEvent, Asset, Breach, Rejection, SettlementEvent, Value};

/// Accounts, locks, and the events that made them.
#[derive(Default)]
pub struct Desk {
    pub accounts: BTreeMap<String, Account>,
    pub slots: BTreeMap<String, Slot>,
    pub told: Custody,
}

pub fn user(number: usize) -> String {
    Uuid::from_u128(0x0a00 + number as u128).to_string()
}

pub fn order(number: usize) -> String {
    Uuid::from_u128(0x0b00 + number as u128).to_string()
}

pub fn cash(units: i32) -> Value {
    Value::cash(Amount::from_units(units))
}

pub fn shares(quantity: i64) -> Value {
    Value::shares("ACME", quantity).unwrap()
}

pub fn need(order: &str, revision: u32, value: Value) -> Need {
    Need {
        order_id: order.to_owned(),
        revision,
        value,
        cumulative_quantity: 0,
    }
}

pub fn ending(cumulative_quantity: i64, reason: Reason) -> Ending {
    Ending {
        cumulative_quantity,
        reason,
        event_id: Uuid::from_u128(1),
        correlation_id: Uuid::from_u128(2),
        traceparent: String::new(),
    }
}

/// The side of a match of `quantity` ACME at `price` units, with a fee of `fee` ten-thousandths.
pub fn side(
    buys: bool,
    takes: bool,
    who: (&str, &str),
    quantity: i64,
    price: i32,
    fee: i64,
) -> MatchSide {
    MatchSide {
        match_id: "ACME-1".to_owned(),
        buys,
        takes,
        user_id: who.0.to_owned(),
        order_id: who.1.to_owned(),
        symbol: "ACME".to_owned(),
        quantity,
        price: Amount::from_units(price),
        fee: Amount::from_raw(fee).unwrap(),
        event_id: Uuid::from_u128(3),
        correlation_id: Uuid::from_u128(4),
        traceparent: String::new(),
    }
}

impl Desk {
    /// A desk with users that have `cash` units and `shares` ACME each.
    pub fn with(users: usize, cash_units: i32, quantity: i64) -> Desk {
        let mut desk = Desk::default();
        for number in 0..users {
            let id = user(number);
            desk.accounts.insert(id.clone(), Account::open(&id));
            desk.deposit(&id, &cash(cash_units));
            if quantity > 0 {
                desk.deposit(&id, &shares(quantity));
            }
        }
        desk
    }

    pub fn deposit(&mut self, user: &str, value: &Value) {
        let account = self.accounts[user].clone();
        let booked = deposit(account, value, DepositMethod::Payment, "p").unwrap();
        self.book(booked.account, booked.events);
    }

    pub fn withdraw(&mut self, user: &str, id: &str, amount: Amount) -> Result<(), Rejection> {
        let paid = withdraw(self.accounts[user].clone(), id, amount, "1234")?;
        self.slots.insert(id.to_owned(), Slot::Lock(paid.lock));
        self.book(paid.booked.account, paid.booked.events);
        Ok(())
    }

    pub fn lock(&mut self, user: &str, need: &Need) -> Result<(), Rejection> {
        let slot = self.slots.get(&need.order_id).cloned();
        let locked = locking::lock(self.accounts[user].clone(), slot, need)?;
        self.slots
            .insert(need.order_id.clone(), Slot::Lock(locked.lock));
        let events = locked.event.map(AccountEvent::from);
        self.book(locked.account, events);
        Ok(())
    }

    pub fn release(&mut self, user: &str, order: &str) -> Result<(), Rejection> {
        match self.slots.get(order).cloned() {
            None => self.bar(user, order),
            Some(Slot::Barred { .. }) => {}
            Some(Slot::Lock(lock)) => {
                let account = self.accounts[user].clone();
                let ended = locking::release(account, lock, Reason::Rejected)?;
                self.ended(order, ended);
            }
        }
        Ok(())
    }

    pub fn end(&mut self, user: &str, order: &str, ending: Ending) -> Result<(), Breach> {
        match self.slots.get(order).cloned() {
            None => self.bar(user, order),
            Some(Slot::Barred { .. }) => {}
            Some(Slot::Lock(lock)) => {
                let ended = locking::end(&self.accounts[user], &lock, ending)?;
                self.ended(order, ended);
            }
        }
        Ok(())
    }

    pub fn settle(&mut self, matched: &Match) -> Result<(), Breach> {
        let party = |side: &MatchSide| Party {
            account: self.accounts[&side.user_id].clone(),
            lock: self.lock_of(&side.order_id),
        };
        let settled = settle(matched, party(matched.buyer()), party(matched.seller()))?;
        self.told
            .settlement(&SettlementEvent::from(settled.event))
            .unwrap();
        for side in [settled.buyer, settled.seller] {
            let id = side.party.lock.lock_id.clone();
            self.slots.insert(id, Slot::Lock(side.party.lock));
            let events = side.released.map(|(event, _)| AccountEvent::from(event));
            self.book(side.party.account, events);
        }
        Ok(())
    }

    pub fn lock_of(&self, order: &str) -> Lock {
        match &self.slots[order] {
            Slot::Lock(lock) => lock.clone(),
            Slot::Barred { .. } => panic!("{order} is barred"),
        }
    }

    pub fn available(&self, user: &str, asset: &Asset) -> i64 {
        self.accounts[user].balance(asset).available
    }

    /// Everything that must hold at any moment.
    pub fn check(&self) {
        assert_eq!(self.told.breaches(), Vec::<String>::new());
        let accounts: Vec<Account> = self.accounts.values().cloned().collect();
        let slots: Vec<Slot> = self.slots.values().cloned().collect();
        assert_eq!(
            self.told.differences(&accounts, &slots),
            Vec::<String>::new()
        );
        for slot in &slots {
            if let Slot::Lock(lock) = slot {
                assert!(lock.remaining() >= 0, "{lock:?}");
                assert!(
                    lock.phase != Phase::Closed || lock.remaining() == 0,
                    "{lock:?}"
                );
            }
        }
        for slot in slots {
            let json = serde_json::to_vec(&slot).unwrap();
            assert_eq!(serde_json::from_slice::<Slot>(&json).unwrap(), slot);
        }
    }

    fn bar(&mut self, user: &str, order: &str) {
        let barred = Slot::Barred {
            lock_id: order.to_owned(),
            user_id: user.to_owned(),
        };
        self.slots.insert(order.to_owned(), barred);
    }

    fn ended(&mut self, order: &str, ended: locking::Ended) {
        self.slots.insert(order.to_owned(), Slot::Lock(ended.lock));
        if let Some((account, event)) = ended.released {
            self.book(account, [event.into()]);
        }
    }

    fn book(&mut self, account: Account, events: impl IntoIterator<Item = AccountEvent>) {
        let id = account.user_id.clone();
        let mut sequence = self.accounts[&id].sequence;
        for event in events {
            sequence += 1;
            self.told.account_event(&event, sequence).unwrap();
        }
        assert_eq!(sequence, account.sequence, "every event counts once");
        self.accounts.insert(id, account);
    }
}
