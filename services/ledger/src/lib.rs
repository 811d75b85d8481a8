//! The ledger service.

pub mod domain;
