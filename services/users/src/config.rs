//! What can be set.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Settings of the service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Folder of the key that access tokens are signed with. Made at the first start, for the
    /// owner's eyes only. Processes that share a store may share it or have one each. Removing the
    /// key in it, or putting another one in its place, makes a new one take over within seconds;
    /// tokens signed before count until they expire.
    pub keys_dir: PathBuf,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            keys_dir: PathBuf::from("keys"),
        }
    }
}
