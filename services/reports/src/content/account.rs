//! What the events of one account add up to: who has it, what it holds, what came and went.

use std::collections::BTreeMap;

use outcry_contracts::orders::v1::Side;
use outcry_contracts::users::v1::{UserCreatedEvent, UserUpdatedEvent};
use outcry_events::SealedEvent;
use outcry_events::money::Amount;
use uuid::Uuid;

use super::Unmade;
use super::lots::{Lot, Matched, Sale, Step, matched};
use super::movement::{Asset, Kind, Movement};

/// An account. Sums do not depend on the order in which events are added.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    holder: Option<(Place, String)>,
    /// What is held at the end. Cash is not always there.
    holdings: BTreeMap<Asset, Holding>,
    /// What changed how much there is: everything but what was only set aside or went back.
    booked: Vec<Booked>,
}

/// Where an event stands: when it occurred, its id, place within it.
pub type Place = (i64, Uuid, usize);

/// What can be used and what is set aside of one asset, in its unit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Holding {
    /// What can be used.
    pub available: i64,
    /// What is set aside.
    pub locked: i64,
}

/// A movement with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Booked {
    /// Its place.
    pub place: Place,
    /// What it is.
    pub movement: Movement,
}

// === impl Account ===

impl Account {
    /// Adds what an event tells of who has the account.
    ///
    /// # Errors
    /// The event cannot be read.
    pub(super) fn name(&mut self, event: &SealedEvent, at_ns: i64) -> Result<(), Unmade> {
        let name = if event.is::<UserCreatedEvent>() {
            event.payload::<UserCreatedEvent>()?.display_name
        } else if event.is::<UserUpdatedEvent>() {
            event.payload::<UserUpdatedEvent>()?.display_name
        } else {
            return Ok(());
        };
        let place = (at_ns, event.id(), 0);
        if !name.is_empty() && self.holder.as_ref().is_none_or(|(last, _)| *last < place) {
            self.holder = Some((place, name));
        }
        Ok(())
    }

    /// Adds a movement.
    ///
    /// # Errors
    /// [`Unmade::TooLarge`].
    pub(super) fn add(&mut self, place: Place, movement: Movement) -> Result<(), Unmade> {
        for change in &movement.changes {
            let holding = self.holdings.entry(change.asset.clone()).or_default();
            holding.available = sum(holding.available, change.available)?;
            holding.locked = sum(holding.locked, change.locked)?;
        }
        if movement.kind != Kind::Lock {
            self.booked.push(Booked { place, movement });
        }
        Ok(())
    }

    /// Puts what was booked in order of occurrence.
    pub(super) fn sorted(mut self) -> Account {
        self.booked.sort_by_key(|booked| booked.place);
        self
    }

    /// The name of who has it.
    pub(super) fn holder(&self) -> Option<&str> {
        self.holder.as_ref().map(|(_, name)| name.as_str())
    }

    /// What was booked.
    pub(super) fn booked(&self) -> &[Booked] {
        &self.booked
    }

    /// What is held of an asset.
    pub(super) fn holding(&self, asset: &Asset) -> Holding {
        self.holdings.get(asset).copied().unwrap_or_default()
    }

    /// Symbols there were ever shares of.
    pub(super) fn symbols(&self) -> impl Iterator<Item = &String> {
        self.holdings.keys().filter_map(|asset| match asset {
            Asset::Cash => None,
            Asset::Shares(symbol) => Some(symbol),
        })
    }

    /// The shares of all symbols, matched.
    ///
    /// # Errors
    /// [`Unmade::TooLarge`].
    pub(super) fn lots(&self) -> Result<BTreeMap<String, Matched>, Unmade> {
        let mut steps: BTreeMap<String, Vec<Step>> = BTreeMap::new();
        for booked in &self.booked {
            for (symbol, step) in booked.steps()? {
                steps.entry(symbol).or_default().push(step);
            }
        }
        let matching = |(symbol, steps)| Ok((symbol, matched(steps)?));
        steps.into_iter().map(matching).collect()
    }
}

// === impl Booked ===

impl Booked {
    /// What it does to shares.
    fn steps(&self) -> Result<Vec<(String, Step)>, Unmade> {
        let (at_ns, event_id, _) = self.place;
        let lot = |reference: &str, portfolio: &str, acquired, full_cost| {
            Step::In(Lot {
                opened_by: event_id,
                at_ns,
                reference: reference.to_owned(),
                portfolio: portfolio.to_owned(),
                acquired,
                full_cost,
                left: acquired,
            })
        };
        let mut steps = Vec::new();
        match &self.movement.kind {
            Kind::Fill(fill) => {
                let step = if fill.side == Side::Sell {
                    Step::Out(Sale {
                        event_id,
                        at_ns,
                        reference: fill.match_id.clone(),
                        portfolio: fill.portfolio.clone(),
                        quantity: fill.quantity,
                        received: fill.notional,
                        fee: fill.fee,
                        of_lot: None,
                    })
                } else {
                    let cost = fill.notional.checked_add(fill.fee);
                    let cost = cost.ok_or(Unmade::TooLarge)?;
                    lot(&fill.match_id, &fill.portfolio, fill.quantity, cost)
                };
                steps.push((fill.symbol.clone(), step));
            }
            Kind::Deposit | Kind::Withdrawal(_) | Kind::Lock => {
                for change in &self.movement.changes {
                    let Asset::Shares(symbol) = &change.asset else {
                        continue;
                    };
                    let quantity = sum(change.available, change.locked)?;
                    let step = if let Kind::Withdrawal(of_lot) = self.movement.kind {
                        Step::Out(Sale {
                            event_id,
                            at_ns,
                            reference: self.movement.reference.clone(),
                            portfolio: String::new(),
                            quantity: -quantity,
                            received: Amount::ZERO,
                            fee: Amount::ZERO,
                            of_lot,
                        })
                    } else {
                        // Shares that are issued cost their holder nothing.
                        lot(&self.movement.reference, "", quantity, Amount::ZERO)
                    };
                    steps.push((symbol.clone(), step));
                }
            }
        }
        Ok(steps)
    }
}

fn sum(one: i64, other: i64) -> Result<i64, Unmade> {
    one.checked_add(other).ok_or(Unmade::TooLarge)
}
