//! Messages on a running platform, from real events of stand-ins for other services, over a real
//! mail server and real receivers of webhooks.

#![expect(clippy::unwrap_used, reason = "a story stops at the first surprise")]

mod channels;
mod deliveries;
mod emails;
mod house;
mod logs;
mod messages;
mod receiver;
mod replicas;
mod streams;
mod webhooks;
