//! A match settled: delivery against payment, both sides or none.

use outcry_contracts::funds::v1::{FundsReleasedEvent, FundsSettledEvent};
use outcry_contracts::orders::v1::Side;
use outcry_contracts::trades::v1::{Liquidity, TradeExecutedEvent};
use outcry_events::money::Amount;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::account::{Account, Breach};
use super::asset::Asset;
use super::lock::{Ending, Lock, Phase, Purpose};
use super::locking::end_if_due;
use super::movement::{Movement, movements_of};

/// One side of a match as the venue told it, kept until the other side is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MatchSide {
    /// The match.
    pub match_id: String,
    /// Bought, rather than sold.
    pub buys: bool,
    /// Came in and matched, rather than rested.
    pub takes: bool,
    /// Whose.
    pub user_id: String,
    /// For which order.
    pub order_id: String,
    /// Of what.
    pub symbol: String,
    /// Shares.
    pub quantity: i64,
    /// Of one share.
    pub price: Amount,
    /// What the side pays to the house.
    pub fee: Amount,
    /// The event that told it.
    pub event_id: Uuid,
    /// The flow of the side's order.
    pub correlation_id: Uuid,
    /// Trace context of that flow.
    pub traceparent: String,
    /// Portfolio the order named; empty for the user's default one.
    #[serde(default)]
    pub portfolio_id: String,
}

/// The two sides of a match, which agree with each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    buyer: MatchSide,
    seller: MatchSide,
}

/// What one side of a settlement holds: before it, or after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Party {
    /// Account.
    pub account: Account,
    /// Lock of the order.
    pub lock: Lock,
}

/// A settled match.
#[derive(Debug, Clone, PartialEq)]
pub struct Settled {
    /// What happened.
    pub event: FundsSettledEvent,
    /// The buyer after it.
    pub buyer: SideSettled,
    /// The seller after it.
    pub seller: SideSettled,
}

/// One side of a settled match.
#[derive(Debug, Clone, PartialEq)]
pub struct SideSettled {
    /// Account and lock after it.
    pub party: Party,
    /// What went back because this was the last fill of an order that has ended, and how it ended.
    pub released: Option<(FundsReleasedEvent, Ending)>,
}

// === impl MatchSide ===

impl MatchSide {
    /// Reads a fill.
    ///
    /// # Errors
    /// [`Breach`] when side, price or fee are not proper ones.
    pub fn read(
        fill: &TradeExecutedEvent,
        event_id: Uuid,
        correlation_id: Uuid,
        traceparent: &str,
    ) -> Result<MatchSide, Breach> {
        let disagree = |why| Breach::SidesDisagree {
            match_id: fill.match_id.clone(),
            why,
        };
        let buys = match fill.side() {
            Side::Buy => true,
            Side::Sell => false,
            Side::Unspecified => return Err(disagree("the side is neither buy nor sell")),
        };
        let money = |money: &Option<_>| {
            Amount::from_required(money.as_ref()).map_err(|error| Breach::Unreadable(error.into()))
        };
        let (price, fee) = (money(&fill.last_price)?, money(&fill.fee)?);
        if !price.is_positive() || fee.is_negative() || fill.last_quantity <= 0 {
            return Err(disagree("price, quantity or fee is out of range"));
        }
        Ok(MatchSide {
            match_id: fill.match_id.clone(),
            buys,
            takes: fill.liquidity() == Liquidity::Taker,
            user_id: fill.user_id.clone(),
            order_id: fill.order_id.clone(),
            symbol: fill.symbol.clone(),
            quantity: fill.last_quantity,
            price,
            fee,
            event_id,
            correlation_id,
            traceparent: traceparent.to_owned(),
            portfolio_id: fill.portfolio_id.clone(),
        })
    }
}

// === impl Match ===

impl Match {
    /// Puts the two sides together, in whichever order they came.
    ///
    /// # Errors
    /// [`Breach::SidesDisagree`].
    pub fn of(one: MatchSide, other: MatchSide) -> Result<Match, Breach> {
        let (buyer, seller) = if one.buys { (one, other) } else { (other, one) };
        let why = if !buyer.buys || seller.buys {
            Some("both are on the same side")
        } else if buyer.match_id != seller.match_id {
            Some("they are of different matches")
        } else if (&buyer.symbol, buyer.quantity, buyer.price)
            != (&seller.symbol, seller.quantity, seller.price)
        {
            Some("symbol, quantity or price differ")
        } else if buyer.takes == seller.takes {
            Some("exactly one of them must have taken")
        } else if buyer.user_id == seller.user_id {
            Some("both are of the same user")
        } else {
            None
        };
        match why {
            None => Ok(Match { buyer, seller }),
            Some(why) => Err(Breach::SidesDisagree {
                match_id: buyer.match_id,
                why,
            }),
        }
    }

    /// The side that bought.
    #[must_use]
    pub fn buyer(&self) -> &MatchSide {
        &self.buyer
    }

    /// The side that sold.
    #[must_use]
    pub fn seller(&self) -> &MatchSide {
        &self.seller
    }

    /// The side that came in and matched: the settlement belongs to its flow.
    #[must_use]
    pub fn taker(&self) -> &MatchSide {
        if self.buyer.takes {
            &self.buyer
        } else {
            &self.seller
        }
    }

    fn event(&self) -> Result<FundsSettledEvent, Breach> {
        let (buyer, seller) = (&self.buyer, &self.seller);
        let notional = buyer.price.checked_mul(buyer.quantity);
        let notional = notional.ok_or_else(|| Breach::TooMuch {
            asset: Asset::cash(),
        })?;
        Ok(FundsSettledEvent {
            match_id: buyer.match_id.clone(),
            symbol: buyer.symbol.clone(),
            quantity: buyer.quantity,
            price: Some(buyer.price.to_money()),
            notional: Some(notional.to_money()),
            buyer_user_id: buyer.user_id.clone(),
            buyer_order_id: buyer.order_id.clone(),
            buyer_fee: Some(buyer.fee.to_money()),
            seller_user_id: seller.user_id.clone(),
            seller_order_id: seller.order_id.clone(),
            seller_fee: Some(seller.fee.to_money()),
            buyer_portfolio_id: buyer.portfolio_id.clone(),
            seller_portfolio_id: seller.portfolio_id.clone(),
        })
    }
}

/// Settles a match: the buyer's locked cash goes to the seller and the house, the seller's locked
/// shares to the buyer. What a price better than the limit saves stays locked until the order ends.
///
/// # Errors
/// [`Breach`] when a lock or account does not cover it. Nothing is settled then.
pub fn settle(matched: &Match, buyer: Party, seller: Party) -> Result<Settled, Breach> {
    let event = matched.event()?;
    fits(&buyer, &matched.buyer, &Asset::cash())?;
    let shares = Asset::shares(&event.symbol).map_err(Breach::Unreadable)?;
    fits(&seller, &matched.seller, &shares)?;
    let [pays, receives, delivers, earns] = movements_of(&event)?;
    Ok(Settled {
        event,
        buyer: buyer.settled([pays, receives])?,
        seller: seller.settled([delivers, earns])?,
    })
}

/// Whether a lock is one this side can be settled from.
fn fits(party: &Party, side: &MatchSide, asset: &Asset) -> Result<(), Breach> {
    let lock = &party.lock;
    let why = if lock.user_id != side.user_id || party.account.user_id != side.user_id {
        "it belongs to another user"
    } else if lock.lock_id != side.order_id || lock.purpose != Purpose::Order {
        "it is not of this order"
    } else if lock.asset != *asset {
        "it holds something else"
    } else if lock.phase == Phase::Closed {
        "it is over"
    } else {
        return Ok(());
    };
    Err(Breach::LockMisfit {
        lock_id: lock.lock_id.clone(),
        why,
    })
}

// === impl Party ===

impl Party {
    fn settled(self, movements: [Movement; 2]) -> Result<SideSettled, Breach> {
        let Party {
            mut account,
            mut lock,
        } = self;
        for movement in movements {
            account = account.moved(&movement)?;
            if let Some(step) = movement.lock {
                lock = lock.after(step.step)?;
            }
        }
        let Some((ended, ending)) = end_if_due(&account, &lock)? else {
            let party = Party { account, lock };
            return Ok(SideSettled {
                party,
                released: None,
            });
        };
        let (account, released) = match ended.released {
            None => (account, None),
            Some((account, event)) => (account, Some((event, ending))),
        };
        let party = Party {
            account,
            lock: ended.lock,
        };
        Ok(SideSettled { party, released })
    }
}
