//! Every file that is exported, by name.

use outcry_contracts::{FILE_DESCRIPTOR_SET, SOURCES};
use outcry_events::catalog::catalog;

/// One file of an export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its place below the folder, `proto/outcry/orders/v1/events.proto`.
    pub path: String,
    /// What is in it.
    pub bytes: Vec<u8>,
}

/// The contract of this version of the platform.
///
/// # Errors
/// The catalog cannot be written as JSON.
pub fn files() -> Result<Vec<File>, serde_json::Error> {
    let mut files = vec![
        file("outcry.binpb", FILE_DESCRIPTOR_SET),
        file("catalog.json", &serde_json::to_vec_pretty(catalog())?),
    ];
    let sources = SOURCES.iter();
    files.extend(sources.map(|(name, text)| file(&format!("proto/{name}"), text.as_bytes())));
    Ok(files)
}

fn file(path: &str, bytes: &[u8]) -> File {
    File {
        path: path.to_owned(),
        bytes: bytes.to_vec(),
    }
}
