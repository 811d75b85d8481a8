//! `outcry replay`: recorded market data played as real users' orders through the public API.
//!
//! Rooms, in reading order:
//! - [`lobster`] – the recording's two files
//! - [`script`] – the recording as steps a trader could take
//! - [`crew`] – the users who take them
//! - [`player`] – takes the steps, one after the other
//! - [`result`] – what came of it, beside what was recorded

mod crew;
mod lobster;
mod player;
mod result;
mod script;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};

use crate::arguments::Replay;
use crate::failure::Usage;
use crate::output::Output;
use crate::session;

use crew::Crew;
use player::Player;

pub use lobster::Recording;
pub use script::Script;

/// `outcry replay FILE`
///
/// # Errors
/// The files cannot be read, or the platform cannot be reached or refuses what must not fail.
pub async fn run(replay: Replay, out: Output) -> anyhow::Result<()> {
    let symbol = match &replay.symbol {
        Some(symbol) => symbol.clone(),
        None => symbol_of(&replay.file)?,
    };
    let book = match &replay.book {
        Some(book) => book.clone(),
        None => book_beside(&replay.file)?,
    };
    let mut recording = Recording::read(&replay.file, &book)?;
    if let Some(limit) = replay.limit {
        recording.keep(limit);
    }
    let script = Script::of(&recording);
    let (site, admin) = session::open_with_site(&replay.target).await?;
    let crew = Crew::hire(&site, admin, &replay.run, &symbol).await?;
    let bar = ProgressBar::new(script.steps.len() as u64);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} {per_sec} {eta} {msg}") {
        bar.set_style(style);
    }
    let outcome = Player::new(crew, symbol, replay.run)
        .play(&script, &bar)
        .await?;
    bar.finish_and_clear();
    if out.is_json() {
        return out.document(&outcome.json());
    }
    out.text(&outcome.lines())
}

/// `AAPL` of `AAPL_2012-06-21_34200000_57600000_message_10.csv`.
fn symbol_of(file: &Path) -> anyhow::Result<String> {
    let name = file.file_name().and_then(|name| name.to_str());
    match name.and_then(|name| name.split_once('_')) {
        Some((symbol, _)) if !symbol.is_empty() => Ok(symbol.to_owned()),
        _ => {
            let what = "the symbol is not in the name of the file; give it with --symbol";
            Err(Usage::new(what).into())
        }
    }
}

/// The order book file that belongs to a message file.
fn book_beside(file: &Path) -> anyhow::Result<PathBuf> {
    let name = file
        .file_name()
        .and_then(|name| name.to_str())
        .context("the file has no name; name the message file of a recording")?;
    if !name.contains("_message_") {
        let what =
            format!("`{name}` does not say where its order book file is; give it with --book");
        return Err(Usage::new(what).into());
    }
    Ok(file.with_file_name(name.replace("_message_", "_orderbook_")))
}
