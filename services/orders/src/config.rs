//! What is locked for orders.

use serde::{Deserialize, Serialize};

/// Basis points in one.
pub(crate) const BASIS_POINTS: i64 = 10_000;

/// Configuration of the orders service. What can be ordered, and by which rules, the venue says;
/// the fees are those it charges.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// What the venue charges: the larger rate is locked for.
    pub fees: Fees,
    /// How far from the best price a market order may be filled, and a woken stop order from its
    /// stop price, in basis points of that price.
    pub market_collar_bps: u32,
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

/// A configuration no order can be checked with.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A fee above the traded value.
    #[error("fees are at most {BASIS_POINTS} basis points")]
    Fee,
    /// A collar that lets a market order through at any price.
    #[error("market_collar_bps must be between 1 and {BASIS_POINTS}")]
    Collar,
}

// === impl Config ===

impl Default for Config {
    fn default() -> Self {
        Self {
            fees: Fees::default(),
            market_collar_bps: 500,
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
        Ok(())
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
    fn the_default_configuration_can_be_used_and_unknown_keys_are_errors() {
        Config::default().check().unwrap();
        let config: Config = serde_json::from_str(r#"{"market_collar_bps":100}"#).unwrap();
        assert_eq!(config.market_collar_bps, 100);
        assert!(serde_json::from_str::<Config>(r#"{"collar":1}"#).is_err());
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
    }
}
