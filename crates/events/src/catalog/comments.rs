//! Comments of the `.proto` files.

use std::collections::HashMap;

use prost_reflect::DescriptorPool;

/// Comments by file and by the place they belong to there.
pub struct Comments {
    by_place: HashMap<String, HashMap<Vec<i32>, String>>,
}

// === impl Comments ===

impl Comments {
    /// Of all files.
    pub fn read(pool: &DescriptorPool) -> Comments {
        let mut by_place: HashMap<String, HashMap<Vec<i32>, String>> = HashMap::new();
        for file in pool.file_descriptor_protos() {
            let comments = by_place.entry(file.name().to_owned()).or_default();
            let locations = file.source_code_info.iter().flat_map(|info| &info.location);
            for location in locations {
                let comment = location
                    .leading_comments
                    .as_deref()
                    .or(location.trailing_comments.as_deref())
                    .map(unwrap)
                    .filter(|text| !text.is_empty());
                if let Some(comment) = comment {
                    comments.insert(location.path.clone(), comment);
                }
            }
        }
        Comments { by_place }
    }

    /// The comment at a place; empty if there is none.
    pub fn at(&self, file: &str, path: &[i32]) -> String {
        self.by_place
            .get(file)
            .and_then(|places| places.get(path))
            .cloned()
            .unwrap_or_default()
    }
}

/// The text without the line breaks that only fit it into the file; paragraphs stay apart.
fn unwrap(comment: &str) -> String {
    let mut text = String::with_capacity(comment.len());
    let mut paragraph_ended = false;
    for line in comment.lines().map(str::trim) {
        if line.is_empty() {
            paragraph_ended = !text.is_empty();
            continue;
        }
        if paragraph_ended {
            text.push_str("\n\n");
        } else if !text.is_empty() {
            text.push(' ');
        }
        paragraph_ended = false;
        text.push_str(line);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_joined_and_paragraphs_stay_apart() {
        assert_eq!(unwrap(" One\n two.\n\n Three.\n"), "One two.\n\nThree.");
        assert_eq!(unwrap("\n \n"), "");
    }
}
