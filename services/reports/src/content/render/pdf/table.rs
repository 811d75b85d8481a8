//! Tables: columns as wide as what is in them, numbers to the right, headings on every page.

use super::super::super::document::{Cell, Column, Section};
use super::SECTION;
use super::helvetica::{Face, width, wrapped};
use super::paper::{Book, MARGIN};

/// Size of text in tables, in thousandths of a point, and the least it is made for wide ones.
const TEXT: i32 = 8_000;
const TEXT_MIN: i32 = 5_000;
const TEXT_STEP: i32 = 500;

/// White space between columns.
const GAP: i32 = 8_000;

/// A column of words is not made narrower than this.
const WORDS_MIN: i32 = 34_000;

/// What stands where there are no rows.
const NOTHING: &str = "Nothing in this period.";

/// A section as it is printed.
pub(super) struct Table<'a> {
    section: &'a Section,
    /// Places of the columns that are printed.
    places: Vec<usize>,
    /// How wide they want to be, at the usual size.
    natural: Vec<i32>,
}

/// Columns with their widths.
struct Layout {
    size: i32,
    widths: Vec<i32>,
}

// === impl Table ===

impl<'a> Table<'a> {
    pub(super) fn of(section: &'a Section) -> Table<'a> {
        let shown = section.columns.iter().enumerate();
        let shown = shown.filter(|(_, column)| !column.is_hidden);
        let places: Vec<usize> = shown.map(|(place, _)| place).collect();
        let mut natural: Vec<i32> = places
            .iter()
            .map(|place| width(section.columns[*place].title, Face::Bold, TEXT))
            .collect();
        let rows = section.rows.iter().map(|row| (row, Face::Regular));
        let totals = section.totals.iter().map(|row| (row, Face::Bold));
        for (row, face) in rows.chain(totals) {
            for (widest, place) in natural.iter_mut().zip(&places) {
                *widest = (*widest).max(width(&row[*place].shown(), face, TEXT));
            }
        }
        for widest in &mut natural {
            *widest += GAP;
        }
        Table {
            section,
            places,
            natural,
        }
    }

    /// How wide it wants to be.
    pub(super) fn natural(&self) -> i32 {
        self.natural
            .iter()
            .fold(0, |sum, one| sum.saturating_add(*one))
    }

    pub(super) fn print(&self, book: &mut Book) {
        let layout = self.layout(book.size.usable());
        let leading = layout.leading();
        book.space(SECTION);
        book.keep(2 * SECTION + 4 * leading);
        book.down(SECTION);
        book.text(MARGIN, Face::Bold, SECTION, self.section.title);
        book.down(SECTION / 2);
        self.heading(book, &layout);
        for row in &self.section.rows {
            self.line(book, &layout, row, Face::Regular);
        }
        if self.section.rows.is_empty() {
            book.down(leading);
            book.text(MARGIN, Face::Regular, layout.size, NOTHING);
            book.down(layout.pad());
        } else if let Some(totals) = &self.section.totals {
            self.line(book, &layout, totals, Face::Bold);
        }
    }

    fn columns(&self) -> impl Iterator<Item = &'a Column> {
        self.places
            .iter()
            .map(|place| &self.section.columns[*place])
    }

    /// Columns for so much room: the largest text at which numbers are on one line.
    fn layout(&self, room: i32) -> Layout {
        let mut size = TEXT;
        loop {
            let scaled = |natural: &i32| {
                let wide = i64::from(*natural) * i64::from(size) / i64::from(TEXT);
                i32::try_from(wide).unwrap_or(i32::MAX / 4)
            };
            let mut widths: Vec<i32> = self.natural.iter().map(scaled).collect();
            let is_words = |column: &Column| !column.kind.is_number() && !is_time(column);
            let words: Vec<usize> = (0..)
                .zip(self.columns())
                .filter(|(_, column)| is_words(column))
                .map(|(at, _)| at)
                .collect();
            let total = |widths: &[i32]| {
                widths
                    .iter()
                    .fold(0, |sum: i32, one| sum.saturating_add(*one))
            };
            // The widest columns of words give first.
            while total(&widths) > room {
                let widest = words.iter().copied().max_by_key(|at| widths[*at]);
                let Some(at) = widest.filter(|at| widths[*at] > WORDS_MIN) else {
                    break;
                };
                let too_much = total(&widths) - room;
                let others = words
                    .iter()
                    .map(|at| widths[*at])
                    .filter(|one| *one < widths[at]);
                let next = others.max().unwrap_or(WORDS_MIN).max(WORDS_MIN);
                widths[at] = (widths[at] - too_much).max(next.min(widths[at] - 1));
            }
            if total(&widths) <= room || size <= TEXT_MIN {
                let rest = (room - total(&widths)).max(0);
                // What is left over goes to the words, or to all columns.
                let takers: Vec<usize> = if words.is_empty() {
                    (0..widths.len()).collect()
                } else {
                    words
                };
                let each = rest / i32::try_from(takers.len().max(1)).unwrap_or(1);
                for at in takers {
                    widths[at] += each;
                }
                return Layout { size, widths };
            }
            size -= TEXT_STEP;
        }
    }

    fn heading(&self, book: &mut Book, layout: &Layout) {
        let titles = self.columns().zip(&layout.widths);
        let titles: Vec<Vec<String>> = titles
            .map(|(column, room)| wrapped(column.title, Face::Bold, layout.size, room - GAP))
            .collect();
        let deepest = titles.iter().map(Vec::len).max().unwrap_or(1);
        let below = layout.leading() * (i32::try_from(deepest).unwrap_or(1) - 1) + layout.pad();
        book.down(layout.leading());
        book.band(below, layout.size);
        self.cells(book, layout, &titles, Face::Bold);
        book.down(below);
    }

    fn line(&self, book: &mut Book, layout: &Layout, row: &[Cell], face: Face) {
        let cells: Vec<Vec<String>> = self
            .places
            .iter()
            .zip(&layout.widths)
            .map(|(place, room)| match &row[*place] {
                Cell::Text(text) => wrapped(text, face, layout.size, room - GAP),
                cell => vec![cell.shown()],
            })
            .collect();
        let deepest = cells.iter().map(Vec::len).max().unwrap_or(1);
        let height = layout.leading() * i32::try_from(deepest).unwrap_or(1) + layout.pad();
        if !book.has_room(height) {
            book.turn();
            self.heading(book, layout);
        }
        book.down(layout.leading());
        let gray = if face == Face::Bold { 0.0 } else { 0.85 };
        book.rule(layout.size, gray);
        self.cells(book, layout, &cells, face);
        book.down(height - layout.leading());
    }

    fn cells(&self, book: &mut Book, layout: &Layout, cells: &[Vec<String>], face: Face) {
        let mut x = MARGIN;
        for ((column, lines), room) in self.columns().zip(cells).zip(&layout.widths) {
            for (number, line) in (0..).zip(lines).filter(|(_, line)| !line.is_empty()) {
                book.down(number * layout.leading());
                if column.kind.is_number() {
                    book.right(x + room - GAP / 2, face, layout.size, line);
                } else {
                    book.text(x + GAP / 2, face, layout.size, line);
                }
                book.down(-number * layout.leading());
            }
            x += room;
        }
    }
}

fn is_time(column: &Column) -> bool {
    column.kind == super::super::super::document::Kind::Time
}

// === impl Layout ===

impl Layout {
    /// From line to line.
    fn leading(&self) -> i32 {
        self.size * 5 / 4
    }

    /// Below the last line of a row.
    fn pad(&self) -> i32 {
        self.size * 3 / 8
    }
}
