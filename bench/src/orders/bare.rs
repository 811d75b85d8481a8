//! The limit: a loop that does nothing but write the rows of orders into the same file.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use outcry_sqlite::Database;
use tokio::task::JoinSet;

use super::rows::Written;

/// Orders a second of a loop that writes what was written, in so many commits an order and with so
/// many orders on their way at once. Its file is a copy of the one before, with the settings and the
/// group commit of the platform's.
pub async fn rate(
    before: &Path,
    written: &Arc<Written>,
    commits: usize,
    in_flight: usize,
) -> anyhow::Result<f64> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("outcry.db");
    std::fs::copy(before, &path)?;
    let database = Database::open(&path)?;
    let next = Arc::new(AtomicUsize::new(0));
    let begun = Instant::now();
    let mut loops = JoinSet::new();
    for _ in 0..in_flight {
        let (database, written) = (database.clone(), Arc::clone(written));
        loops.spawn(place_all(database, written, commits, Arc::clone(&next)));
    }
    while let Some(ended) = loops.join_next().await {
        ended??;
    }
    let rate = written.orders as f64 / begun.elapsed().as_secs_f64();
    database.close().await?;
    Ok(rate)
}

async fn place_all(
    database: Database,
    written: Arc<Written>,
    commits: usize,
    next: Arc<AtomicUsize>,
) -> Result<(), outcry_sqlite::Error> {
    loop {
        let order = next.fetch_add(1, Ordering::Relaxed);
        if order >= written.orders {
            return Ok(());
        }
        // One after the other: each of an order's commits is the effect of the one before.
        for commit in 0..commits {
            let written = Arc::clone(&written);
            let (part, parts) = (order * commits + commit, written.orders * commits);
            database
                .write(move |connection| written.write(connection, part, parts))
                .await?;
        }
    }
}
