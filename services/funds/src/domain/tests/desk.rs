//! All of custody in maps, driven by the same decisions as the real one.

use std::collections::BTreeMap;

use outcry_contracts::funds::v1::DepositMethod;
use outcry_contracts::trades::v1::{Liquidity, TradeExecutedEvent};
use outcry_events::money::Amount;
use uuid::Uuid;

use crate::domain::custody::Custody;
use crate::domain::deposit::{Booked, Incoming, deposit};
use crate::domain::lock::{Ending, Lock, Phase, Reason, Slot};
use crate::domain::locking::{self, Need};
use crate::domain::movement::{Movement, movements_of};
use crate::domain::reversal::reverse;
use crate::domain::settlement::{Match, MatchSide, Party, settle};
use crate::domain::suspense::{Outcome, SuspenseItem, resolve};
use crate::domain::tally::Tally;
use crate::domain::withdrawal::{self, Flow, Payout, Reserved, Stage, Withdrawal};
use crate::domain::{Account, AccountEvent, Asset, Breach, Rejection, SettlementEvent, Value};

/// Accounts, locks, payouts, and the events that made them.
#[derive(Default)]
pub struct Desk {
    pub accounts: BTreeMap<String, Account>,
    pub slots: BTreeMap<String, Slot>,
    pub payouts: BTreeMap<String, Withdrawal>,
    pub told: Custody,
    /// Every account added up on its own.
    pub tallies: BTreeMap<String, Tally>,
    /// Events of accounts, in order.
    pub events: Vec<AccountEvent>,
    reversed: Vec<usize>,
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
        portfolio_id: String::new(),
    }
}

/// One side of a fill as the venue tells it, in this portfolio.
pub fn fill(portfolio_id: &str) -> TradeExecutedEvent {
    TradeExecutedEvent {
        order_id: order(0),
        user_id: user(0),
        symbol: "ACME".to_owned(),
        side: outcry_contracts::orders::v1::Side::Buy.into(),
        match_id: "ACME-1".to_owned(),
        last_quantity: 10,
        last_price: Some(Amount::from_units(20).to_money()),
        fee: Some(Amount::from_units(1).to_money()),
        liquidity: Liquidity::Taker.into(),
        portfolio_id: portfolio_id.to_owned(),
        ..TradeExecutedEvent::default()
    }
}

/// What came in for a payment and could not be credited.
pub fn in_suspense(user: &str, payment: &str, amount: Amount) -> SuspenseItem {
    SuspenseItem {
        payment_id: payment.to_owned(),
        number: 1,
        user_id: user.to_owned(),
        currency: "USD".to_owned(),
        amount,
        message: "30.00 was captured, 40.00 was asked for".to_owned(),
        at_ns: 1,
        outcome: None,
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
        let incoming = Incoming::of(value.clone(), DepositMethod::Payment, "p");
        self.booked(deposit(account, &incoming).unwrap());
    }

    /// Asks for a payout.
    pub fn withdraw(&mut self, user: &str, id: &str, amount: Amount) -> Result<(), Rejection> {
        let payout = Payout {
            user_id: user.to_owned(),
            amount,
            destination_last4: "1234".to_owned(),
        };
        let reserved = withdrawal::reserve(self.accounts[user].clone(), id, &payout)?;
        let asked = Withdrawal {
            withdrawal_id: id.to_owned(),
            user_id: user.to_owned(),
            amount,
            destination_last4: payout.destination_last4,
            stage: Stage::Requested,
            message: String::new(),
            requested_ns: 0,
            updated_ns: 0,
            asked: 0,
            flow: Flow {
                correlation_id: Uuid::from_u128(5),
                event_id: Uuid::from_u128(6),
                traceparent: String::new(),
            },
        };
        self.payouts.insert(id.to_owned(), asked);
        self.reserved(id, reserved);
        Ok(())
    }

    /// Ends a payout, paid or refused.
    pub fn end_payout(&mut self, id: &str, paid: bool) -> Result<(), Breach> {
        let payout = self.payouts[id].clone();
        let (account, lock) = (self.accounts[&payout.user_id].clone(), self.lock_of(id));
        let reserved = if paid {
            withdrawal::post(account, lock, &payout)?
        } else {
            withdrawal::void(account, lock, &payout)?
        };
        self.reserved(id, reserved);
        let payout = if paid {
            payout.in_stage(Stage::Done, 1)
        } else {
            payout.refused("closed", 1)
        };
        self.payouts.insert(id.to_owned(), payout);
        Ok(())
    }

    pub fn resolve(&mut self, item: &SuspenseItem, outcome: Outcome) -> Result<(), Rejection> {
        let account = self.accounts[&item.user_id].clone();
        self.booked(resolve(account, item, outcome, "checked")?);
        Ok(())
    }

    /// Takes the event with this index back, once.
    pub fn reverse(&mut self, index: usize) -> Result<(), Rejection> {
        if self.reversed.contains(&index) {
            return Err(Rejection::AlreadyReversed);
        }
        let event = self.events[index].clone();
        let user = event.movement().unwrap().user_id;
        let id = Uuid::from_u128(0x0e00 + index as u128).to_string();
        let booked = reverse(self.accounts[&user].clone(), &event, &id, "in error")?;
        self.reversed.push(index);
        self.booked(booked);
        Ok(())
    }

    pub fn lock(&mut self, user: &str, need: &Need) -> Result<(), Rejection> {
        let slot = self.slots.get(&need.order_id).cloned();
        let locked = locking::lock(self.accounts[user].clone(), slot, need)?;
        self.slots
            .insert(need.order_id.clone(), Slot::Lock(locked.lock));
        self.book(locked.account, locked.event);
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
        for movement in movements_of(&settled.event).unwrap() {
            self.count(&movement);
        }
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
        self.check_locks();
        for account in self.accounts.values() {
            let tally = self.tallies.get(&account.user_id);
            let differences = tally.map(|tally| tally.differences(account));
            assert_eq!(differences.unwrap_or_default(), Vec::new());
        }
        for slot in slots {
            let json = serde_json::to_vec(&slot).unwrap();
            assert_eq!(serde_json::from_slice::<Slot>(&json).unwrap(), slot);
        }
    }

    /// What the locks of a user hold of an asset is what the account has locked of it (I3), and a
    /// lock is what was posted, went back and remains, and is over when nothing does (I4).
    fn check_locks(&self) {
        let mut held: BTreeMap<(&str, &Asset), i64> = BTreeMap::new();
        for slot in self.slots.values() {
            let Slot::Lock(lock) = slot else { continue };
            let totals = &lock.totals;
            assert!(lock.remaining() >= 0, "{lock:?}");
            assert_eq!(
                totals.amount,
                totals.posted + totals.released + lock.remaining()
            );
            assert!(
                lock.phase != Phase::Closed || lock.remaining() == 0,
                "{lock:?}"
            );
            *held.entry((&lock.user_id, &lock.asset)).or_default() += lock.remaining();
        }
        for account in self.accounts.values() {
            for (asset, balance) in &account.balances {
                let in_locks = held.remove(&(account.user_id.as_str(), asset));
                assert_eq!(balance.locked, in_locks.unwrap_or(0), "{account:?}");
            }
        }
        assert!(held.values().all(|amount| *amount == 0), "{held:?}");
        for payout in self.payouts.values() {
            let is_locked = self.lock_of(&payout.withdrawal_id).remaining();
            let due = if payout.is_over() {
                0
            } else {
                payout.amount.raw()
            };
            assert_eq!(is_locked, due, "{payout:?}");
        }
    }

    fn count(&mut self, movement: &Movement) {
        let tally = self.tallies.entry(movement.user_id.clone()).or_default();
        tally.count(movement);
    }

    fn reserved(&mut self, id: &str, reserved: Reserved) {
        self.slots.insert(id.to_owned(), Slot::Lock(reserved.lock));
        self.booked(reserved.booked);
    }

    fn booked(&mut self, booked: Booked) {
        self.book(booked.account, [booked.event]);
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
            self.count(&event.movement().unwrap());
            self.events.push(event);
        }
        assert_eq!(sequence, account.sequence, "every event counts once");
        self.accounts.insert(id, account);
    }
}
