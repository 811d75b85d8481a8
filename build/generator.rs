//! From checked descriptors to Rust source: everything `build.rs` writes besides
//! what prost and tonic generate themselves.
//!
//! Separate from the build script's input and output so that tests can hand it
//! small contracts and see what it refuses.

mod contract;
mod facts;
mod naming;
mod numbers;
mod redaction;
mod rules;
mod validators;
mod versions;

use prost_reflect::{DescriptorPool, MessageDescriptor};

/// Everything that is wrong with a contract, one sentence each.
pub type Refusals = Vec<String>;

/// Rust source for one contract.
pub struct Generated {
    /// `Event` implementations and the table of events.
    pub events: String,
    /// The table of methods.
    pub methods: String,
    /// `Validate` implementations.
    pub validators: String,
    /// `Debug` implementations that hide personal fields.
    pub redaction: String,
    /// Full names of the messages whose `Debug` is in `redaction`.
    pub redacted: Vec<String>,
}

/// Generates the Rust source for the packages under `scope` (`outcry` for all of ours),
/// or says everything that is wrong with them.
pub fn generate(pool: &DescriptorPool, scope: &str) -> Result<Generated, Refusals> {
    let mut refusals = Refusals::new();
    let messages = messages_in(pool, scope);
    naming::check(pool, &messages, &mut refusals);
    let contract = contract::read(pool, scope, &messages, &mut refusals);
    let redacted = redaction::read(pool, &messages, &mut refusals);
    let validators = validators::write(&messages, &mut refusals);
    if !refusals.is_empty() {
        return Err(refusals);
    }
    Ok(Generated {
        events: facts::write_events(&contract.events),
        methods: facts::write_methods(&contract.methods),
        validators,
        redaction: redaction::write(&redacted),
        redacted: redacted
            .iter()
            .map(|m| m.message.full_name().to_owned())
            .collect(),
    })
}

/// The messages of a scope, sorted by name; map entries are not messages of their own.
fn messages_in(pool: &DescriptorPool, scope: &str) -> Vec<MessageDescriptor> {
    let mut messages: Vec<_> = pool
        .all_messages()
        .filter(|message| {
            naming::is_within(message.package_name(), scope) && !message.is_map_entry()
        })
        .collect();
    messages.sort_by(|a, b| a.full_name().cmp(b.full_name()));
    messages
}
