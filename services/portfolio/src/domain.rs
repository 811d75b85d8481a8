//! Lots, profit and what each event does to them.

mod facts;
mod holding;
mod ten_thousandths;

pub use self::facts::{FactError, Moved, movements, price};
pub use self::holding::{Holding, Lot, MoveError, Movement, Position, Price};

#[cfg(test)]
mod tests;
