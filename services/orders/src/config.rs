//! What can be ordered, and what is locked for it.

use std::collections::HashSet;

use outcry_events::Amount;
use serde::{Deserialize, Serialize};

/// Basis points in one.
pub(crate) const BASIS_POINTS: i64 = 10_000;

/// Configuration of the orders service. Instruments and fees are those of the venue.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// What the venue charges: the larger rate is locked for.
    pub fees: Fees,
    /// How far from the best price a market order may be filled, in basis points of that price.
    pub market_collar_bps: u32,
    /// What can be ordered.
    pub instruments: Vec<Instrument>,
}

/// What the venue charges, in basis points of price × quantity.
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
    /// Prices are multiples of this.
    #[serde(default = "tick")]
    pub tick: Amount,
    /// Quantities are multiples of this, in shares.
    #[serde(default = "lot")]
    pub lot: i64,
    /// What one order may be worth at its limit or collar.
    #[serde(default = "max_order_value")]
    pub max_order_value: Amount,
}

/// A configuration no order can be checked with.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The same symbol twice.
    #[error("instrument {0} is configured twice")]
    Twice(String),
    /// Something about one instrument.
    #[error("instrument {0}: tick, lot and max_order_value must be positive")]
    NotPositive(String),
    /// A fee above the traded value.
    #[error("fees are at most {BASIS_POINTS} basis points")]
    Fee,
    /// A collar that lets a market order through at any price.
    #[error("market_collar_bps must be between 1 and {BASIS_POINTS}")]
    Collar,
}

/// One cent.
fn tick() -> Amount {
    // A hundred ten-thousandths are in range.
    Amount::from_raw(100).unwrap_or_default()
}

fn lot() -> i64 {
    1
}

fn max_order_value() -> Amount {
    Amount::from_units(10_000_000)
}

// === impl Config ===

impl Default for Config {
    fn default() -> Self {
        let instruments = [
            ("AAPL", "Apple Inc."),
            ("AMZN", "Amazon.com, Inc."),
            ("GOOG", "Alphabet Inc."),
            ("MSFT", "Microsoft Corporation"),
            ("TSLA", "Tesla, Inc."),
        ];
        Self {
            fees: Fees::default(),
            market_collar_bps: 500,
            instruments: instruments
                .map(|(symbol, name)| Instrument {
                    symbol: symbol.to_owned(),
                    name: name.to_owned(),
                    tick: tick(),
                    lot: lot(),
                    max_order_value: max_order_value(),
                })
                .into(),
        }
    }
}

impl Default for Fees {
    fn default() -> Self {
        Self {
            maker_bps: 5,
            taker_bps: 10,
        }
    }
}

impl Config {
    /// Whether orders can be checked with this.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.max_fee_bps() > BASIS_POINTS {
            return Err(ConfigError::Fee);
        }
        if self.market_collar_bps == 0 || i64::from(self.market_collar_bps) > BASIS_POINTS {
            return Err(ConfigError::Collar);
        }
        let mut seen = HashSet::new();
        for instrument in &self.instruments {
            let symbol = &instrument.symbol;
            let positive = instrument.tick.is_positive()
                && instrument.lot > 0
                && instrument.max_order_value.is_positive();
            if !positive {
                return Err(ConfigError::NotPositive(symbol.clone()));
            }
            if !seen.insert(symbol) {
                return Err(ConfigError::Twice(symbol.clone()));
            }
        }
        Ok(())
    }

    /// The rules of a symbol; none when it cannot be ordered.
    pub fn instrument(&self, symbol: &str) -> Option<&Instrument> {
        self.instruments
            .iter()
            .find(|instrument| instrument.symbol == symbol)
    }

    /// The larger of the two fee rates: an order may be maker in one fill and taker in the next.
    pub(crate) fn max_fee_bps(&self) -> i64 {
        i64::from(self.fees.maker_bps.max(self.fees.taker_bps))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_configuration_can_be_used() {
        Config::default().check().unwrap();
        assert!(Config::default().instrument("AAPL").is_some());
        assert!(Config::default().instrument("NOPE").is_none());
    }

    #[test]
    fn amounts_are_text_and_unknown_keys_are_errors() {
        let good = r#"{"market_collar_bps":100,"instruments":[{"symbol":"ACME","name":"Acme","tick":"0.05"}]}"#;
        let config: Config = serde_json::from_str(good).unwrap();
        assert_eq!(config.instruments[0].tick.raw(), 500);
        for bad in [
            r#"{"collar":1}"#,
            r#"{"instruments":[{"symbol":"ACME","name":"Acme","tick":0.05}]}"#,
            r#"{"instruments":[{"symbol":"ACME","name":"Acme","tack":"0.05"}]}"#,
        ] {
            assert!(serde_json::from_str::<Config>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_cannot_work_is_said_at_the_start() {
        let broken = |change: fn(&mut Config)| {
            let mut config = Config::default();
            change(&mut config);
            config.check().unwrap_err().to_string()
        };
        assert!(broken(|c| c.fees.maker_bps = 10_001).contains("10000"));
        assert!(broken(|c| c.market_collar_bps = 0).contains("market_collar_bps"));
        assert!(broken(|c| c.instruments[0].lot = 0).contains("AAPL"));
        assert!(broken(|c| c.instruments[1].symbol = "AAPL".into()).contains("twice"));
    }
}
