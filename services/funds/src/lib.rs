//! The funds service: custody of cash and shares.

pub mod domain;
