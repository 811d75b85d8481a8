//! Stories of orders: real store, broker and calls; custody and venue follow a script.

mod cancelling;
mod custody;
mod house;
mod placing;
mod reading;
mod replacing;
mod venue;
