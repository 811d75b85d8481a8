//! `contracts/lock.json`: the shape of the contract as it is committed, so that a change of it shows
//! in a diff. A field, a value and a method each take one line.

use std::io::{self, Write};

use serde::Serialize as _;
use serde_json::ser::{Formatter, Serializer};

use crate::shape::Shape;

/// Containers deeper than this stand on one line.
const DEPTH: usize = 4;

/// The file's text.
///
/// # Errors
/// Never for a shape: its keys are text.
pub fn render(shape: &Shape) -> Result<String, serde_json::Error> {
    let mut text = Vec::new();
    shape.serialize(&mut Serializer::with_formatter(&mut text, Lines::default()))?;
    text.push(b'\n');
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// Reads the file's text.
///
/// # Errors
/// The text is no lock.
pub fn parse(text: &str) -> Result<Shape, serde_json::Error> {
    serde_json::from_str(text)
}

/// Breaks lines down to [`DEPTH`].
#[derive(Default)]
struct Lines {
    depth: usize,
    /// The container that ends has something in it.
    filled: bool,
}

impl Lines {
    fn begin<W: Write + ?Sized>(&mut self, writer: &mut W, bracket: &[u8]) -> io::Result<()> {
        self.depth += 1;
        self.filled = false;
        writer.write_all(bracket)
    }

    fn end<W: Write + ?Sized>(&mut self, writer: &mut W, bracket: &[u8]) -> io::Result<()> {
        let breaks = self.filled && self.depth <= DEPTH;
        self.depth -= 1;
        self.filled = true;
        if breaks {
            self.break_line(writer)?;
        }
        writer.write_all(bracket)
    }

    fn next<W: Write + ?Sized>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if !first {
            writer.write_all(b",")?;
        }
        if self.depth <= DEPTH {
            self.break_line(writer)
        } else if first {
            Ok(())
        } else {
            writer.write_all(b" ")
        }
    }

    fn break_line<W: Write + ?Sized>(&self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b"\n")?;
        writer.write_all(" ".repeat(self.depth).as_bytes())
    }
}

impl Formatter for Lines {
    fn begin_array<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.begin(writer, b"[")
    }

    fn end_array<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.end(writer, b"]")
    }

    fn begin_array_value<W: Write + ?Sized>(&mut self, w: &mut W, first: bool) -> io::Result<()> {
        self.next(w, first)
    }

    fn end_array_value<W: Write + ?Sized>(&mut self, _: &mut W) -> io::Result<()> {
        self.filled = true;
        Ok(())
    }

    fn begin_object<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.begin(writer, b"{")
    }

    fn end_object<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.end(writer, b"}")
    }

    fn begin_object_key<W: Write + ?Sized>(&mut self, w: &mut W, first: bool) -> io::Result<()> {
        self.next(w, first)
    }

    fn begin_object_value<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }

    fn end_object_value<W: Write + ?Sized>(&mut self, _: &mut W) -> io::Result<()> {
        self.filled = true;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use outcry_events::descriptors;

    use super::*;

    #[test]
    fn a_lock_reads_as_the_shape_it_was_made_of_and_has_a_line_for_each_field() {
        let shape = Shape::of(descriptors::pool());
        let text = render(&shape).unwrap();
        assert_eq!(parse(&text).unwrap(), shape);
        for message in shape.messages.values() {
            for field in &message.fields {
                let start = format!(
                    "{{\"number\": {}, \"name\": \"{}\"",
                    field.number, field.name
                );
                let is_whole =
                    |line: &str| line.contains(&start) && line.trim_end_matches(',').ends_with('}');
                assert!(text.lines().any(is_whole), "{start}");
            }
        }
    }
}
