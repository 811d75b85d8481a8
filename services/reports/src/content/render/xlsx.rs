//! A document as a workbook (Office Open XML): a sheet that says what it is about, and one per
//! section, whose heading stays in sight. Numbers and times are numbers and times.

use outcry_events::money::{Amount, PER_UNIT};
use rust_xlsxwriter::{
    Color, DocProperties, ExcelDateTime, Format, FormatAlign, FormatBorder, Workbook, Worksheet,
    XlsxError,
};

use super::super::Unmade;
use super::super::document::{Cell, Column, Document, Kind, Section};
use super::unwritable;

/// Ten-thousandths up to which a spreadsheet's numbers, which have fifteen digits, are exact. Larger
/// amounts are written as text.
const EXACT_MAX: i64 = 999_999_999_999_999;

/// The same for whole numbers.
const EXACT_COUNT_MAX: u64 = 999_999_999_999_999;

/// Characters a column is at least and at most wide.
const WIDTHS: (usize, usize) = (8, 44);

/// Rows whose cells are looked at for how wide a column must be.
const SAMPLE: usize = 500;

/// How cells look.
struct Formats {
    title: Format,
    label: Format,
    wrapped: Format,
    heading: Format,
    number_heading: Format,
    money: Format,
    count: Format,
    time: Format,
    total: Format,
    total_money: Format,
    total_count: Format,
}

/// The file.
pub(super) fn render(document: &Document) -> Result<Vec<u8>, Unmade> {
    written(document).map_err(unwritable)
}

fn written(document: &Document) -> Result<Vec<u8>, XlsxError> {
    let formats = Formats::new();
    let mut workbook = Workbook::new();
    let created = time(document.as_of_ns).unwrap_or_default();
    let properties = DocProperties::new()
        .set_title(document.title)
        .set_subject(document.period())
        .set_author("Outcry")
        .set_comment(document.reference.to_string())
        .set_creation_datetime(&created);
    workbook.set_properties(&properties);
    about(workbook.add_worksheet(), document, &formats)?;
    for section in &document.sections {
        sheet(workbook.add_worksheet(), section, &formats)?;
    }
    workbook.save_to_buffer()
}

/// What the report is about.
fn about(sheet: &mut Worksheet, document: &Document, formats: &Formats) -> Result<(), XlsxError> {
    sheet.set_name("Report")?;
    sheet.set_column_width(0, 18)?;
    sheet.set_column_width(1, 90)?;
    sheet.write_string_with_format(0, 0, document.title, &formats.title)?;
    let mut row = 2;
    for (_, label, value) in document.account_block() {
        sheet.write_string_with_format(row, 0, label, &formats.label)?;
        sheet.write_string(row, 1, value)?;
        row += 1;
    }
    row += 1;
    sheet.write_string_with_format(row, 0, "Notes", &formats.label)?;
    for note in &document.notes {
        sheet.write_string_with_format(row, 1, note, &formats.wrapped)?;
        row += 1;
    }
    Ok(())
}

fn sheet(sheet: &mut Worksheet, section: &Section, formats: &Formats) -> Result<(), XlsxError> {
    sheet.set_name(section.title)?;
    sheet.set_freeze_panes(1, 0)?;
    sheet.set_repeat_rows(0, 0)?;
    sheet.set_landscape();
    sheet.set_print_fit_to_pages(1, 0);
    for (place, column) in (0_u16..).zip(section.columns) {
        let heading = if column.kind.is_number() {
            &formats.number_heading
        } else {
            &formats.heading
        };
        sheet.write_string_with_format(0, place, column.title, heading)?;
        sheet.set_column_width(place, width(section, usize::from(place), column))?;
    }
    let mut number = 1;
    for row in &section.rows {
        for (place, cell) in (0_u16..).zip(row) {
            write(sheet, (number, place), cell, formats, false)?;
        }
        number += 1;
    }
    for (place, cell) in (0_u16..).zip(section.totals.iter().flatten()) {
        write(sheet, (number, place), cell, formats, true)?;
    }
    Ok(())
}

fn write(
    sheet: &mut Worksheet,
    (row, column): (u32, u16),
    cell: &Cell,
    formats: &Formats,
    is_total: bool,
) -> Result<(), XlsxError> {
    let money = if is_total {
        &formats.total_money
    } else {
        &formats.money
    };
    let count = if is_total {
        &formats.total_count
    } else {
        &formats.count
    };
    match cell {
        Cell::Empty if is_total => sheet.write_blank(row, column, &formats.total)?,
        Cell::Empty => sheet,
        Cell::Text(text) if is_total => {
            sheet.write_string_with_format(row, column, text, &formats.total)?
        }
        Cell::Text(text) => sheet.write_string(row, column, text)?,
        Cell::Time(ns) => match time(*ns) {
            Some(at) => sheet.write_datetime_with_format(row, column, &at, &formats.time)?,
            None => sheet.write_string(row, column, cell.plain())?,
        },
        Cell::Count(number) if number.unsigned_abs() <= EXACT_COUNT_MAX => {
            // Exact: fewer digits than the format has.
            sheet.write_number_with_format(row, column, *number as f64, count)?
        }
        Cell::Money(amount) => match exact(*amount) {
            Some(number) => sheet.write_number_with_format(row, column, number, money)?,
            None => sheet.write_string_with_format(row, column, cell.plain(), money)?,
        },
        Cell::Count(_) => sheet.write_string_with_format(row, column, cell.plain(), count)?,
    };
    Ok(())
}

/// The number that a spreadsheet shows as this amount: the one float whose shortest decimal form
/// is the amount. Only what is written into the file is a float, nothing is computed with it.
fn exact(amount: Amount) -> Option<f64> {
    (amount.raw().abs() <= EXACT_MAX).then(|| amount.raw() as f64 / PER_UNIT as f64)
}

/// To the second. None for a time no spreadsheet knows.
fn time(ns: i64) -> Option<ExcelDateTime> {
    ExcelDateTime::from_timestamp(ns.div_euclid(1_000_000_000)).ok()
}

/// How many characters wide a column is to be.
fn width(section: &Section, place: usize, column: &Column) -> f64 {
    let rows = section.rows.iter().take(SAMPLE).chain(&section.totals);
    let cells = rows.filter_map(|row| row.get(place));
    let widest = cells.map(|cell| cell.shown().chars().count()).max();
    let widest = widest.unwrap_or_default().max(column.title.chars().count());
    let least = if column.kind == Kind::Time {
        19
    } else {
        WIDTHS.0
    };
    // Two more for the margins of a cell. At most a few dozen: exact.
    (widest + 2).clamp(least, WIDTHS.1) as f64
}

// === impl Formats ===

impl Formats {
    fn new() -> Formats {
        let money = "#,##0.00##;[Red]-#,##0.00##";
        let count = "#,##0;[Red]-#,##0";
        let heading = Format::new()
            .set_bold()
            .set_background_color(Color::RGB(0xE7_EB_F0))
            .set_border_bottom(FormatBorder::Thin);
        let total = Format::new().set_bold().set_border_top(FormatBorder::Thin);
        Formats {
            title: Format::new().set_bold().set_font_size(16),
            label: Format::new().set_bold(),
            wrapped: Format::new().set_text_wrap(),
            number_heading: heading.clone().set_align(FormatAlign::Right),
            heading,
            money: Format::new().set_num_format(money),
            count: Format::new().set_num_format(count),
            time: Format::new().set_num_format("yyyy-mm-dd hh:mm:ss"),
            total_money: total.clone().set_num_format(money),
            total_count: total.clone().set_num_format(count),
            total,
        }
    }
}
