//! What the venue trades, when, and what it charges.

use std::collections::HashSet;

use outcry_events::Amount;
use outcry_events::money::CURRENCY;
use serde::{Deserialize, Serialize};

use crate::book::{FeeSchedule, Rules};
use crate::calendar::{Calendar, CalendarError, Schedule};
use crate::desk::STEP_MAX;
use crate::session::SessionEnd;

/// Basis points in one: no fee and no band is wider.
const BASIS_POINTS: u32 = 10_000;

/// Most shares of one order, as the contract has it.
const ORDER_QUANTITY_MAX: i64 = 1_000_000_000;

/// Longest symbol, in characters.
const SYMBOL_MAX: usize = 12;

/// Configuration of the trades service.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// When a session ends and day orders expire, UTC, `HH:MM:SS`; where the calendar has trading
    /// hours, their end counts instead.
    pub session_end: SessionEnd,
    /// When the venue trades.
    pub calendar: Calendar,
    /// What the venue charges.
    pub fees: Fees,
    /// What can be traded.
    pub instruments: Vec<Instrument>,
}

/// What the venue charges, in basis points of price × quantity.
///
/// A fee is charged on what an order has traded in all, rounded up to the ten-thousandth once, so
/// it does not depend on how many fills there were. New rates hold for the fills that come after
/// them. Whoever reserves money for orders does so at the rates of the day they come in: rates are
/// raised only when no buy order rests.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Fees {
    /// For the order that was resting.
    pub maker_bps: u32,
    /// For the order that came in.
    pub taker_bps: u32,
}

/// One symbol and its rules.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Instrument {
    /// Symbol, for example `AAPL`.
    pub symbol: String,
    /// Name for people.
    pub name: String,
    /// Currency it trades in (ISO 4217).
    #[serde(default = "currency")]
    pub currency: String,
    /// Prices are multiples of this.
    #[serde(default = "tick")]
    pub tick: Amount,
    /// Quantities are multiples of this, in shares.
    #[serde(default = "lot")]
    pub lot: i64,
    /// How far from the last price an order may be, in basis points of it; no limit if left out.
    #[serde(default)]
    pub band_bps: Option<u32>,
    /// What the band is measured from before the first match; no limit until then if left out.
    #[serde(default)]
    pub listing_price: Option<Amount>,
    /// What one order may be worth at its limit.
    #[serde(default = "max_order_value")]
    pub max_order_value: Amount,
    /// How many shares one order may have.
    #[serde(default = "max_order_quantity")]
    pub max_order_quantity: i64,
}

/// A configuration the venue cannot run with.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Nothing to trade.
    #[error("no instrument is configured")]
    NoInstruments,
    /// The same symbol twice.
    #[error("instrument {0} is configured twice")]
    Twice(String),
    /// Something about one instrument.
    #[error("instrument {symbol}: {what}")]
    Instrument {
        /// Which one.
        symbol: String,
        /// What is wrong.
        what: &'static str,
    },
    /// A calendar the venue cannot trade by.
    #[error("calendar: {0}")]
    Calendar(#[from] CalendarError),
    /// A fee above the traded value.
    #[error("fees are at most {BASIS_POINTS} basis points")]
    Fee,
}

fn currency() -> String {
    CURRENCY.to_owned()
}

/// One cent.
fn tick() -> Amount {
    match Amount::from_raw(100) {
        Ok(cent) => cent,
        Err(_) => Amount::ZERO,
    }
}

fn lot() -> i64 {
    1
}

fn max_order_value() -> Amount {
    Amount::from_units(10_000_000)
}

/// What an order may have as the contract has it.
fn max_order_quantity() -> i64 {
    ORDER_QUANTITY_MAX
}

// === impl Config ===

impl Default for Config {
    fn default() -> Config {
        let instrument = |(symbol, name): (&str, &str)| Instrument {
            symbol: symbol.to_owned(),
            name: name.to_owned(),
            currency: currency(),
            tick: tick(),
            lot: lot(),
            band_bps: None,
            listing_price: None,
            max_order_value: max_order_value(),
            max_order_quantity: max_order_quantity(),
        };
        let instruments = [
            ("AAPL", "Apple Inc."),
            ("AMZN", "Amazon.com, Inc."),
            ("GOOG", "Alphabet Inc."),
            ("MSFT", "Microsoft Corporation"),
            ("TSLA", "Tesla, Inc."),
        ];
        Config {
            session_end: SessionEnd::default(),
            calendar: Calendar::default(),
            fees: Fees::default(),
            instruments: instruments.map(instrument).into(),
        }
    }
}

impl Default for Fees {
    fn default() -> Fees {
        Fees {
            maker_bps: 5,
            taker_bps: 10,
        }
    }
}

impl Config {
    /// When the venue trades and its days end.
    pub(crate) fn schedule(&self) -> Schedule {
        Schedule {
            calendar: self.calendar.clone(),
            session_end: self.session_end,
        }
    }

    /// Whether a symbol can be traded.
    pub(crate) fn lists(&self, symbol: &str) -> bool {
        self.instruments.iter().any(|one| one.symbol == symbol)
    }

    /// Whether the venue can run with this.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.instruments.is_empty() {
            return Err(ConfigError::NoInstruments);
        }
        if self.fees.maker_bps.max(self.fees.taker_bps) > BASIS_POINTS {
            return Err(ConfigError::Fee);
        }
        self.calendar.check()?;
        let mut seen = HashSet::new();
        for instrument in &self.instruments {
            instrument.check()?;
            if !seen.insert(&instrument.symbol) {
                return Err(ConfigError::Twice(instrument.symbol.clone()));
            }
        }
        Ok(())
    }
}

// === impl Instrument ===

impl Instrument {
    fn check(&self) -> Result<(), ConfigError> {
        let wrong = |what| {
            let symbol = self.symbol.clone();
            Err(ConfigError::Instrument { symbol, what })
        };
        if !is_symbol(&self.symbol) {
            return wrong(
                "a symbol is up to 12 capitals, digits and dots, beginning with a capital",
            );
        }
        if self.currency != CURRENCY {
            return wrong("the currency must be USD");
        }
        if !self.tick.is_positive() || self.lot <= 0 || !self.max_order_value.is_positive() {
            return wrong("tick, lot and max_order_value must be positive");
        }
        if !(1..=ORDER_QUANTITY_MAX).contains(&self.max_order_quantity) {
            return wrong("max_order_quantity must be between 1 and 1000000000");
        }
        if self.listing_price.is_some_and(|price| !price.is_positive()) {
            return wrong("listing_price must be positive");
        }
        if self
            .band_bps
            .is_some_and(|bps| bps == 0 || bps > BASIS_POINTS)
        {
            return wrong("band_bps must be between 1 and 10000");
        }
        Ok(())
    }

    /// The rules of this instrument's book.
    pub(crate) fn rules(&self, fees: Fees) -> Rules {
        Rules {
            tick: self.tick.raw(),
            lot: self.lot,
            band_bps: self.band_bps,
            listing_price: self.listing_price.map(Amount::raw),
            max_order_value: self.max_order_value.raw(),
            max_order_quantity: self.max_order_quantity,
            fees: FeeSchedule {
                maker_bps: fees.maker_bps,
                taker_bps: fees.taker_bps,
            },
            step: STEP_MAX,
        }
    }
}

fn is_symbol(text: &str) -> bool {
    text.len() <= SYMBOL_MAX
        && text.starts_with(|first: char| first.is_ascii_uppercase())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_configuration_can_run() {
        Config::default().check().unwrap();
    }

    #[test]
    fn amounts_are_text_and_unknown_keys_are_errors() {
        let good = r#"{"symbol":"ACME","name":"Acme","tick":"0.05","band_bps":500}"#;
        let instrument: Instrument = serde_json::from_str(good).unwrap();
        assert_eq!(instrument.rules(Fees::default()).tick, 500);
        assert_eq!(instrument.lot, 1);
        for bad in [
            r#"{"symbol":"ACME","name":"Acme","tick":0.05}"#,
            r#"{"symbol":"ACME","name":"Acme","tack":"0.05"}"#,
        ] {
            assert!(serde_json::from_str::<Instrument>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_cannot_work_is_said_at_the_start() {
        let broken = |change: fn(&mut Config)| {
            let mut config = Config::default();
            change(&mut config);
            config.check().unwrap_err().to_string()
        };
        assert_eq!(
            broken(|c| c.instruments.clear()),
            "no instrument is configured"
        );
        assert_eq!(
            broken(|c| c.instruments[1].symbol = "AAPL".into()),
            "instrument AAPL is configured twice"
        );
        assert!(broken(|c| c.instruments[0].symbol = "apple".into()).contains("a symbol is"));
        assert!(broken(|c| c.instruments[0].tick = Amount::ZERO).contains("must be positive"));
        assert!(broken(|c| c.fees.taker_bps = 10_001).contains("10000"));
    }
}
