//! People on a running platform: registering, signing in, and what ends a session.

#![expect(clippy::unwrap_used, reason = "a story that cannot go on fails there")]

mod administrators;
mod house;
mod keys;
mod passwords;
mod profiles;
mod registering;
mod sessions;
