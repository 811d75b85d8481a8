//! Lines as CSV and as JSON.
//!
//! CSV has a heading and one line per record. JSON says in addition what the report is about, but
//! nothing that differs between two reports about the same: neither an id nor the time it was made.

use outcry_contracts::reports::v1::ReportFormat;
use outcry_store::timer::time_of;
use serde::Serialize;

use super::movement::word;
use super::{Rendered, Unmade};
use crate::domain::Terms;

/// A report in JSON.
#[derive(Debug, Serialize)]
struct Document<'a, Line> {
    report: String,
    user_id: &'a str,
    from: Option<String>,
    as_of: String,
    rows: &'a [Line],
}

/// The report's bytes.
///
/// # Errors
/// [`Unmade::Unwritable`].
pub fn render<Line: Serialize>(
    terms: &Terms,
    columns: &[&str],
    lines: &[Line],
) -> Result<Rendered, Unmade> {
    let bytes = match terms.format {
        ReportFormat::Json => json(terms, lines),
        ReportFormat::Csv | ReportFormat::Unspecified | ReportFormat::Xlsx | ReportFormat::Pdf => {
            csv(columns, lines)
        }
    };
    Ok(Rendered {
        bytes: bytes?,
        rows: lines.len(),
    })
}

fn json<Line: Serialize>(terms: &Terms, lines: &[Line]) -> Result<Vec<u8>, Unmade> {
    let document = Document {
        report: word(terms.kind.as_str_name(), "REPORT_TYPE_"),
        user_id: &terms.user_id,
        from: terms.from_ns.map(time),
        as_of: time(terms.as_of_ns),
        rows: lines,
    };
    let mut bytes = serde_json::to_vec_pretty(&document)
        .map_err(|error| Unmade::Unwritable(error.to_string()))?;
    bytes.push(b'\n');
    Ok(bytes)
}

fn csv<Line: Serialize>(columns: &[&str], lines: &[Line]) -> Result<Vec<u8>, Unmade> {
    let unwritable = |error: csv::Error| Unmade::Unwritable(error.to_string());
    // Headings are written here, so that a report without lines has them too.
    let mut writer = csv::WriterBuilder::new()
        .has_headers(false)
        .from_writer(Vec::new());
    writer.write_record(columns).map_err(unwritable)?;
    for line in lines {
        writer.serialize(line).map_err(unwritable)?;
    }
    writer
        .into_inner()
        .map_err(|error| Unmade::Unwritable(error.error().to_string()))
}

/// A time in UTC.
fn time(ns: i64) -> String {
    prost_types::Timestamp::from(time_of(ns)).to_string()
}
