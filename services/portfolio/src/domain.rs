//! Portfolios, lots, profit and what each event does to them.

mod facts;
mod holding;
mod lot;
mod movement;
mod portfolios;
mod position;
mod sale;
mod ten_thousandths;

pub use self::facts::{FactError, Moved, movements, price};
pub use self::holding::Holding;
pub use self::lot::Lot;
pub use self::movement::{Movement, TooLarge};
pub use self::portfolios::{
    PORTFOLIOS_MAX, Portfolio, Portfolios, Rejection, main_portfolio, named_or_main,
};
pub use self::position::{Position, Price, Sums};
pub use self::sale::{Sale, Take};

#[cfg(test)]
mod tests;
