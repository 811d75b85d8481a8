//! The trades service: the venue, its books and every trade.

pub mod book;
