//! The order book alone: scenarios, and random commands against a slow and obvious matcher.

mod properties;
mod recorded;
mod reference;
mod scenario;
mod stories;
