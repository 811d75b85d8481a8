//! Rows as they will be.

use std::collections::HashMap;

use crate::commit::Commit;
use crate::error::StoreError;
use crate::store::Store;
use crate::view::{Change, ViewRow};

/// The rows of a store as they will be once some commits are applied, one behind the other, that are not yet. For
/// who decides on many things before the first of them is written.
pub struct Ahead<'a> {
    store: &'a dyn Store,
    /// What the commits leave of each row they write, by view and key.
    rows: HashMap<(&'static str, String), Left>,
}

/// Body and version of a row; none of a deleted one.
type Left = Option<(Vec<u8>, u64)>;

// === impl Ahead ===

impl<'a> Ahead<'a> {
    /// The rows as they are.
    pub fn of(store: &'a dyn Store) -> Self {
        Self {
            store,
            rows: HashMap::new(),
        }
    }

    /// The store, which knows nothing of those commits.
    pub fn store(&self) -> &'a dyn Store {
        self.store
    }

    /// The row of a view under `key`, as [`Store::view`] will say. Its cursor is not known.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn view(&self, view: &'static str, key: &str) -> Result<Option<ViewRow>, StoreError> {
        match self.rows.get(&(view, key.to_owned())) {
            Some(row) => Ok(row.as_ref().map(|(body, version)| ViewRow {
                key: key.to_owned(),
                body: body.clone(),
                version: *version,
                cursor: String::new(),
            })),
            None => self.store.view(view, key).await,
        }
    }

    /// Adds a commit that is applied behind those before.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn apply(&mut self, commit: &Commit) -> Result<(), StoreError> {
        for write in &commit.views {
            let before = self.view(write.view, &write.key).await?;
            let after = match &write.change {
                Change::Put { body, .. } => {
                    let version = before.map_or(0, |row| row.version) + 1;
                    Some((body.clone(), version))
                }
                Change::Delete => None,
            };
            self.rows.insert((write.view, write.key.clone()), after);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use outcry_sqlite::Database;

    use super::*;
    use crate::{SqliteStore, ViewWrite};

    fn writing(writes: impl IntoIterator<Item = ViewWrite>) -> Commit {
        Commit {
            views: writes.into_iter().collect(),
            ..Commit::default()
        }
    }

    fn put(key: &str, number: u32) -> ViewWrite {
        ViewWrite::put("numbers", key, &number).unwrap()
    }

    #[tokio::test]
    async fn rows_are_ahead_of_the_store_what_it_says_once_the_commits_are_applied() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(&folder.path().join("outcry.db")).unwrap();
        let store = SqliteStore::open(&database, "orders").await.unwrap();
        let there = writing([put("a", 1), put("b", 1), put("c", 1)]);
        store.commit(there).await.unwrap();
        let commits = [
            writing([put("a", 2), ViewWrite::delete("numbers", "b"), put("d", 1)]),
            writing([put("a", 3), put("b", 2)]),
            writing([ViewWrite::delete("numbers", "d")]),
        ];
        let mut ahead = Ahead::of(&store);
        for commit in &commits {
            ahead.apply(commit).await.unwrap();
        }
        let seen = |row: Option<ViewRow>| row.map(|row| (row.body, row.version));
        let mut expected = Vec::new();
        for key in ["a", "b", "c", "d", "e"] {
            expected.push(seen(ahead.view("numbers", key).await.unwrap()));
        }
        assert_eq!(expected[0], Some((b"3".to_vec(), 3)));
        for commit in commits {
            store.commit(commit).await.unwrap();
        }
        for (key, expected) in ["a", "b", "c", "d", "e"].iter().zip(expected) {
            let row = store.view("numbers", key).await.unwrap();
            assert_eq!(seen(row), expected, "{key}");
        }
    }
}
