//! One hash per contract file: whether two programs were built from the same schema.

use std::collections::BTreeMap;

use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, FileDescriptor};
use sha2::{Digest as _, Sha256};

/// Message that describes a file.
const FILE: &str = "google.protobuf.FileDescriptorProto";
/// Its field with comments and positions, which say nothing about the schema.
const SOURCE_INFO: &str = "source_code_info";

/// Fingerprints of a pool's files.
pub struct Fingerprints {
    /// Each file's bytes without source info, by name.
    files: BTreeMap<String, Vec<u8>>,
}

// === impl Fingerprints ===

impl Fingerprints {
    /// Of all files.
    pub fn read(pool: &DescriptorPool) -> Fingerprints {
        let files = pool
            .files()
            .map(|file| (file.name().to_owned(), bare(pool, &file)));
        Fingerprints {
            files: files.collect(),
        }
    }

    /// SHA-256, in hexadecimal, of the file and everything it imports, directly or not: of a
    /// `google.protobuf.FileDescriptorSet` with these files sorted by name, each without
    /// source info. Options and rules count, comments do not.
    pub fn of(&self, file: &FileDescriptor) -> String {
        let mut closure = BTreeMap::new();
        self.collect(file, &mut closure);
        let set = FileSet {
            file: closure.into_values().map(<[u8]>::to_vec).collect(),
        };
        let hash = Sha256::digest(set.encode_to_vec());
        hash.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn collect<'a>(&'a self, file: &FileDescriptor, closure: &mut BTreeMap<String, &'a [u8]>) {
        let Some(bytes) = self.files.get(file.name()) else {
            return;
        };
        if closure.insert(file.name().to_owned(), bytes).is_none() {
            for import in file.dependencies() {
                self.collect(&import, closure);
            }
        }
    }
}

/// A `google.protobuf.FileDescriptorSet` of files that are encoded already.
#[derive(Clone, PartialEq, prost::Message)]
struct FileSet {
    #[prost(bytes = "vec", repeated, tag = "1")]
    file: Vec<Vec<u8>>,
}

/// A file's bytes without source info, custom options included.
fn bare(pool: &DescriptorPool, file: &FileDescriptor) -> Vec<u8> {
    let encoded = file.encode_to_vec();
    let stripped = pool.get_message_by_name(FILE).and_then(|description| {
        let mut message = DynamicMessage::decode(description, encoded.as_slice()).ok()?;
        message.clear_field_by_name(SOURCE_INFO);
        Some(message.encode_to_vec())
    });
    // A contract always holds the description of descriptors, because its options extend it.
    stripped.unwrap_or(encoded)
}

#[cfg(test)]
mod tests {
    use prost_types::source_code_info::Location;

    use super::*;
    use crate::descriptors;

    #[test]
    fn comments_do_not_change_the_fingerprint_but_options_do() {
        let name = "outcry/events/v1/envelope.proto";
        let fingerprint = |pool: &DescriptorPool| {
            let file = pool.get_file_by_name(name).expect("the envelope");
            Fingerprints::read(pool).of(&file)
        };
        let original = fingerprint(descriptors::pool());

        let edited = |edit: fn(&mut prost_types::FileDescriptorProto)| {
            let mut set =
                prost_types::FileDescriptorSet::decode(outcry_contracts::FILE_DESCRIPTOR_SET)
                    .expect("descriptors");
            set.file
                .iter_mut()
                .filter(|file| file.name() == name)
                .for_each(edit);
            DescriptorPool::from_file_descriptor_set(set).expect("pool")
        };
        // Prost's own types have dropped every custom option.
        let without_options = fingerprint(&edited(|_| {}));
        assert_ne!(original, without_options);

        let commented = fingerprint(&edited(|file| {
            let info = file.source_code_info.get_or_insert_default();
            info.location.push(Location {
                leading_comments: Some("A new remark.".to_owned()),
                path: vec![4, 0],
                span: vec![1, 1, 1],
                ..Location::default()
            });
        }));
        assert_eq!(commented, without_options);
    }

    #[test]
    fn fingerprints_are_hexadecimal_and_differ_between_files() {
        let pool = descriptors::pool();
        let fingerprints = Fingerprints::read(pool);
        let of = |name: &str| fingerprints.of(&pool.get_file_by_name(name).expect("a file"));
        let envelope = of("outcry/events/v1/envelope.proto");
        assert_eq!(envelope.len(), 64);
        assert!(envelope.bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert_eq!(envelope, of("outcry/events/v1/envelope.proto"));
        assert_ne!(envelope, of("outcry/types/v1/money.proto"));
    }
}
