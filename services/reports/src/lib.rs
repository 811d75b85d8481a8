//! The reports service.
