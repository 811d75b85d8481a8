//! `outcry top`: services, consumer groups, calls and slow flows, in the terminal.
//!
//! Rooms, in reading order:
//! - [`board`] – what there is to show, from two readings of every process
//! - [`screen`] – a board as lines of a terminal

mod board;
mod screen;

use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use console::Term;
use futures::future::join_all;

use crate::arguments::{Settings, Top};
use crate::config::Config;
use crate::failure::Usage;
use crate::operators::{self, Reading, Slowest};
use crate::output::Output;
use crate::stop_signal::StopSignal;

use board::{Board, Process, Seen};
use screen::Size;

/// A screen that goes to no terminal: as wide as people write, as high as it takes.
const NO_TERMINAL: Size = Size {
    width: 100,
    height: 60,
};

/// Takes another screen of the terminal and hides the cursor …
const OPEN: &str = "\x1b[?1049h\x1b[?25l";

/// … and gives both back.
const CLOSE: &str = "\x1b[?25h\x1b[?1049l";

/// To the first place; each line then clears what was behind it, and the last one what was below, so that nothing
/// flickers.
const HOME: &str = "\x1b[H";
const CLEAR_LINE: &str = "\x1b[K";
const CLEAR_BELOW: &str = "\x1b[J";

/// The other screen of a terminal, for as long as this lives.
struct Stage;

/// `outcry top`
///
/// # Errors
/// No process is named, one is named wrongly, or none answers at the beginning.
pub async fn run(top: Top, out: Output) -> anyhow::Result<()> {
    let mut signal = StopSignal::listen()?;
    let origins = origins(&top)?;
    let every = Duration::from_secs(u64::from(top.every));
    let (mut before, mut read_at) = (read(&origins).await?, Instant::now());
    let is_live = !top.once && !out.is_json() && io::stdout().is_terminal();
    let _stage = is_live.then(Stage::enter);
    loop {
        if signal.came_within(every).await {
            return Ok(());
        }
        let now = look(&origins).await;
        let elapsed = read_at.elapsed();
        read_at = Instant::now();
        let board = Board::between(&before, &now, elapsed);
        before = now;
        if out.is_json() {
            out.object(&board.json())?;
        } else if is_live {
            out.text(&frame(&board, out))?;
        } else {
            for line in screen::lines(&board, NO_TERMINAL) {
                out.line(line.painted(out))?;
            }
        }
        if top.once {
            return Ok(());
        }
    }
}

fn origins(top: &Top) -> anyhow::Result<Vec<String>> {
    if !top.processes.is_empty() {
        let named = top.processes.iter();
        return named.map(|one| operators::origin(one)).collect();
    }
    let settings = Settings {
        config: top.config.clone(),
        ..Settings::default()
    };
    match Config::load(&settings)?.admin.listen {
        Some(address) => Ok(vec![operators::origin(&address.to_string())?]),
        None => Err(Usage::new(
            "no port for operators is known: start the platform with `outcry up --admin 127.0.0.1:7402`, and name it \
             here with --admin http://127.0.0.1:7402, once for each process",
        )
        .into()),
    }
}

/// The first reading: somebody has to answer.
async fn read(origins: &[String]) -> anyhow::Result<Vec<Process>> {
    let processes = look(origins).await;
    if processes.iter().all(|process| process.seen.is_none()) {
        // Asked again for the reason.
        for origin in origins {
            operators::page(origin, "/metrics").await?;
        }
    }
    Ok(processes)
}

async fn look(origins: &[String]) -> Vec<Process> {
    let looking = origins.iter().map(|origin| async move {
        Process {
            origin: origin.clone(),
            seen: seen(origin).await.ok(),
        }
    });
    join_all(looking).await
}

async fn seen(origin: &str) -> anyhow::Result<Seen> {
    let metrics = operators::page(origin, "/metrics").await?;
    let ready = operators::page(origin, "/readyz").await?;
    // A process of a version before does not have it.
    let slowest = operators::page(origin, "/slowest").await?;
    let slowest: Option<Slowest> = serde_json::from_str(&slowest.body).ok();
    Ok(Seen {
        is_ready: ready.status == 200,
        reading: Reading::parse(&metrics.body),
        slowest: slowest.map(|slowest| slowest.calls).unwrap_or_default(),
    })
}

fn frame(board: &Board, out: Output) -> String {
    let (height, width) = Term::stdout().size();
    let size = Size {
        width: usize::from(width),
        height: usize::from(height),
    };
    let lines = screen::lines(board, size);
    let lines: Vec<String> = lines.iter().map(|line| line.painted(out)).collect();
    // No line break behind the last line, which would push the first one out.
    let text = lines.join(&format!("{CLEAR_LINE}\r\n"));
    format!("{HOME}{text}{CLEAR_LINE}{CLEAR_BELOW}")
}

// === impl Stage ===

impl Stage {
    fn enter() -> Self {
        show(OPEN);
        Self
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        show(CLOSE);
    }
}

fn show(sequence: &str) {
    let mut out = io::stdout().lock();
    // A terminal that is gone needs nothing any more.
    let _gone = out
        .write_all(sequence.as_bytes())
        .and_then(|()| out.flush());
}
