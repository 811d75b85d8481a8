//! A document as JSON: amounts as text so that no reader turns them into floats, rows as objects.

use serde_json::{Map, Value, json};

use super::super::Unmade;
use super::super::document::{Cell, Column, Document, instant_text};
use super::unwritable;

/// The file.
pub(super) fn render(document: &Document) -> Result<Vec<u8>, Unmade> {
    let sections: Map<String, Value> = document
        .sections
        .iter()
        .map(|section| {
            let row = |cells: &Vec<Cell>| object(section.columns, cells);
            let rows: Vec<Value> = section.rows.iter().map(row).collect();
            let totals = section.totals.as_ref().map_or(Value::Null, |totals| {
                // The word in front of them is for people.
                let numbers = totals.iter().map(|cell| match cell {
                    Cell::Text(_) => Cell::Empty,
                    cell => cell.clone(),
                });
                object(section.columns, &numbers.collect::<Vec<_>>())
            });
            (
                section.key.to_owned(),
                json!({ "rows": rows, "totals": totals }),
            )
        })
        .collect();
    let file = json!({
        "report": document.key,
        "title": document.title,
        "holder": document.holder,
        "user_id": document.user_id,
        "from": document.from_ns.map(instant_text),
        "as_of": instant_text(document.as_of_ns),
        "currency": outcry_events::money::CURRENCY,
        "reference": document.reference.to_string(),
        "sections": sections,
        "notes": document.notes,
    });
    let mut bytes = serde_json::to_vec_pretty(&file).map_err(unwritable)?;
    bytes.push(b'\n');
    Ok(bytes)
}

fn object(columns: &[Column], cells: &[Cell]) -> Value {
    let named = columns.iter().zip(cells);
    Value::Object(
        named
            .map(|(column, cell)| (column.key.to_owned(), value(cell)))
            .collect(),
    )
}

fn value(cell: &Cell) -> Value {
    match cell {
        Cell::Empty => Value::Null,
        Cell::Count(count) => (*count).into(),
        cell => cell.plain().into(),
    }
}
