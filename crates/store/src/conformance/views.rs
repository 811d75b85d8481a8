//! Read models.

use std::sync::Arc;

use super::fixtures::{commit, conflict, read, row, showing};
use crate::error::{Conflict, StoreError};
use crate::store::Store;
use crate::view::{Scan, ViewRow, ViewWrite};

fn keys(rows: &[ViewRow]) -> Vec<&str> {
    rows.iter().map(|row| row.key.as_str()).collect()
}

/// Reads a listing to its end, `limit` rows at a time.
async fn pages(store: &dyn Store, scan: Scan, limit: usize) -> Vec<String> {
    let mut scan = scan.limit(limit);
    let mut found = Vec::new();
    loop {
        let page = read(store.scan(&scan).await);
        assert!(page.len() <= limit && found.len() < 1000, "{scan:?}");
        let Some(last) = page.last() else {
            return found;
        };
        scan.after = Some(last.cursor.clone());
        found.extend(page.into_iter().map(|row| row.key));
    }
}

/// Expects the listing in one go, in pages of every size, and backwards.
async fn lists(store: &dyn Store, scan: Scan, expected: &[&str]) {
    let all = read(store.scan(&scan.clone().limit(1000)).await);
    assert_eq!(keys(&all), expected, "{scan:?}");
    let backwards: Vec<_> = expected.iter().rev().copied().collect();
    for limit in [1, 2, 3, 100] {
        assert_eq!(
            pages(store, scan.clone(), limit).await,
            expected,
            "{scan:?}"
        );
        let reverse = pages(store, scan.clone().reverse(), limit).await;
        assert_eq!(reverse, backwards, "{scan:?} backwards");
    }
}

/// A row's version counts its writes; expectations see it.
pub async fn rows_have_versions(make: &impl AsyncFn(&str) -> Arc<dyn Store>) {
    let store = make("versions").await;
    let version = async || read(store.view("rows", "a").await).map(|row| row.version);
    assert_eq!(version().await, None);
    commit(store.as_ref(), showing([row("rows", "a", "1").expect(0)])).await;
    commit(store.as_ref(), showing([row("rows", "a", "2").expect(1)])).await;
    commit(store.as_ref(), showing([row("rows", "a", "3")])).await;
    let found = read(store.view("rows", "a").await);
    assert_eq!(found.as_ref().map(|row| row.version), Some(3));
    assert_eq!(
        found.map(|row| read(row.decode::<String>())),
        Some("3".to_owned())
    );
    assert_eq!(read(store.view("other", "a").await), None);
    for wrong in [0, 2, 4] {
        for write in [row("rows", "a", "x"), ViewWrite::delete("rows", "a")] {
            let found = conflict(store.as_ref(), showing([write.expect(wrong)])).await;
            assert_eq!(
                found,
                Conflict::View {
                    view: "rows",
                    key: "a".to_owned(),
                    expected: wrong,
                    found: 3
                }
            );
        }
    }
    // Several writes of a row in one commit see each other.
    let twice = [
        row("rows", "a", "4").expect(3),
        row("rows", "a", "5").expect(4),
    ];
    commit(store.as_ref(), showing(twice)).await;
    assert_eq!(version().await, Some(5));
    let delete = || ViewWrite::delete("rows", "a");
    commit(store.as_ref(), showing([delete().expect(5)])).await;
    assert_eq!(version().await, None);
    commit(store.as_ref(), showing([delete(), delete().expect(0)])).await;
    commit(store.as_ref(), showing([row("rows", "a", "new").expect(0)])).await;
    assert_eq!(version().await, Some(1));
}

/// By key, all or those with a prefix.
pub async fn rows_are_listed_by_key(make: &impl AsyncFn(&str) -> Arc<dyn Store>) {
    let store = make("by-key").await;
    let all = ["a", "a/1", "a/2", "a/20", "a/3", "a0", "b/1"];
    let mut rows: Vec<_> = all.iter().map(|key| row("rows", key, "x")).collect();
    rows.reverse();
    rows.push(row("rows2", "a/9", "x"));
    commit(store.as_ref(), showing(rows)).await;
    let scan = Scan::new("rows");
    lists(store.as_ref(), scan.clone(), &all).await;
    let in_a = ["a/1", "a/2", "a/20", "a/3"];
    lists(store.as_ref(), scan.clone().prefix("a/"), &in_a).await;
    lists(store.as_ref(), scan.clone().prefix("a/2"), &["a/2", "a/20"]).await;
    lists(store.as_ref(), scan.clone().prefix("a/20"), &["a/20"]).await;
    lists(store.as_ref(), scan.prefix("c"), &[]).await;
    lists(store.as_ref(), Scan::new("none"), &[]).await;
    lists(store.as_ref(), Scan::new("rows").index("none"), &[]).await;
}

/// In any of several orders; equal sort keys by key.
pub async fn rows_are_listed_in_other_orders(make: &impl AsyncFn(&str) -> Arc<dyn Store>) {
    let store = make("orders").await;
    let order = |key: &str, owner: &str, day: &str, symbol: &str| {
        row("orders", key, "x")
            .index("owner", format!("{owner}/{day}"))
            .index("symbol", symbol)
            // Twice the same place is one place.
            .index("symbol", symbol)
    };
    commit(
        store.as_ref(),
        showing([
            order("o1", "alice", "3", "ABC"),
            order("o2", "alice", "1", "ABC"),
            order("o3", "alicia", "2", "XYZ"),
            order("o4", "bob", "1", "ABC"),
            order("o5", "alice", "1", "XYZ"),
            row("orders", "o6", "in no order"),
            row("others", "o7", "x").index("owner", "alice/2"),
        ]),
    )
    .await;
    let owner = Scan::new("orders").index("owner");
    let all = ["o2", "o5", "o1", "o3", "o4"];
    lists(store.as_ref(), owner.clone(), &all).await;
    lists(
        store.as_ref(),
        owner.clone().prefix("alice/"),
        &["o2", "o5", "o1"],
    )
    .await;
    lists(
        store.as_ref(),
        owner.clone().prefix("ali"),
        &["o2", "o5", "o1", "o3"],
    )
    .await;
    lists(store.as_ref(), owner.prefix("alice/2"), &[]).await;
    let symbol = Scan::new("orders").index("symbol");
    lists(
        store.as_ref(),
        symbol.clone(),
        &["o1", "o2", "o4", "o3", "o5"],
    )
    .await;
    lists(store.as_ref(), symbol.prefix("ABC"), &["o1", "o2", "o4"]).await;
    let by_key = ["o1", "o2", "o3", "o4", "o5", "o6"];
    lists(store.as_ref(), Scan::new("orders"), &by_key).await;
    // One row in two places of one order is listed twice.
    let two = row("trades", "t", "x")
        .index("party", "alice")
        .index("party", "bob");
    commit(store.as_ref(), showing([two])).await;
    lists(
        store.as_ref(),
        Scan::new("trades").index("party"),
        &["t", "t"],
    )
    .await;
}

/// A row is listed where it was last put, and nowhere when it is gone.
pub async fn places_follow_their_rows(make: &impl AsyncFn(&str) -> Arc<dyn Store>) {
    let store = make("places-follow").await;
    let status = |prefix: &str| Scan::new("rows").index("status").prefix(prefix);
    let put = |key: &str, status: &str| row("rows", key, "x").index("status", status);
    commit(
        store.as_ref(),
        showing([put("a", "open"), put("b", "open")]),
    )
    .await;
    commit(
        store.as_ref(),
        showing([put("a", "done"), put("b", "open")]),
    )
    .await;
    lists(store.as_ref(), status("open"), &["b"]).await;
    lists(store.as_ref(), status("done"), &["a"]).await;
    commit(store.as_ref(), showing([row("rows", "a", "x")])).await;
    lists(store.as_ref(), status("done"), &[]).await;
    commit(store.as_ref(), showing([put("a", "open")])).await;
    let there_and_back = [put("a", "done"), put("a", "open")];
    commit(store.as_ref(), showing(there_and_back)).await;
    lists(store.as_ref(), status(""), &["a", "b"]).await;
    let delete = ViewWrite::delete("rows", "b");
    commit(store.as_ref(), showing([delete])).await;
    lists(store.as_ref(), status(""), &["a"]).await;
    commit(store.as_ref(), showing([put("b", "new")])).await;
    lists(store.as_ref(), status(""), &["b", "a"]).await;
}

/// Orders compare bytes, whatever the language, and any text is a key.
pub async fn texts_are_ordered_by_their_bytes(make: &impl AsyncFn(&str) -> Arc<dyn Store>) {
    let store = make("bytes").await;
    let mut texts = [
        "",
        "\u{1}",
        " ",
        "%",
        "'",
        "10",
        "9",
        ":",
        "A",
        "Z",
        "_",
        "a",
        "a b",
        "aB",
        "ab",
        "z",
        "ä",
        "é",
        "ß",
        "日本",
        "\u{FFFD}",
        "🦀",
        "\u{10FFFF}",
    ];
    let rows = texts.iter().enumerate().map(|(number, text)| {
        row("texts", text, "x").index("same", format!("{:03}", texts.len() - number))
    });
    commit(store.as_ref(), showing(rows)).await;
    let backwards: Vec<_> = texts.iter().rev().copied().collect();
    lists(store.as_ref(), Scan::new("texts").index("same"), &backwards).await;
    texts.sort_unstable();
    lists(store.as_ref(), Scan::new("texts"), &texts).await;
    for text in texts {
        let found = read(store.view("texts", text).await);
        assert!(found.is_some_and(|row| row.key == text), "{text:?}");
        let expected: Vec<_> = texts
            .into_iter()
            .filter(|key| key.starts_with(text))
            .collect();
        lists(store.as_ref(), Scan::new("texts").prefix(text), &expected).await;
    }
}

/// A cursor is a place, not a row.
pub async fn a_listing_goes_on_while_rows_change(make: &impl AsyncFn(&str) -> Arc<dyn Store>) {
    let store = make("changing").await;
    let rows = ["b", "d", "f", "h"].map(|key| row("rows", key, "x").index("order", key));
    commit(store.as_ref(), showing(rows)).await;
    for scan in [Scan::new("rows"), Scan::new("rows").index("order")] {
        let first = read(store.scan(&scan.clone().limit(2)).await);
        assert_eq!(keys(&first), ["b", "d"]);
        let changes = [
            ViewWrite::delete("rows", "d"),
            row("rows", "c", "x").index("order", "c"),
            row("rows", "e", "x").index("order", "e"),
        ];
        commit(store.as_ref(), showing(changes)).await;
        let after = first.last().map(|row| row.cursor.clone());
        let rest = read(store.scan(&scan.after(after)).await);
        assert_eq!(keys(&rest), ["e", "f", "h"]);
        let back = [
            row("rows", "d", "x").index("order", "d"),
            ViewWrite::delete("rows", "c"),
            ViewWrite::delete("rows", "e"),
        ];
        commit(store.as_ref(), showing(back)).await;
    }
}

/// Cursors come from outside; what is none is refused.
pub async fn a_cursor_that_is_none_is_refused(make: &impl AsyncFn(&str) -> Arc<dyn Store>) {
    let store = make("cursors").await;
    let scan = Scan::new("rows").after(Some("nonsense".to_owned()));
    let found = store.scan(&scan).await;
    assert!(matches!(found, Err(StoreError::BadCursor)), "{found:?}");
}
