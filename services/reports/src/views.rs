//! Reports and their content as they are kept.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use outcry_contracts::reports::v1::{self as wire, ReportFormat, ReportStatus};
use outcry_contracts::types::v1::PageRequest;
use outcry_service::{Page, store_failure};
use outcry_store::timer::time_of;
use outcry_store::{Scan, Store, StoreError, ViewRow, ViewWrite};
use serde::{Deserialize, Serialize};
use tonic::Status;

use crate::content::document::minute_text;
use crate::content::movement::word;
use crate::content::render::{content_type, extension};
use crate::domain::{OPEN_MAX, Outcome, Terms};

/// View of [`ReportRow`]s by report id.
pub const REPORTS: &str = "reports";

/// Order of [`REPORTS`] by user and id; ids grow with time.
pub const BY_USER: &str = "user";

/// Order of those [`REPORTS`] that wait to be made, by user and id.
pub const OPEN: &str = "open";

/// View of [`Piece`]s by report id and number, the latter in six digits from 0.
pub const CONTENTS: &str = "contents";

/// Bytes of a piece of content, the last one excepted: what is well within a message.
pub const PIECE_BYTES: usize = 256 * 1024;

/// A report as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportRow {
    /// Its id.
    pub report_id: String,
    /// Whose it is.
    pub user_id: String,
    /// A [`ReportType`](wire::ReportType).
    pub r#type: i32,
    /// A [`ReportFormat`].
    pub format: i32,
    /// A [`ReportStatus`].
    pub status: i32,
    /// Start of the period, in nanoseconds since 1970.
    pub from_ns: Option<i64>,
    /// The time it is as of, in nanoseconds since 1970.
    pub as_of_ns: i64,
    /// When it was asked for, in nanoseconds since 1970.
    pub requested_at_ns: i64,
    /// Hash of the content; empty until there is some.
    pub sha256: String,
    /// Bytes of the content.
    pub size_bytes: i64,
    /// Lines of the content.
    pub rows: i64,
    /// Position in the user's journal up to which events are in it.
    pub as_of_position: u64,
    /// Why it failed; empty if it did not.
    pub message: String,
    /// What its file is called; empty of reports made before there were names.
    #[serde(default)]
    pub file_name: String,
    /// When its content is forgotten, in nanoseconds since 1970; none until there is some.
    #[serde(default)]
    pub expires_at_ns: Option<i64>,
}

/// A report with the version of its row.
pub(crate) struct RowAt {
    pub(crate) row: ReportRow,
    version: u64,
}

/// A piece of content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece {
    /// The bytes, in base64.
    pub bytes: String,
}

/// A report by id.
pub(crate) async fn report(
    store: &dyn Store,
    report_id: &str,
) -> Result<Option<RowAt>, StoreError> {
    match store.view(REPORTS, report_id).await? {
        None => Ok(None),
        Some(row) => Ok(Some(RowAt {
            row: row.decode()?,
            version: row.version,
        })),
    }
}

/// How many reports of a user wait to be made; counts to [`OPEN_MAX`].
pub(crate) async fn open(store: &dyn Store, user_id: &str) -> Result<usize, StoreError> {
    let scan = Scan::new(REPORTS)
        .index(OPEN)
        .prefix(format!("{user_id}/"))
        .limit(OPEN_MAX);
    Ok(store.scan(&scan).await?.len())
}

/// Reports of a user, newest first.
pub(crate) async fn reports(
    store: &dyn Store,
    user_id: &str,
    page: Option<PageRequest>,
) -> Result<wire::ListReportsResponse, Status> {
    let scan = Scan::new(REPORTS)
        .index(BY_USER)
        .prefix(format!("{user_id}/"))
        .reverse();
    let (rows, page) = Page::of(page)
        .read(store, scan)
        .await
        .map_err(store_failure)?;
    let reports = rows
        .iter()
        .map(|row| Ok(ViewRow::decode::<ReportRow>(row)?.to_message()))
        .collect::<Result<_, StoreError>>()
        .map_err(store_failure)?;
    Ok(wire::ListReportsResponse {
        reports,
        page: Some(page),
    })
}

/// A piece of a report's content; none behind the last.
///
/// # Errors
/// The store does not answer, or holds something else.
pub async fn piece(
    store: &dyn Store,
    report_id: &str,
    number: usize,
) -> Result<Option<Vec<u8>>, StoreError> {
    let Some(row) = store.view(CONTENTS, &place(report_id, number)).await? else {
        return Ok(None);
    };
    let piece: Piece = row.decode()?;
    let bytes = BASE64_STANDARD
        .decode(piece.bytes)
        .map_err(|error| StoreError::Corrupt {
            what: format!("piece {number} of report {report_id}"),
            source: error.into(),
        })?;
    Ok(Some(bytes))
}

/// What is written to keep a report's content.
pub(crate) fn pieces(report_id: &str, content: &[u8]) -> Result<Vec<ViewWrite>, StoreError> {
    content
        .chunks(PIECE_BYTES)
        .enumerate()
        .map(|(number, bytes)| {
            let bytes = BASE64_STANDARD.encode(bytes);
            Ok(ViewWrite::put(CONTENTS, place(report_id, number), &Piece { bytes })?.expect(0))
        })
        .collect()
}

/// What is written to forget a report's content.
pub(crate) fn no_pieces(row: &ReportRow) -> impl Iterator<Item = ViewWrite> {
    let bytes = usize::try_from(row.size_bytes).unwrap_or_default();
    let report_id = row.report_id.clone();
    (0..bytes.div_ceil(PIECE_BYTES))
        .map(move |number| ViewWrite::delete(CONTENTS, place(&report_id, number)))
}

fn place(report_id: &str, number: usize) -> String {
    format!("{report_id}/{number:06}")
}

// === impl ReportRow ===

impl ReportRow {
    /// A report that was just asked for.
    pub(crate) fn requested(terms: &Terms, requested_at_ns: i64) -> ReportRow {
        ReportRow {
            report_id: terms.report_id.clone(),
            user_id: terms.user_id.clone(),
            r#type: terms.kind.into(),
            format: terms.format.into(),
            status: ReportStatus::Requested.into(),
            from_ns: terms.from_ns,
            as_of_ns: terms.as_of_ns,
            requested_at_ns,
            sha256: String::new(),
            size_bytes: 0,
            rows: 0,
            as_of_position: terms.as_of_position,
            message: String::new(),
            file_name: file_name(terms),
            expires_at_ns: None,
        }
    }

    /// The same, being made.
    pub(crate) fn running(&self) -> ReportRow {
        ReportRow {
            status: ReportStatus::Running.into(),
            ..self.clone()
        }
    }

    /// The same, made.
    pub(crate) fn completed(&self, outcome: &Outcome, expires_at_ns: i64) -> ReportRow {
        ReportRow {
            status: ReportStatus::Completed.into(),
            expires_at_ns: Some(expires_at_ns),
            sha256: outcome.sha256.clone(),
            size_bytes: outcome.size_bytes,
            rows: outcome.rows,
            as_of_position: outcome.as_of_position,
            ..self.clone()
        }
    }

    /// The same, given up.
    pub(crate) fn failed(&self, message: &str) -> ReportRow {
        ReportRow {
            status: ReportStatus::Failed.into(),
            message: message.to_owned(),
            ..self.clone()
        }
    }

    /// The same without its content.
    pub(crate) fn expired(&self) -> ReportRow {
        ReportRow {
            status: ReportStatus::Expired.into(),
            ..self.clone()
        }
    }

    /// Whether nobody has begun to make it.
    pub(crate) fn is_requested(&self) -> bool {
        self.status == i32::from(ReportStatus::Requested)
    }

    /// Whether it waits to be made or is being made.
    pub(crate) fn is_open(&self) -> bool {
        self.is_requested() || self.status == i32::from(ReportStatus::Running)
    }

    /// Whether there is content.
    pub(crate) fn is_completed(&self) -> bool {
        self.status == i32::from(ReportStatus::Completed)
    }

    /// The row with its places in the listings.
    pub(crate) fn write(&self) -> Result<ViewWrite, StoreError> {
        let place = format!("{}/{}", self.user_id, self.report_id);
        let write = ViewWrite::put(REPORTS, &self.report_id, self)?.index(BY_USER, place.clone());
        if self.is_open() {
            return Ok(write.index(OPEN, place));
        }
        Ok(write)
    }

    pub(crate) fn to_message(&self) -> wire::Report {
        wire::Report {
            report_id: self.report_id.clone(),
            user_id: self.user_id.clone(),
            r#type: self.r#type,
            format: self.format,
            status: self.status,
            from: self.from_ns.map(|from| time_of(from).into()),
            as_of: Some(time_of(self.as_of_ns).into()),
            sha256: self.sha256.clone(),
            size_bytes: self.size_bytes,
            rows: self.rows,
            message: self.message.clone(),
            requested_at: Some(time_of(self.requested_at_ns).into()),
            expires_at: self.expires_at_ns.map(|at| time_of(at).into()),
            file_name: self.file_name.clone(),
            content_type: content_type(self.format()).to_owned(),
            as_of_position: self.as_of_position,
        }
    }

    fn format(&self) -> ReportFormat {
        ReportFormat::try_from(self.format).unwrap_or_default()
    }
}

/// A name that says what is in the file, and no other report of the user has.
fn file_name(terms: &Terms) -> String {
    let kind = word(terms.kind.as_str_name(), "REPORT_TYPE_").to_lowercase();
    let day: String = minute_text(terms.as_of_ns).chars().take(10).collect();
    let ending = extension(terms.format);
    format!("{kind}-{day}-{}.{ending}", terms.report_id).replace('_', "-")
}

// === impl RowAt ===

impl RowAt {
    /// Writes `row` in place of this one, unless somebody else has changed it.
    pub(crate) fn write(&self, row: &ReportRow) -> Result<ViewWrite, StoreError> {
        Ok(row.write()?.expect(self.version))
    }
}
