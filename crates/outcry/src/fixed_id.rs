//! Ids that are the same whenever the same one does the same thing.

use uuid::Uuid;

/// What they are made in.
const NAMESPACE: Uuid = Uuid::from_u128(0x6f75_7463_7279_5f66_6978_6564_6964_0001);

/// The id of what somebody does.
pub fn fixed_id(who: &str, what: &str) -> String {
    Uuid::new_v5(&NAMESPACE, format!("{who}/{what}").as_bytes()).to_string()
}
