//! The catalog as Markdown, for repositories and editors.

use outcry_events::catalog::{CatalogField, CatalogType, CatalogValue};

use super::{
    FIELDS, INTRODUCTION, OVERVIEW, PERSONAL, Page, Piece, TITLE, VALUES, anchor, code, envelope,
    linked, pages, pieces, types,
};
use crate::consumers::Consumers;

/// The page.
#[must_use]
pub fn markdown(consumers: &Consumers) -> String {
    let pages = pages(consumers);
    let version = env!("CARGO_PKG_VERSION");
    let mut out = format!("# {TITLE}\n\n{INTRODUCTION} Version {version} of the platform.\n");
    out.push_str("\n## Overview\n\n");
    begin_table(&mut out, &OVERVIEW);
    for page in &pages {
        let entry = page.entry;
        let cells = [
            format!("[{}](#{})", code(entry.topic), anchor(entry.topic)),
            inline(&entry.description),
            entry.owner.to_owned(),
            entry.version.to_string(),
            page.consumers.clone(),
        ];
        row(&mut out, &cells);
    }
    out.push_str("\n## Envelope\n\n");
    fields(&mut out, envelope());
    out.push_str("\n## Events\n");
    for page in &pages {
        event(&mut out, page);
    }
    out.push_str("\n## Types\n");
    for (name, of_type) in types() {
        described_type(&mut out, name, of_type);
    }
    out
}

fn event(out: &mut String, page: &Page<'_>) {
    let entry = page.entry;
    heading(out, entry.topic);
    paragraphs(out, &entry.description);
    for (name, value) in &page.facts {
        out.push_str(&format!("- {name}: {}\n", inline(value)));
    }
    out.push('\n');
    fields(out, &entry.fields);
    out.push_str(&format!("\n```json\n{}\n```\n", page.example));
}

fn described_type(out: &mut String, name: &str, of_type: &CatalogType) {
    heading(out, name);
    paragraphs(out, &of_type.description);
    if of_type.values.is_empty() {
        fields(out, &of_type.fields);
    } else {
        values(out, &of_type.values);
    }
}

/// With an anchor of its own: renderers make different ones of the same words.
fn heading(out: &mut String, name: &str) {
    out.push_str(&format!(
        "\n<a id=\"{}\"></a>\n\n### {name}\n\n",
        anchor(name)
    ));
}

fn paragraphs(out: &mut String, text: &str) {
    if !text.is_empty() {
        out.push_str(&format!("{}\n\n", inline(text)));
    }
}

fn fields(out: &mut String, fields: &[CatalogField]) {
    begin_table(out, &FIELDS);
    for field in fields {
        let (before, name, after) = linked(&field.type_name);
        let link = name.map(|name| format!("[{}](#{})", code(name), anchor(name)));
        let rules: Vec<String> = field.rules.iter().map(|rule| inline(rule)).collect();
        let mark = if field.personal { PERSONAL } else { "" };
        let cells = [
            code(&field.name),
            field.number.to_string(),
            format!(
                "{}{}{}",
                words(before),
                link.unwrap_or_default(),
                words(after)
            ),
            inline(&field.comment),
            rules.join("; "),
            mark.to_owned(),
        ];
        row(out, &cells);
    }
}

fn values(out: &mut String, values: &[CatalogValue]) {
    begin_table(out, &VALUES);
    for value in values {
        let cells = [
            code(&value.name),
            value.number.to_string(),
            inline(&value.comment),
        ];
        row(out, &cells);
    }
}

fn begin_table(out: &mut String, heads: &[&str]) {
    out.push_str(&format!("| {} |\n", heads.join(" | ")));
    out.push_str(&format!("|{}\n", " --- |".repeat(heads.len())));
}

/// A row of cells that are Markdown already. A line is a row, and a bar ends a cell even in code.
fn row(out: &mut String, cells: &[String]) {
    let cells: Vec<String> = cells
        .iter()
        .map(|cell| {
            cell.replace("\n\n", "<br>")
                .replace('\n', " ")
                .replace('|', "\\|")
        })
        .collect();
    out.push_str(&format!("| {} |\n", cells.join(" | ")));
}

/// A comment with its code.
pub(super) fn inline(text: &str) -> String {
    let pieces = pieces(text).into_iter().map(|piece| match piece {
        Piece::Words(text) => words(text),
        Piece::Code(text) => code(text),
    });
    pieces.collect()
}

/// A text without anything that Markdown would read as more.
fn words(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, '\\' | '<' | '>' | '*' | '[' | ']' | '`' | '#') {
            out.push('\\');
        }
        out.push(character);
    }
    out
}
