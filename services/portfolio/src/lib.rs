//! The portfolio service.
