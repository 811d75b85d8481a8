//! The funds service.
