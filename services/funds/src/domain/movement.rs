//! What each event moves: the one reading of events that live documents and rebuilt ones share.

use outcry_contracts::funds::v1::{
    FundsDepositedEvent, FundsLockedEvent, FundsReleasedEvent, FundsSettledEvent,
    FundsWithdrawnEvent, WithdrawalMethod,
};
use outcry_events::money::Amount;

use super::account::Breach;
use super::asset::{Asset, Value};

outcry_events::event_set! {
    /// What happens to one account.
    pub enum AccountEvent {
        /// Something came in from outside.
        Deposited(FundsDepositedEvent),
        /// Something left for the outside.
        Withdrawn(FundsWithdrawnEvent),
        /// Something was set aside.
        Locked(FundsLockedEvent),
        /// Something set aside went back.
        Released(FundsReleasedEvent),
    }
}

outcry_events::event_set! {
    /// What happens to one match: it is settled, once.
    pub enum SettlementEvent {
        /// Delivery against payment.
        Settled(FundsSettledEvent),
    }
}

/// A change of what one account holds of one asset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Movement {
    /// Whose account.
    pub user_id: String,
    /// Of what.
    pub asset: Asset,
    /// Change of what is available, signed.
    pub available: i64,
    /// Change of what is locked, signed.
    pub locked: i64,
    /// What it does to a lock.
    pub lock: Option<LockMovement>,
}

/// A change of one lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockMovement {
    /// Order id or withdrawal id.
    pub lock_id: String,
    /// What happens to it.
    pub step: LockStep,
}

/// What can happen to a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockStep {
    /// More is set aside.
    Raised {
        /// How much more.
        amount: i64,
        /// For which revision of the order.
        revision: u32,
    },
    /// A settlement or payout used some of it.
    Posted {
        /// How much.
        amount: i64,
        /// Shares that were settled with it; 0 for a payout.
        quantity: i64,
    },
    /// Some of it went back.
    Released {
        /// How much.
        amount: i64,
    },
}

/// A match in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Price {
    /// What the shares cost: price times quantity.
    pub notional: i64,
    /// What the buyer pays: notional and fee.
    pub cost: i64,
    /// What the seller gets: notional without fee.
    pub proceeds: i64,
    /// What the house gets.
    pub fees: i64,
}

// === impl AccountEvent ===

impl AccountEvent {
    /// What the event moves.
    ///
    /// # Errors
    /// [`Breach::Unreadable`] for an event that carries no proper amount.
    pub fn movement(&self) -> Result<Movement, Breach> {
        match self {
            Self::Deposited(event) => {
                let value = read(event.amount.as_ref())?;
                Ok(Movement::of(&event.user_id, &value, 1, 0, None))
            }
            Self::Withdrawn(event) => withdrawn(event),
            Self::Locked(event) => {
                let value = read(event.amount.as_ref())?;
                let step = LockStep::Raised {
                    amount: value.amount(),
                    revision: event.revision,
                };
                let lock = Some((&event.lock_id, step));
                Ok(Movement::of(&event.user_id, &value, -1, 1, lock))
            }
            Self::Released(event) => {
                let value = read(event.amount.as_ref())?;
                let step = LockStep::Released {
                    amount: value.amount(),
                };
                let lock = Some((&event.lock_id, step));
                Ok(Movement::of(&event.user_id, &value, 1, -1, lock))
            }
        }
    }

    /// Payment, order or withdrawal id, for listings.
    #[must_use]
    pub fn reference(&self) -> &str {
        match self {
            Self::Deposited(event) => &event.reference,
            Self::Withdrawn(event) => &event.withdrawal_id,
            Self::Locked(event) => &event.lock_id,
            Self::Released(event) => &event.lock_id,
        }
    }
}

fn withdrawn(event: &FundsWithdrawnEvent) -> Result<Movement, Breach> {
    match event.method() {
        WithdrawalMethod::Unspecified | WithdrawalMethod::Payout => {
            let value = read(event.amount.as_ref())?;
            let step = LockStep::Posted {
                amount: value.amount(),
                quantity: 0,
            };
            let lock = Some((&event.withdrawal_id, step));
            Ok(Movement::of(&event.user_id, &value, 0, -1, lock))
        }
        WithdrawalMethod::Reversal => {
            let value = read(event.amount.as_ref())?;
            Ok(Movement::of(&event.user_id, &value, -1, 0, None))
        }
        // It never was in the account, and need not be in the currency accounts are kept in.
        WithdrawalMethod::SuspenseRefund => Ok(Movement {
            user_id: event.user_id.clone(),
            asset: Asset::cash(),
            available: 0,
            locked: 0,
            lock: None,
        }),
    }
}

/// What a settlement moves: the buyer's cash, the buyer's shares, the seller's shares and the
/// seller's cash, in this order.
///
/// # Errors
/// [`Breach`] for an event without proper amounts.
pub fn movements_of(event: &FundsSettledEvent) -> Result<[Movement; 4], Breach> {
    let price = Price::of(event)?;
    let shares = Asset::shares(&event.symbol).map_err(Breach::Unreadable)?;
    let posted = |lock_id: &str, amount| {
        Some(LockMovement {
            lock_id: lock_id.to_owned(),
            step: LockStep::Posted {
                amount,
                quantity: event.quantity,
            },
        })
    };
    Ok([
        Movement {
            user_id: event.buyer_user_id.clone(),
            asset: Asset::cash(),
            available: 0,
            locked: -price.cost,
            lock: posted(&event.buyer_order_id, price.cost),
        },
        Movement {
            user_id: event.buyer_user_id.clone(),
            asset: shares.clone(),
            available: event.quantity,
            locked: 0,
            lock: None,
        },
        Movement {
            user_id: event.seller_user_id.clone(),
            asset: shares,
            available: 0,
            locked: -event.quantity,
            lock: posted(&event.seller_order_id, event.quantity),
        },
        Movement {
            user_id: event.seller_user_id.clone(),
            asset: Asset::cash(),
            available: price.proceeds,
            locked: 0,
            lock: None,
        },
    ])
}

// === impl Price ===

impl Price {
    /// The numbers of a settlement.
    ///
    /// # Errors
    /// [`Breach`] when an amount is missing, or a sum is too large.
    pub fn of(event: &FundsSettledEvent) -> Result<Price, Breach> {
        let money = |money: &Option<_>| {
            Amount::from_required(money.as_ref()).map_err(|error| Breach::Unreadable(error.into()))
        };
        let notional = money(&event.notional)?;
        let (buyer_fee, seller_fee) = (money(&event.buyer_fee)?, money(&event.seller_fee)?);
        let sums = (
            notional.checked_add(buyer_fee),
            notional.checked_sub(seller_fee),
            buyer_fee.checked_add(seller_fee),
        );
        let (Some(cost), Some(proceeds), Some(fees)) = sums else {
            return Err(Breach::TooMuch {
                asset: Asset::cash(),
            });
        };
        Ok(Price {
            notional: notional.raw(),
            cost: cost.raw(),
            proceeds: proceeds.raw(),
            fees: fees.raw(),
        })
    }
}

// === impl Movement ===

impl Movement {
    /// `value` times `available` and times `locked`, which are -1, 0 or 1.
    fn of(
        user_id: &str,
        value: &Value,
        available: i64,
        locked: i64,
        lock: Option<(&String, LockStep)>,
    ) -> Movement {
        // Cannot overflow: a value's range is symmetric.
        Movement {
            user_id: user_id.to_owned(),
            asset: value.asset().clone(),
            available: value.amount() * available,
            locked: value.amount() * locked,
            lock: lock.map(|(lock_id, step)| LockMovement {
                lock_id: lock_id.clone(),
                step,
            }),
        }
    }
}

fn read(message: Option<&outcry_contracts::types::v1::AssetAmount>) -> Result<Value, Breach> {
    let value = Value::from_message(message).map_err(Breach::Unreadable)?;
    if value.amount() < 0 {
        return Err(Breach::Negative {
            asset: value.asset().clone(),
        });
    }
    Ok(value)
}
