//! All accounts and locks rebuilt from events alone, to hold against what is kept.

use std::collections::BTreeMap;

use outcry_events::{EventSet, PayloadError, SealedEvent};

use super::account::{Account, Balance, Breach};
use super::asset::{Asset, HOLDING_MAX};
use super::lock::{Lock, LockTotals, Slot};
use super::movement::{AccountEvent, LockStep, Movement, Price, SettlementEvent, movements_of};

/// What events say is held, by whom. Feed it all events of funds in commit order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Custody {
    /// By user and asset.
    pub balances: BTreeMap<(String, Asset), Balance>,
    /// By order or withdrawal: user, asset, numbers.
    pub locks: BTreeMap<String, HeldLock>,
    /// Fees of all settlements, in ten-thousandths of the currency unit.
    pub fees: i128,
    /// What came in from outside and did not leave, by asset.
    pub inside: BTreeMap<Asset, i128>,
    /// Last sequence of each account's stream.
    pub sequences: BTreeMap<String, u64>,
}

/// A lock as its events tell it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldLock {
    /// Whose.
    pub user_id: String,
    /// Of what.
    pub asset: Asset,
    /// The numbers.
    pub totals: LockTotals,
}

/// Why events cannot be followed.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// An event cannot be read.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// An event moves what is not there.
    #[error("event {event_id} breaks custody")]
    Breach {
        /// The event.
        event_id: uuid::Uuid,
        /// How.
        #[source]
        source: Breach,
    },
}

// === impl Custody ===

impl Custody {
    /// What the events say is held.
    ///
    /// # Errors
    /// The first event that cannot be followed.
    pub fn rebuild<'a>(
        events: impl IntoIterator<Item = &'a SealedEvent>,
    ) -> Result<Custody, RebuildError> {
        let mut custody = Custody::default();
        for event in events {
            custody.follow(event)?;
        }
        Ok(custody)
    }

    /// Follows one more event; those of other services are passed over.
    ///
    /// # Errors
    /// [`RebuildError`]; the whole is not to be used then.
    pub fn follow(&mut self, event: &SealedEvent) -> Result<(), RebuildError> {
        let followed = if AccountEvent::TOPICS.contains(&event.topic()) {
            self.account_event(&AccountEvent::open(event)?, event.sequence())
        } else if SettlementEvent::TOPICS.contains(&event.topic()) {
            self.settlement(&SettlementEvent::open(event)?)
        } else {
            Ok(())
        };
        followed.map_err(|source| RebuildError::Breach {
            event_id: event.id(),
            source,
        })
    }

    /// Follows an event of an account.
    ///
    /// # Errors
    /// [`Breach`].
    pub fn account_event(&mut self, event: &AccountEvent, sequence: u64) -> Result<(), Breach> {
        let movement = event.movement()?;
        *self.inside.entry(movement.asset.clone()).or_default() +=
            i128::from(movement.available) + i128::from(movement.locked);
        self.sequences.insert(movement.user_id.clone(), sequence);
        self.moved(&movement)
    }

    /// Follows a settlement.
    ///
    /// # Errors
    /// [`Breach`].
    pub fn settlement(&mut self, event: &SettlementEvent) -> Result<(), Breach> {
        let SettlementEvent::Settled(event) = event;
        self.fees += i128::from(Price::of(event)?.fees);
        movements_of(event)?
            .iter()
            .try_for_each(|movement| self.moved(movement))
    }

    fn moved(&mut self, movement: &Movement) -> Result<(), Breach> {
        let key = (movement.user_id.clone(), movement.asset.clone());
        let balance = self.balances.entry(key).or_default();
        *balance = balance.moved(&movement.user_id, movement)?;
        let Some(change) = &movement.lock else {
            return Ok(());
        };
        let misfit = |why| Breach::LockMisfit {
            lock_id: change.lock_id.clone(),
            why,
        };
        if !self.locks.contains_key(&change.lock_id) {
            let LockStep::Raised { .. } = change.step else {
                return Err(misfit("nothing was ever locked under it"));
            };
            let lock = HeldLock {
                user_id: movement.user_id.clone(),
                asset: movement.asset.clone(),
                totals: LockTotals::default(),
            };
            self.locks.insert(change.lock_id.clone(), lock);
        }
        if let Some(lock) = self.locks.get_mut(&change.lock_id) {
            if (&lock.user_id, &lock.asset) != (&movement.user_id, &movement.asset) {
                return Err(misfit("it belongs to another user or asset"));
            }
            lock.totals = lock
                .totals
                .after(&change.lock_id, &movement.asset, change.step)?;
        }
        Ok(())
    }

    /// What is wrong with the whole: a sentence for each breach of an invariant, none if all hold.
    ///
    /// What is locked is what the locks hold (I3), and nothing came into being or vanished: what
    /// all accounts hold, and the house's fees, is what came in and did not leave (I1, I6, I7).
    #[must_use]
    pub fn breaches(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut locked: BTreeMap<(&str, &Asset), i128> = BTreeMap::new();
        for lock in self.locks.values() {
            *locked.entry((&lock.user_id, &lock.asset)).or_default() +=
                i128::from(lock.totals.remaining());
        }
        let mut held: BTreeMap<&Asset, i128> = BTreeMap::new();
        for ((user_id, asset), balance) in &self.balances {
            *held.entry(asset).or_default() +=
                i128::from(balance.available) + i128::from(balance.locked);
            let in_locks = locked.remove(&(user_id.as_str(), asset)).unwrap_or(0);
            if in_locks != i128::from(balance.locked) {
                found.push(format!(
                    "{user_id} has {} {asset} locked, but locks hold {in_locks}",
                    balance.locked
                ));
            }
        }
        for (asset, inside) in &self.inside {
            let mut all = held.get(asset).copied().unwrap_or(0);
            if asset.is_cash() {
                all += self.fees;
            }
            if all != *inside {
                found.push(format!(
                    "{inside} {asset} came in and stayed, but accounts and house hold {all}"
                ));
            }
        }
        found
    }

    /// How kept documents differ from what the events say: a sentence for each difference.
    #[must_use]
    pub fn differences(&self, accounts: &[Account], slots: &[Slot]) -> Vec<String> {
        let mut found = Vec::new();
        let mut balances = self.balances.clone();
        for account in accounts {
            let sequence = self.sequences.get(&account.user_id).copied().unwrap_or(0);
            if account.sequence != sequence {
                found.push(format!(
                    "the account of {} is at event {}, its stream at {sequence}",
                    account.user_id, account.sequence
                ));
            }
            for (asset, kept) in &account.balances {
                let key = (account.user_id.clone(), asset.clone());
                let told = balances.remove(&key).unwrap_or_default();
                if told != *kept {
                    found.push(format!(
                        "{} has {kept:?} {asset}, events say {told:?}",
                        account.user_id
                    ));
                }
            }
        }
        for ((user_id, asset), told) in balances {
            if told != Balance::default() {
                found.push(format!("{user_id} has no {asset}, events say {told:?}"));
            }
        }
        found.extend(self.lock_differences(slots));
        found
    }

    fn lock_differences(&self, slots: &[Slot]) -> Vec<String> {
        let mut found = Vec::new();
        let mut told = self.locks.clone();
        let locks = slots.iter().filter_map(|slot| match slot {
            Slot::Lock(lock) => Some(lock),
            Slot::Barred { .. } => None,
        });
        for lock in locks {
            match told.remove(&lock.lock_id) {
                Some(held) if held.is(lock) => {}
                Some(held) => found.push(format!(
                    "lock {} has {:?}, events say {:?}",
                    lock.lock_id, lock.totals, held.totals
                )),
                None => found.push(format!("lock {} has no events", lock.lock_id)),
            }
            if !(0..=HOLDING_MAX).contains(&lock.remaining()) {
                found.push(format!("lock {} holds {}", lock.lock_id, lock.remaining()));
            }
        }
        found.extend(
            told.keys()
                .map(|lock_id| format!("lock {lock_id} is not kept")),
        );
        found
    }
}

// === impl HeldLock ===

impl HeldLock {
    /// Whether a kept lock says the same. A revision that needed nothing more has no event, so the
    /// kept one may be higher.
    #[must_use]
    pub fn is(&self, lock: &Lock) -> bool {
        let told = LockTotals {
            revision: lock.totals.revision,
            ..self.totals
        };
        (&self.user_id, &self.asset) == (&lock.user_id, &lock.asset)
            && told == lock.totals
            && self.totals.revision <= lock.totals.revision
    }
}
