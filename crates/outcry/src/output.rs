//! How answers reach whoever asked: tables and colours for people, JSON for programs.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write as _};
use std::time::Duration;

use console::Term;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value;

use crate::arguments::{Colour, Printing};
use crate::text;

/// How often something that turns is drawn.
const TURN_EVERY: Duration = Duration::from_millis(100);

/// Width of a terminal that does not say how wide it is.
const WIDTH: usize = 80;

/// How a command prints. Cheap to copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Output {
    is_json: bool,
    has_colours: bool,
    /// `None`: nobody's lines break, since they go into a file or a pipe.
    width: Option<usize>,
}

/// What a piece of text is, for those who see colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paint {
    /// A heading.
    Bold,
    /// Of less interest.
    Dim,
    /// As it should be.
    Good,
    /// To be looked at.
    Doubtful,
    /// Wrong.
    Bad,
}

/// Whoever read our output has ended, such as `head` after its last line. That is no failure.
#[derive(Debug, thiserror::Error)]
#[error("nobody reads the output any more")]
pub struct ReaderGone;

// === impl Output ===

impl Output {
    /// What is asked for, on this standard output.
    pub fn of(printing: Printing) -> Self {
        let out = io::stdout();
        Self {
            is_json: printing.json,
            has_colours: wants_colours(printing.color, &out),
            width: width(&out),
        }
    }

    /// For people, without colours, lines of any length.
    #[cfg(test)]
    pub fn plain() -> Self {
        Self {
            is_json: false,
            has_colours: false,
            width: None,
        }
    }

    /// Whether a program reads.
    pub fn is_json(self) -> bool {
        self.is_json
    }

    /// Prints JSON in a readable form.
    ///
    /// # Errors
    /// It cannot be written; [`ReaderGone`] when nobody reads any more.
    pub fn document(self, value: &Value) -> anyhow::Result<()> {
        self.text(&format!("{value:#}\n"))
    }

    /// Prints JSON on one line, at once.
    ///
    /// # Errors
    /// As [`document`](Self::document).
    pub fn object(self, value: &Value) -> anyhow::Result<()> {
        self.text(&format!("{value}\n"))
    }

    /// Prints a line.
    ///
    /// # Errors
    /// As [`document`](Self::document).
    pub fn line(self, line: impl Display) -> anyhow::Result<()> {
        self.text(&format!("{line}\n"))
    }

    /// Prints text as it is.
    ///
    /// # Errors
    /// As [`document`](Self::document).
    pub fn text(self, text: &str) -> anyhow::Result<()> {
        let mut out = io::stdout().lock();
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(ReaderGone.into()),
            written => Ok(written?),
        }
    }

    /// Prints rows under headings, made to fit a terminal.
    ///
    /// # Errors
    /// As [`document`](Self::document).
    pub fn table(self, headings: &[&str], rows: &[Vec<String>]) -> anyhow::Result<()> {
        self.under_heading(&text::table(headings, rows, self.width))
    }

    /// The same with cells of any length, where a name cut short would be of no use.
    ///
    /// # Errors
    /// As [`document`](Self::document).
    pub fn whole_table(self, headings: &[&str], rows: &[Vec<String>]) -> anyhow::Result<()> {
        self.under_heading(&text::table(headings, rows, None))
    }

    fn under_heading(self, table: &str) -> anyhow::Result<()> {
        let (heading, rows) = table.split_once('\n').unwrap_or((table, ""));
        self.text(&format!("{}\n{rows}", self.paint(Paint::Bold, heading)))
    }

    /// Says what a process that goes on has come to: a line for people, an object for programs. Whether somebody
    /// still reads it does not matter to the process.
    pub fn news(self, line: &str, value: &Value) {
        let _unread = if self.is_json {
            self.object(value)
        } else {
            self.line(line)
        };
    }

    /// Text as it is shown here.
    pub fn paint(self, paint: Paint, text: &str) -> String {
        painted(self.has_colours, paint, text)
    }

    /// Says on standard error that something goes on whose length is not known. Only terminals show it.
    pub fn waiting(self, what: &'static str) -> ProgressBar {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
            bar.set_style(style);
        }
        bar.set_message(what);
        bar.enable_steady_tick(TURN_EVERY);
        bar
    }

    /// The same, with a count of what has been done so far.
    pub fn counting(self, what: &'static str) -> ProgressBar {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {pos} {per_sec} {elapsed}")
        {
            bar.set_style(style);
        }
        bar.set_message(what);
        bar
    }
}

/// Text in the colours of a terminal.
fn painted(has_colours: bool, paint: Paint, text: &str) -> String {
    if !has_colours || text.is_empty() {
        return text.to_owned();
    }
    let code = match paint {
        Paint::Bold => "1",
        Paint::Dim => "2",
        Paint::Good => "32",
        Paint::Doubtful => "33",
        Paint::Bad => "1;31",
    };
    format!("\x1b[{code}m{text}\x1b[0m")
}

/// An error on standard error, in its colours.
pub fn alarm(colour: Colour, text: &str) -> String {
    painted(wants_colours(colour, &io::stderr()), Paint::Bad, text)
}

fn wants_colours(colour: Colour, stream: &impl IsTerminal) -> bool {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    decide(
        colour,
        stream.is_terminal(),
        variable("NO_COLOR").is_some(),
        variable("TERM").is_some_and(|term| term == "dumb"),
    )
}

fn decide(colour: Colour, is_terminal: bool, no_color: bool, is_dumb: bool) -> bool {
    match colour {
        Colour::Always => true,
        Colour::Never => false,
        Colour::Auto => is_terminal && !no_color && !is_dumb,
    }
}

/// How wide a terminal is, if it is one.
fn width(stream: &impl IsTerminal) -> Option<usize> {
    if !stream.is_terminal() {
        return None;
    }
    let (_, columns) = Term::stdout().size_checked().unwrap_or((0, 0));
    Some(match usize::from(columns) {
        0 => WIDTH,
        columns => columns,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_for_terminals_unless_somebody_decides_otherwise() {
        for (colour, is_terminal, no_color, is_dumb, expected) in [
            (Colour::Auto, true, false, false, true),
            (Colour::Auto, false, false, false, false),
            (Colour::Auto, true, true, false, false),
            (Colour::Auto, true, false, true, false),
            (Colour::Always, false, true, true, true),
            (Colour::Never, true, false, false, false),
        ] {
            assert_eq!(decide(colour, is_terminal, no_color, is_dumb), expected);
        }
    }

    #[test]
    fn text_without_colours_is_left_as_it_is() {
        assert_eq!(painted(false, Paint::Bad, "x"), "x");
        assert_eq!(painted(true, Paint::Good, "x"), "\x1b[32mx\x1b[0m");
        assert_eq!(painted(true, Paint::Good, ""), "");
    }
}
