//! What can be ordered and by which rules, as the venue says.
//!
//! The venue judges every order itself. It is asked for its rules so that an order it would refuse
//! is refused before anything is locked; rules that may have changed meanwhile refuse nobody.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use outcry_contracts::trades::v1::{Instrument, ListInstrumentsRequest};
use outcry_events::{Amount, Cause};
use outcry_service::Context;
use tonic::Status;
use tracing::warn;

use crate::custody::outgoing;
use crate::venue;

/// How long rules are used without asking again: the venue changes them when it restarts.
const KEPT: Duration = Duration::from_secs(60);

/// The rules of one symbol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The symbol.
    pub symbol: String,
    /// Prices are multiples of this.
    pub tick: Amount,
    /// Quantities are multiples of this, in shares.
    pub lot: i64,
    /// How far from the reference price a limit may be, in basis points of it; none without a band.
    pub band_bps: Option<u32>,
    /// The last price, or what the symbol was listed at.
    pub reference: Option<Amount>,
    /// What one order may be worth at its limit or collar.
    pub max_value: Option<Amount>,
    /// Shares of one order.
    pub max_quantity: Option<i64>,
}

/// The rules of a symbol, if it can be traded, and whether the venue has said so just now.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) rules: Option<Rules>,
    pub(crate) is_fresh: bool,
}

/// All rules, as the venue last said them.
pub(crate) struct Instruments {
    known: Mutex<Option<Known>>,
}

#[derive(Clone)]
struct Known {
    at: SystemTime,
    rules: Arc<BTreeMap<String, Rules>>,
}

// === impl Rules ===

impl Rules {
    /// The rules in a message; what it leaves out restricts nothing.
    pub fn of(instrument: &Instrument) -> Self {
        let positive = |money: Option<&_>| {
            let amount = Amount::from_required(money).ok();
            amount.filter(|amount| amount.is_positive())
        };
        Self {
            symbol: instrument.symbol.clone(),
            tick: positive(instrument.tick.as_ref()).unwrap_or_else(smallest),
            lot: instrument.lot.max(1),
            band_bps: Some(instrument.band_bps).filter(|bps| *bps > 0),
            reference: positive(instrument.reference_price.as_ref()),
            max_value: positive(instrument.max_order_value.as_ref()),
            max_quantity: Some(instrument.max_order_quantity).filter(|most| *most > 0),
        }
    }
}

/// The smallest price there is.
fn smallest() -> Amount {
    // One ten-thousandth is in range.
    Amount::from_raw(1).unwrap_or_default()
}

// === impl Instruments ===

impl Instruments {
    pub(crate) fn new() -> Self {
        Self {
            known: Mutex::new(None),
        }
    }

    /// The rules of a symbol. A symbol that is not known is asked for before it is said to be none.
    ///
    /// # Errors
    /// The venue does not answer, and has not before.
    pub(crate) async fn find(
        &self,
        ctx: &Context,
        cause: &Cause,
        symbol: &str,
    ) -> Result<Found, Status> {
        let known = self.known();
        let now = ctx.clock.now();
        let kept = known.as_ref().filter(|known| {
            let age = now.duration_since(known.at).unwrap_or_default();
            age < KEPT && known.rules.contains_key(symbol)
        });
        if let Some(kept) = kept {
            return Ok(kept.find(symbol, false));
        }
        match (self.ask(ctx, cause).await, known) {
            (Ok(fresh), _) => Ok(fresh.find(symbol, true)),
            (Err(status), Some(known)) => {
                warn!(code = ?status.code(), "the venue does not say its rules; earlier ones are used");
                Ok(known.find(symbol, false))
            }
            (Err(status), None) => Err(status),
        }
    }

    /// The rules as the venue says them now.
    ///
    /// # Errors
    /// The venue does not answer.
    pub(crate) async fn find_fresh(
        &self,
        ctx: &Context,
        cause: &Cause,
        symbol: &str,
    ) -> Result<Found, Status> {
        Ok(self.ask(ctx, cause).await?.find(symbol, true))
    }

    async fn ask(&self, ctx: &Context, cause: &Cause) -> Result<Known, Status> {
        let at = ctx.clock.now();
        let answer = venue::client(ctx)
            .list_instruments(outgoing(ListInstrumentsRequest {}, cause))
            .await?
            .into_inner();
        let rules = answer.instruments.iter().map(|instrument| {
            let rules = Rules::of(instrument);
            (rules.symbol.clone(), rules)
        });
        let known = Known {
            at,
            rules: Arc::new(rules.collect()),
        };
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(known.clone());
        Ok(known)
    }

    fn known(&self) -> Option<Known> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.clone()
    }
}

// === impl Known ===

impl Known {
    fn find(&self, symbol: &str, is_fresh: bool) -> Found {
        Found {
            rules: self.rules.get(symbol).cloned(),
            is_fresh,
        }
    }
}
