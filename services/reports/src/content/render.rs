//! A document in each format. The same document gives the same bytes: nothing comes from the clock,
//! and nothing from the request it was made for.

mod csv;
mod json;
mod pdf;
mod xlsx;

use outcry_contracts::reports::v1::ReportFormat;

use super::Unmade;
use super::document::Document;

/// The document's bytes.
///
/// # Errors
/// [`Unmade::Unwritable`].
pub fn render(document: &Document, format: ReportFormat) -> Result<Vec<u8>, Unmade> {
    match format {
        ReportFormat::Csv | ReportFormat::Unspecified => csv::render(document),
        ReportFormat::Json => json::render(document),
        ReportFormat::Xlsx => xlsx::render(document),
        ReportFormat::Pdf => Ok(pdf::render(document)),
    }
}

/// Media type of a format.
#[must_use]
pub fn content_type(format: ReportFormat) -> &'static str {
    match format {
        ReportFormat::Csv | ReportFormat::Unspecified => "text/csv; charset=utf-8; header=present",
        ReportFormat::Json => "application/json",
        ReportFormat::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        ReportFormat::Pdf => "application/pdf",
    }
}

/// How the name of a file in a format ends.
#[must_use]
pub fn extension(format: ReportFormat) -> &'static str {
    match format {
        ReportFormat::Csv | ReportFormat::Unspecified => "csv",
        ReportFormat::Json => "json",
        ReportFormat::Xlsx => "xlsx",
        ReportFormat::Pdf => "pdf",
    }
}

fn unwritable(error: impl std::fmt::Display) -> Unmade {
    Unmade::Unwritable(error.to_string())
}
