//! Listings in pages: which rows are wanted, and where the next page begins.
//!
//! A page asks for one row more than it shows, so a full last page is known to be the last.

use outcry_contracts::types::v1::{PageInfo, PageRequest};
use outcry_store::{Scan, Store, StoreError, ViewRow};

/// Rows of a page when the caller does not say; the contract promises the number.
pub const PAGE_USUAL: usize = 50;

/// Rows of a page at most; the contract promises the number.
pub const PAGE_MAX: usize = 500;

/// Which part of a listing is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Rows shown, at least one.
    pub size: usize,
    /// Token of the last row of the page before; none for the first page.
    pub after: Option<String>,
}

// === impl Page ===

impl Page {
    /// The page a caller asks for. A size that is none counts as not given.
    pub fn of(request: Option<PageRequest>) -> Self {
        let request = request.unwrap_or_default();
        let size = match usize::try_from(request.size) {
            Ok(0) | Err(_) => PAGE_USUAL,
            Ok(size) => size.min(PAGE_MAX),
        };
        let after = Some(request.token).filter(|token| !token.is_empty());
        Self { size, after }
    }

    /// Rows to ask for: one more than wanted tells whether there is a next page.
    pub fn limit(&self) -> usize {
        self.size.saturating_add(1)
    }

    /// Takes away what was only [asked for](Self::limit) to look ahead, and tells where the next
    /// page begins: behind the last row that is left, as `token` says it.
    pub fn cut<Row>(&self, rows: &mut Vec<Row>, token: impl FnOnce(&Row) -> String) -> PageInfo {
        let more = rows.len() > self.size;
        rows.truncate(self.size);
        Self::info(rows.last().filter(|_| more).map(token))
    }

    /// Where a listing goes on; without a token it is at its end.
    pub fn info(next: Option<String>) -> PageInfo {
        PageInfo {
            next_token: next.unwrap_or_default(),
        }
    }

    /// This page of the rows of `scan`, and where the next begins.
    ///
    /// # Errors
    /// Those of [`Store::scan`].
    pub async fn read(
        self,
        store: &dyn Store,
        scan: Scan,
    ) -> Result<(Vec<ViewRow>, PageInfo), StoreError> {
        let scan = scan.limit(self.limit()).after(self.after.clone());
        let mut rows = store.scan(&scan).await?;
        let info = self.cut(&mut rows, |last| last.cursor.clone());
        Ok((rows, info))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(size: i32, token: &str) -> Page {
        Page::of(Some(PageRequest {
            size,
            token: token.to_owned(),
        }))
    }

    #[test]
    fn a_page_is_as_large_as_asked_within_its_bounds() {
        assert_eq!(Page::of(None), asked(0, ""));
        assert_eq!(asked(0, "").size, PAGE_USUAL);
        assert_eq!(asked(-1, "").size, PAGE_USUAL);
        assert_eq!(asked(2, "").size, 2);
        assert_eq!(asked(9999, "").size, PAGE_MAX);
        assert_eq!(asked(2, "").after, None);
        assert_eq!(asked(2, "7").after.as_deref(), Some("7"));
    }

    #[test]
    fn only_a_page_with_rows_behind_it_has_a_next_one() {
        let page = asked(2, "");
        for (found, shown, next) in [
            (vec![7, 8, 9], vec![7, 8], "8"),
            (vec![7, 8], vec![7, 8], ""),
            (vec![7], vec![7], ""),
            (vec![], vec![], ""),
        ] {
            let mut rows: Vec<u64> = found;
            let info = page.cut(&mut rows, u64::to_string);
            assert_eq!((rows, info.next_token.as_str()), (shown, next));
        }
    }
}
