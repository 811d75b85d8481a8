//! What the events of funds say is held.

use std::collections::{BTreeMap, HashSet};

use outcry_contracts::funds::v1::{
    FundsDepositedEvent, FundsLockedEvent, FundsReleasedEvent, FundsSettledEvent,
    FundsWithdrawnEvent, LockPurpose, WithdrawalMethod,
};
use outcry_contracts::types::v1::AssetAmount;
use outcry_contracts::types::v1::asset_amount::Asset;
use outcry_events::{MoneyError, SealedEvent};

use crate::error::Outcome;
use crate::fact::{Fact, raw};
use crate::finding::Findings;
use crate::history::{History, Recorded};

/// What cash is called; shares are called by their symbol.
pub const CASH: &str = "USD";

/// What is held, in ten-thousandths of the currency unit and in shares.
#[derive(Default)]
pub struct Custody {
    /// By user and asset.
    pub holdings: BTreeMap<(String, String), Holding>,
    /// By order or payout.
    pub locks: BTreeMap<String, Lock>,
    /// What came in and did not leave, by asset.
    pub inside: BTreeMap<String, i128>,
    /// Cash a user paid in and did not take out.
    pub outside_cash: BTreeMap<String, i128>,
    /// Of all settlements.
    pub fees: i128,
    /// Matches.
    pub settled: HashSet<String>,
    /// Last event of each account's stream.
    pub sequences: BTreeMap<String, u64>,
}

/// What a user holds of an asset.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Holding {
    pub available: i128,
    pub locked: i128,
}

/// What is or was set aside for an order or a payout.
#[derive(Debug, Default)]
pub struct Lock {
    pub user: String,
    pub asset: String,
    pub withdrawal: bool,
    pub amount: i128,
    pub posted: i128,
    pub released: i128,
    /// Shares settled from it.
    pub quantity: i128,
    /// Nothing may happen to it any more.
    resolved: bool,
}

/// So much of an asset.
pub struct Held {
    pub asset: String,
    pub amount: i128,
}

/// A settlement in numbers.
pub struct Price {
    pub notional: i128,
    pub buyer_fee: i128,
    pub seller_fee: i128,
}

/// Follows every event of funds in commit order.
///
/// # Errors
/// An event cannot be read.
pub fn custody(history: &History, findings: &mut Findings) -> Outcome<Custody> {
    let mut custody = Custody::default();
    for recorded in history.of("funds") {
        custody.follow(recorded, findings)?;
    }
    Ok(custody)
}

/// An amount of an event.
///
/// # Errors
/// It is none.
pub fn held(amount: Option<&AssetAmount>) -> Outcome<Held> {
    let asset = amount.and_then(|amount| amount.asset.as_ref());
    match asset.ok_or(MoneyError::Missing)? {
        Asset::Cash(money) => Ok(Held {
            asset: CASH.to_owned(),
            amount: raw(Some(money))?,
        }),
        Asset::Shares(shares) => Ok(Held {
            asset: shares.symbol.clone(),
            amount: shares.quantity.into(),
        }),
    }
}

/// The numbers of a settlement.
///
/// # Errors
/// One is missing.
pub fn price(settled: &FundsSettledEvent) -> Outcome<Price> {
    Ok(Price {
        notional: raw(settled.notional.as_ref())?,
        buyer_fee: raw(settled.buyer_fee.as_ref())?,
        seller_fee: raw(settled.seller_fee.as_ref())?,
    })
}

// === impl Custody ===

impl Custody {
    /// What a user holds of an asset.
    pub fn holding(&self, user: &str, asset: &str) -> Holding {
        let key = (user.to_owned(), asset.to_owned());
        self.holdings.get(&key).copied().unwrap_or_default()
    }

    /// What is locked for an order or payout.
    pub fn remaining(&self, lock: &str) -> i128 {
        self.locks.get(lock).map_or(0, Lock::remaining)
    }

    fn follow(&mut self, recorded: &Recorded, findings: &mut Findings) -> Outcome<()> {
        let event = &recorded.event;
        match &recorded.fact {
            Fact::FundsDeposited(deposited) => self.deposited(event, deposited, findings),
            Fact::FundsWithdrawn(withdrawn) => self.withdrawn(event, withdrawn, findings),
            Fact::FundsLocked(locked) => self.locked(event, locked, findings),
            Fact::FundsReleased(released) => self.released(event, released, findings),
            Fact::FundsSettled(settled) => self.settle(settled, findings),
            _ => Ok(()),
        }
    }

    fn deposited(
        &mut self,
        event: &SealedEvent,
        deposited: &FundsDepositedEvent,
        findings: &mut Findings,
    ) -> Outcome<()> {
        let (user, came) = (&deposited.user_id, held(deposited.amount.as_ref())?);
        self.crossed(user, &came.asset, came.amount);
        self.moved(user, &came.asset, came.amount, 0, findings);
        let said = held(deposited.available.as_ref())?.amount;
        self.check_available(user, &came.asset, said, findings);
        self.sequences.insert(user.clone(), event.sequence());
        Ok(())
    }

    fn withdrawn(
        &mut self,
        event: &SealedEvent,
        withdrawn: &FundsWithdrawnEvent,
        findings: &mut Findings,
    ) -> Outcome<()> {
        let (user, id) = (&withdrawn.user_id, &withdrawn.withdrawal_id);
        self.sequences.insert(user.clone(), event.sequence());
        let said = held(withdrawn.available.as_ref())?;
        if withdrawn.method() == WithdrawalMethod::SuspenseRefund {
            // It never was the user's.
            self.check_available(user, &said.asset, said.amount, findings);
            return Ok(());
        }
        let gone = held(withdrawn.amount.as_ref())?;
        self.crossed(user, &gone.asset, -gone.amount);
        if withdrawn.method() == WithdrawalMethod::Reversal {
            self.moved(user, &gone.asset, -gone.amount, 0, findings);
        } else {
            let lock = self.locks.get(id);
            let whole = lock.is_some_and(|lock| {
                lock.withdrawal && lock.remaining() == gone.amount && lock.posted == 0
            });
            findings.expect("I18", whole, id, || {
                format!("{} were paid out that were not locked for it", gone.amount)
            });
            self.moved(user, &gone.asset, 0, -gone.amount, findings);
            self.posted(id, user, &gone, 0, findings);
        }
        self.check_available(user, &gone.asset, said.amount, findings);
        Ok(())
    }

    fn locked(
        &mut self,
        event: &SealedEvent,
        locked: &FundsLockedEvent,
        findings: &mut Findings,
    ) -> Outcome<()> {
        let (user, more) = (&locked.user_id, held(locked.amount.as_ref())?);
        if locked.purpose() == LockPurpose::Withdrawal {
            let available = self.holding(user, &more.asset).available;
            findings.expect("I18", more.amount <= available, &locked.lock_id, || {
                format!(
                    "{} are to be paid out, {available} are available",
                    more.amount
                )
            });
        }
        self.moved(user, &more.asset, -more.amount, more.amount, findings);
        let lock = self.locks.entry(locked.lock_id.clone()).or_default();
        if lock.amount == 0 {
            lock.user.clone_from(user);
            lock.asset.clone_from(&more.asset);
            lock.withdrawal = locked.purpose() == LockPurpose::Withdrawal;
        }
        lock.amount += more.amount;
        let said = held(locked.remaining.as_ref())?.amount;
        check_lock(
            &locked.lock_id,
            lock,
            user,
            &more.asset,
            Some(said),
            findings,
        );
        self.sequences.insert(user.clone(), event.sequence());
        Ok(())
    }

    fn released(
        &mut self,
        event: &SealedEvent,
        released: &FundsReleasedEvent,
        findings: &mut Findings,
    ) -> Outcome<()> {
        let (user, back) = (&released.user_id, held(released.amount.as_ref())?);
        self.moved(user, &back.asset, back.amount, -back.amount, findings);
        let lock = self.locks.entry(released.lock_id.clone()).or_default();
        if lock.withdrawal {
            findings.expect("I16", lock.posted == 0, &released.lock_id, || {
                "what was paid out is given back".to_owned()
            });
        }
        lock.released += back.amount;
        let said = held(released.remaining.as_ref())?.amount;
        check_lock(
            &released.lock_id,
            lock,
            user,
            &back.asset,
            Some(said),
            findings,
        );
        lock.resolved |= lock.remaining() == 0;
        self.sequences.insert(user.clone(), event.sequence());
        Ok(())
    }

    fn settle(&mut self, settled: &FundsSettledEvent, findings: &mut Findings) -> Outcome<()> {
        let once = self.settled.insert(settled.match_id.clone());
        findings.expect("I4", once, &settled.match_id, || "settled twice".to_owned());
        let price = price(settled)?;
        let quantity = i128::from(settled.quantity);
        let (buyer, seller) = (&settled.buyer_user_id, &settled.seller_user_id);
        let paid = Held {
            asset: CASH.to_owned(),
            amount: price.notional + price.buyer_fee,
        };
        let delivered = Held {
            asset: settled.symbol.clone(),
            amount: quantity,
        };
        self.fees += price.buyer_fee + price.seller_fee;
        self.moved(buyer, CASH, 0, -paid.amount, findings);
        self.moved(buyer, &settled.symbol, quantity, 0, findings);
        self.moved(seller, &settled.symbol, 0, -quantity, findings);
        self.moved(seller, CASH, price.notional - price.seller_fee, 0, findings);
        self.posted(&settled.buyer_order_id, buyer, &paid, quantity, findings);
        self.posted(
            &settled.seller_order_id,
            seller,
            &delivered,
            quantity,
            findings,
        );
        Ok(())
    }

    /// Something came in from outside, or left.
    fn crossed(&mut self, user: &str, asset: &str, amount: i128) {
        *self.inside.entry(asset.to_owned()).or_default() += amount;
        if asset == CASH {
            *self.outside_cash.entry(user.to_owned()).or_default() += amount;
        }
    }

    fn moved(
        &mut self,
        user: &str,
        asset: &str,
        available: i128,
        locked: i128,
        findings: &mut Findings,
    ) {
        let key = (user.to_owned(), asset.to_owned());
        let holding = self.holdings.entry(key).or_default();
        holding.available += available;
        holding.locked += locked;
        let enough = holding.available >= 0 && holding.locked >= 0;
        findings.expect("I2", enough, user, || {
            format!(
                "{} available and {} locked {asset}",
                holding.available, holding.locked
            )
        });
    }

    /// A settlement or payout used some of a lock.
    fn posted(
        &mut self,
        id: &str,
        user: &str,
        used: &Held,
        quantity: i128,
        findings: &mut Findings,
    ) {
        let lock = self.locks.entry(id.to_owned()).or_default();
        lock.posted += used.amount;
        lock.quantity += quantity;
        check_lock(id, lock, user, &used.asset, None, findings);
    }

    fn check_available(&self, user: &str, asset: &str, said: i128, findings: &mut Findings) {
        let available = self.holding(user, asset).available;
        findings.expect("I6", said == available, user, || {
            format!("an event says {said} {asset} are available, there are {available}")
        });
    }
}

/// A lock after a step.
fn check_lock(
    id: &str,
    lock: &Lock,
    user: &str,
    asset: &str,
    said: Option<i128>,
    findings: &mut Findings,
) {
    let remaining = lock.remaining();
    findings.expect("I4", remaining >= 0, id, || {
        format!(
            "{} of {} are posted and {} released",
            lock.posted, lock.amount, lock.released
        )
    });
    let fits = (lock.user.as_str(), lock.asset.as_str()) == (user, asset);
    findings.expect("I4", fits, id, || {
        "used by another user or asset".to_owned()
    });
    findings.expect("I4", !lock.resolved, id, || {
        "used after everything went back".to_owned()
    });
    if let Some(said) = said {
        findings.expect("I4", said == remaining, id, || {
            format!("an event says {said} remain, there are {remaining}")
        });
    }
}

// === impl Lock ===

impl Lock {
    /// What is locked.
    pub fn remaining(&self) -> i128 {
        self.amount - self.posted - self.released
    }
}
