//! A LOBSTER recording: one file of messages, one of order book rows, line by line together.
//!
//! Message: time (seconds after midnight), type, order id, size, price (in ten-thousandths),
//! direction (1 buy, -1 sell; of the resting order). Book row, as it is after the message: ask
//! price, ask size, bid price, bid size, level by level.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, bail, ensure};

/// Messages a recording may have: what a day of a busy symbol has, several times over.
const MESSAGES_MAX: usize = 10_000_000;

/// Shares of one message, and ten-thousandths of one price, at most: far more than anybody trades, and
/// sums of them still fit.
const AMOUNT_MAX: i64 = 100_000_000_000;

/// Price of a level that is not there.
const NO_LEVEL: u64 = 1_000_000_000;

/// A side of the book.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    Buy,
    Sell,
}

/// What a message says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// 1: a new limit order.
    Add,
    /// 2: part of an order is cancelled.
    Reduce,
    /// 3: an order is cancelled.
    Delete,
    /// 4: a visible order is executed.
    Execute,
    /// 5: a hidden order is executed.
    Hidden,
    /// 7: trading stops (`true`) or goes on.
    Halt(bool),
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// As written: executions of one incoming order have the same.
    pub time: String,
    pub kind: Kind,
    pub order: i64,
    pub size: i64,
    /// Ten-thousandths of the currency unit.
    pub price: i64,
    /// Side of the resting order.
    pub side: Side,
}

/// One level of the book: price in ten-thousandths and shares.
pub type Level = (i64, i64);

/// Best prices: ask and bid, where there are any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Top {
    pub ask: Option<Level>,
    pub bid: Option<Level>,
}

/// The book after a message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BookRow {
    pub asks: Vec<Level>,
    pub bids: Vec<Level>,
}

/// Both files.
#[derive(Debug, Clone)]
pub struct Recording {
    pub messages: Vec<Message>,
    pub books: Vec<BookRow>,
}

// === impl Side ===

impl Side {
    /// The other one.
    pub fn opposite(self) -> Self {
        match self {
            Self::Buy => Self::Sell,
            Self::Sell => Self::Buy,
        }
    }
}

// === impl BookRow ===

impl BookRow {
    /// The best prices.
    pub fn top(&self) -> Top {
        Top {
            ask: self.asks.first().copied(),
            bid: self.bids.first().copied(),
        }
    }
}

// === impl Recording ===

impl Recording {
    /// Reads both files.
    ///
    /// # Errors
    /// One cannot be read, a line is malformed, or they do not have the same number of lines.
    pub fn read(messages: &Path, books: &Path) -> anyhow::Result<Self> {
        let read = |path: &Path| {
            fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))
        };
        Self::parse(&read(messages)?, &read(books)?)
            .with_context(|| format!("{} and {}", messages.display(), books.display()))
    }

    /// Reads the texts of both files.
    ///
    /// # Errors
    /// A line is malformed, or they do not have the same number of lines.
    pub fn parse(messages: &str, books: &str) -> anyhow::Result<Self> {
        let messages = lines(messages, message)?;
        let books = lines(books, book_row)?;
        ensure!(!messages.is_empty(), "there are no messages");
        ensure!(
            messages.len() == books.len(),
            "{} messages but {} order book rows; they belong together line by line",
            messages.len(),
            books.len()
        );
        Ok(Self { messages, books })
    }

    /// Forgets what comes after the first `count` messages.
    pub fn keep(&mut self, count: usize) {
        self.messages.truncate(count.max(1));
        self.books.truncate(count.max(1));
    }
}

fn lines<T>(text: &str, parse: fn(&str) -> anyhow::Result<T>) -> anyhow::Result<Vec<T>> {
    let mut parsed = Vec::new();
    for (number, line) in text.lines().enumerate() {
        ensure!(
            parsed.len() < MESSAGES_MAX,
            "more than {MESSAGES_MAX} lines"
        );
        parsed.push(parse(line).with_context(|| format!("line {}", number + 1))?);
    }
    Ok(parsed)
}

fn message(line: &str) -> anyhow::Result<Message> {
    let fields: Vec<&str> = line.trim().split(',').collect();
    let [time, kind, order, size, price, direction] = fields[..] else {
        bail!("expected 6 fields, found {}", fields.len());
    };
    let price: i64 = price.parse().context("price")?;
    let kind = match kind {
        "1" => Kind::Add,
        "2" => Kind::Reduce,
        "3" => Kind::Delete,
        "4" => Kind::Execute,
        "5" => Kind::Hidden,
        // The price says which way: -1 stops, 0 and 1 let go on.
        "7" => Kind::Halt(price == -1),
        other => bail!("unknown message type `{other}`"),
    };
    let message = Message {
        time: time.to_owned(),
        kind,
        order: order.parse().context("order id")?,
        size: size.parse().context("size")?,
        price,
        side: match direction {
            "1" => Side::Buy,
            "-1" => Side::Sell,
            other => bail!("direction `{other}` is neither 1 nor -1"),
        },
    };
    let traded = !matches!(kind, Kind::Halt(_));
    ensure!(!traded || message.size > 0, "size must be positive");
    ensure!(!traded || message.price > 0, "price must be positive");
    ensure!(
        message.size <= AMOUNT_MAX,
        "size must be at most {AMOUNT_MAX}"
    );
    ensure!(
        message.price <= AMOUNT_MAX,
        "price must be at most {AMOUNT_MAX}"
    );
    Ok(message)
}

fn book_row(line: &str) -> anyhow::Result<BookRow> {
    let fields: Vec<i64> = line
        .trim()
        .split(',')
        .map(|field| field.parse().with_context(|| format!("`{field}`")))
        .collect::<anyhow::Result<_>>()?;
    ensure!(
        !fields.is_empty() && fields.len().is_multiple_of(4),
        "expected 4 fields a level, found {} fields",
        fields.len()
    );
    let mut row = BookRow::default();
    for level in fields.chunks_exact(4) {
        let [ask, ask_size, bid, bid_size] = level[..] else {
            continue;
        };
        if (1..=AMOUNT_MAX).contains(&ask_size) && ask.unsigned_abs() < NO_LEVEL {
            row.asks.push((ask, ask_size));
        }
        if (1..=AMOUNT_MAX).contains(&bid_size) && bid.unsigned_abs() < NO_LEVEL {
            row.bids.push((bid, bid_size));
        }
    }
    Ok(row)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_files_are_read_line_by_line() {
        let messages = "34200.1,1,7,18,1000000,1\n34200.2,4,7,8,1000000,1\n";
        let books = "1000200,5,1000000,18,9999999999,0,-9999999999,0\n1000200,5,1000000,10\n";
        let recording = Recording::parse(messages, books).unwrap();
        assert_eq!(recording.messages[1].kind, Kind::Execute);
        assert_eq!(recording.messages[1].side, Side::Buy);
        let top = recording.books[0].top();
        assert_eq!(top.ask, Some((1_000_200, 5)));
        assert_eq!(top.bid, Some((1_000_000, 18)));
        assert_eq!(
            recording.books[0].asks.len(),
            1,
            "absent levels are left out"
        );
    }

    #[test]
    fn a_malformed_line_is_named() {
        let error = Recording::parse("34200.1,1,7,18\n", "1,1,1,1\n").unwrap_err();
        assert!(format!("{error:#}").contains("line 1"), "{error:#}");
        let error = Recording::parse("1,9,7,18,5,1\n", "1,1,1,1\n").unwrap_err();
        assert!(format!("{error:#}").contains("type `9`"), "{error:#}");
    }

    #[test]
    fn files_of_different_length_are_refused() {
        assert!(Recording::parse("1,1,7,18,5,1\n", "").is_err());
    }
}
