//! A report as what it shows, before it is written in a format: an account block, sections of typed
//! columns and rows with totals, and notes. Every format is a pure function of it.

use outcry_contracts::reports::v1::ReportType;
use outcry_events::money::{Amount, CURRENCY};
use outcry_store::timer::time_of;
use uuid::Uuid;

use super::Unmade;
use super::movement::word;
use crate::domain::Terms;

/// What references are made in. A constant of this service, drawn once.
const REFERENCES: Uuid = Uuid::from_u128(0x6f0c_5ab1_3f27_4e0e_9d35_0f6f_28c1_77d4);

/// What stands for the name of an account whose owner's registration is not in the journal.
const NO_HOLDER: &str = "not on record";

/// A report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Name of the type in lower case, for example `statement`.
    pub key: String,
    /// For people, for example `Account statement`.
    pub title: &'static str,
    /// Who has the account.
    pub holder: String,
    /// The account: the id of its user.
    pub user_id: String,
    /// Start of the period, in nanoseconds since 1970; none means from the beginning.
    pub from_ns: Option<i64>,
    /// The time it shows the account at, in nanoseconds since 1970.
    pub as_of_ns: i64,
    /// The same for every report that shows the same, and for no other: so that copies can be told
    /// to be copies, and bytes do not depend on which request they were made for.
    pub reference: Uuid,
    /// The tables.
    pub sections: Vec<Section>,
    /// How it was computed, a sentence or two each.
    pub notes: Vec<String>,
}

/// A table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// Name for machines.
    pub key: &'static str,
    /// Name for people; at most 31 characters, what a worksheet's name may have.
    pub title: &'static str,
    /// What stands in each place of a row.
    pub columns: &'static [Column],
    /// Rows, each as long as there are columns.
    pub rows: Vec<Vec<Cell>>,
    /// Sums under the columns that have one; none for tables without sums.
    pub totals: Option<Vec<Cell>>,
}

/// A column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Name for machines.
    pub key: &'static str,
    /// Name for people.
    pub title: &'static str,
    /// What stands in it.
    pub kind: Kind,
    /// Whether it is left out on paper: what only machines read.
    pub is_hidden: bool,
}

/// What stands in a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Words.
    Text,
    /// A time in UTC.
    Time,
    /// A whole number.
    Count,
    /// An amount of [`CURRENCY`].
    Money,
}

/// What stands in one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    /// Nothing.
    Empty,
    /// Words.
    Text(String),
    /// Nanoseconds since 1970.
    Time(i64),
    /// A whole number.
    Count(i64),
    /// An amount.
    Money(Amount),
}

// === impl Document ===

impl Document {
    /// A report with nothing in it.
    pub(super) fn new(terms: &Terms, holder: Option<&str>) -> Document {
        let key = word(terms.kind.as_str_name(), "REPORT_TYPE_").to_lowercase();
        let from = terms.from_ns.map_or(String::new(), |from| from.to_string());
        let name = format!("{key}/{}/{from}/{}", terms.user_id, terms.as_of_ns);
        Document {
            key,
            title: title(terms.kind),
            holder: holder.unwrap_or(NO_HOLDER).to_owned(),
            user_id: terms.user_id.clone(),
            from_ns: terms.from_ns,
            as_of_ns: terms.as_of_ns,
            reference: Uuid::new_v5(&REFERENCES, name.as_bytes()),
            sections: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Rows of all sections, headings and totals not counted.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.sections.iter().map(|section| section.rows.len()).sum()
    }

    /// What the report is about, as name for machines, name for people, and text.
    #[must_use]
    pub fn account_block(&self) -> Vec<(&'static str, &'static str, String)> {
        vec![
            ("holder", "Account holder", self.holder.clone()),
            ("account", "Account", self.user_id.clone()),
            ("period", "Period", self.period()),
            ("currency", "Currency", CURRENCY.to_owned()),
            ("reference", "Reference", self.reference.to_string()),
        ]
    }

    /// The period for people.
    #[must_use]
    pub fn period(&self) -> String {
        let to = minute_text(self.as_of_ns);
        match self.from_ns {
            Some(from) => format!("{} to {to} UTC", minute_text(from)),
            None => format!("from the beginning to {to} UTC"),
        }
    }
}

fn title(kind: ReportType) -> &'static str {
    match kind {
        ReportType::Activity | ReportType::Unspecified => "Account activity",
        ReportType::Statement => "Account statement",
        ReportType::TradeHistory => "Trade history",
        ReportType::Holdings => "Holdings",
        ReportType::ProfitAndLoss => "Profit and loss",
        ReportType::TaxLots => "Tax lots",
    }
}

/// A time in UTC as machines read it, for example `2026-01-05T14:30:00Z`.
#[must_use]
pub fn instant_text(ns: i64) -> String {
    prost_types::Timestamp::from(time_of(ns)).to_string()
}

/// A time in UTC to the second as people read it, for example `2026-01-05 14:30:00`.
#[must_use]
pub fn minute_text(ns: i64) -> String {
    let text = instant_text(ns - ns.rem_euclid(1_000_000_000));
    text.trim_end_matches('Z').replacen('T', " ", 1)
}

// === impl Column ===

impl Column {
    /// A column.
    pub(super) const fn new(key: &'static str, title: &'static str, kind: Kind) -> Column {
        Column {
            key,
            title,
            kind,
            is_hidden: false,
        }
    }

    /// The same, left out on paper.
    pub(super) const fn hidden(mut self) -> Column {
        self.is_hidden = true;
        self
    }
}

// === impl Kind ===

impl Kind {
    /// Whether it is written with its last digit at the right.
    #[must_use]
    pub fn is_number(self) -> bool {
        matches!(self, Kind::Count | Kind::Money)
    }
}

// === impl Cell ===

impl Cell {
    /// Words, or nothing where they are empty.
    pub(super) fn text(text: impl Into<String>) -> Cell {
        let text = text.into();
        if text.is_empty() {
            Cell::Empty
        } else {
            Cell::Text(text)
        }
    }

    /// Money, or nothing.
    pub(super) fn money(amount: Option<Amount>) -> Cell {
        amount.map_or(Cell::Empty, Cell::Money)
    }

    /// Money of so many ten-thousandths.
    pub(super) fn raw(raw: i128) -> Result<Cell, Unmade> {
        amount(raw).map(Cell::Money)
    }

    /// For people: numbers with separators between thousands.
    #[must_use]
    pub fn shown(&self) -> String {
        match self {
            Cell::Empty => String::new(),
            Cell::Text(text) => text.clone(),
            Cell::Time(ns) => minute_text(*ns),
            Cell::Count(count) => grouped(&count.to_string()),
            Cell::Money(amount) => grouped(&amount.to_string()),
        }
    }

    /// For machines.
    #[must_use]
    pub fn plain(&self) -> String {
        match self {
            Cell::Empty => String::new(),
            Cell::Text(text) => text.clone(),
            Cell::Time(ns) => instant_text(*ns),
            Cell::Count(count) => count.to_string(),
            Cell::Money(amount) => amount.to_string(),
        }
    }
}

/// So many ten-thousandths.
pub(super) fn amount(raw: i128) -> Result<Amount, Unmade> {
    i64::try_from(raw)
        .ok()
        .and_then(|raw| Amount::from_raw(raw).ok())
        .ok_or(Unmade::TooLarge)
}

/// A decimal number with commas between thousands.
fn grouped(number: &str) -> String {
    let (sign, digits) = match number.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", number),
    };
    let (whole, part) = match digits.find('.') {
        Some(point) => digits.split_at(point),
        None => (digits, ""),
    };
    let mut text = String::from(sign);
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text + part
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_for_people_have_commas_between_thousands() {
        for (plain, shown) in [
            ("0.00", "0.00"),
            ("-999.5000", "-999.5000"),
            ("1000.00", "1,000.00"),
            ("-1234567.0001", "-1,234,567.0001"),
            ("12345678", "12,345,678"),
        ] {
            assert_eq!(grouped(plain), shown);
        }
    }

    #[test]
    fn times_for_people_are_to_the_second() {
        let at = 1_767_623_400_999_999_999;
        assert_eq!(minute_text(at), "2026-01-05 14:30:00");
        assert_eq!(instant_text(at), "2026-01-05T14:30:00.999999999Z");
    }
}
