//! A recorded market, played by `outcry replay` as fast as the platform goes.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, ensure};
use serde::Deserialize;
use tempfile::TempDir;

use super::installation::{self, Site};

/// Where samples are, from a folder above this one.
const SAMPLES: &str = "shared/data/lobster";

/// Messages of a made-up recording: about as many as a sample has.
const MADE_UP: i64 = 600;

/// Prices of a made-up recording, in ten-thousandths of a dollar: a cent apart around the middle.
const MIDDLE: i64 = 1_000_000;
const TICK: i64 = 100;

/// A recording's message file; its order book file is beside it.
pub struct Recording {
    pub messages: PathBuf,
    /// Whether it is one of a market.
    pub is_real: bool,
    _folder: Option<TempDir>,
}

/// What a replay came to.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Replayed {
    pub orders: Counts,
    pub fills: u64,
    pub seconds: f64,
    pub orders_per_second: f64,
    pub place_to_acknowledged_ms: Halves,
    pub top_of_book: Tops,
}

/// How many orders.
#[derive(Debug, Deserialize)]
pub struct Counts {
    pub sent: u64,
    pub changes: u64,
    pub rejected: u64,
}

/// Latencies.
#[derive(Debug, Deserialize)]
pub struct Halves {
    pub p50: f64,
    pub p99: f64,
}

/// Best prices beside the recorded ones.
#[derive(Debug, Deserialize)]
pub struct Tops {
    pub compared: u64,
    pub equal: u64,
}

// === impl Recording ===

impl Recording {
    /// The sample where there is one, else one made up.
    pub fn find() -> anyhow::Result<Self> {
        match sample() {
            Some(messages) => Ok(Self {
                messages,
                is_real: true,
                _folder: None,
            }),
            None => Self::make_up(),
        }
    }

    fn make_up() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("AAPL_made-up_message_1.csv");
        let (messages, books) = make_up();
        std::fs::write(&file, messages)?;
        std::fs::write(folder.path().join("AAPL_made-up_orderbook_1.csv"), books)?;
        Ok(Self {
            messages: file,
            is_real: false,
            _folder: Some(folder),
        })
    }

    /// Plays it.
    pub async fn replay(&self, site: &Site) -> anyhow::Result<Replayed> {
        let output = installation::command(&site.data)?
            .arg("replay")
            .arg(&self.messages)
            .arg("--json")
            .stderr(Stdio::piped())
            .output()
            .await
            .context("running `outcry replay`")?;
        let complaint = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "the replay failed: {complaint}");
        serde_json::from_slice(&output.stdout).context("what the replay came to")
    }
}

/// The first sample in a folder above this one.
fn sample() -> Option<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = here.ancestors().map(|folder| folder.join(SAMPLES));
    let mut found: Vec<PathBuf> = folders
        .filter_map(|folder| std::fs::read_dir(folder).ok())
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.to_string_lossy().contains("_message_"))
        .collect();
    found.sort();
    found.into_iter().next()
}

/// Orders on both sides, of which some are taken back and some are traded.
fn make_up() -> (String, String) {
    let (mut messages, mut books) = (String::new(), String::new());
    let mut bids: BTreeMap<i64, i64> = BTreeMap::new();
    let mut asks: BTreeMap<i64, i64> = BTreeMap::new();
    for number in 0..MADE_UP {
        let (step, is_bid) = (number / 2, number % 2 == 0);
        let direction = if is_bid { 1 } else { -1 };
        let side = if is_bid { &mut bids } else { &mut asks };
        // Every fourth message of a side is about the order added three before.
        let (kind, about) = match step % 4 {
            3 if step % 8 == 3 => (3, step - 3),
            3 => (4, step - 3),
            _ => (1, step),
        };
        let away = 1 + about % 5;
        let price = MIDDLE - direction * away * TICK;
        let order = about * 2 + i64::from(!is_bid) + 1;
        let level = side.entry(price).or_default();
        *level += if kind == 1 { 100 } else { -100 };
        side.retain(|_, size| *size > 0);
        let time = 34_200.0 + number as f64 / 1_000.0;
        let _ = writeln!(messages, "{time:.9},{kind},{order},100,{price},{direction}");
        let (ask, ask_size) = asks
            .first_key_value()
            .map_or((9_999_999_999, 0), |(price, size)| (*price, *size));
        let (bid, bid_size) = bids
            .last_key_value()
            .map_or((-9_999_999_999, 0), |(price, size)| (*price, *size));
        let _ = writeln!(books, "{ask},{ask_size},{bid},{bid_size}");
    }
    (messages, books)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_up_recording_adds_every_order_before_it_names_it_again() {
        let (messages, books) = make_up();
        assert_eq!(messages.lines().count(), books.lines().count());
        let mut added = std::collections::BTreeSet::new();
        for line in messages.lines() {
            let fields: Vec<&str> = line.split(',').collect();
            let is_new = added.insert(fields[2].to_owned());
            assert_eq!(is_new, fields[1] == "1", "{line}");
        }
    }
}
