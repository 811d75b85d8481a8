//! How amounts are written into rows: as whole ten-thousandths.

use outcry_events::Amount;
use serde::{Deserialize, Deserializer, Serializer, de};

pub(super) fn serialize<S: Serializer>(amount: &Amount, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_i64(amount.raw())
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Amount, D::Error> {
    Amount::from_raw(i64::deserialize(from)?).map_err(de::Error::custom)
}
