//! A document as PDF, in the fonts every reader has: an account block, tables that go on over pages
//! with their headings repeated, and on every page what it is about and how it was computed.
//!
//! - [`helvetica`]: how wide text is, and its bytes
//! - [`paper`]: pages, and what is put on them
//! - [`table`]: tables, over as many pages as they need

mod helvetica;
mod paper;
mod table;

use pdf_writer::types::Direction;
use pdf_writer::{Date, Filter, Finish, Name, Pdf, Rect, Ref, TextStr};

use self::helvetica::Face;
use self::paper::{Book, MARGIN, Size};
use self::table::Table;
use super::super::document::{Document, minute_text};

/// What wrote the file.
const PRODUCER: &str = "Outcry";

/// Sizes of text, in thousandths of a point.
const TITLE: i32 = 18_000;
const SECTION: i32 = 11_000;
const BODY: i32 = 9_000;
const SMALL: i32 = 7_000;

/// Where the values of the account block begin.
const VALUES: i32 = 100_000;

/// How well contents are compressed: the usual measure.
const COMPRESSION: u8 = 6;

/// Objects before those of the pages.
const CATALOG: Ref = Ref::new(1);
const PAGES: Ref = Ref::new(2);
const REGULAR: Ref = Ref::new(3);
const BOLD: Ref = Ref::new(4);
const INFO: Ref = Ref::new(5);
const FIRST_PAGE: i32 = 6;

/// The file.
pub(super) fn render(document: &Document) -> Vec<u8> {
    let tables: Vec<Table<'_>> = document.sections.iter().map(Table::of).collect();
    let is_wide = tables
        .iter()
        .any(|table| table.natural() > Size::PORTRAIT.usable());
    let size = if is_wide {
        Size::LANDSCAPE
    } else {
        Size::PORTRAIT
    };
    let running = format!(
        "{}, {}, {}",
        document.title,
        document.holder,
        document.period()
    );
    let mut book = Book::new(size, running);
    opening(&mut book, document);
    for table in tables {
        table.print(&mut book);
    }
    closing(&mut book, document);
    written(document, book)
}

/// Title and account block.
fn opening(book: &mut Book, document: &Document) {
    book.down(TITLE);
    book.text(MARGIN, Face::Bold, TITLE, document.title);
    book.right(book.size.width - MARGIN, Face::Bold, BODY, PRODUCER);
    book.down(TITLE);
    for (_, label, value) in document.account_block() {
        let room = book.size.usable() - VALUES;
        let lines = helvetica::wrapped(&value, Face::Regular, BODY, room);
        book.text(MARGIN, Face::Bold, BODY, label);
        for line in lines {
            book.text(MARGIN + VALUES, Face::Regular, BODY, &line);
            book.down(BODY * 4 / 3);
        }
    }
}

/// The notes, and the foot of every page.
fn closing(book: &mut Book, document: &Document) {
    book.space(SECTION);
    book.keep(SECTION + 3 * BODY);
    book.down(SECTION);
    book.text(MARGIN, Face::Bold, SECTION, "How this report was computed");
    book.down(SECTION);
    for note in &document.notes {
        for line in helvetica::wrapped(note, Face::Regular, BODY, book.size.usable()) {
            book.keep(BODY);
            book.text(MARGIN, Face::Regular, BODY, &line);
            book.down(BODY * 4 / 3);
        }
        book.down(BODY / 3);
    }
    let computed = document.notes.first().map_or("", String::as_str);
    let computed = helvetica::wrapped(computed, Face::Regular, SMALL, book.size.usable());
    let reference = format!("Reference {}", document.reference);
    book.feet(SMALL, &computed, &reference);
}

/// The pages as a file.
fn written(document: &Document, book: Book) -> Vec<u8> {
    let size = book.size;
    let mut pdf = Pdf::new();
    pdf.set_version(1, 7);
    // The same file has the same id: it says whether two copies are the same.
    let id = document.reference.as_bytes().to_vec();
    pdf.set_file_id((id.clone(), id));
    let mut catalog = pdf.catalog(CATALOG);
    catalog.pages(PAGES).lang(TextStr("en"));
    catalog
        .viewer_preferences()
        .display_doc_title(true)
        .direction(Direction::L2R);
    catalog.finish();
    let created = date(document.as_of_ns);
    let mut info = pdf.document_info(INFO);
    info.title(TextStr(document.title))
        .subject(TextStr(&document.period()))
        .author(TextStr(PRODUCER))
        .creator(TextStr(PRODUCER))
        .producer(TextStr(PRODUCER))
        .creation_date(created)
        .modified_date(created);
    info.finish();
    for (font, name) in [(REGULAR, &b"Helvetica"[..]), (BOLD, b"Helvetica-Bold")] {
        pdf.type1_font(font)
            .base_font(Name(name))
            .encoding_predefined(Name(b"WinAnsiEncoding"));
    }
    let contents = book.finish();
    let ids = (FIRST_PAGE..).step_by(2).map(Ref::new);
    let kids: Vec<Ref> = ids.take(contents.len()).collect();
    // As many as there are pages: far below the limit.
    let count = i32::try_from(kids.len()).unwrap_or(i32::MAX);
    pdf.pages(PAGES).kids(kids.iter().copied()).count(count);
    let paper = Rect::new(
        0.0,
        0.0,
        paper::points(size.width),
        paper::points(size.height),
    );
    for (page_id, content) in kids.into_iter().zip(contents) {
        let content_id = Ref::new(page_id.get() + 1);
        let mut page = pdf.page(page_id);
        page.media_box(paper).parent(PAGES).contents(content_id);
        let mut resources = page.resources();
        let mut fonts = resources.fonts();
        fonts.pair(Face::Regular.name(), REGULAR);
        fonts.pair(Face::Bold.name(), BOLD);
        fonts.finish();
        resources.finish();
        page.finish();
        let packed = miniz_oxide::deflate::compress_to_vec_zlib(&content, COMPRESSION);
        pdf.stream(content_id, &packed).filter(Filter::FlateDecode);
    }
    pdf.finish()
}

/// A time for the file's properties.
fn date(ns: i64) -> Date {
    let text = minute_text(ns);
    let mut parts = text
        .split(['-', ' ', ':'])
        .map(|part| part.parse::<u16>().unwrap_or_default());
    let year = parts.next().unwrap_or_default();
    // Months to seconds are two digits.
    let mut part = || u8::try_from(parts.next().unwrap_or_default()).unwrap_or_default();
    Date::new(year)
        .month(part())
        .day(part())
        .hour(part())
        .minute(part())
        .second(part())
        .utc_offset_hour(0)
        .utc_offset_minute(0)
}
