//! A document as one CSV file (RFC 4180): lines end in CR LF and all have the same number of fields.
//!
//! The first field names the section, the second what the line is: `header`, `row` or `total`. So
//! one file holds all sections, and each can be picked out by its name.

use super::super::Unmade;
use super::super::document::{Cell, Document};
use super::unwritable;

/// What a text must not begin with: spreadsheets would take it for a formula.
const FORMULA_STARTS: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// Fields before those of a section.
const LEADING: usize = 2;

/// The file.
pub(super) fn render(document: &Document) -> Result<Vec<u8>, Unmade> {
    let widest = document.sections.iter().map(|one| one.columns.len()).max();
    // The account block needs two.
    let fields = widest.unwrap_or_default().max(2);
    let mut file = File {
        writer: csv::WriterBuilder::new()
            .terminator(csv::Terminator::CRLF)
            .from_writer(Vec::new()),
        fields: LEADING + fields,
    };
    let numbered = (1..=fields).map(|number| format!("field_{number}"));
    file.line("section", "record", numbered)?;
    file.row("report", [("title", document.title.to_owned())])?;
    for (key, _, value) in document.account_block() {
        file.row("report", [(key, value)])?;
    }
    for section in &document.sections {
        let keys = section.columns.iter().map(|column| column.key.to_owned());
        file.line(section.key, "header", keys)?;
        for row in &section.rows {
            file.line(section.key, "row", row.iter().map(field))?;
        }
        if let Some(totals) = &section.totals {
            file.line(section.key, "total", totals.iter().map(field))?;
        }
    }
    for note in &document.notes {
        file.row("notes", [("note", note.clone())])?;
    }
    file.writer
        .into_inner()
        .map_err(|error| unwritable(error.error()))
}

struct File {
    writer: csv::Writer<Vec<u8>>,
    /// In every line.
    fields: usize,
}

// === impl File ===

impl File {
    fn line(
        &mut self,
        section: &str,
        record: &str,
        values: impl Iterator<Item = String>,
    ) -> Result<(), Unmade> {
        let leading = [section.to_owned(), record.to_owned()];
        let mut line: Vec<String> = leading.into_iter().chain(values).collect();
        line.resize(self.fields, String::new());
        self.writer.write_record(&line).map_err(unwritable)
    }

    fn row(&mut self, section: &str, named: [(&str, String); 1]) -> Result<(), Unmade> {
        let values = named
            .into_iter()
            .flat_map(|(name, value)| [name.to_owned(), harmless(value)]);
        self.line(section, "row", values)
    }
}

fn field(cell: &Cell) -> String {
    match cell {
        Cell::Text(text) => harmless(text.clone()),
        cell => cell.plain(),
    }
}

/// Text that no spreadsheet takes for a formula. Numbers are written by us and keep their sign.
fn harmless(text: String) -> String {
    if text.starts_with(FORMULA_STARTS) {
        format!("'{text}")
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_looks_like_a_formula_is_quoted_and_a_negative_number_is_not() {
        for start in FORMULA_STARTS {
            let text = format!("{start}1+1");
            assert_eq!(field(&Cell::text(text.clone())), format!("'{text}"));
        }
        assert_eq!(field(&Cell::text("a=1")), "a=1");
        assert_eq!(field(&Cell::Count(-5)), "-5");
    }
}
