//! Pages, and what is put on them from top to bottom. Lengths are thousandths of a point.

use pdf_writer::{Content, Str};

use super::helvetica::{Face, encoded, width};

/// White space at the sides and at the top.
pub(super) const MARGIN: i32 = 40_000;

/// The same at the bottom, where the foot is.
const FOOT: i32 = 58_000;

/// Size of the line at the top of every page but the first.
const RUNNING: i32 = 7_500;

/// A size of paper.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) width: i32,
    pub(super) height: i32,
}

/// Pages being filled.
pub(super) struct Book {
    pub(super) size: Size,
    /// What stands on top of every page but the first.
    running: String,
    pages: Vec<Content>,
    /// Where the next line stands, from the bottom.
    y: i32,
}

/// Thousandths of a point as the file has them.
pub(super) fn points(thousandths: i32) -> f32 {
    // Within the paper: exact to the ten-thousandth.
    thousandths as f32 / 1000.0
}

// === impl Size ===

impl Size {
    /// A4, upright.
    pub(super) const PORTRAIT: Size = Size {
        width: 595_276,
        height: 841_890,
    };
    /// A4, lying.
    pub(super) const LANDSCAPE: Size = Size {
        width: 841_890,
        height: 595_276,
    };

    /// Width without the margins.
    pub(super) fn usable(self) -> i32 {
        self.width - 2 * MARGIN
    }
}

// === impl Book ===

impl Book {
    pub(super) fn new(size: Size, running: String) -> Book {
        Book {
            size,
            running,
            pages: vec![Content::new()],
            y: size.height - MARGIN,
        }
    }

    /// Goes down.
    pub(super) fn down(&mut self, by: i32) {
        self.y -= by;
    }

    /// Goes down, unless the page has just begun.
    pub(super) fn space(&mut self, by: i32) {
        if self.y < self.size.height - MARGIN {
            self.y -= by;
        }
    }

    /// Whether there is so much room left on the page.
    pub(super) fn has_room(&self, height: i32) -> bool {
        self.y - height >= FOOT
    }

    /// Goes on on a new page unless there is so much room.
    pub(super) fn keep(&mut self, height: i32) {
        if !self.has_room(height) {
            self.turn();
        }
    }

    /// Goes on on a new page.
    pub(super) fn turn(&mut self) {
        self.pages.push(Content::new());
        self.y = self.size.height - MARGIN;
        let running = self.running.clone();
        self.text(MARGIN, Face::Regular, RUNNING, &running);
        self.y -= 2 * RUNNING;
    }

    /// Text that begins at `x`.
    pub(super) fn text(&mut self, x: i32, face: Face, size: i32, text: &str) {
        let y = self.y;
        if let Some(page) = self.pages.last_mut() {
            show(page, (x, y), face, size, text);
        }
    }

    /// Text that ends at `x`.
    pub(super) fn right(&mut self, x: i32, face: Face, size: i32, text: &str) {
        self.text(x - width(text, face, size), face, size, text);
    }

    /// A grey band over the whole width, from so much below to so much above the line.
    pub(super) fn band(&mut self, below: i32, above: i32) {
        let (y, size) = (self.y, self.size);
        if let Some(page) = self.pages.last_mut() {
            page.save_state().set_fill_gray(0.91);
            page.rect(
                points(MARGIN),
                points(y - below),
                points(size.usable()),
                points(below + above),
            );
            page.fill_nonzero().restore_state();
        }
    }

    /// A thin line over the whole width, so much above the line.
    pub(super) fn rule(&mut self, above: i32, gray: f32) {
        let (y, size) = (points(self.y + above), self.size);
        if let Some(page) = self.pages.last_mut() {
            page.save_state().set_line_width(0.5).set_stroke_gray(gray);
            page.move_to(points(MARGIN), y);
            page.line_to(points(size.width - MARGIN), y);
            page.stroke().restore_state();
        }
    }

    /// The foot of every page: how it was computed, which report it is, and which page.
    pub(super) fn feet(&mut self, size: i32, computed: &[String], reference: &str) {
        let (count, paper) = (self.pages.len(), self.size);
        for (number, page) in (1..).zip(&mut self.pages) {
            let mut y = FOOT - 2 * size;
            for line in computed {
                show(page, (MARGIN, y), Face::Regular, size, line);
                y -= size * 5 / 4;
            }
            show(page, (MARGIN, y), Face::Regular, size, reference);
            let place = format!("Page {number} of {count}");
            let x = paper.width - MARGIN - width(&place, Face::Regular, size);
            show(page, (x, y), Face::Regular, size, &place);
        }
    }

    /// What is on the pages.
    pub(super) fn finish(self) -> Vec<Vec<u8>> {
        let pages = self.pages.into_iter();
        pages
            .map(|page| page.finish().as_slice().to_vec())
            .collect()
    }
}

fn show(page: &mut Content, (x, y): (i32, i32), face: Face, size: i32, text: &str) {
    page.begin_text().set_font(face.name(), points(size));
    page.next_line(points(x), points(y));
    page.show(Str(&encoded(text))).end_text();
}
