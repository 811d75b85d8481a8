//! Lots, profit and what each event does to them.

mod facts;
mod holding;
mod lot;
mod movement;
mod position;
mod ten_thousandths;

pub use self::facts::{FactError, Moved, movements, price};
pub use self::holding::Holding;
pub use self::lot::Lot;
pub use self::movement::{Movement, TooLarge};
pub use self::position::{Position, Price};

#[cfg(test)]
mod tests;
