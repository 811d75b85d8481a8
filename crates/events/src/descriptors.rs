//! The contract's descriptors, for code that handles messages without knowing their types.

use std::collections::HashSet;
use std::sync::LazyLock;

use outcry_contracts::FILE_DESCRIPTOR_SET;
use prost_reflect::{DescriptorPool, FieldDescriptor, MessageDescriptor};

/// Field option that marks personal data and secrets.
const PERSONAL: &str = "outcry.options.v1.personal";

/// Everything the contract declares. Decoding it takes some milliseconds, once; call this at
/// start-up where the first event should not wait for it.
#[must_use]
pub fn pool() -> &'static DescriptorPool {
    static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
        #[expect(
            clippy::expect_used,
            reason = "the build script has read the same bytes; the test below does again"
        )]
        DescriptorPool::decode(FILE_DESCRIPTOR_SET).expect("the contract's own descriptors")
    });
    &POOL
}

/// The message a type URL names, if the contract has it.
#[must_use]
pub fn message_of(type_url: &str) -> Option<MessageDescriptor> {
    let (_, full_name) = type_url.rsplit_once('/')?;
    pool().get_message_by_name(full_name)
}

/// Whether a field holds personal data or a secret.
#[must_use]
pub fn is_personal(field: &FieldDescriptor) -> bool {
    static FIELDS: LazyLock<HashSet<String>> = LazyLock::new(personal_fields);
    FIELDS.contains(field.full_name())
}

/// Full names of the fields marked as personal.
fn personal_fields() -> HashSet<String> {
    let Some(option) = pool().get_extension_by_name(PERSONAL) else {
        return HashSet::new();
    };
    pool()
        .all_messages()
        .flat_map(|message| message.fields().collect::<Vec<_>>())
        .filter(|field| field.options().get_extension(&option).as_bool() == Some(true))
        .map(|field| field.full_name().to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_descriptors_hold_the_envelope_and_the_options() {
        assert!(message_of("type.googleapis.com/outcry.events.v1.EventEnvelope").is_some());
        assert!(message_of("outcry.events.v1.EventEnvelope").is_none());
        assert!(pool().get_extension_by_name(PERSONAL).is_some());
    }
}
